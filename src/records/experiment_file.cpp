#include "records/experiment_file.h"

#include <algorithm>

#include "io/files.h"
#include "records/fields.h"

namespace circuitdiff {

// Keys stand in the order of the alphabet.
template <class V>
void visit(V& v, ExperimentFile::Pair& p) {
  v("after", p.after);
  v("after_adapter", OrAbsent{p.after_adapter});
  v("after_name", p.after_name);
  v("before", p.before);
  v("before_adapter", OrAbsent{p.before_adapter});
  v("before_name", p.before_name);
  v("chat", p.chat);
  v("data", OrAbsent{p.data});
  v("name", p.name);
  v("prompt", p.prompt);
}

template <class V>
void visit(V& v, ExperimentFile::Data& d) {
  v("dataset", d.dataset);
  v("file", d.file);
  v("name", d.name);
}

template <class V>
void visit(V& v, ExperimentFile& f) {
  v("alphas", f.alphas);
  v("controls", f.controls);
  v("data", f.data);
  v("name", f.name);
  v("noise_copies", OrAbsent{f.noise_copies});
  v("pairs", f.pairs);
  v("settings", f.settings);
  v("texts", f.texts);
}

json experiment_file_json(const ExperimentFile& file) { return record_json(file); }

ExperimentFile read_experiment_file(const std::filesystem::path& path) {
  auto out = read_record<ExperimentFile>(path, "");
  const std::string name = path.string();
  const Place file(name, ""), pairs(file, "pairs");
  for (size_t i = 0; i < out.pairs.size(); ++i)
    for (const std::string& set : out.pairs[i].data)
      if (std::none_of(out.data.begin(), out.data.end(), [&](const auto& d) { return d.name == set; }))
        Place(Place(pairs, i), "data").bad("names of data sets that \"data\" has", in_quotes(set));
  return out;
}

void write_experiment_file(const std::filesystem::path& path, const ExperimentFile& file) {
  write_file_atomically(path, experiment_file_json(file).dump(2) + "\n");
}

}  // namespace circuitdiff
