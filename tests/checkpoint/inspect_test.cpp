// What `inspect` says of a checkpoint.
#include "checkpoint/inspect.h"

#include <gmock/gmock.h>

#include "checkpoint/tiny_model.h"

namespace circuitdiff {
namespace {

using nlohmann::ordered_json;
using test::TempFolder;
using test::TinyModel;
using testing::HasSubstr;
using testing::Not;

std::filesystem::path golden(const char* name) {
  return std::filesystem::path(CIRCUITDIFF_SOURCE_DIR) / "tests/golden/models" / name / "model";
}

TEST(Inspect, SaysWhatTheGoldenModelIs) {
  const ordered_json j = inspect_json(*Checkpoint::open(golden("llama3_scaled")));
  EXPECT_EQ(j["architecture"], "llama");
  EXPECT_EQ(j["n_layers"], 3);
  EXPECT_EQ(j["d_head"], 16);
  EXPECT_EQ(j["rope"], ordered_json::parse(
                           R"({"type": "llama3", "theta": 500000.0, "theta_defaulted": false, "factor": 8.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_positions": 32})"));
  EXPECT_EQ(j["tensors"]["check"], "30 tensors, all present and in shape");
  EXPECT_EQ(j["graphs"]["qkv"],
            ordered_json::parse(R"({"n_forward": 7, "n_backward": 13, "edges_all": 46, "edges_paper": 28})"));
  EXPECT_EQ(j["graphs"]["block"],
            ordered_json::parse(R"({"n_forward": 7, "n_backward": 7, "edges_all": 28, "edges_paper": 18})"));
  EXPECT_FALSE(j.contains("estimate"));
}

TEST(Inspect, WindowsAreRunsOfLayers) {
  const ordered_json j = inspect_json(*Checkpoint::open(golden("qwen2_swa")));
  EXPECT_EQ(j["sliding_window"], ordered_json::parse(R"([{"first_layer": 0, "last_layer": 0, "window": null},
                                                         {"first_layer": 1, "last_layer": 2, "window": 10}])"));
  EXPECT_THAT(inspect_text(*Checkpoint::open(golden("qwen2_swa"))),
              HasSubstr("layer 0: none; layers 1 to 2: 10 tokens\n"));
  EXPECT_THAT(inspect_text(*Checkpoint::open(golden("mistral_gqa_swa"))),
              HasSubstr("12 tokens in every layer\n"));
  EXPECT_THAT(inspect_text(*Checkpoint::open(golden("llama_mha"))), HasSubstr("window          none\n"));
}

TEST(Inspect, SaysWhatWasAssumedAndIgnored) {
  const TempFolder folder;
  TinyModel model;
  model.config.erase("rope_theta");
  model.config["tie_word_embeddings"] = true;
  model.write(folder);
  const auto checkpoint = Checkpoint::open(folder.path());
  const ordered_json j = inspect_json(*checkpoint);
  EXPECT_EQ(j["rope"]["theta_defaulted"], true);
  EXPECT_EQ(j["ignored"], ordered_json({"lm_head.weight"}));
  EXPECT_EQ(j["notes"],
            ordered_json({"no rope_theta is written: 10000, the default of llama in transformers"}));
  const std::string text = inspect_text(*checkpoint);
  EXPECT_THAT(text, HasSubstr("theta 10000.0 (not written; the class's default)\n"));
  EXPECT_THAT(text, HasSubstr("ignored         lm_head.weight\n"));
  EXPECT_THAT(text, HasSubstr("note            no rope_theta is written"));
  EXPECT_THAT(text, HasSubstr("tied to the embedding\n"));
  EXPECT_THAT(text, HasSubstr("20 tensors, all present and in shape\n"));
}

TEST(Inspect, ShowsTheCallersEstimate) {
  const TempFolder folder;
  TinyModel().write(folder);
  const auto checkpoint = Checkpoint::open(folder.path());
  const ordered_json estimate = {{"eap", {{"memory", "1.00 GiB"}, {"seconds", 3}}}};
  EXPECT_EQ(inspect_json(*checkpoint, estimate)["estimate"], estimate);
  EXPECT_THAT(inspect_text(*checkpoint, estimate), HasSubstr("eap             memory 1.00 GiB, seconds 3\n"));
  EXPECT_THAT(inspect_text(*checkpoint), Not(HasSubstr("eap")));
}

TEST(Inspect, AFolderWhoseNameIsNotUtf8CanBePrinted) {
  const TempFolder folder;
  const auto odd = folder / "caf\xe9";
  std::filesystem::create_directory(odd);
  TinyModel().write(folder);
  for (const char* name : {"config.json", "model.safetensors"})
    std::filesystem::rename(folder / name, odd / name);
  EXPECT_THAT(inspect_json(*Checkpoint::open(odd)).dump(), HasSubstr("caf\xef\xbf\xbd\""));
}

TEST(Inspect, EveryLineIsALabelAndItsText) {
  const std::string text = inspect_text(*Checkpoint::open(golden("qwen3")));
  size_t lines = 0;
  for (size_t begin = 0; begin < text.size(); ++lines) {
    const size_t end = text.find('\n', begin);
    ASSERT_NE(end, std::string::npos);
    EXPECT_GT(end - begin, 16u);
    EXPECT_EQ(text[begin + 15], ' ');
    EXPECT_NE(text[begin + 16], ' ');
    begin = end + 1;
  }
  EXPECT_GE(lines, 16u);
}

TEST(PrintBytes, UsesBinaryUnits) {
  EXPECT_EQ(print_bytes(0), "0 bytes");
  EXPECT_EQ(print_bytes(1023), "1023 bytes");
  EXPECT_EQ(print_bytes(1536), "1.50 KiB");
  EXPECT_EQ(print_bytes(int64_t{5} << 30), "5.00 GiB");
}

TEST(PrintCount, GroupsThousands) {
  EXPECT_EQ(print_count(0), "0");
  EXPECT_EQ(print_count(999), "999");
  EXPECT_EQ(print_count(1000), "1,000");
  EXPECT_EQ(print_count(-123456), "-123,456");
  EXPECT_EQ(print_count(7615616512), "7,615,616,512");
}

}  // namespace
}  // namespace circuitdiff
