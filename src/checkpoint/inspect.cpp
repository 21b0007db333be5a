#include "checkpoint/inspect.h"

#include "graph/graph.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

using nlohmann::ordered_json;

// Neighbouring layers with the same window share one entry; null is no window.
ordered_json windows_json(const std::vector<int64_t>& windows) {
  ordered_json out = ordered_json::array();
  for (size_t begin = 0, end = 0; begin < windows.size(); begin = end) {
    while (end < windows.size() && windows[end] == windows[begin]) ++end;
    out.push_back({{"first_layer", begin},
                   {"last_layer", end - 1},
                   {"window", windows[begin] ? ordered_json(windows[begin]) : ordered_json(nullptr)}});
  }
  return out;
}

ordered_json rope_json(const Rope& rope) {
  ordered_json out = {
      {"type", to_word(rope.type)}, {"theta", rope.theta}, {"theta_defaulted", rope.theta_defaulted}};
  if (rope.type == RopeType::longrope)
    out["attention_factor"] = rope.attention_factor;
  else if (rope.type != RopeType::plain)
    out["factor"] = rope.factor;
  if (rope.type == RopeType::llama3) {
    out["low_freq_factor"] = rope.low_freq_factor;
    out["high_freq_factor"] = rope.high_freq_factor;
  }
  if (rope.original_max_positions) out["original_max_positions"] = rope.original_max_positions;
  return out;
}

ordered_json graph_json(int64_t n_layers, GraphKind kind) {
  const Graph all{n_layers, kind, EdgeSet::all};
  const Graph paper{n_layers, kind, EdgeSet::paper};
  return {{"n_forward", all.n_forward()},
          {"n_backward", all.n_backward()},
          {"edges_all", all.n_edges()},
          {"edges_paper", paper.n_edges()}};
}

