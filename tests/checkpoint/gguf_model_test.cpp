// GGUF files: blocks by hand, a tiny llama against the folder it was made of, and damaged files.
#include "checkpoint/gguf_model.h"

#include <gmock/gmock.h>

#include <cstring>
#include <numeric>

#include "checkpoint/tiny_model.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::little;
using test::TempFolder;
using testing::HasSubstr;

std::string gguf_text(const std::string& s) { return little(uint64_t{s.size()}) + s; }

struct GgufParts {
  std::vector<std::string> values;
  struct Tensor {
    std::string name;
    std::vector<uint64_t> axes;  // innermost first, as the format has it
    uint32_t type;
    std::string data;
  };
  std::vector<Tensor> tensors;

  void set(const std::string& key, uint32_t value) {
    values.push_back(gguf_text(key) + little(uint32_t{4}) + little(value));
  }
  void set(const std::string& key, float value) {
    values.push_back(gguf_text(key) + little(uint32_t{6}) + little(value));
  }
  void set(const std::string& key, const std::string& value) {
    values.push_back(gguf_text(key) + little(uint32_t{8}) + gguf_text(value));
  }
  std::string bytes() const {
    std::string head =
        "GGUF" + little(uint32_t{3}) + little(uint64_t{tensors.size()}) + little(uint64_t{values.size()});
    for (const std::string& v : values) head += v;
    std::string data;
    for (const Tensor& t : tensors) {
      data.resize((data.size() + 31) / 32 * 32);
      head += gguf_text(t.name) + little(static_cast<uint32_t>(t.axes.size()));
      for (const uint64_t n : t.axes) head += little(n);
      head += little(t.type) + little(uint64_t{data.size()});
      data += t.data;
    }
    head.resize((head.size() + 31) / 32 * 32);
    return head + data;
  }
};

std::string floats(size_t n, float first) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += little(first + static_cast<float>(i));
  return out;
}

// d_model 8, two heads of 4, one key head; every tensor numbered apart.
GgufParts tiny_gguf() {
  GgufParts g;
  g.set("general.architecture", std::string("llama"));
  g.set("llama.block_count", 1u), g.set("llama.context_length", 64u), g.set("llama.embedding_length", 8u);
  g.set("llama.feed_forward_length", 32u), g.set("llama.attention.head_count", 2u);
  g.set("llama.attention.head_count_kv", 1u), g.set("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  g.set("llama.rope.freq_base", 500000.0f), g.set("tokenizer.ggml.eos_token_id", 2u);
  const auto f32 = [&](const std::string& name, std::vector<uint64_t> axes, float first) {
    const size_t n =
        std::accumulate(axes.begin(), axes.end(), size_t{1}, [](size_t a, uint64_t b) { return a * b; });
    g.tensors.push_back({name, std::move(axes), 0, floats(n, first)});
  };
  f32("token_embd.weight", {8, 11}, 0.25f), f32("output_norm.weight", {8}, 1),
      f32("blk.0.attn_norm.weight", {8}, 2);
  f32("blk.0.ffn_norm.weight", {8}, 3), f32("blk.0.attn_q.weight", {8, 8}, 0),
      f32("blk.0.attn_k.weight", {8, 4}, 100);
  f32("blk.0.attn_v.weight", {8, 4}, 200), f32("blk.0.attn_output.weight", {8, 8}, 300);
  f32("blk.0.ffn_gate.weight", {8, 32}, 400), f32("blk.0.ffn_up.weight", {8, 32}, 700);
  std::string q8;  // [8, 32]: a block a row, d = 0.5 (0x3800), values -16 .. 15
  for (int row = 0; row < 8; ++row) {
    q8 += little(uint16_t{0x3800});
    for (int i = 0; i < 32; ++i) q8 += static_cast<char>(i - 16);
  }
  g.tensors.push_back({"blk.0.ffn_down.weight", {32, 8}, 8, q8});
  return g;
}

std::vector<double> values_of(const Checkpoint& c, const std::string& name) {
  const TensorBytes t = c.tensor(name);
  return widened(t.type, t.data);
}

TEST(GgufModel, IsTheCheckpointThatItsMetadataSay) {
  const TempFolder folder;
  const auto c = Checkpoint::open(folder.write("m.gguf", tiny_gguf().bytes()));
  const ModelConfig& m = c->config();
  EXPECT_EQ(m.d_model, 8);
  EXPECT_EQ(m.d_head, 4);
  EXPECT_EQ(m.n_kv_heads, 1);
  EXPECT_EQ(m.d_vocab, 11);
  EXPECT_EQ(m.norm_eps, 1e-5);
  EXPECT_EQ(m.rope.theta, 500000.0);
  EXPECT_TRUE(m.tied_head);
  EXPECT_THAT(c->eos_ids(), testing::ElementsAre(2));
  EXPECT_EQ(values_of(*c, "model.layers.0.self_attn.v_proj.weight")[9], 209);
  // Norms whose entries are halves, and quantised blocks, are F16.
  EXPECT_EQ(c->tensor("model.norm.weight").type, TensorType::f16);
  EXPECT_EQ(values_of(*c, "model.norm.weight"), (std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8}));
  const auto down = values_of(*c, "model.layers.0.mlp.down_proj.weight");
  EXPECT_EQ(down[0], -8);
  EXPECT_EQ(down[32 + 31], 7.5);
  EXPECT_EQ(Checkpoint::open(folder.path())->n_tensors(), c->n_tensors()) << "a folder with one .gguf file";
}

