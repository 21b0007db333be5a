#include "attribute/attribute_stage.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "attribute/eap.h"
#include "attribute/edge_choice.h"
#include "attribute/estimate.h"
#include "attribute/journal.h"
#include "attribute/shards.h"
#include "base/error.h"
#include "io/files.h"
#include "model/block_pool.h"
#include "records/manifest.h"
#include "records/pair.h"
#include "records/scores.h"
#include "records/t_cut.h"

namespace circuitdiff {
namespace {

// One output file: a cut of every sample.
struct Cut {
  std::string label;  // "alpha-0.1" or "tcut-5"
  double alpha = 0;   // 0 with --t-cut
  int64_t tokens = 0;
};

struct Work {
  std::vector<Sequence> sequences;
  std::vector<Cut> cuts;
  std::string text;  // whose answers these are
};

void check_files(const AttributeOptions& o) {
  if (o.model.empty()) usage_error("attribute: MODEL is missing");
  if (o.out.empty() && !o.dry_run) usage_error("attribute: --out is missing");
  if (o.pairs.empty() == o.sequences.empty())
    usage_error("attribute: exactly one of --pairs and --sequences is needed");
  if (!o.pairs.empty() && !o.side) usage_error("attribute: --pairs needs --side before or after");
  if (o.pairs.empty() && o.side) usage_error("attribute: --side goes with --pairs");
}

// T_mean of the pairs' header (or the code's ref); of a plain sequences file, the mean length of its answers.
double reference_length(const AttributeOptions& o, const Pairs& pairs,
                        const std::vector<Sequence>& sequences) {
  if (!o.pairs.empty()) return o.t_cut_rule == TCutRule::code ? pairs.number("t_ref") : pairs.t_mean();
  double sum = 0;
  for (const Sequence& s : sequences)
    sum += static_cast<double>(static_cast<int64_t>(s.tokens.size()) - s.prompt_len);
  return sum / static_cast<double>(sequences.size());
}

Work read_work(const AttributeOptions& o, int64_t vocab_size) {
  Work work;
  Pairs pairs;
  if (!o.pairs.empty()) {
    pairs = read_pairs(o.pairs);
    for (const Pair& p : pairs.pairs)
      work.sequences.push_back(*o.side == PairSide::before ? p.before : p.after);
    work.text = to_word(*o.side);
  } else {
    work.sequences = read_sequences(o.sequences);
    work.text = "sequences";
  }
  check_vocabulary(work.sequences, vocab_size, o.pairs.empty() ? o.sequences : o.pairs);
  if (o.t_cut) {
    work.cuts.push_back({fmt::format("tcut-{}", *o.t_cut), 0, *o.t_cut});
  } else {
    const double reference = reference_length(o, pairs, work.sequences);
    for (const double a : o.alpha)
      work.cuts.push_back({"alpha-" + detail::print_double(a), a, t_cut(a, reference)});
  }
  if (o.limit > 0 && o.limit < static_cast<int64_t>(work.sequences.size()))
    work.sequences.resize(static_cast<size_t>(o.limit));
  return work;
}

AttributionSample sample_of(const Sequence& s, const std::vector<Cut>& cuts) {
  AttributionSample out{s.id, s.tokens, s.prompt_len, {}};
  const int64_t answer = static_cast<int64_t>(s.tokens.size()) - s.prompt_len;
  for (const Cut& cut : cuts)
    out.t_cut.push_back(std::min(cut.tokens, answer));  // a shorter answer is used whole
  return out;
}

// Where angles hang on the length of the sequence, one forward cannot serve two cuts: each is a sample of its
// own.
bool cuts_need_own_forward(const ModelConfig& config, const std::vector<AttributionSample>& samples) {
  if (!config.rope.by_length()) return false;
  for (const AttributionSample& s : samples)
    for (const int64_t t : s.t_cut)
      if (s.prompt_len + t - 1 > config.rope.original_max_positions) return true;
  return false;
}

ChunkScores attribute_samples(const Decoder& decoder, const ScoringOptions& options,
                              const std::vector<AttributionSample>& samples, const ChunkMeans& means) {
  if (!cuts_need_own_forward(decoder.config(), samples))
    return attribute_chunk(decoder, options, samples, means);
  std::vector<AttributionSample> apart;
  for (const AttributionSample& s : samples)
    for (const int64_t t : s.t_cut) apart.push_back({s.id, s.tokens, s.prompt_len, {t}});
  auto flat = attribute_chunk(decoder, options, apart, means);
  ChunkScores out;
  size_t next = 0;
  for (const AttributionSample& s : samples) {
    out.emplace_back();
    for (size_t c = 0; c < s.t_cut.size(); ++c) out.back().push_back(std::move(flat[next++].front()));
  }
  return out;
}

Manifest describe(const AttributeOptions& o, at::Device device, at::ScalarType dtype) {
  Manifest m;
  m.command = "attribute";
  m.options = options_json_of(o);
  // Contents are compared by hash, not by path; where the result lies and how the run was started do not
  // change it.
  for (const char* name :
       {"model", "pairs", "sequences", "out", "overwrite", "threads", "device", "memory", "shard"})
    m.options.erase(name);
  m.options["dtype"] = dtype_name(dtype);
  m.inputs.push_back(record_path("model", o.model));
  if (!o.adapter.empty()) m.inputs.push_back(record_path("adapter", o.adapter));
  if (!o.pairs.empty()) m.inputs.push_back(record_file("pairs", o.pairs));
  if (!o.sequences.empty()) m.inputs.push_back(record_file("sequences", o.sequences));
  m.details["device"] = device.str();
  m.details["torch"] = torch_version();
  m.details["threads"] = at::get_num_threads();
  m.options["device"] = device.is_cuda() ? "cuda" : "cpu";
  return m;
}

std::vector<std::vector<AttributionSample>> all_chunks(const AttributeOptions& o, const Work& work) {
  std::vector<std::vector<AttributionSample>> chunks;
  for (size_t i = 0; i < work.sequences.size(); ++i) {
    if (i % static_cast<size_t>(o.chunk) == 0) chunks.emplace_back();
    chunks.back().push_back(sample_of(work.sequences[i], work.cuts));
  }
  return chunks;
}

MemoryPlan plan_of(const AttributeOptions& o, const std::vector<std::vector<AttributionSample>>& chunks,
                   const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype, double rate) {
  const int64_t budget =
      o.memory > 0 ? static_cast<int64_t>(o.memory * (int64_t{1} << 30)) : free_bytes_of(device);
  if (!device.is_cpu() && budget > free_bytes_of(device))  // which does not swap
    fail("--memory: {:.2f} GiB wanted, but the GPU has {:.2f} to give", o.memory,
         static_cast<double>(free_bytes_of(device)) / (1 << 30));
  return plan_memory(checkpoint, device, dtype, o.scoring, chunks, budget, rate);
}

nlohmann::ordered_json plan_in_json(const MemoryPlan& plan) {
  nlohmann::ordered_json out = means_in_words(plan.means);
  out["budget_bytes"] = plan.budget;
  out["process_bytes"] = kProcessBytes;
  out["peak_bytes"] = plan.forecast.peak_bytes;
  out["weight_bytes"] = plan.forecast.weight_bytes;
  out["source_bytes"] = plan.forecast.source_bytes;
  out["spilled_bytes"] = plan.forecast.spilled_bytes;
  out["graph_bytes"] = plan.forecast.graph_bytes;
  out["working_bytes"] = plan.forecast.working_bytes;
  return out;
}

// --dry-run: the largest chunk's memory and the time of all of them, in result.summary.
AttributeResult forecast_only(const AttributeOptions& o, const Work& work, const Checkpoint& checkpoint,
                              at::Device device, at::ScalarType dtype) {
  const auto chunks = all_chunks(o, work);
  const double rate = matmul_rate(device, dtype, checkpoint.config().d_model);
  const MemoryPlan plan = plan_of(o, chunks, checkpoint, device, dtype, rate);
  AttributeResult out;
  out.n = static_cast<int64_t>(work.sequences.size());
  out.summary = {{"samples", out.n}, {"chunks", chunks.size()}};
  out.summary.update(plan_in_json(plan));
  out.summary["flops"] = plan.forecast.flops;
  out.summary["flops_per_second"] = rate;
  out.summary["seconds"] = plan.forecast.seconds;
  return out;
}

// The finished work of this manifest lies in the folder already.
bool is_done(const std::filesystem::path& out, const Manifest& now, bool overwrite) {
  const std::filesystem::path path = out / "manifest.json";
  if (overwrite || !std::filesystem::exists(path)) return false;
  const Manifest old = read_manifest(path);
  const std::string change = first_change(old, now);
  if (!change.empty())
    fail("{}: results of another run lie here: {}; use --overwrite to replace them", path.string(), change);
  for (const FileRecord& record : old.outputs) {
    const auto file = out / record.path;
    if (!std::filesystem::exists(file) || sha256_file(file) != record.sha256) return false;
  }
  return true;
}

void remove_scores(const std::filesystem::path& out) {
  for (const auto& entry : std::filesystem::directory_iterator(out))
    if (entry.path().extension() == ".safetensors") std::filesystem::remove(entry.path());
}

}  // namespace

void check_attribute(const AttributeOptions& o) {
  check_scoring(o.scoring);
  if (o.alpha.empty() == !o.t_cut) usage_error("attribute: exactly one of --alpha and --t-cut is needed");
  for (const double a : o.alpha)
    if (!(a > 0) || a > 1000) usage_error("--alpha: a number above 0 expected, {} found", a);
  for (size_t i = 0; i < o.alpha.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (o.alpha[i] == o.alpha[j]) usage_error("--alpha: {} stands twice", o.alpha[i]);
  if (o.t_cut && *o.t_cut < 1) usage_error("--t-cut: at least 1 expected, {} found", *o.t_cut);
  if (o.chunk < 1) usage_error("--chunk: at least 1 expected, {} found", o.chunk);
  if (o.limit < 0) usage_error("--limit: 0 or more expected, {} found", o.limit);
  if (!(o.memory >= 0) || o.memory > 1e9) usage_error("--memory: 0 or more GiB expected, {} found", o.memory);
  if (!parse_shard(o.shard).is_whole() && o.scoring.top_edges > 0)
    usage_error(
        "--top-edges ranks edges over all samples, which a shard does not see; --edge-sample can be cut");
  if (o.threads < 0) usage_error("--threads: 0 or more expected, {} found", o.threads);
}

AttributeResult attribute(const AttributeOptions& options, Progress& progress) {
  check_attribute(options);
  check_files(options);
  const auto started = std::chrono::steady_clock::now();
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  const at::Device device = resolve_device(options.device);
  const auto checkpoint = Checkpoint::open(options.model, options.adapter);
  const at::ScalarType dtype = resolve_dtype(options.dtype, device, *checkpoint);
  const Work work = read_work(options, checkpoint->config().d_vocab);
  if (options.dry_run) return forecast_only(options, work, *checkpoint, device, dtype);
  Manifest manifest = describe(options, device, dtype);

  const Shard shard = parse_shard(options.shard);
  const RunFiles files = run_files(options.out, shard);
  const std::filesystem::path choice_path = options.out / "attribute.edges.json";
  std::filesystem::create_directories(options.out);
  const FileLock lock(files.lock);
  AttributeResult result;
  for (const Cut& cut : work.cuts)
    result.outputs.push_back(options.out / ("scores." + cut.label + ".safetensors"));
  const auto n = static_cast<int64_t>(work.sequences.size());
  result.was_done = is_done(options.out, manifest, options.overwrite);
  if (result.was_done) {
    const Manifest old = read_manifest(options.out / "manifest.json");
    for (const json& problem : old.details.value("failed", json::array())) result.failed.push_back(problem);
    result.n = old.details.value("n", n);
    result.summary = old.details;
    return result;
  }
  begin_or_resume(files.state, manifest, options.overwrite, [&] {
    std::filesystem::remove(files.journal);
    std::filesystem::remove(choice_path);
    std::filesystem::remove(options.out / "manifest.json");
    remove_scores(options.out);
    if (shard.is_whole() && options.overwrite) remove_shards(options.out);
  });

  Journal journal(files.journal);
  if (shard.is_whole()) take_shards(options.out, manifest, journal);
  const auto chunks = all_chunks(options, work);
  std::vector<size_t> own;
  int64_t total = 0, done = 0;
  for (size_t c = 0; c < chunks.size(); ++c) {
    if (!shard.does(static_cast<int64_t>(c))) continue;
    total += static_cast<int64_t>(chunks[c].size());
    if (journal.finished().contains(static_cast<int64_t>(c)))
      done += static_cast<int64_t>(chunks[c].size());
    else
      own.push_back(c);
  }
  progress.begin("attribute", total, "samples", done);
  const Graph graph{checkpoint->config().n_layers, options.scoring.graph, options.scoring.edges};
  const bool rank = options.scoring.top_edges > 0 && !std::filesystem::exists(choice_path);
  std::optional<BlockPool> pool;
  std::optional<Decoder> decoder;  // a journal that has everything needs no weights
  ChunkMeans means;
  if (!own.empty() || rank) {
    const MemoryPlan plan = plan_of(options, chunks, *checkpoint, device, dtype, /*rate=*/1.0);
    result.summary["memory"] = plan_in_json(plan);
    // Weights that come and go between a chunk's tensors would leave holes.
    if (device.is_cpu() && plan.means.resident) pool.emplace();
    means = {plan.means.keep, plan.means.spill ? options.out : std::filesystem::path(), !plan.means.resident};
    decoder.emplace(checkpoint, device, dtype, plan.means.resident);
  }
  ScoringOptions scoring = options.scoring;
  if (rank)
    write_edge_choice(choice_path, strongest_cells(graph, eap_strength(*decoder, scoring, chunks, means),
                                                   scoring.top_edges));
  if (scoring.top_edges > 0) scoring.chosen_edges = read_edge_choice(choice_path, graph);
  if (scoring.edge_sample > 0) scoring.chosen_edges = sampled_edges(graph, scoring.edge_sample);
  for (const size_t c : own) {
    check_interrupt();
    journal.append(static_cast<int64_t>(c), attribute_samples(*decoder, scoring, chunks[c], means));
    progress.advance(static_cast<int64_t>(chunks[c].size()));
  }
  decoder.reset();
  pool.reset();
  progress.end();
  if (!shard.is_whole()) {
    result.n = total;
    result.outputs = {files.journal};
    result.summary["shard"] = options.shard;
    result.summary["n"] = total;
    return result;
  }

  const auto& finished = journal.finished();
  json shortened = json::array();
  for (size_t k = 0; k < work.cuts.size(); ++k) {
    const Cut& cut = work.cuts[k];
    Scores scores;
    scores.n_forward = graph.n_forward();
    scores.n_backward = graph.n_backward();
    scores.edges = scoring.chosen_edges.empty() ? graph.edges() : scoring.chosen_edges;
    scores.sources = graph.source_names();
    scores.destinations = graph.destination_names();
    scores.is_f64 = dtype == at::kDouble;
    for (int64_t i = 0; i < n; ++i) {
      const Sequence& sequence = work.sequences[static_cast<size_t>(i)];
      const SampleScores& s = finished.at(i / options.chunk)[static_cast<size_t>(i % options.chunk)][k];
      if (!s.problem.empty()) {
        result.failed.push_back(fmt::format("{} at {}: {}", sequence.id, cut.label, s.problem));
        continue;
      }
      ++scores.n;
      scores.scores.insert(scores.scores.end(), s.scores.begin(), s.scores.end());
      scores.loss.push_back(s.loss);
      scores.error.push_back(s.error);
      scores.t_cut.push_back(sample_of(sequence, {cut}).t_cut.front());
      if (scores.t_cut.back() < cut.tokens)
        shortened.push_back({{"id", sequence.id}, {"cut", cut.label}, {"t_cut", scores.t_cut.back()}});
      scores.ids.push_back(sequence.id);
    }
    if (scores.n == 0) fail("{}: every sample failed; the first: {}", cut.label, result.failed.front());
    scores.metadata = {{"model", std::filesystem::weakly_canonical(options.model).filename().string()},
                       {"text", work.text},
                       {"alpha", cut.alpha > 0 ? detail::print_double(cut.alpha) : ""},
                       {"t_cut", std::to_string(cut.tokens)},
                       {"method", to_word(options.scoring.method)},
                       {"graph", to_word(options.scoring.graph)},
                       {"gradient", to_word(options.scoring.gradient)},
                       {"objective", to_word(options.scoring.objective)},
                       {"edge_set", to_word(options.scoring.edges)},
                       {"dtype", dtype_name(dtype)},
                       {"version", kVersion}};
    write_scores(result.outputs[k], scores);
    FileRecord record = record_file(cut.label, result.outputs[k]);
    record.path = result.outputs[k].filename().string();
    manifest.outputs.push_back(record);
    result.n = k == 0 ? scores.n : std::min(result.n, scores.n);
    result.summary["cuts"].push_back(
        {{"label", cut.label}, {"t_cut", cut.tokens}, {"n", scores.n}, {"file", record.path}});
  }
  result.summary["n"] = result.n;
  result.summary["failed"] = result.failed;
  result.summary["used_whole"] = shortened;
  manifest.details.update(json(result.summary));
  manifest.details["seconds"] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  write_manifest(options.out / "manifest.json", manifest);
  std::filesystem::remove(files.journal);
  std::filesystem::remove(choice_path);
  std::filesystem::remove(files.state);
  remove_shards(options.out);
  return result;
}

}  // namespace circuitdiff
