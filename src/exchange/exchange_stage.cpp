#include "exchange/exchange_stage.h"

#include <cmath>

#include "base/error.h"
#include "exchange/edge_tables.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/zip.h"

namespace circuitdiff {
namespace {

using nlohmann::ordered_json;

void write_npz(const Scores& s, const std::filesystem::path& path) {
  const std::vector<double> mean = mean_scores(s);
  const std::vector<int64_t> matrix{s.n_forward, s.n_backward}, all{s.n, s.n_forward, s.n_backward};
  const auto floats = [&](const std::vector<double>& v, const std::vector<int64_t>& shape) {
    return s.is_f64 ? npy_of(v, shape) : npy_of(std::vector<float>(v.begin(), v.end()), shape);
  };
  std::vector<ZipMember> members;
  const auto add = [&](const char* name, const NpyArray& array) {
    members.push_back({std::string(name) + ".npy", npy_bytes(array)});
  };
  add("scores", floats(mean, matrix));
  add("all_scores", floats(s.scores, all));
  add("real_edge_mask", npy_of(std::vector<bool>(s.edges.begin(), s.edges.end()), matrix));
  add("writer_names", npy_of(s.sources));
  add("reader_names", npy_of(s.destinations));
  add("sample_idx", npy_of(s.ids));
  add("loss", npy_of(std::vector<float>(s.loss.begin(), s.loss.end()), {s.n}));
  if (!s.error.empty()) add("error", npy_of(std::vector<float>(s.error.begin(), s.error.end()), {s.n}));
  if (!s.t_cut.empty()) add("t_cut", npy_of(s.t_cut, {s.n}));
  json metadata = json::object();
  for (const auto& [key, value] : s.metadata)
    if (key != "sources" && key != "destinations" && key != "ids") metadata[key] = value;
  add("circuitdiff_metadata", npy_of(std::vector<std::string>{metadata.dump()}));
  write_zip(path, members);
}

class NpzReader {
 public:
  explicit NpzReader(const std::filesystem::path& path)
      : zip_(MappedFile(path), path.string(), "an .npz archive") {}

  Scores read() {
    Scores s;
    const bool has_all = zip_.contains("all_scores.npy");
    const char* name = has_all ? "all_scores" : "scores";
    const NpyArray array = get(name);
    const size_t rank = has_all ? 3 : 2;
    if (array.shape.size() != rank)
      fail("{}: {} dimensions expected, {} found", where(name), rank, array.shape.size());
    s.n = has_all ? array.shape[0] : 1;
    s.n_forward = array.shape[rank - 2];
    s.n_backward = array.shape[rank - 1];
    if (s.n < 1 || s.n_forward < 1 || s.n_backward < 1) fail("{}: it is empty", where(name));
    s.scores = numbers(name, array);
    s.is_f64 = array.dtype == "<f8";
    if (zip_.contains("real_edge_mask.npy")) edges(s);
    if (zip_.contains("writer_names.npy")) s.sources = names("writer_names", s.n_forward);
    if (zip_.contains("reader_names.npy")) s.destinations = names("reader_names", s.n_backward);
    if (s.edges.empty() || s.sources.empty() || s.destinations.empty()) name_by_size(s, zip_.where());
    check_zeros(s, name);
    ids(s, has_all);
    s.loss = one_a_sample("loss", s.n);
    s.error = one_a_sample("error", s.n);
    for (const double t : one_a_sample("t_cut", s.n)) s.t_cut.push_back(static_cast<int64_t>(t));
    metadata(s);
    return s;
  }

 private:
  std::string where(const std::string& name) const { return zip_.where() + ": array \"" + name + "\""; }
  NpyArray get(const std::string& name) const { return parse_npy(zip_.read(name + ".npy"), where(name)); }

