#include "attribute/shards.h"

#include <charconv>
#include <optional>

#include "base/error.h"

namespace circuitdiff {
namespace {

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_of_a_shard(const std::filesystem::path& path) {
  return path.filename().string().rfind("shard-", 0) == 0;
}

}  // namespace

std::string Shard::name() const { return fmt::format("shard-{}-of-{}", index, count); }

Shard parse_shard(const std::string& text) {
  if (text.empty()) return {};
  const size_t slash = text.find('/');
  if (slash != std::string::npos) {
    const auto index = whole_number(std::string_view(text).substr(0, slash));
    const auto count = whole_number(std::string_view(text).substr(slash + 1));
    if (index && count && *index >= 1 && *index <= *count && *count <= 1000000) return {*index, *count};
  }
  usage_error("--shard: I/N with 1 <= I <= N expected, \"{}\" found", text);
}

RunFiles run_files(const std::filesystem::path& out, const Shard& shard) {
  if (shard.is_whole()) return {out / "attribute.state.json", out / "attribute.journal", out / ".lock"};
  return {out / (shard.name() + ".state.json"), out / (shard.name() + ".journal"),
          out / (shard.name() + ".lock")};
}

void take_shards(const std::filesystem::path& out, const Manifest& now, Journal& journal) {
  for (const auto& entry : std::filesystem::directory_iterator(out)) {
    if (!is_of_a_shard(entry.path()) || entry.path().extension() != ".journal") continue;
    std::filesystem::path state = entry.path(), lock = entry.path();
    const FileLock held(lock.replace_extension(".lock"));  // its process is not at work
    const Manifest then = read_manifest(state.replace_extension(".state.json"));
    if (const std::string change = first_change(then, now); !change.empty())
      fail("{}: a shard of another run: {}; remove it, or use --overwrite", entry.path().string(), change);
    const Journal shard(entry.path());
    for (const auto& [chunk, scores] : shard.finished())
      if (!journal.finished().contains(chunk)) journal.append(chunk, scores);
  }
}

void remove_shards(const std::filesystem::path& out) {
  std::vector<std::filesystem::path> old;
  for (const auto& entry : std::filesystem::directory_iterator(out))
    if (is_of_a_shard(entry.path())) old.push_back(entry.path());
  for (const auto& path : old) std::filesystem::remove(path);
}

}  // namespace circuitdiff
