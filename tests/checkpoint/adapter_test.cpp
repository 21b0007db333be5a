// LoRA adapters: W + alpha / r B A, by hand, and what is refused.
#include "checkpoint/adapter.h"

#include <gmock/gmock.h>

#include "checkpoint/tiny_model.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::TempFolder;
using test::TinyModel;
using testing::HasSubstr;

const std::string kModule = "model.layers.1.mlp.down_proj";  // [8, 12]

struct Adapter {
  json config = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 6}};
  std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> tensors;
  Adapter() {
    std::vector<float> a(24), b(16);
    for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i) - 7;
    for (size_t i = 0; i < b.size(); ++i) b[i] = 0.5f * static_cast<float>(i);
    tensors["base_model.model." + kModule + ".lora_A.weight"] = {{2, 12}, a};
    tensors["base_model.model." + kModule + ".lora_B.weight"] = {{8, 2}, b};
  }
  void write(const TempFolder& folder) const {
    folder.write("adapter_config.json", config.dump());
    std::vector<TensorToWrite> out;
    for (const auto& [name, t] : tensors)
      out.push_back({name, TensorType::f32, t.first, std::as_bytes(std::span(t.second))});
    write_safetensors(folder / "adapter_model.safetensors", out, {});
  }
};

std::vector<double> values(const Checkpoint& c, const std::string& name) {
  const TensorBytes t = c.tensor(name);
  return widened(t.type, t.data);
}

double product(const Adapter& adapter, size_t row, size_t column) {
  const auto& a = adapter.tensors.at("base_model.model." + kModule + ".lora_A.weight").second;
  const auto& b = adapter.tensors.at("base_model.model." + kModule + ".lora_B.weight").second;
  return double{b[2 * row]} * a[column] + double{b[2 * row + 1]} * a[12 + column];
}

TEST(Adapter, IsMergedIntoTheMatrixThatItNames) {
  const TempFolder model, folder;
  TinyModel().write(model);
  Adapter adapter;
  adapter.write(folder);
  const auto base = Checkpoint::open(model.path());
  const auto merged = Checkpoint::open(model.path(), folder.path());
  const auto w = values(*base, kModule + ".weight"), m = values(*merged, kModule + ".weight");
  for (size_t row = 0; row < 8; ++row)
    for (size_t column = 0; column < 12; ++column)
      EXPECT_FLOAT_EQ(static_cast<float>(m[row * 12 + column]),
                      static_cast<float>(w[row * 12 + column] + 3.0 * product(adapter, row, column)));
  EXPECT_EQ(values(*merged, "model.norm.weight"), values(*base, "model.norm.weight"));
  EXPECT_THAT(merged->config().notes.back(), HasSubstr("1 matrices merged"));
}

TEST(Adapter, PatternsAndRootedScalesAreFollowed) {
  const TempFolder model, folder;
  TinyModel().write(model);
  Adapter adapter;
  adapter.config.update({{"r", 64}, {"use_rslora", true}, {"rank_pattern", {{"down_proj", 2}}}});
  adapter.config["alpha_pattern"] = {{"layers.1.mlp.down_proj", 4}};
  adapter.write(folder);
  const auto merged = Checkpoint::open(model.path(), folder.path());
  EXPECT_NEAR(values(*merged, kModule + ".weight")[12 * 3 + 5], 4.0 / std::sqrt(2.0) * product(adapter, 3, 5),
              1e-4);
}

TEST(Adapter, WholeTensorsAreReplaced) {
  const TempFolder model, folder;
  TinyModel().write(model);
  Adapter adapter;
  adapter.tensors["base_model.model.model.norm.weight"] = {{8}, {1, 2, 3, 4, 5, 6, 7, 8}};
  adapter.write(folder);
  const auto merged = Checkpoint::open(model.path(), folder.path());
  EXPECT_THAT(values(*merged, "model.norm.weight"), testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST(Adapter, WhatDoesNotFitIsRefused) {
  const TempFolder model;
  TinyModel().write(model);
  const auto refused = [&](auto change, const char* expected) {
    const TempFolder folder;
    Adapter adapter;
    change(adapter);
    adapter.write(folder);
    const std::string message = error_of([&] { Checkpoint::open(model.path(), folder.path()); });
    EXPECT_THAT(message, HasSubstr(expected));
    EXPECT_THAT(message, HasSubstr(folder.path().string()));
  };
  const std::string a = "base_model.model." + kModule + ".lora_A.weight",
                    b = "base_model.model." + kModule + ".lora_B.weight";
  refused([](Adapter& x) { x.config["peft_type"] = "IA3"; }, "field \"peft_type\": LORA expected");
  refused([](Adapter& x) { x.config["use_dora"] = true; }, "field \"use_dora\": false expected");
  refused([](Adapter& x) { x.config["r"] = 3; },
          "lora_A [3, 12] and lora_B [8, 3] expected, [2, 12] and [8, 2] found");
  refused([](Adapter& x) { x.config.erase("r"); }, "field \"r\" is missing");
  refused([&](Adapter& x) { x.tensors.erase(b); }, "lora_B is missing");
  refused([&](Adapter& x) { x.tensors.clear(); }, "no lora_A and lora_B in it");
  refused(
      [&](Adapter& x) {
        x.tensors["base_model.model.model.layers.9.mlp.up_proj.lora_A.weight"] = x.tensors[a],
        x.tensors["base_model.model.model.layers.9.mlp.up_proj.lora_B.weight"] = x.tensors[b];
      },
      "the base model has no such module");
  refused(
      [&](Adapter& x) {
        x.tensors["base_model.model.model.norm.weight"] = {{2}, {1, 2}};
      },
      "[8] expected, as in the base model, [2] found");
  refused(
      [&](Adapter& x) {
        x.tensors["base_model.model.other.weight"] = {{2}, {1, 2}};
      },
      "the base model has no such tensor");
  const TempFolder empty;
  EXPECT_THAT(error_of([&] { Checkpoint::open(model.path(), empty.path()); }),
              HasSubstr("adapter_config.json"));
}

}  // namespace
}  // namespace circuitdiff
