// generations.jsonl while it grows. Answers finish in any order but stand in the order of the questions: one
// that comes early waits in a second file beside it (PATH.early), so that nothing finished is lost when the
// process dies. Both are repaired when opened again; whole rows are kept.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/files.h"
#include "records/generation.h"

namespace circuitdiff {

class AnswerFile {
 public:
  using Key = std::pair<std::string, int64_t>;  // id and sample
  // order: the rows that the whole file will have. Error where a row that is there is not the one expected.
  AnswerFile(const std::filesystem::path& path, const std::vector<Key>& order);
  static std::filesystem::path early_path(const std::filesystem::path& path);

  bool has(size_t index) const { return index < written_ || early_.contains(index); }
  size_t count() const { return written_ + early_.size(); }
  void put(size_t index, const Generation& generation);
  void sync();

 private:
  void append(const std::string& lines);
  std::string follow_on();  // the early rows that are next now, as lines

  size_t written_ = 0;                   // rows of the file, a beginning of `order`
  std::map<size_t, std::string> early_;  // lines that wait
  std::optional<AppendFile> file_, early_file_;
};

}  // namespace circuitdiff