TEST(GgufModel, RowsOfQueriesAndKeysStandAsTheClassesPairThem) {
  const TempFolder folder;
  const auto c = Checkpoint::open(folder.write("m.gguf", tiny_gguf().bytes()));
  const auto q = values_of(*c, "model.layers.0.self_attn.q_proj.weight"),
             k = values_of(*c, "model.layers.0.self_attn.k_proj.weight");
  std::vector<double> q_rows, k_rows;
  for (size_t r = 0; r < 8; ++r) q_rows.push_back(q[8 * r] / 8);
  for (size_t r = 0; r < 4; ++r) k_rows.push_back((k[8 * r] - 100) / 8);
  EXPECT_EQ(q_rows, (std::vector<double>{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(k_rows, (std::vector<double>{0, 2, 1, 3}));
}

std::vector<float> decoded(GgufType type, const std::string& block) {
  const auto b = *gguf_block(type);
  EXPECT_EQ(static_cast<size_t>(b.bytes), block.size());
  std::vector<float> out(static_cast<size_t>(b.entries));
  decode_gguf_blocks(type, std::as_bytes(std::span(block)), out);
  return out;
}

// d = 2 (0x4000), m = 1 (0x3c00).
TEST(GgufBlocks, SmallOnesByHand) {
  const std::string two = little(uint16_t{0x4000}), one = little(uint16_t{0x3c00});
  const auto q4_0 = decoded(GgufType::q4_0, two + std::string(16, '\xa3'));
  EXPECT_EQ(q4_0[0], 2.0f * (3 - 8));
  EXPECT_EQ(q4_0[16], 2.0f * (10 - 8));
  const auto q4_1 = decoded(GgufType::q4_1, two + one + std::string(16, '\xa3'));
  EXPECT_EQ(q4_1[15], 2.0f * 3 + 1);
  EXPECT_EQ(q4_1[31], 2.0f * 10 + 1);
}

TEST(GgufBlocks, LargeOnesByHand) {
  const std::string two = little(uint16_t{0x4000}), one = little(uint16_t{0x3c00});
  // Scales 1 .. 4 for blocks 0 .. 3, minima 5 .. 8; of blocks 4 .. 7 the low bits 9 and 10, the high ones in
  // the first eight bytes: block 4 has scale 9 + 16 * 2 and minimum 10 + 16 * 1.
  const std::string scales = std::string("\x81\x02\x03\x04\x45\x06\x07\x08", 8) + std::string(4, '\xa9');
  const auto q4 = decoded(GgufType::q4_k, two + one + scales + std::string(128, '\xc5'));
  EXPECT_EQ(q4[0], 2.0f * 1 * 5 - 5);
  EXPECT_EQ(q4[32], 2.0f * 2 * 12 - 6);
  EXPECT_EQ(q4[128], 2.0f * (9 + 32) * 5 - (10 + 16));
  EXPECT_EQ(q4[255], 2.0f * 9 * 12 - 10);
  const auto q5 =
      decoded(GgufType::q5_k, two + one + scales + std::string(32, '\x82') + std::string(128, '\xc5'));
  EXPECT_EQ(q5[0], 2.0f * 1 * 5 - 5);
  EXPECT_EQ(q5[32], 2.0f * 2 * (12 + 16) - 6);
  EXPECT_EQ(q5[255], 2.0f * 9 * (12 + 16) - 10);
  std::string six =
      std::string(128, '\x21') + std::string(64, '\xe4');  // high bits 0, 1, 2, 3 of the four parts
  for (int i = 0; i < 16; ++i) six += static_cast<char>(i - 8);
  const auto q6 = decoded(GgufType::q6_k, six + two);
  EXPECT_EQ(q6[0], 2.0f * -8 * (1 - 32));
  EXPECT_EQ(q6[16], 2.0f * -7 * (1 - 32));
  EXPECT_EQ(q6[32], 2.0f * -6 * (1 + 16 - 32));
  EXPECT_EQ(q6[64], 2.0f * -4 * (2 + 32 - 32));
  EXPECT_EQ(q6[127], 2.0f * -1 * (2 + 48 - 32));
  EXPECT_EQ(q6[255], 2.0f * 7 * (2 + 48 - 32));
}

TEST(GgufDamage, IsOneClearError) {
  const TempFolder folder;
  const auto refused = [&](const std::string& bytes, const char* expected) {
    const std::string message = error_of([&] { Checkpoint::open(folder.write("m.gguf", bytes)); });
    EXPECT_THAT(message, HasSubstr(expected));
    EXPECT_TRUE(test::is_one_line(message));
  };
  GgufParts g = tiny_gguf();
  g.set("general.architecture", std::string("llama"));
  refused(g.bytes(), "\"general.architecture\" stands there twice");
  g = tiny_gguf();
  g.values[0] = gguf_text("general.architecture") + little(uint32_t{8}) + gguf_text("mamba");
  refused(g.bytes(), "general.architecture: llama, qwen2 or qwen3 expected, \"mamba\" found");
  g = tiny_gguf();
  g.tensors[0].axes = {1ull << 40, 1ull << 40};
  refused(g.bytes(), "an axis of");
  g = tiny_gguf();
  g.tensors[0].type = 16;
  refused(g.bytes(), "ggml type 16 is not read");
  g = tiny_gguf();
  g.tensors[4].axes = {8, 4096};
  refused(g.bytes(), "end beyond the file");
  g = tiny_gguf();
  g.tensors.pop_back();
  refused(g.bytes(), "1 tensor missing: model.layers.0.mlp.down_proj.weight");
  g = tiny_gguf();
  g.values.push_back(gguf_text("x") + little(uint32_t{9}) + little(uint32_t{4}) + little(uint64_t{1} << 60));
  refused(g.bytes(), "an array of 1152921504606846976 entries announced");
  g.values.back() = gguf_text("x") + little(uint32_t{9}) + little(uint32_t{9}) + little(uint64_t{1});
  refused(g.bytes(), "values of type 9 are not known");
  std::string bytes = tiny_gguf().bytes();
  bytes[4] = 9;
  refused(bytes, "GGUF version 9: 2 or 3 expected");
}

TEST(GgufDamage, CutAndChangedFilesNeverReachBeyondTheFile) {
  const TempFolder folder;
  const std::string good = tiny_gguf().bytes();
  for (size_t size = 4; size < good.size(); size += 61)
    EXPECT_NE(error_of([&] { Checkpoint::open(folder.write("m.gguf", good.substr(0, size))); }), "") << size;
  uint32_t random = 777;
  for (int round = 0; round < 500; ++round) {
    std::string bad = good;
    for (int i = 0; i < 1 + round % 3; ++i) {
      random = random * 1664525u + 1013904223u;
      bad[(random >> 8) % 1400] = static_cast<char>(random >> 24);
    }
    try {
      const auto c = Checkpoint::open(folder.write("m.gguf", bad));
      for (const TensorSpec& spec : tensor_table(c->config())) c->tensor(spec.name);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace circuitdiff
