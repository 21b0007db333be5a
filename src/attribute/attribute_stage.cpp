#include "attribute/attribute_stage.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "attribute/attribution_work.h"
#include "attribute/edge_choice.h"
#include "attribute/forecast.h"
#include "attribute/journal.h"
#include "attribute/shards.h"
#include "base/error.h"
#include "io/files.h"
#include "kernels/thread_count.h"
#include "records/manifest.h"
#include "records/scores.h"

namespace circuitdiff {
namespace {

ChunkScores attribute_samples(const Decoder& decoder, const ScoringOptions& options,
                              const std::vector<AttributionSample>& samples, const ChunkPlan& plan) {
  if (!cuts_need_own_forward(decoder.config(), samples))
    return attribute_chunk(decoder, options, samples, plan);
  std::vector<AttributionSample> apart;
  for (const AttributionSample& s : samples)
    for (const int64_t t : s.t_cut) apart.push_back({s.id, s.tokens, s.prompt_len, {t}});
  auto flat = attribute_chunk(decoder, options, apart, plan);
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
  nlohmann::ordered_json out = choice_in_words(plan.choice);
  out["budget_bytes"] = plan.budget;
  out["process_bytes"] = kProcessBytes;
  out["peak_bytes"] = plan.forecast.peak_bytes;
  out["weight_bytes"] = plan.forecast.weight_bytes;
  out["source_bytes"] = plan.forecast.source_bytes;
  out["spilled_bytes"] = plan.forecast.spilled_bytes;
  out["buffer_bytes"] = plan.forecast.buffer_bytes;
  out["operator_bytes"] = plan.forecast.operator_bytes;
  return out;
}

// --dry-run: the largest chunk's memory and the time of all of them, in result.summary.
AttributeResult forecast_only(const AttributeOptions& o, const AttributionWork& work,
                              const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype) {
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

// A run in its folder: what it does, and where what is finished is kept.
struct Run {
  const AttributeOptions& options;
  const AttributionWork& work;
  std::shared_ptr<const Checkpoint> checkpoint;
  at::Device device;
  at::ScalarType dtype;
  Shard shard;
  std::filesystem::path edge_choice;  // of --top-edges, once it is made

  Graph graph() const {
    return {checkpoint->config().n_layers, options.scoring.graph, options.scoring.edges};
  }
};

// The result of a run whose files are there already.
AttributeResult finished_result(AttributeResult result, const std::filesystem::path& out, int64_t n) {
  const Manifest old = read_manifest(out / "manifest.json");
  for (const json& problem : old.details.value("failed", json::array())) result.failed.push_back(problem);
  result.n = old.details.value("n", n);
  result.summary = old.details;
  result.was_done = true;
  return result;
}

void begin_anew(const Run& run, const RunFiles& files) {
  const std::filesystem::path& out = run.options.out;
  std::filesystem::remove(files.journal);
  std::filesystem::remove(run.edge_choice);
  std::filesystem::remove(out / "manifest.json");
  remove_scores(out);
  if (run.shard.is_whole() && run.options.overwrite) remove_shards(out);
}

// The options that scores depend on, with the edges that `exact` runs: chosen now, or as they were.
ScoringOptions with_chosen_edges(const Run& run, const Decoder* decoder,
                                 const std::vector<std::vector<AttributionSample>>& chunks,
                                 const ChunkPlan& plan) {
  ScoringOptions scoring = run.options.scoring;
  if (scoring.top_edges > 0) {
    if (!std::filesystem::exists(run.edge_choice))
      write_edge_choice(
          run.edge_choice,
          strongest_cells(run.graph(), eap_strength(*decoder, scoring, chunks, plan), scoring.top_edges));
    scoring.chosen_edges = read_edge_choice(run.edge_choice, run.graph());
  }
  if (scoring.edge_sample > 0) scoring.chosen_edges = sampled_edges(run.graph(), scoring.edge_sample);
  return scoring;
}

// Computes the chunks that the journal lacks. Returns the scoring options with the edges that were run.
ScoringOptions score_chunks(const Run& run, Journal& journal, AttributeResult& result, Progress& progress) {
  const auto chunks = all_chunks(run.options, run.work);
  std::vector<size_t> own;
  int64_t done = 0;
  result.n = 0;
  for (size_t c = 0; c < chunks.size(); ++c) {
    if (!run.shard.does(static_cast<int64_t>(c))) continue;
    const auto samples = static_cast<int64_t>(chunks[c].size());
    result.n += samples;
    if (journal.finished().contains(static_cast<int64_t>(c)))
      done += samples;
    else
      own.push_back(c);
  }
  progress.begin("attribute", result.n, "samples", done);
  std::optional<Decoder> decoder;  // a journal that has everything needs no weights
  ChunkPlan plan;
  if (!own.empty() || (run.options.scoring.top_edges > 0 && !std::filesystem::exists(run.edge_choice))) {
    const MemoryPlan memory =
        plan_of(run.options, chunks, *run.checkpoint, run.device, run.dtype, /*rate=*/1.0);
    result.summary["memory"] = plan_in_json(memory);
    plan = {memory.choice.keep, memory.choice.spill ? run.options.out : std::filesystem::path(),
            !memory.choice.resident};
    decoder.emplace(run.checkpoint, run.device, run.dtype, memory.choice.resident);
  }
  const ScoringOptions scoring = with_chosen_edges(run, decoder ? &*decoder : nullptr, chunks, plan);
  for (const size_t c : own) {
    check_interrupt();
    journal.append(static_cast<int64_t>(c), attribute_samples(*decoder, scoring, chunks[c], plan));
    progress.advance(static_cast<int64_t>(chunks[c].size()));
  }
  progress.end();
  return scoring;
}

// The k-th cut of all samples, as its file has it. Samples with a problem go to result.failed, answers
// shorter than the cut to `shortened`.
Scores scores_of_cut(const Run& run, const ScoringOptions& scoring, const Journal& journal, size_t k,
                     AttributeResult& result, json& shortened) {
  const AttributeOptions& o = run.options;
  const Cut& cut = run.work.cuts[k];
  const Graph graph = run.graph();
  Scores scores;
  scores.n_forward = graph.n_forward();
  scores.n_backward = graph.n_backward();
  scores.edges = scoring.chosen_edges.empty() ? graph.edges() : scoring.chosen_edges;
  scores.sources = graph.source_names();
  scores.destinations = graph.destination_names();
  scores.is_f64 = run.dtype == at::kDouble;
  for (size_t i = 0; i < run.work.sequences.size(); ++i) {
    const Sequence& sequence = run.work.sequences[i];
    const auto chunk = static_cast<size_t>(o.chunk);
    const SampleScores& s = journal.finished().at(static_cast<int64_t>(i / chunk))[i % chunk][k];
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
  scores.metadata = {{"model", std::filesystem::weakly_canonical(o.model).filename().string()},
                     {"text", run.work.text},
                     {"alpha", cut.alpha > 0 ? detail::print_double(cut.alpha) : ""},
                     {"t_cut", std::to_string(cut.tokens)},
                     {"method", to_word(o.scoring.method)},
                     {"graph", to_word(o.scoring.graph)},
                     {"gradient", to_word(o.scoring.gradient)},
                     {"objective", to_word(o.scoring.objective)},
                     {"edge_set", to_word(o.scoring.edges)},
                     {"dtype", dtype_name(run.dtype)},
                     {"version", kVersion}};
  return scores;
}

// One scores file a cut, and what the manifest says of them.
void write_cuts(const Run& run, const ScoringOptions& scoring, const Journal& journal,
                AttributeResult& result, Manifest& manifest) {
  json shortened = json::array();
  for (size_t k = 0; k < run.work.cuts.size(); ++k) {
    const Cut& cut = run.work.cuts[k];
    const Scores scores = scores_of_cut(run, scoring, journal, k, result, shortened);
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
  const ThreadCount threads(options.threads);
  const at::Device device = resolve_device(options.device);
  const auto checkpoint = Checkpoint::open(options.model, options.adapter);
  const at::ScalarType dtype = resolve_dtype(options.dtype, device, *checkpoint);
  const AttributionWork work = read_work(options, checkpoint->config().d_vocab);
  if (options.dry_run) return forecast_only(options, work, *checkpoint, device, dtype);
  Manifest manifest = describe(options, device, dtype);

  const std::filesystem::path& out = options.out;
  const Run run{
      options, work, checkpoint, device, dtype, parse_shard(options.shard), out / "attribute.edges.json"};
  const RunFiles files = run_files(out, run.shard);
  std::filesystem::create_directories(out);
  const FileLock lock(files.lock);
  AttributeResult result;
  for (const Cut& cut : work.cuts) result.outputs.push_back(out / ("scores." + cut.label + ".safetensors"));
  if (is_done(out, manifest, options.overwrite))
    return finished_result(std::move(result), out, static_cast<int64_t>(work.sequences.size()));
  begin_or_resume(files.state, manifest, options.overwrite, [&] { begin_anew(run, files); });

  Journal journal(files.journal);
  if (run.shard.is_whole()) take_shards(out, manifest, journal);
  const ScoringOptions scoring = score_chunks(run, journal, result, progress);
  if (!run.shard.is_whole()) {
    result.outputs = {files.journal};
    result.summary["shard"] = options.shard;
    result.summary["n"] = result.n;
    return result;
  }
  write_cuts(run, scoring, journal, result, manifest);
  manifest.details.update(json(result.summary));
  manifest.details["seconds"] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  write_manifest(out / "manifest.json", manifest);
  std::filesystem::remove(files.journal);
  std::filesystem::remove(run.edge_choice);
  std::filesystem::remove(files.state);
  remove_shards(out);
  return result;
}

}  // namespace circuitdiff
