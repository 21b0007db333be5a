// manifest.json (docs/spec.md#files): what a stage read, with which options, and what it wrote, by SHA-256.
// The same record, kept beside unfinished work, is how a resumed stage knows that it continues what was
// begun: an option or an input that has changed is refused and named.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/options.h"
#include "io/json.h"

namespace circuitdiff {

inline constexpr const char* kVersion = "0.1.0";

struct FileRecord {
  std::string role;    // "model", "pairs", "scores"
  std::string path;    // inputs: as given to the command; outputs: relative to the manifest
  std::string sha256;  // of the file; of a folder: of the names and hashes of the files in it that were read
};

struct Manifest {
  std::string command;
  json options = json::object();
  std::vector<FileRecord> inputs, outputs;
  std::string directory;          // where the command ran: relative input paths start there
  json details = json::object();  // device, dtype, threads, seconds per stage, ...: recorded, never compared

  json to_json() const;
  static Manifest from_json(const json& value, const std::string& where);
};

// `directory` is filled with the present one where it is empty.
void write_manifest(const std::filesystem::path& path, const Manifest& manifest);
Manifest read_manifest(const std::filesystem::path& path);

// {"ig_steps": 5, ...} of an options struct.
json options_json(const std::vector<OptionInfo>& options);
template <class Options>
json options_json_of(const Options& options) {
  return options_json(list_options(options));
}

FileRecord record_file(std::string role, const std::filesystem::path& path);
// A checkpoint folder: config, weights, tokenizer and template files, in name order.
FileRecord record_folder(std::string role, const std::filesystem::path& path);
FileRecord record_path(std::string role, const std::filesystem::path& path);  // whichever it is

// Hashes outputs again that a later command replaced, as `report` does; files that the manifest does not list
// are left out of it. Nothing happens where there is no manifest.
void refresh_outputs(const std::filesystem::path& manifest,
                     const std::vector<std::filesystem::path>& written);

// One line naming the first thing that differs between what was begun and what is asked for now; empty if
// nothing does. Paths are not compared, contents are: "option alpha was 0.1, is now 0.3", "input pairs
// (pairs.jsonl) has changed".
std::string first_change(const Manifest& begun, const Manifest& now);

// Everything a stage that resumes needs beside its output: refuses (Error) where `state_path` holds a
// different beginning, writes it where there is none. Returns true if earlier work is there to continue. With
// `overwrite`, earlier work is forgotten: calls `discard` and begins anew.
bool begin_or_resume(const std::filesystem::path& state_path, const Manifest& now, bool overwrite,
                     const std::function<void()>& discard);

// One problem a line; empty if every input and output still has its hash. Paths of inputs are tried as
// written, then from the manifest's folder, then from where the command ran.
std::vector<std::string> verify_manifest(const std::filesystem::path& path);

}  // namespace circuitdiff
