// `export` and `import`: score files to and from other tools.
//   npz                 the published code's arrays: `scores` [n_forward, n_backward], the mean over samples,
//                       and `all_scores` [n, n_forward, n_backward]; beside them real_edge_mask,
//                       writer_names, reader_names, sample_idx, loss, error, t_cut and circuitdiff_metadata,
//                       which importers of the published files do without
//   mib                 the circuit JSON of the MIB benchmark and EAP-IG: mean scores by edge name.
//                       Attention is one node here, so the file is that of a model with one head a layer
//                       (a0.h0<q>)
//   attribution-graph   nodes and links for attribution-graph viewers; q, k and v of a block are one
//                       node there, and a link's weight is their sum
#pragma once

#include <filesystem>
#include <string>

#include "base/options.h"
#include "base/progress.h"

namespace circuitdiff {

enum class ExchangeFormat { npz, mib, attribution_graph };
template <>
struct EnumWords<ExchangeFormat> {
  static constexpr std::array words{std::pair{ExchangeFormat::npz, "npz"},
                                    std::pair{ExchangeFormat::mib, "mib"},
                                    std::pair{ExchangeFormat::attribution_graph, "attribution-graph"}};
};
enum class EdgeRank { absolute, as_signed };
template <>
struct EnumWords<EdgeRank> {
  static constexpr std::array words{std::pair{EdgeRank::absolute, "absolute"},
                                    std::pair{EdgeRank::as_signed, "signed"}};
};

struct ExportOptions {
  std::filesystem::path scores, out, model;
  ExchangeFormat format = ExchangeFormat::npz;
  int64_t top = 0;
  EdgeRank rank = EdgeRank::absolute;
};
template <class V>
void visit(V& v, ExportOptions& o) {
  v(o.scores, "scores", "scores.safetensors to export");
  v(o.format, "format", "npz, mib or attribution-graph");
  v(o.out, "out", "file to write");
  v(o.top, "top", "mib, attribution-graph: edges that are in the circuit, the best by mean score; 0: all");
  v(o.rank, "rank", "with --top: by absolute score, or by signed score (largest first)");
  v(o.model, "model", "mib: checkpoint whose config.json gives d_model; unset: 0 is written");
}

struct ImportOptions {
  std::filesystem::path in, out;
  ExchangeFormat format = ExchangeFormat::npz;
};
template <class V>
void visit(V& v, ImportOptions& o) {
  v(o.in, "in", "file of another tool");
  v(o.format, "format", "npz, mib or attribution-graph");
  v(o.out, "out", "scores.safetensors to write");
}

// Replace `out` atomically. Errors name file, member or field.
void export_scores(const ExportOptions& options);
// Warns where the file has no losses: 0 is written for them, so figures per nat are null and mean_loss says
// nothing; metadata "loss" is then "unknown".
void import_scores(const ImportOptions& options, Progress& progress);

}  // namespace circuitdiff
