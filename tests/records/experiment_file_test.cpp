// experiment.json: what is written is read back byte for byte, and each damage has its message.
#include "records/experiment_file.h"

#include <gmock/gmock.h>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::slurp;
using testing::HasSubstr;

ExperimentFile small() {
  ExperimentFile f;
  f.name = "demo";
  f.texts = {"own"};
  f.pairs.push_back({"grpo", "m/sft", "m/grpo", "", "", "sft", "grpo", true, "", {"math"}});
  f.pairs.push_back({"lora", "m/sft", "m/sft", "", "a/lora", "sft", "sft+lora", false, "qwen", {}});
  f.data = {{"math", "d.jsonl", "generic"}, {"gsm8k", "../e.jsonl", "gsm8k"}};
  f.alphas = {0.03, 0.5};
  f.settings = {{"attribute", {{"graph", "qkv"}, {"ig_steps", 5}}}};
  return f;
}

TEST(ExperimentRecord, IsWrittenAgainWithTheSameBytes) {
  const test::TempFolder folder;
  ExperimentFile file = small();
  for (const bool noise : {false, true}) {
    if (noise) file.controls = {"noise"}, file.noise_copies = 20;
    write_experiment_file(folder / "experiment.json", file);
    const std::string text = slurp(folder / "experiment.json");
    EXPECT_EQ(text.find("noise_copies") != std::string::npos, noise);
    EXPECT_EQ(text, json::parse(text).dump(2) + "\n");  // keys in the order of the alphabet
    const ExperimentFile back = read_experiment_file(folder / "experiment.json");
    EXPECT_EQ(back.pairs[0].data, std::vector<std::string>{"math"});
    EXPECT_EQ(back.pairs[1].after_adapter, "a/lora");
    EXPECT_EQ(back.settings, file.settings);
    write_experiment_file(folder / "again.json", back);
    EXPECT_EQ(slurp(folder / "again.json"), text);
  }
}

TEST(ExperimentRecord, DamageIsNamed) {
  const test::TempFolder folder;
  const json good = experiment_file_json(small());
  const auto error_of_text = [&](const std::string& text) {
    const auto path = folder.write("experiment.json", text);
    return error_of([&] { read_experiment_file(path); });
  };
  const auto error_with = [&](const char* pointer, const json& value) {
    json damaged = good;
    damaged[json::json_pointer(pointer)] = value;
    return error_of_text(damaged.dump());
  };
  EXPECT_THAT(error_with("/pairs", 3),
              HasSubstr("experiment.json: field \"pairs\": an array expected, the number 3 found"));
  EXPECT_THAT(error_with("/pairs/0", {{"before", "x"}}), HasSubstr("field \"pairs[0].after\" is missing"));
  EXPECT_THAT(error_with("/pairs/1/chat", "yes"),
              HasSubstr("field \"pairs[1].chat\": true or false expected, a string found"));
  EXPECT_THAT(error_with("/pairs/1/after_adapter", nullptr),
              HasSubstr("field \"pairs[1].after_adapter\": a string expected, null found"));
  EXPECT_THAT(error_with("/pairs/0/data", {7}),
              HasSubstr("field \"pairs[0].data[0]\": a string expected, the number 7 found"));
  EXPECT_THAT(
      error_with("/pairs/0/data", {"letters"}),
      HasSubstr("field \"pairs[0].data\": names of data sets that \"data\" has expected, \"letters\" found"));
  EXPECT_THAT(error_with("/alphas", {"0.1"}),
              HasSubstr("field \"alphas[0]\": a number expected, a string found"));
  EXPECT_THAT(error_with("/settings", json::array()),
              HasSubstr("field \"settings\": an object expected, an array found"));
  EXPECT_THAT(error_of_text(good.dump().substr(0, 50)), HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace circuitdiff
