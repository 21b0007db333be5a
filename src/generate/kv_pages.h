// Which pages of the key-value cache belong to which sequence: bookkeeping only, the numbers lie in the
// engine. Pages of a prompt that are full may serve every sequence that begins with the same tokens; those
// that nobody uses any more are kept until room is needed, oldest first.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

namespace circuitdiff {

class KvPages {
 public:
  explicit KvPages(int64_t most_pages) : most_(most_pages) {}

  // Pages that `positions` positions need.
  static int64_t needed(int64_t positions);
  // Pages that are free or could be freed now.
  int64_t available() const { return most_ - in_use_; }

  // Takes the pages that hold the beginning of `tokens`, as far as they are known, into `pages` (empty
  // before); always leaves at least one token to be computed. Returns the positions they hold.
  int64_t share(std::span<const int64_t> tokens, std::vector<int32_t>& pages);
  // Adds pages until there is room for so many positions. False where there is none left; what was added
  // stays.
  bool extend(std::vector<int32_t>& pages, int64_t positions);
  // The full pages among the first `positions` positions of `tokens` are written, or will be before anyone
  // reads them.
  void publish(std::span<const int64_t> tokens, int64_t positions, const std::vector<int32_t>& pages);
  void release(std::vector<int32_t>& pages);  // empties it

 private:
  // A page is known by the page before it and its own 16 tokens: equal keys mean equal beginnings.
  using Key = std::pair<int32_t, std::vector<int64_t>>;
  struct Page {
    int64_t users = 0, followers = 0;  // sequences; known pages that come after it
    bool known = false;
    Key key;
    int64_t last_used = 0;
  };
  void use(int32_t page);
  void note_idle(int32_t page);  // puts it among those that can be taken, if it can be
  int32_t take();                // a page for new tokens; -1 where there is none

  int64_t most_, in_use_ = 0, clock_ = 0;
  std::vector<Page> pages_;
  std::vector<int32_t> free_;
  std::set<std::pair<int64_t, int32_t>>
      idle_;  // (last used, page): known, used by nobody, followed by nothing
  std::map<Key, int32_t> known_;
};

}  // namespace circuitdiff
