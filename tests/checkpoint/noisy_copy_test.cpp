// Noise of the size of a real change: its length tensor by tensor, its independence, and what is refused.
#include "checkpoint/noisy_copy.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "checkpoint/tiny_model.h"

namespace circuitdiff {
namespace {

using test::TempFolder;
using test::TinyModel;
using testing::HasSubstr;

// A folder whose entry i of tensor t is value(t, i).
void write_model(const TempFolder& folder, const TinyModel& model,
                 const std::function<float(const std::string&, size_t)>& value) {
  folder.write("config.json", model.config.dump());
  std::vector<TensorOutline> outlines;
  for (const auto& [name, tensor] : model.tensors) outlines.push_back({name, TensorType::f32, tensor.shape});
  write_safetensors(folder / "model.safetensors", outlines, [&](size_t t, const AppendBytes& append) {
    size_t entries = 1;
    for (const int64_t n : outlines[t].shape) entries *= static_cast<size_t>(n);
    for (size_t i = 0; i < entries; ++i) {
      const float x = value(outlines[t].name, i);
      append(&x, 4);
    }
  });
}

float plain(const std::string& name, size_t i) {
  return static_cast<float>(name.size()) + 0.01f * static_cast<float>(i);
}

double distance(const Checkpoint& a, const Checkpoint& b, const std::string& name) {
  const auto x = widened(a.tensor(name).type, a.tensor(name).data);
  const auto y = widened(b.tensor(name).type, b.tensor(name).data);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return std::sqrt(sum);
}

struct Models {
  TempFolder before_folder, after_folder, out;
  TinyModel tiny;
  std::shared_ptr<const Checkpoint> before, after;
  Models() {
    tiny.config["vocab_size"] = 997;  // enough entries for the length of noise to be sharp
    tiny.tensors = test::tensors_for(tiny.config);
    write_model(before_folder, tiny, plain);
    write_model(after_folder, tiny, [](const std::string& name, size_t i) {
      if (name == "lm_head.weight") return plain(name, i);  // did not change
      return plain(name, i) + (i % 2 ? 0.5f : -0.5f) * (name == "model.embed_tokens.weight" ? 3.0f : 1.0f);
    });
    before = Checkpoint::open(before_folder.path());
    after = Checkpoint::open(after_folder.path());
  }
  std::shared_ptr<const Checkpoint> copy(uint64_t seed, uint32_t number) const {
    const auto folder = out / fmt::format("{}-{}", seed, number);
    write_noisy_copy(*before, *after, seed, number, folder);
    return Checkpoint::open(folder);
  }
};

TEST(NoisyCopy, HasTheLengthOfTheRealChangeInEveryTensor) {
  const Models m;
  const auto noisy = m.copy(7, 0);
  for (const TensorSpec& spec : tensor_table(m.before->config())) {
    const double real = distance(*m.before, *m.after, spec.name);
    const double noise = distance(*m.before, *noisy, spec.name);
    double entries = 1;
    for (const int64_t n : spec.shape) entries *= static_cast<double>(n);
    // The length of N(0, 1) noise of n entries is sqrt(n) within 1/sqrt(2) or so: six of its deviations.
    EXPECT_NEAR(noise, real, real * 6 / std::sqrt(2 * entries)) << spec.name;
  }
  EXPECT_EQ(distance(*m.before, *noisy, "lm_head.weight"), 0);
}

TEST(NoisyCopy, TheSameSeedAndNumberGiveTheSameBytesAndOthersDoNot) {
  const Models m;
  const auto bytes = [](const Checkpoint& c) { return test::slurp(c.folder() / "model.safetensors"); };
  const std::string first = bytes(*m.copy(7, 0));
  EXPECT_EQ(first, bytes(*m.copy(7, 0)));
  EXPECT_NE(first, bytes(*m.copy(7, 1)));
  EXPECT_NE(first, bytes(*m.copy(8, 0)));
}

TEST(NoisyCopy, CopiesAreUncorrelatedWithEachOtherAndWithTheChange) {
  const Models m;
  const std::string name = "model.embed_tokens.weight";
  const auto b = widened(TensorType::f32, m.before->tensor(name).data);
  const auto difference = [&](const Checkpoint& c) {
    auto x = widened(TensorType::f32, c.tensor(name).data);
    for (size_t i = 0; i < x.size(); ++i) x[i] -= b[i];
    return x;
  };
  const auto real = difference(*m.after), one = difference(*m.copy(7, 0)), two = difference(*m.copy(7, 1));
  const auto cosine = [](const std::vector<double>& x, const std::vector<double>& y) {
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < x.size(); ++i) xy += x[i] * y[i], xx += x[i] * x[i], yy += y[i] * y[i];
    return xy / std::sqrt(xx * yy);
  };
  const double bound = 6 / std::sqrt(static_cast<double>(b.size()));
  EXPECT_LT(std::abs(cosine(one, two)), bound);
  EXPECT_LT(std::abs(cosine(one, real)), bound);
}

TEST(NoisyCopy, ModelsOfOtherShapesAreRefused) {
  const Models m;
  TinyModel other;
  other.config["vocab_size"] = 13;
  other.tensors = test::tensors_for(other.config);
  const TempFolder folder;
  other.write(folder);
  const auto narrow = Checkpoint::open(folder.path());
  EXPECT_THAT(test::error_of([&] { write_noisy_copy(*m.before, *narrow, 1, 0, m.out / "x"); }),
              HasSubstr("\"model.embed_tokens.weight\" is not of one shape in both"));
  EXPECT_FALSE(std::filesystem::exists(m.out / "x"));
}

}  // namespace
}  // namespace circuitdiff
