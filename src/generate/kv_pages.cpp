#include "generate/kv_pages.h"

#include "generate/engine.h"

namespace circuitdiff {

int64_t KvPages::needed(int64_t positions) { return (positions + kPage - 1) / kPage; }

void KvPages::use(int32_t page) {
  Page& p = pages_[static_cast<size_t>(page)];
  if (p.users++ == 0) {
    ++in_use_;
    idle_.erase({p.last_used, page});
  }
}

void KvPages::note_idle(int32_t page) {
  Page& p = pages_[static_cast<size_t>(page)];
  if (p.users == 0 && p.known && p.followers == 0) idle_.insert({p.last_used, page});
}

int32_t KvPages::take() {
  int32_t page = -1;
  if (!free_.empty()) {
    page = free_.back();
    free_.pop_back();
  } else if (static_cast<int64_t>(pages_.size()) < most_) {
    page = static_cast<int32_t>(pages_.size());
    pages_.emplace_back();
  } else if (!idle_.empty()) {
    page = idle_.begin()->second;
    idle_.erase(idle_.begin());
    Page& p = pages_[static_cast<size_t>(page)];
    known_.erase(p.key);
    p.known = false;
    if (p.key.first >= 0) {
      --pages_[static_cast<size_t>(p.key.first)].followers;
      note_idle(p.key.first);
    }
  }
  return page;
}

int64_t KvPages::share(std::span<const int64_t> tokens, std::vector<int32_t>& pages) {
  int32_t before = -1;
  const auto n = static_cast<int64_t>(tokens.size());
  for (int64_t at = 0; at + kPage < n; at += kPage) {  // `<`: the last token is always computed
    const auto part = tokens.subspan(static_cast<size_t>(at), static_cast<size_t>(kPage));
    const auto it = known_.find(Key{before, {part.begin(), part.end()}});
    if (it == known_.end()) break;
    before = it->second;
    use(before);
    pages.push_back(before);
  }
  return static_cast<int64_t>(pages.size()) * kPage;
}

bool KvPages::extend(std::vector<int32_t>& pages, int64_t positions) {
  while (static_cast<int64_t>(pages.size()) < needed(positions)) {
    const int32_t page = take();
    if (page < 0) return false;
    use(page);
    pages.push_back(page);
  }
  return true;
}

void KvPages::publish(std::span<const int64_t> tokens, int64_t positions, const std::vector<int32_t>& pages) {
  int32_t before = -1;
  for (int64_t i = 0; (i + 1) * kPage <= positions; ++i) {
    const int32_t page = pages[static_cast<size_t>(i)];
    Page& p = pages_[static_cast<size_t>(page)];
    if (!p.known) {
      const auto part = tokens.subspan(static_cast<size_t>(i * kPage), static_cast<size_t>(kPage));
      Key key{before, {part.begin(), part.end()}};
      // Another sequence has written the same beginning meanwhile: what follows
      // hangs on its pages, not on these.
      if (!known_.emplace(key, page).second) return;
      p.known = true;
      p.key = std::move(key);
      if (before >= 0) ++pages_[static_cast<size_t>(before)].followers;
    }
    before = page;
  }
}

void KvPages::release(std::vector<int32_t>& pages) {
  ++clock_;
  for (const int32_t page : pages) {
    Page& p = pages_[static_cast<size_t>(page)];
    if (--p.users > 0) continue;
    --in_use_;
    p.last_used = clock_;
    if (p.known)
      note_idle(page);
    else
      free_.push_back(page);
  }
  pages.clear();
}

}  // namespace circuitdiff
