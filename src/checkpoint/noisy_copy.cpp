#include "checkpoint/noisy_copy.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

constexpr int64_t kBlock = 1 << 20;  // entries held as doubles at a time

std::vector<double> block_of(const TensorBytes& t, int64_t begin, int64_t count) {
  const auto width = static_cast<size_t>(bytes_per_entry(t.type));
  return widened(t.type,
                 t.data.subspan(static_cast<size_t>(begin) * width, static_cast<size_t>(count) * width));
}

int64_t entries_of(const TensorBytes& t) {
  return static_cast<int64_t>(t.data.size()) / bytes_per_entry(t.type);
}

// Root mean square of after - before.
double change_of(const TensorBytes& before, const TensorBytes& after) {
  const int64_t n = entries_of(before);
  double sum = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t count = std::min(kBlock, n - begin);
    const auto b = block_of(before, begin, count), a = block_of(after, begin, count);
    for (size_t i = 0; i < b.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  }
  return n ? std::sqrt(sum / static_cast<double>(n)) : 0;
}

template <class Real>
void append_noisy(const TensorBytes& before, double scale, Philox& random, const AppendBytes& append) {
  const int64_t n = entries_of(before);
  std::vector<Real> out;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    check_interrupt();
    const auto b = block_of(before, begin, std::min(kBlock, n - begin));
    out.resize(b.size());
    // A tensor that did not change gets no noise, and its entries stay what they are.
    for (size_t i = 0; i < b.size(); ++i)
      out[i] = static_cast<Real>(scale == 0 ? b[i] : b[i] + scale * random.normal());
    append(out.data(), out.size() * sizeof(Real));
  }
}

}  // namespace

void write_noisy_copy(const Checkpoint& before, const Checkpoint& after, uint64_t seed, uint32_t copy,
                      const std::filesystem::path& out) {
  const std::vector<TensorSpec> table = tensor_table(before.config());
  std::vector<TensorOutline> outlines;
  for (const TensorSpec& spec : table) {
    const TensorBytes b = before.tensor(spec.name);
    if (tensor_table(after.config()).size() != table.size() || after.tensor(spec.name).shape != b.shape)
      fail(
          "{} and {}: tensor \"{}\" is not of one shape in both; noise of the size of its change is "
          "undefined",
          before.folder().string(), after.folder().string(), spec.name);
    outlines.push_back({spec.name, b.type == TensorType::f64 ? TensorType::f64 : TensorType::f32, b.shape});
  }
  json config = model_config_json(before.folder());
  for (const char* key : {"torch_dtype", "dtype"})
    if (config.contains(key)) config[key] = "float32";
  write_file_atomically(out / "config.json", config.dump(2) + "\n");
  write_safetensors(out / "model.safetensors", outlines,
                    [&](size_t i, const AppendBytes& append) {
                      const TensorBytes b = before.tensor(outlines[i].name);
                      const double scale = change_of(b, after.tensor(outlines[i].name));
                      Philox random(seed, copy, static_cast<uint32_t>(i));
                      if (b.type == TensorType::f64)
                        append_noisy<double>(b, scale, random, append);
                      else
                        append_noisy<float>(b, scale, random, append);
                    },
                    {{"format", "pt"}});
}

}  // namespace circuitdiff
