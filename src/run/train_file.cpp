#include "run/train_file.h"

#include "base/error.h"
#include "run/toml_values.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

void resolve_path(fs::path& path, const fs::path& folder) {
  if (path.empty() || path.is_absolute() || fs::exists(path)) return;
  if (fs::exists(folder / path)) path = folder / path;
}

}  // namespace

TrainOptions read_train_file(const fs::path& path) { return read_train_table(parse_toml(path), path); }

TrainOptions read_train_table(const toml::table& file, const fs::path& path) {
  const std::string where = path.string();
  TrainOptions o;
  OptionValues top;
  const std::vector<std::string> tables{"data", "algorithm", "optimizer", "rollout",   "reward",
                                        "lora", "eval",      "probe",     "checkpoint"};
  for (const auto& [key, node] : file) {
    const std::string name(key.str());
    if (!node.is_table()) {
      top[name] = toml_texts(node, where + ": " + name);
      continue;
    }
    const OptionValues values = toml_values(*node.as_table(), where + ": " + name);
    const std::string table = where + ": [" + name + "]";
    if (name == "data")
      set_options(o.data, values, table);
    else if (name == "algorithm")
      set_options(o.algorithm, values, table);
    else if (name == "optimizer")
      set_options(o.optimizer, values, table);
    else if (name == "rollout")
      set_options(o.rollout, values, table);
    else if (name == "reward")
      set_options(o.reward, values, table);
    else if (name == "lora")
      set_options(o.lora, values, table);
    else if (name == "eval")
      set_options(o.eval, values, table);
    else if (name == "probe")
      set_options(o.probe, values, table);
    else if (name == "checkpoint")
      set_options(o.checkpoint, values, table);
    else
      unknown_option(where, name, tables);
  }
  set_options(o, top, where);
  const fs::path folder = path.parent_path();
  for (fs::path* p : {&o.model, &o.reference, &o.data.file, &o.eval.file, &o.probe.sequences})
    resolve_path(*p, folder);
  return o;
}

}  // namespace circuitdiff