std::string scalar_text(const ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Two columns, the second one beginning at the same place in every line.
class Lines {
 public:
  void add(std::string_view label, std::string_view text) { out_ += fmt::format("{:<16}{}\n", label, text); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string window_text(const ordered_json& windows) {
  if (windows.size() == 1)
    return windows[0]["window"].is_null()
               ? "none"
               : fmt::format("{} tokens in every layer", scalar_text(windows[0]["window"]));
  std::string out;
  for (const auto& run : windows) {
    const auto first = run["first_layer"].get<int64_t>();
    const auto last = run["last_layer"].get<int64_t>();
    if (!out.empty()) out += "; ";
    out += first == last ? fmt::format("layer {}: ", first) : fmt::format("layers {} to {}: ", first, last);
    out += run["window"].is_null() ? "none" : fmt::format("{} tokens", scalar_text(run["window"]));
  }
  return out;
}

std::string rope_text(const ordered_json& rope) {
  std::string out = fmt::format("{}, theta {}", rope["type"].get<std::string>(), scalar_text(rope["theta"]));
  if (rope["theta_defaulted"].get<bool>()) out += " (not written; the class's default)";
  for (const char* key : {"factor", "low_freq_factor", "high_freq_factor", "original_max_positions"})
    if (rope.contains(key)) out += fmt::format(", {} {}", key, scalar_text(rope[key]));
  return out;
}

std::string bias_text(const ordered_json& biases) {
  std::string out;
  for (const auto& [name, on] : biases.items())
    if (on.get<bool>()) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "none" : out;
}

void add_estimate(Lines& lines, const ordered_json& estimate) {
  if (estimate.is_null() || estimate.empty()) return;
  if (!estimate.is_object()) return lines.add("estimate", scalar_text(estimate));
  for (const auto& [name, value] : estimate.items()) {
    std::string text;
    if (value.is_object()) {
      for (const auto& [key, entry] : value.items())
        text += (text.empty() ? "" : ", ") + key + " " + scalar_text(entry);
    } else {
      text = scalar_text(value);
    }
    lines.add(name, text);
  }
}

}  // namespace

std::string print_count(int64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

std::string print_bytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.2f} {}", value, kUnits[unit]);
}

ordered_json inspect_json(const Checkpoint& checkpoint, const ordered_json& estimate) {
  const ModelConfig& c = checkpoint.config();
  ordered_json types = ordered_json::object();
  for (const auto& [type, count] : checkpoint.tensors_by_type()) types[tensor_type_name(type)] = count;
  ordered_json out = {
      {"model", valid_utf8(checkpoint.folder().string())},
      {"architecture", to_word(c.architecture)},
      {"n_layers", c.n_layers},
      {"d_model", c.d_model},
      {"d_mlp", c.d_mlp},
      {"d_vocab", c.d_vocab},
      {"n_heads", c.n_heads},
      {"n_kv_heads", c.n_kv_heads},
      {"d_head", c.d_head},
      {"max_positions", c.max_positions},
      {"norm_eps", c.norm_eps},
      {"activation", to_word(c.activation)},
      {"biases", {{"qkv", c.qkv_bias}, {"o", c.o_bias}, {"mlp", c.mlp_bias}}},
      {"qk_norm", c.qk_norm},
      {"norms", {{"input", c.input_norms}, {"output", c.output_norms}}},
      {"softcaps", {{"attention", c.attention_softcap}, {"final", c.final_softcap}}},
      {"tied_head", c.tied_head},
      {"rope", rope_json(c.rope)},
      {"sliding_window", windows_json(c.sliding_window)},
      {"eos_ids", checkpoint.eos_ids()},
      {"parameters", checkpoint.n_parameters()},
      {"stored_bytes", checkpoint.stored_bytes()},
      {"tensors_by_type", types},
      {"config_dtype", c.stored_dtype.empty() ? ordered_json(nullptr) : ordered_json(c.stored_dtype)},
      {"tensors",
       {{"count", checkpoint.n_tensors()},
        {"check", fmt::format("{} tensors, all present and in shape", checkpoint.n_tensors())}}},
      {"graphs",
       {{"qkv", graph_json(c.n_layers, GraphKind::qkv)},
        {"block", graph_json(c.n_layers, GraphKind::block)}}},
      {"ignored", checkpoint.ignored()},
      {"notes", c.notes}};
  if (!estimate.is_null()) out["estimate"] = estimate;
  return out;
}

std::string inspect_text(const Checkpoint& checkpoint, const ordered_json& estimate) {
  const ModelConfig& c = checkpoint.config();
  const ordered_json j = inspect_json(checkpoint);
  Lines lines;
  lines.add("model", checkpoint.folder().string());
  lines.add("architecture", fmt::format("{}, {} layers, {} parameters", to_word(c.architecture), c.n_layers,
                                        print_count(checkpoint.n_parameters())));
  lines.add("widths", fmt::format("d_model {}, d_mlp {}, d_vocab {}", c.d_model, c.d_mlp, c.d_vocab));
  lines.add("heads", fmt::format("{} for queries, {} for keys and values, d_head {}", c.n_heads, c.n_kv_heads,
                                 c.d_head));
  lines.add("mlp", to_word(c.activation));
  lines.add("norm", fmt::format("RMS, epsilon {}{}{}", c.norm_eps,
                                !c.output_norms  ? ""
                                : !c.input_norms ? "; of what a branch adds, not of what it reads"
                                                 : "; also of what a branch adds",
                                c.qk_norm ? "; also of q and k" : ""));
  if (c.attention_softcap > 0 || c.final_softcap > 0)
    lines.add("softcap", fmt::format("{} of attention's scores, {} of the logits (0: none)",
                                     c.attention_softcap, c.final_softcap));
  lines.add("biases", bias_text(j["biases"]));
  lines.add("head", c.tied_head ? "tied to the embedding" : "its own matrix");
  lines.add("rope", rope_text(j["rope"]));
  lines.add("window", window_text(j["sliding_window"]));
  lines.add("positions", fmt::format("{} at most", print_count(c.max_positions)));
  lines.add("end tokens", checkpoint.eos_ids().empty()
                              ? "none in the configuration"
                              : fmt::format("{}", fmt::join(checkpoint.eos_ids(), ", ")));
  std::string types;
  for (const auto& [type, count] : j["tensors_by_type"].items())
    types += fmt::format("{}{} x {}", types.empty() ? "" : ", ", count.get<int64_t>(), type);
  lines.add("weights", fmt::format("{} ({})", print_bytes(checkpoint.stored_bytes()), types));
  lines.add("tensors", fmt::format("{} tensors, all present and in shape", checkpoint.n_tensors()));
  for (const auto& [kind, graph] : j["graphs"].items())
    lines.add(
        "graph " + kind,
        fmt::format("{} sources x {} destinations, {} edges ({} of eq. 7)", graph["n_forward"].get<int64_t>(),
                    graph["n_backward"].get<int64_t>(), print_count(graph["edges_all"].get<int64_t>()),
                    print_count(graph["edges_paper"].get<int64_t>())));
  for (const auto& name : checkpoint.ignored()) lines.add("ignored", name);
  for (const auto& note : c.notes) lines.add("note", note);
  add_estimate(lines, estimate);
  return lines.take();
}

}  // namespace circuitdiff
