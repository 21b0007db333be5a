#include "records/dynamics_file.h"

#include "base/error.h"
#include "io/files.h"
#include "records/fields.h"

namespace circuitdiff {

template <class V>
void visit(V& v, DynamicsStep& s) {
  v.entries(s.figures, /*known=*/"step");
  v("step", s.step);
}

template <class V>
void visit(V& v, DynamicsRun& r) {
  v("temperature", r.temperature);
  v("seed", r.seed);
  v("log", r.log);
}

template <class V>
void visit(V& v, Dynamics& d) {
  v("name", d.name);
  v("algorithm", d.algorithm);
  v("model", d.model);
  v("steps", d.steps);
  v("smooth", d.smooth);
  v("questions", d.questions);
  v("sequences", d.sequences);
  v("t_cut", d.t_cut);
  v("temperatures", d.temperatures);
  v("windows", d.windows);
  v("runs", d.runs);
}

Dynamics read_dynamics(const std::filesystem::path& path) {
  auto out = read_record<Dynamics>(path, "");
  const std::string where = path.string();
  if (out.smooth < 1) fail("{}: field \"smooth\": at least 1 expected, {} found", where, out.smooth);
  if (out.windows.size() != out.temperatures.size())
    fail("{}: {} windows for {} temperatures", where, out.windows.size(), out.temperatures.size());
  return out;
}

void write_dynamics(const std::filesystem::path& path, const Dynamics& dynamics) {
  write_file_atomically(path, record_json(dynamics).dump() + "\n");
}

}  // namespace circuitdiff
