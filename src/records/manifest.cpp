#include "records/manifest.h"

#include <algorithm>

#include "base/error.h"
#include "io/files.h"

namespace circuitdiff {
namespace {

json records_json(const std::vector<FileRecord>& records) {
  json out = json::array();
  for (const auto& r : records)
    out.push_back({{"role", r.role}, {"path", valid_utf8(r.path)}, {"sha256", r.sha256}});
  return out;
}

std::vector<FileRecord> records_from(const json& value, const std::string& field, const std::string& where) {
  std::vector<FileRecord> out;
  if (!value.contains(field)) return out;
  if (!value[field].is_array())
    fail("{}: field \"{}\": an array expected, {} found", where, field, json_kind(value[field]));
  for (const json& entry : value[field]) {
    const Row row(entry, where + ": " + field + "[" + std::to_string(out.size()) + "]");
    out.push_back({row.string("role"), row.string("path"), row.string("sha256")});
  }
  return out;
}

// What a checkpoint folder is made of, as far as any stage reads it.
bool belongs_to_checkpoint(const std::filesystem::path& path) {
  const std::string ext = path.extension().string();
  return ext == ".json" || ext == ".safetensors" || ext == ".jinja" || ext == ".bin" || ext == ".model" ||
         ext == ".gguf";
}

std::string hash_folder(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(path, error), end; it != end && !error; it.increment(error))
    if (std::error_code ignored; it->is_regular_file(ignored) && belongs_to_checkpoint(it->path()))
      files.push_back(it->path());
  if (error) fail("{}: cannot list the folder: {}", path.string(), error.message());
  std::sort(files.begin(), files.end());
  std::string listing;
  for (const auto& file : files) listing += file.filename().string() + " " + sha256_file(file) + "\n";
  return sha256_hex(listing);
}

std::string show(const json& value) { return value.is_null() ? "unset" : value.dump(); }

}  // namespace

json Manifest::to_json() const {
  return {{"circuitdiff", kVersion},
          {"command", command},
          {"directory", directory.empty() ? std::filesystem::current_path().string() : directory},
          {"options", options},
          {"inputs", records_json(inputs)},
          {"outputs", records_json(outputs)},
          {"details", details}};
}

Manifest Manifest::from_json(const json& value, const std::string& where) {
  if (!value.is_object()) fail("{}: an object expected, {} found", where, json_kind(value));
  const Row row(value, where);
  Manifest out;
  out.command = row.string("command");
  out.directory = row.string_or("directory", "");
  out.options = row.at("options");
  if (!out.options.is_object()) row.bad("options", "an object");
  out.inputs = records_from(value, "inputs", where);
  out.outputs = records_from(value, "outputs", where);
  if (row.has("details")) out.details = row.at("details");
  return out;
}

void write_manifest(const std::filesystem::path& path, const Manifest& manifest) {
  write_file_atomically(path, manifest.to_json().dump(2) + "\n");
}

Manifest read_manifest(const std::filesystem::path& path) {
  return Manifest::from_json(read_json_file(path), path.string());
}

json options_json(const std::vector<OptionInfo>& options) {
  json out = json::object();
  for (const auto& option : options) {
    const auto one = [&](const std::string& text) {
      return option.is_text ? json(valid_utf8(text)) : json::parse(text);
    };
    if (option.is_list) {
      out[option.name] = json::array();
      for (const auto& text : option.values) out[option.name].push_back(one(text));
    } else {
      out[option.name] = option.values.empty() ? json(nullptr) : one(option.values.front());
    }
  }
  return out;
}

FileRecord record_file(std::string role, const std::filesystem::path& path) {
  return {std::move(role), path.string(), sha256_file(path)};
}

FileRecord record_folder(std::string role, const std::filesystem::path& path) {
  return {std::move(role), path.string(), hash_folder(path)};
}

FileRecord record_path(std::string role, const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) ? record_folder(std::move(role), path)
                                             : record_file(std::move(role), path);
}

std::string first_change(const Manifest& begun, const Manifest& now) {
  if (begun.command != now.command)
    return fmt::format("it was begun by `{}`, not `{}`", begun.command, now.command);
  // Files first: an option may say what was made of them.
  for (const auto& input : now.inputs) {
    const auto it = std::find_if(begun.inputs.begin(), begun.inputs.end(),
                                 [&](const FileRecord& r) { return r.role == input.role; });
    if (it == begun.inputs.end()) return fmt::format("input {} ({}) is new", input.role, input.path);
    if (it->sha256 != input.sha256) return fmt::format("input {} ({}) has changed", input.role, input.path);
  }
  for (const auto& input : begun.inputs)
    if (std::none_of(now.inputs.begin(), now.inputs.end(),
                     [&](const FileRecord& r) { return r.role == input.role; }))
      return fmt::format("input {} ({}) is gone", input.role, input.path);
  for (const auto& [name, value] : now.options.items()) {
    const json was = begun.options.contains(name) ? begun.options[name] : json(nullptr);
    if (was != value) return fmt::format("option {} was {}, is now {}", name, show(was), show(value));
  }
  for (const auto& [name, value] : begun.options.items())
    if (!now.options.contains(name)) return fmt::format("option {} was {}, is now unset", name, show(value));
  return "";
}

bool begin_or_resume(const std::filesystem::path& state_path, const Manifest& now, bool overwrite,
                     const std::function<void()>& discard) {
  if (std::filesystem::exists(state_path) && !overwrite) {
    const std::string change = first_change(read_manifest(state_path), now);
    if (!change.empty())
      fail("{}: cannot continue earlier work: {}; use --overwrite to begin anew", state_path.string(),
           change);
    return true;
  }
  discard();
  write_manifest(state_path, now);
  return false;
}

void refresh_outputs(const std::filesystem::path& path, const std::vector<std::filesystem::path>& written) {
  if (!std::filesystem::exists(path)) return;
  Manifest manifest = read_manifest(path);
  for (FileRecord& record : manifest.outputs)
    for (const auto& file : written)
      if (std::filesystem::weakly_canonical(path.parent_path() / record.path) ==
          std::filesystem::weakly_canonical(file))
        record.sha256 = sha256_file(file);
  write_manifest(path, manifest);
}

std::vector<std::string> verify_manifest(const std::filesystem::path& path) {
  const Manifest manifest = read_manifest(path);
  std::vector<std::string> problems;
  const auto check = [&](const FileRecord& record, const char* kind, const std::filesystem::path& first,
                         const std::filesystem::path& second) {
    const std::filesystem::path file = std::filesystem::exists(first) ? first : second;
    if (!std::filesystem::exists(file)) {
      problems.push_back(fmt::format("{} {} ({}): missing", kind, record.role, record.path));
      return;
    }
    const std::string found = record_path(record.role, file).sha256;
    if (found != record.sha256)
      problems.push_back(fmt::format("{} {} ({}): sha256 {} expected, {} found", kind, record.role,
                                     record.path, record.sha256.substr(0, 12), found.substr(0, 12)));
  };
  // Inputs lie where the command was given them, outputs beside their manifest.
  for (const auto& r : manifest.inputs) {
    const auto beside = path.parent_path() / r.path,
               where_it_ran = std::filesystem::path(manifest.directory) / r.path;
    check(r, "input", r.path, std::filesystem::exists(beside) ? beside : where_it_ran);
  }
  for (const auto& r : manifest.outputs)
    check(r, "output", path.parent_path() / r.path, path.parent_path() / r.path);
  return problems;
}

}  // namespace circuitdiff
