#include "records/metrics_file.h"

#include "io/files.h"
#include "records/fields.h"

namespace circuitdiff {

template <class V>
void visit(V& v, ComparedFile& f) {
  v("file", f.file);
  v("sha256", f.sha256);
  v("samples", f.samples);
  v("metadata", f.metadata);
}

template <class V>
void visit(V& v, CompareSettings& s) {
  v("cells", s.cells);
  v("bins", s.bins);
  v("bootstrap", s.bootstrap);
  v("permutations", s.permutations);
  v("seed", s.seed);
}

template <class V>
void visit(V& v, MetricComparison& m) {
  v("before", m.before);
  v("after", m.after);
  v("difference", m.difference);
  v("relative", m.relative);
  v("relative_ci95", IntervalOrNull{m.relative_low, m.relative_high});
  v("ci95", IntervalOrNull{m.ci_low, m.ci_high});
  v("interval", TextOrNull{m.interval});
  v("p", m.p);
  v("p_adjusted", m.p_adjusted);
  v("effect_size", m.effect_size);
  v("reason", TextOrNull{m.reason});
}

template <class V>
void visit(V& v, IntensityDecomposition& d) {
  v("log_ratio", d.log_ratio);
  v("from_loss", d.from_loss);
  v("beyond_loss", d.beyond_loss);
  v("from_error", d.from_error);
  v("beyond_error", d.beyond_error);
  v("reason", TextOrNull{d.reason});
  v("error_reason", TextOrNull{d.error_reason});
}

template <class V>
void visit(V& v, ContrastFigure& f) {
  v("value", f.value);
  v("ci95", IntervalOrNull{f.ci_low, f.ci_high});
  v("interval", TextOrNull{f.interval});
  v("reason", TextOrNull{f.reason});
}

template <class V>
void visit(V& v, TwoByTwoMetric& m) {
  v("before", m.before);
  v("after", m.after);
  v("before_on_after", m.before_on_after);
  v("after_on_before", m.after_on_before);
  v("model", m.model);
  v("text", m.text);
  v("interaction", m.interaction);
}

template <class V>
void visit(V& v, PerSample& s) {
  v("before", s.before);
  v("after", s.after);
}

template <class V>
void visit(V& v, CorrelationSummary& c) {
  v("pairs", c.pairs);
  v("mean", c.mean);
  v("sd", c.sd);
  v("min", c.minimum);
  v("q25", c.q25);
  v("median", c.median);
  v("q75", c.q75);
  v("max", c.maximum);
  v("histogram", c.histogram);
  v("reason", TextOrNull{c.reason});
}

template <class V, class T>
void visit(V& v, BothSides<T>& sides) {
  v("before", sides.before);
  v("after", sides.after);
}

template <class V>
void visit(V& v, MetricsFile& f) {
  v("version", f.version);
  v("n", f.n);
  v("n_forward", f.n_forward);
  v("n_backward", f.n_backward);
  v("n_edges", f.n_edges);
  v("inputs", ByName{f.inputs});
  v("options", f.options);
  v("warnings", f.warnings);
  v("unpaired", [&](auto& of) {
    for (ComparedFile& input : f.inputs) of(input.name, input.unpaired);
  });
  v("metrics", ByName{f.metrics});
  v("decomposition", f.decomposition);
  v("two_by_two", ByName{f.two_by_two, /*null_if_empty=*/true});
  v("sources", Sized{f.sources, f.n_forward});
  v("destinations", Sized{f.destinations, f.n_backward});
  const auto grid = [&](auto& values) { return Grid{values, f.n_forward, f.n_backward}; };
  v("edges", grid(f.edges));
  v("relative_change", [&](auto& of) {
    EdgeChanges& c = f.relative_change;
    of("permutations", c.permutations);
    of("bootstrap", c.bootstrap);
    of("before", grid(c.before));
    of("after", grid(c.after));
    of("relative", grid(c.relative));
    of("ci_low", grid(c.ci_low));
    of("ci_high", grid(c.ci_high));
    of("p", grid(c.p));
    of("p_adjusted", grid(c.p_adjusted));
    of("p_familywise", grid(c.p_familywise));
    of("spread_before", grid(c.spread_before));
    of("spread_after", grid(c.spread_after));
    of("log2_clip", c.log2_clip);
    of("log2_clip_beside_whole", c.log2_clip_beside_whole);
  });
  v("ids", Sized{f.ids, f.n});
  v("per_sample", ByName{f.per_sample});
  v("node_entropy", [&](auto& of) {
    of("before", Sized{f.node_entropy.before, f.n_forward});
    of("after", Sized{f.node_entropy.after, f.n_forward});
  });
  v("correlation", f.correlation);
}

ordered_json metrics_file_json(const MetricsFile& file) { return record_json(file); }

MetricsFile read_metrics_file(const std::filesystem::path& path) {
  const char* hint = "run circuitdiff compare again";
  MetricsFile out = read_record<MetricsFile>(path, hint);
  const std::string name = path.string();
  const Place file(name, hint), all(file, "per_sample");
  for (const PerSample& s : out.per_sample) {
    const Place metric(all, s.name);
    expect_size(s.before.size(), Place(metric, "before"), out.n, "values");
    expect_size(s.after.size(), Place(metric, "after"), out.n, "values");
  }
  return out;
}

void write_metrics_file(const std::filesystem::path& path, const MetricsFile& file) {
  write_file_atomically(path, metrics_file_json(file).dump(1) + "\n");
}

}  // namespace circuitdiff
