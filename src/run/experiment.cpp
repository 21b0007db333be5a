#include "run/experiment.h"

#include <algorithm>
#include <set>

#include "attribute/attribute_stage.h"
#include "base/error.h"
#include "records/manifest.h"
#include "records/question.h"
#include "run/toml_values.h"

namespace circuitdiff {
namespace {

// Keys of one table, taken out as they are read; what is left at the end is unknown.
class Table {
 public:
  Table(const toml::table& table, std::string where, std::filesystem::path folder)
      : values_(toml_values(table, where)), where_(std::move(where)), folder_(std::move(folder)) {}

  std::string text(const std::string& key, const std::string& otherwise) {
    known_.push_back(key);
    const auto it = values_.find(key);
    if (it == values_.end()) return otherwise;
    if (it->second.size() != 1) usage_error("{}: key \"{}\": one value expected", where_, key);
    const std::string out = it->second.front();
    values_.erase(it);
    return out;
  }
  std::vector<std::string> texts(const std::string& key) {
    known_.push_back(key);
    const auto it = values_.find(key);
    if (it == values_.end()) return {};
    std::vector<std::string> out = std::move(it->second);
    values_.erase(it);
    if (out.empty()) usage_error("{}: key \"{}\": at least one name expected", where_, key);
    return out;
  }
  std::string required(const std::string& key) {
    const std::string out = text(key, "");
    if (out.empty()) usage_error("{}: key \"{}\" is missing", where_, key);
    return out;
  }
  std::filesystem::path path(const std::string& key) { return existing(key, required(key)); }
  std::filesystem::path path_or_none(const std::string& key) {
    const std::string given = text(key, "");
    return given.empty() ? std::filesystem::path() : existing(key, given);
  }
  void finish() const {
    if (!values_.empty()) unknown_option(where_, values_.begin()->first, known_);
  }

 private:
  std::filesystem::path existing(const std::string& key, const std::filesystem::path& given) const {
    if (std::filesystem::exists(given)) return given;
    if (given.is_relative() && std::filesystem::exists(folder_ / given)) return folder_ / given;
    fail("{}: key \"{}\": {} does not exist", where_, key, given.string());
  }

  OptionValues values_;
  std::string where_;
  std::filesystem::path folder_;
  std::vector<std::string> known_;
};

// Names become folders of the run.
std::string checked_name(const std::string& name, const std::string& where) {
  const bool plain =
      !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '+';
      });
  if (!plain) usage_error("{}: name \"{}\": letters, digits, '-', '_', '+' and '.' expected", where, name);
  return name;
}

template <class Spec>
void check_distinct(const std::vector<Spec>& specs, const std::string& where) {
  std::set<std::string> seen;
  for (const Spec& spec : specs)
    if (!seen.insert(spec.name).second) usage_error("{}: name \"{}\" stands twice", where, spec.name);
}

// A table of stage options. Files are the run's own business.
template <class Options>
void read_stage(const toml::table& file, const std::string& file_name, const char* command, Options& options,
                const std::vector<std::string>& files) {
  const toml::node* node = file.get(command);
  if (!node) return;
  const std::string where = fmt::format("{}: [{}]", file_name, command);
  if (!node->is_table()) usage_error("{}: a table expected", where);
  const OptionValues values = toml_values(*node->as_table(), where);
  for (const std::string& name : files)
    if (values.contains(name)) usage_error("{}: key \"{}\" is set by the run itself", where, name);
  set_options(options, values, where);
}

template <class Read>
void each_of(const toml::table& file, const std::string& file_name, const char* key, Read read) {
  const toml::node* node = file.get(key);
  const toml::array* array = node ? node->as_array() : nullptr;
  if (!array || array->empty()) usage_error("{}: at least one [[{}]] expected", file_name, key);
  int64_t index = 0;
  for (const toml::node& entry : *array) {
    ++index;
    const std::string where = fmt::format("{}: [[{}]] {}", file_name, key, index);
    if (!entry.is_table()) usage_error("{}: a table expected", where);
    read(*entry.as_table(), where);
  }
}

