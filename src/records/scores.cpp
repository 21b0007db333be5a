#include "records/scores.h"

#include <cmath>
#include <cstring>
#include <set>

#include "base/error.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace circuitdiff {
namespace {

// Names never hold commas; ids may, so ids are a JSON array where one does, and comma-joined otherwise.
std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  size_t begin = 0;
  while (true) {
    const size_t end = text.find(',', begin);
    out.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return out;
    begin = end + 1;
  }
}

std::string join(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) out += (i ? "," : "") + names[i];
  return out;
}

std::vector<std::string> split_ids(const std::string& text, const std::string& where) {
  if (text.empty() || text.front() != '[') return split_names(text);
  const json value = parse_json(text, where + ": metadata \"ids\"");
  std::vector<std::string> out;
  for (const json& id : value) out.push_back(id.is_string() ? id.get<std::string>() : id.dump());
  return out;
}

std::string join_ids(const std::vector<std::string>& ids) {
  for (const auto& id : ids)
    if (id.find(',') != std::string::npos || id.empty() || id.front() == '[') return json(ids).dump();
  return join(ids);
}

void check_finite(const std::string& where, const char* name, const std::vector<double>& values,
                  size_t per_sample) {
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      fail("{}: tensor \"{}\": sample {}: a finite number expected, {} found", where, name, i / per_sample,
           values[i]);
}

template <class To, class From>
std::vector<To> narrow(const std::vector<From>& values) {
  return std::vector<To>(values.begin(), values.end());
}

template <class T>
std::span<const std::byte> as_bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span<const T>(values));
}

}  // namespace

Scores read_scores(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  const std::string where = path.string();
  Scores out;
  const TensorEntry& entry = file.at("scores");
  if (entry.shape.size() != 3)
    fail("{}: tensor \"scores\": three dimensions [n, n_forward, n_backward] expected, {} found", where,
         entry.shape.size());
  out.n = entry.shape[0];
  out.n_forward = entry.shape[1];
  out.n_backward = entry.shape[2];
  if (out.n < 1 || out.n_forward < 1 || out.n_backward < 1) fail("{}: tensor \"scores\": it is empty", where);
  out.is_f64 = entry.type == TensorType::f64;
  out.scores = file.doubles("scores");
  check_finite(where, "scores", out.scores, static_cast<size_t>(out.n_forward * out.n_backward));
  const auto one_per_sample = [&](const char* name) {
    const TensorEntry& e = file.at(name);
    if (e.shape != std::vector<int64_t>{out.n})
      fail("{}: tensor \"{}\": shape [{}] expected, one entry a sample", where, name, out.n);
  };
  one_per_sample("loss");
  out.loss = file.doubles("loss");
  check_finite(where, "loss", out.loss, 1);
  if (file.find("error")) {
    one_per_sample("error");
    out.error = file.doubles("error");
    check_finite(where, "error", out.error, 1);
  }
  if (file.find("t_cut")) {
    one_per_sample("t_cut");
    out.t_cut = file.integers("t_cut");
  }
  const TensorEntry& edges = file.at("edges");
  if (edges.shape != std::vector<int64_t>{out.n_forward, out.n_backward})
    fail("{}: tensor \"edges\": shape [{}, {}] expected, as \"scores\" has", where, out.n_forward,
         out.n_backward);
  for (const int64_t edge : file.integers("edges")) {
    if (edge != 0 && edge != 1) fail("{}: tensor \"edges\": 0 or 1 expected, {} found", where, edge);
    out.edges.push_back(static_cast<uint8_t>(edge));
  }
  out.metadata = file.metadata();
  const auto names = [&](const char* key, int64_t count, std::vector<std::string> found, const char* of) {
    if (found.empty())
      for (int64_t i = 0; i < count; ++i) found.push_back(std::to_string(i));
    if (static_cast<int64_t>(found.size()) != count)
      fail("{}: metadata \"{}\": {} names expected, one a {}, {} found", where, key, count, of, found.size());
    if (std::set<std::string>(found.begin(), found.end()).size() != found.size())
      fail("{}: metadata \"{}\": a name stands twice", where, key);
    return found;
  };
  out.sources = names("sources", out.n_forward, split_names(out.metadata["sources"]), "source");
  out.destinations =
      names("destinations", out.n_backward, split_names(out.metadata["destinations"]), "destination");
  out.ids = names("ids", out.n, split_ids(out.metadata["ids"], where), "sample");
  return out;
}

void write_scores(const std::filesystem::path& path, const Scores& s) {
  const auto as_float = [&](const std::vector<double>& v) { return narrow<float>(v); };
  const std::vector<float> scores = s.is_f64 ? std::vector<float>{} : as_float(s.scores);
  const std::vector<float> loss = as_float(s.loss);
  const std::vector<float> error = as_float(s.error);
  std::vector<TensorToWrite> tensors;
  tensors.push_back({"scores",
                     s.is_f64 ? TensorType::f64 : TensorType::f32,
                     {s.n, s.n_forward, s.n_backward},
                     s.is_f64 ? as_bytes_of(s.scores) : as_bytes_of(scores)});
  tensors.push_back({"loss", TensorType::f32, {s.n}, as_bytes_of(loss)});
  if (!s.error.empty()) tensors.push_back({"error", TensorType::f32, {s.n}, as_bytes_of(error)});
  if (!s.t_cut.empty()) tensors.push_back({"t_cut", TensorType::i64, {s.n}, as_bytes_of(s.t_cut)});
  tensors.push_back({"edges", TensorType::u8, {s.n_forward, s.n_backward}, as_bytes_of(s.edges)});
  auto metadata = s.metadata;
  metadata["sources"] = join(s.sources);
  metadata["destinations"] = join(s.destinations);
  metadata["ids"] = join_ids(s.ids);
  write_safetensors(path, tensors, metadata);
}

}  // namespace circuitdiff
