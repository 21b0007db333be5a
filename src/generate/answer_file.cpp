#include "generate/answer_file.h"

#include "base/error.h"

namespace circuitdiff {

std::filesystem::path AnswerFile::early_path(const std::filesystem::path& path) {
  return path.string() + ".early";
}

AnswerFile::AnswerFile(const std::filesystem::path& path, const std::vector<Key>& order) {
  const std::filesystem::path early = early_path(path);
  if (std::filesystem::exists(path)) {
    repair_torn_tail(path);
    read_jsonl(path, [&](Row&& row) {
      const Generation g = parse_generation(row);
      if (written_ >= order.size() || Key(g.id, g.sample) != order[written_])
        fail(
            "{}: question {} sample {} is not the row expected here; was the file changed? use --overwrite "
            "to begin anew",
            row.where(), in_quotes(g.id), g.sample);
      ++written_;
    });
  }
  if (std::filesystem::exists(early)) {
    repair_torn_tail(early);
    std::map<Key, size_t> index;
    for (size_t i = written_; i < order.size(); ++i) index.emplace(order[i], i);
    read_jsonl(early, [&](Row&& row) {
      const Generation g = parse_generation(row);
      const auto it = index.find({g.id, g.sample});
      if (it != index.end()) early_[it->second] = to_line(g) + "\n";
    });
  }
  file_.emplace(path);
  append(follow_on());
  if (written_ < order.size()) early_file_.emplace(early);
}

std::string AnswerFile::follow_on() {
  std::string lines;
  for (auto it = early_.find(written_); it != early_.end(); it = early_.find(written_)) {
    lines += it->second;
    early_.erase(it);
    ++written_;
  }
  return lines;
}

void AnswerFile::append(const std::string& lines) {
  if (!lines.empty()) file_->append(lines);
}

void AnswerFile::put(size_t index, const Generation& generation) {
  std::string line = to_line(generation) + "\n";
  if (index == written_) {
    ++written_;
    append(line + follow_on());
  } else {
    early_file_->append(line);
    early_[index] = std::move(line);
  }
}

void AnswerFile::sync() {
  file_->sync();
  if (early_file_) early_file_->sync();
}

}  // namespace circuitdiff