void check_words(const std::vector<std::string>& words, const std::vector<std::string>& known,
                 const std::string& where) {
  for (const std::string& word : words)
    if (std::find(known.begin(), known.end(), word) == known.end()) unknown_option(where, word, known);
}

// A pair's `data` names sets of the file, and each set is asked of some pair.
void check_asked(const Experiment& e, const std::string& file_name) {
  std::vector<std::string> names;
  for (const DataSpec& set : e.data) names.push_back(set.name);
  for (const PairSpec& pair : e.pairs)
    for (const std::string& name : pair.data)
      if (std::find(names.begin(), names.end(), name) == names.end())
        usage_error("{}: [[pair]] \"{}\": data: no [[data]] is named \"{}\"; {} expected", file_name,
                    pair.name, name, fmt::join(names, ", "));
  for (const DataSpec& set : e.data)
    if (std::none_of(e.pairs.begin(), e.pairs.end(), [&](const PairSpec& p) { return p.answers(set); }))
      usage_error("{}: [[data]] \"{}\" is asked of no pair", file_name, set.name);
}

void apply_preset_everywhere(Experiment& e, const std::string& preset) {
  if (preset.empty()) return;
  apply_preset(e.select, preset);
  apply_attribute_preset(e.attribute, preset);
}

const std::vector<std::string> kGenerateFiles{"model", "adapter", "data", "dataset", "out", "overwrite"};
const std::vector<std::string> kGradeFiles{"in", "input", "out"};
const std::vector<std::string> kSelectFiles{"before", "after", "out"};
const std::vector<std::string> kAttributeFiles{"model",     "adapter", "pairs",    "side",
                                               "sequences", "out",     "overwrite"};
const std::vector<std::string> kCompareFiles{"before", "after", "out", "before_on_after", "after_on_before"};

template <class Options>
json stage_json(const Options& options, const std::vector<std::string>& files) {
  json out = options_json_of(options);
  for (const auto& name : files) out.erase(name);
  out.erase("threads");
  return out;
}

}  // namespace

bool PairSpec::answers(const DataSpec& set) const {
  return data.empty() || std::find(data.begin(), data.end(), set.name) != data.end();
}

bool Experiment::cross() const { return std::find(texts.begin(), texts.end(), "cross") != texts.end(); }
bool Experiment::null_control() const {
  return std::find(controls.begin(), controls.end(), "null") != controls.end();
}
bool Experiment::noise_control() const {
  return std::find(controls.begin(), controls.end(), "noise") != controls.end();
}

json Experiment::to_json() const {
  json out{{"name", name},
           {"texts", texts},
           {"controls", controls},
           {"pairs", json::array()},
           {"data", json::array()}};
  if (noise_control()) out["noise_copies"] = noise_copies;
  for (const PairSpec& p : pairs) {
    json pair{{"name", p.name},
              {"before", p.before.model.string()},
              {"after", p.after.model.string()},
              {"chat", p.chat},
              {"prompt", p.prompt}};
    if (!p.data.empty()) pair["data"] = p.data;
    if (!p.before.adapter.empty()) pair["before_adapter"] = p.before.adapter.string();
    if (!p.after.adapter.empty()) pair["after_adapter"] = p.after.adapter.string();
    out["pairs"].push_back(std::move(pair));
  }
  for (const DataSpec& d : data)
    out["data"].push_back({{"name", d.name}, {"file", d.file.string()}, {"dataset", d.dataset}});
  out["settings"] = {{"generate", stage_json(generate, kGenerateFiles)},
                     {"grade", stage_json(grade, kGradeFiles)},
                     {"select", stage_json(select, kSelectFiles)},
                     {"attribute", stage_json(attribute, kAttributeFiles)},
                     {"compare", stage_json(compare, kCompareFiles)}};
  out["alphas"] = attribute.alpha;
  return out;
}

