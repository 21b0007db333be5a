#include "train/train_state.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
constexpr const char* kStateTensors = "trainer_state.safetensors";
constexpr const char* kStateFile = "trainer_state.json";
constexpr const char* kPrefix = "checkpoint-";

// What belongs to a model beside its weights.
void copy_model_files(const fs::path& from, const fs::path& to) {
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                           "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
                           "tokenizer.model", "chat_template.jinja", "chat_template.json"})
    if (fs::exists(from / name)) write_file_atomically(to / name, read_file(from / name));
}

// Fills a folder beside `folder` and gives it its name when it is whole.
template <class Fill>
void write_folder(const fs::path& folder, const Fill& fill) {
  const fs::path temporary = folder.string() + ".tmp-" + std::to_string(::getpid());
  remove_leftovers(folder);
  fs::remove_all(temporary);
  try {
    fs::create_directories(temporary);
    fill(temporary);
    fs::remove_all(folder);
    fs::rename(temporary, folder);
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    fail("{}: cannot be written: {}", folder.string(), error.code().message());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

std::vector<std::pair<std::string, Tensor>> state_tensors(const TrainState& state) {
  std::vector<std::pair<std::string, Tensor>> out{{"values", state.parameters.values()}};
  for (const auto& entry : state.optimizer.state()) out.push_back(entry);
  if (state.value_head) {
    const char* names[] = {"value_head.values", "value_head.first", "value_head.second"};
    const auto tensors = state.value_head->state();
    for (size_t i = 0; i < tensors.size(); ++i) out.emplace_back(names[i], *tensors[i]);
  }
  return out;
}

std::optional<int64_t> step_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const std::string prefix = kPrefix;
  if (name.rfind(prefix, 0) != 0 || name.size() == prefix.size() || name.size() > prefix.size() + 15)
    return {};
  const std::string digits = name.substr(prefix.size());
  if (digits.find_first_not_of("0123456789") != std::string::npos) return {};
  return std::stoll(digits);
}

}  // namespace

fs::path checkpoint_path(const fs::path& out, int64_t step) { return out / (kPrefix + std::to_string(step)); }

std::vector<std::pair<int64_t, fs::path>> train_checkpoints(const fs::path& out) {
  std::vector<std::pair<int64_t, fs::path>> found;
  if (!fs::exists(out)) return found;
  for (const auto& entry : fs::directory_iterator(out))
    if (const auto step = step_of(entry.path()); step && fs::exists(entry.path() / kStateFile))
      found.emplace_back(*step, entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<fs::path> last_checkpoint(const fs::path& out) {
  const auto found = train_checkpoints(out);
  if (found.empty()) return {};
  return found.back().second;
}

void write_train_checkpoint(const fs::path& folder, const TrainState& state, const TrainPosition& position) {
  write_folder(folder, [&](const fs::path& to) {
    copy_model_files(state.parameters.checkpoint()->folder(), to);
    state.parameters.save(to, /*merged=*/true);
    std::vector<Tensor> kept;
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, tensor] : state_tensors(state)) {
      kept.push_back(tensor.to(at::kCPU).contiguous());
      const bool wide = tensor.scalar_type() == at::kDouble;
      tensors.push_back(
          {name,
           wide ? TensorType::f64 : TensorType::f32,
           {kept.back().numel()},
           {static_cast<const std::byte*>(kept.back().const_data_ptr()), kept.back().nbytes()}});
    }
    write_safetensors(to / kStateTensors, tensors);
    const json record{{"step", position.step},
                      {"cursor", position.cursor},
                      {"tokens", position.tokens},
                      {"metrics_bytes", position.metrics_bytes},
                      {"event_bytes", position.event_bytes},
                      {"optimizer_steps", state.optimizer.steps},
                      {"value_steps", state.value_head ? state.value_head->steps : 0}};
    write_file_atomically(to / kStateFile, record.dump(1) + "\n");
  });
}

TrainPosition read_train_checkpoint(const fs::path& folder, const TrainState& state) {
  const SafetensorsFile file(folder / kStateTensors);
  for (auto& [name, tensor] : state_tensors(state)) {
    const TensorEntry& entry = file.at(name);
    const at::ScalarType type = entry.type == TensorType::f64 ? at::kDouble : at::kFloat;
    if (entry.numel() != tensor.numel() || type != tensor.scalar_type())
      fail("{}: {} has {} numbers, {} expected; was the model's shape changed?", file.path().string(), name,
           entry.numel(), tensor.numel());
    Tensor into = tensor;
    into.copy_(at::from_blob(const_cast<std::byte*>(file.bytes(entry).data()), {entry.numel()},
                             at::TensorOptions().dtype(type)));
  }
  state.parameters.refresh();
  const Row row(read_json_file(folder / kStateFile), (folder / kStateFile).string());
  state.optimizer.steps = row.integer("optimizer_steps");
  if (state.value_head) state.value_head->steps = row.integer("value_steps");
  TrainPosition position;
  position.step = row.integer("step");
  position.cursor = row.integer("cursor");
  position.tokens = row.integer("tokens");
  position.metrics_bytes = row.integer("metrics_bytes");
  position.event_bytes = row.integer("event_bytes");
  return position;
}

void write_model_folder(const fs::path& folder, const Parameters& parameters) {
  write_folder(folder, [&](const fs::path& to) {
    copy_model_files(parameters.checkpoint()->folder(), to);
    parameters.save(to, /*merged=*/true);
  });
}

void drop_old_checkpoints(const fs::path& out, int64_t keep) {
  if (keep == 0) return;
  const auto found = train_checkpoints(out);
  for (size_t i = 0; i + static_cast<size_t>(keep) < found.size(); ++i) fs::remove_all(found[i].second);
}

}  // namespace circuitdiff
