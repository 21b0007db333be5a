// Files that Python's torch wrote (scripts/make_torch_golden.py) hold the tensors that it was given.
#include <gmock/gmock.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/tiny_model.h"
#include "checkpoint/torch_file.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

const fs::path kGolden = fs::path(CIRCUITDIFF_SOURCE_DIR) / "tests" / "golden";
const fs::path kTorch = kGolden / "checkpoint" / "torch";

class TorchWritten : public testing::TestWithParam<const char*> {};

TEST_P(TorchWritten, HoldsTheBytesOfTheSafetensorsTwin) {
  const fs::path twin = kGolden / "models" / GetParam() / "model";
  const test::TempFolder folder;
  fs::copy_file(twin / "config.json", folder.path() / "config.json");
  for (const auto& entry : fs::directory_iterator(kTorch / GetParam()))
    fs::copy_file(entry.path(), folder.path() / entry.path().filename());
  const auto a = Checkpoint::open(twin), b = Checkpoint::open(folder.path());
  ASSERT_EQ(a->n_tensors(), b->n_tensors());
  EXPECT_EQ(a->stored_bytes(), b->stored_bytes());
  for (const TensorSpec& spec : tensor_table(a->config())) {
    const TensorBytes x = a->tensor(spec.name), y = b->tensor(spec.name);
    EXPECT_EQ(x.type, y.type) << spec.name;
    EXPECT_TRUE(std::equal(x.data.begin(), x.data.end(), y.data.begin(), y.data.end())) << spec.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TorchWritten, testing::Values("llama_bias", "qwen2_swa"),
                         [](const auto& param_info) { return std::string(param_info.param); });

TEST(TorchWrittenKinds, EveryFloatTypeAndEveryView) {
  const TorchFile file(kTorch / "kinds.bin");
  const auto values = [&](const char* name) {
    const StoredTensor& t = file.tensors().at(name);
    return t.make ? widened(t.type, t.make()) : widened(t.type, t.mapped);
  };
  EXPECT_EQ(file.tensors().size(), 11u);
  const std::vector<double> count{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  for (const char* name : {"f64", "f32", "f16", "bf16", "again"}) EXPECT_EQ(values(name), count) << name;
  EXPECT_EQ(file.tensors().at("f64").type, TensorType::f64);
  EXPECT_EQ(file.tensors().at("f16").type, TensorType::f16);
  EXPECT_EQ(file.tensors().at("bf16").type, TensorType::bf16);
  EXPECT_THAT(values("turned"), ElementsAre(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
  EXPECT_THAT(values("shifted"), ElementsAre(4, 5, 6, 7, 8, 9));
  EXPECT_THAT(values("strided"), ElementsAre(0, 3, 6, 9));
  EXPECT_THAT(values("scalar"), ElementsAre(7));
  EXPECT_TRUE(file.tensors().at("scalar").shape.empty());
  EXPECT_TRUE(values("empty").empty());
  EXPECT_THAT(values("parameter"), ElementsAre(0, 1));
}

TEST(TorchWrittenKinds, TheFormatBeforeZipIsRefused) {
  EXPECT_THAT(test::error_of([] { TorchFile(kTorch / "legacy.bin"); }), HasSubstr("torch before 1.6"));
}

}  // namespace
}  // namespace circuitdiff