Experiment read_experiment(const std::filesystem::path& path, const std::string& preset_flag) {
  const toml::table file = parse_toml(path);
  const std::string file_name = path.string();
  const std::filesystem::path folder = path.parent_path();
  Experiment e;
  e.attribute.alpha = {0.03, 0.1, 0.3, 0.5};

  static const std::vector<std::string> kKeys{"name",   "texts",  "controls",  "noise_copies",
                                              "preset", "pair",   "data",      "generate",
                                              "grade",  "select", "attribute", "compare"};
  for (const auto& [key, node] : file)
    if (std::find(kKeys.begin(), kKeys.end(), key.str()) == kKeys.end())
      unknown_option(file_name, key.str(), kKeys);
  const auto texts_of = [&](const char* key) {
    const toml::node* node = file.get(key);
    return node ? toml_texts(*node, file_name + ": " + key) : std::vector<std::string>{};
  };
  const auto name = texts_of("name");
  e.name = checked_name(name.size() == 1 ? name.front() : path.stem().string(), file_name);
  if (file.get("texts")) e.texts = texts_of("texts");
  check_words(e.texts, {"own", "cross"}, file_name + ": texts");
  if (std::find(e.texts.begin(), e.texts.end(), "own") == e.texts.end())
    usage_error("{}: texts: \"own\" is always needed; \"cross\" adds to it", file_name);
  e.controls = texts_of("controls");
  check_words(e.controls, {"null", "noise"}, file_name + ": controls");
  if (const auto copies = texts_of("noise_copies"); !copies.empty())
    e.noise_copies = parse_value<int64_t>("noise_copies", copies.front());
  if (e.noise_copies < 20 || e.noise_copies > 10000)
    usage_error("{}: noise_copies: 20 to 10000 expected, {} found", file_name, e.noise_copies);

  each_of(file, file_name, "pair", [&](const toml::table& table, const std::string& where) {
    Table t(table, where, folder);
    PairSpec pair;
    pair.name = checked_name(t.required("name"), where);
    pair.before = {t.path("before"), t.path_or_none("before_adapter")};
    pair.after = {t.path("after"), t.path_or_none("after_adapter")};
    pair.chat = parse_value<bool>("chat", t.text("chat", "false"));
    pair.prompt = t.text("prompt", "");
    pair.data = t.texts("data");
    if (pair.chat && !pair.prompt.empty()) usage_error("{}: chat and prompt exclude each other", where);
    t.finish();
    e.pairs.push_back(pair);
  });
  check_distinct(e.pairs, file_name + ": [[pair]]");
  each_of(file, file_name, "data", [&](const toml::table& table, const std::string& where) {
    Table t(table, where, folder);
    DataSpec data;
    data.name = checked_name(t.required("name"), where);
    data.file = t.path("file");
    data.dataset = t.text("dataset", "generic");
    if (!is_dataset(data.dataset)) unknown_option(where + ": dataset", data.dataset, dataset_names());
    t.finish();
    e.data.push_back(data);
  });
  check_distinct(e.data, file_name + ": [[data]]");
  check_asked(e, file_name);

  const auto preset = texts_of("preset");
  if (preset.size() > 1) usage_error("{}: preset: one word expected", file_name);
  apply_preset_everywhere(e, !preset_flag.empty() ? preset_flag : preset.empty() ? "" : preset.front());
  read_stage(file, file_name, "generate", e.generate, kGenerateFiles);
  read_stage(file, file_name, "grade", e.grade, kGradeFiles);
  read_stage(file, file_name, "select", e.select, kSelectFiles);
  read_stage(file, file_name, "attribute", e.attribute, kAttributeFiles);
  read_stage(file, file_name, "compare", e.compare, kCompareFiles);
  if (e.attribute.t_cut) e.attribute.alpha.clear();
  check_generate(e.generate);
  check_attribute(e.attribute);
  if (!e.attribute.shard.empty()) usage_error("{}: [attribute] shard: a run does all chunks", file_name);
  if (e.attribute.scoring.top_edges > 0)
    usage_error(
        "{}: [attribute]: top_edges would give each model edges of its own, which cannot be compared; "
        "edge_sample gives all the same",
        file_name);
  check_select(e.select);
  return e;
}

}  // namespace circuitdiff