  std::vector<double> numbers(const std::string& name, const NpyArray& array) const {
    auto out = npy_numbers(array, where(name));
    for (size_t i = 0; i < out.size(); ++i)
      if (!std::isfinite(out[i]))
        fail("{}: entry {}: a finite number expected, {} found", where(name), i, out[i]);
    return out;
  }
  std::vector<double> one_a_sample(const std::string& name, int64_t n) const {
    if (!zip_.contains(name + ".npy")) return {};
    const NpyArray array = get(name);
    if (array.shape != std::vector<int64_t>{n})
      fail("{}: shape [{}] expected, one entry a sample", where(name), n);
    return numbers(name, array);
  }
  std::vector<std::string> names(const std::string& name, int64_t count) const {
    const NpyArray array = get(name);
    if (array.shape != std::vector<int64_t>{count}) fail("{}: {} names expected", where(name), count);
    return npy_texts(array, where(name));
  }
  void edges(Scores& s) const {
    const NpyArray array = get("real_edge_mask");
    if (array.shape != std::vector<int64_t>{s.n_forward, s.n_backward})
      fail("{}: shape [{}, {}] expected, as the scores have", where("real_edge_mask"), s.n_forward,
           s.n_backward);
    for (const double x : npy_numbers(array, where("real_edge_mask"))) {
      if (x != 0 && x != 1) fail("{}: 0 or 1 expected, {} found", where("real_edge_mask"), x);
      s.edges.push_back(static_cast<uint8_t>(x));
    }
  }
  // A score where no edge exists is a file of another layout, read under wrong names.
  void check_zeros(const Scores& s, const std::string& name) const {
    for (size_t i = 0; i < s.scores.size(); ++i) {
      const size_t cell = i % s.edges.size();
      if (!s.edges[cell] && s.scores[i] != 0)
        fail("{}: cell [{}, {}] is no edge and must be 0, {} found; is it of another graph?", where(name),
             cell / static_cast<size_t>(s.n_backward), cell % static_cast<size_t>(s.n_backward), s.scores[i]);
    }
  }
  void ids(Scores& s, bool has_all) const {
    if (zip_.contains("sample_idx.npy") && has_all) {
      const NpyArray array = get("sample_idx");
      if (array.shape != std::vector<int64_t>{s.n}) fail("{}: {} entries expected", where("sample_idx"), s.n);
      if (array.dtype.starts_with("<U"))
        s.ids = npy_texts(array, where("sample_idx"));
      else
        for (const double x : numbers("sample_idx", array))
          s.ids.push_back(fmt::format("{}", static_cast<int64_t>(x)));
      return;
    }
    for (int64_t k = 0; k < s.n; ++k) s.ids.push_back(has_all ? std::to_string(k) : "mean");
  }
  void metadata(Scores& s) const {
    if (!zip_.contains("circuitdiff_metadata.npy")) return;
    const auto texts = npy_texts(get("circuitdiff_metadata"), where("circuitdiff_metadata"));
    const json root = texts.size() == 1 ? json::parse(texts[0], nullptr, /*allow_exceptions=*/false) : json();
    if (!root.is_object()) fail("{}: one JSON object expected", where("circuitdiff_metadata"));
    for (const auto& [key, value] : root.items())
      if (value.is_string()) s.metadata[key] = value.get<std::string>();
  }
  ZipFile zip_;
};

}  // namespace

void export_scores(const ExportOptions& options) {
  if (options.out.empty()) usage_error("export: --out is missing");
  if (options.top < 0) usage_error("--top: 0 or more expected, {} found", options.top);
  const Scores s = read_scores(options.scores);
  if (options.format == ExchangeFormat::npz) return write_npz(s, options.out);
  const ordered_json out =
      options.format == ExchangeFormat::mib ? mib_json(s, options) : attribution_graph_json(s, options);
  write_file_atomically(options.out, out.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

void import_scores(const ImportOptions& options, Progress& progress) {
  if (options.out.empty()) usage_error("import: --out is missing");
  Scores s = options.format == ExchangeFormat::npz   ? NpzReader(options.in).read()
             : options.format == ExchangeFormat::mib ? scores_of_mib(options.in)
                                                     : scores_of_attribution_graph(options.in);
  if (options.format != ExchangeFormat::npz || s.loss.empty()) {
    progress.warn(
        options.in.string() +
        ": no losses in it: 0 is written for them, so mean_loss and what is divided by it say nothing");
    s.loss.assign(static_cast<size_t>(s.n), 0);
    s.metadata["loss"] = "unknown";
  }
  write_scores(options.out, s);
}

}  // namespace circuitdiff
