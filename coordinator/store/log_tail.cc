#include "coordinator/store/log_tail.h"

#include <algorithm>

namespace sillok {
namespace {

// What an entry costs in memory beside its txn.
constexpr size_t kEntryOverhead = 64;

size_t Cost(const zab::Entry& entry) {
  return entry.size_bytes() + kEntryOverhead;
}

// The first of `entries` after `zxid`.
std::deque<zab::Entry>::const_iterator After(
    const std::deque<zab::Entry>& entries, Zxid zxid) {
  return std::upper_bound(
      entries.begin(), entries.end(), zxid,
      [](Zxid z, const zab::Entry& entry) { return z < entry.zxid; });
}

}  // namespace

void LogTail::Reset(Zxid trimmed) {
  ++generation_;
  trimmed_ = base_ = last_ = written_ = trimmed;
  entries_.clear();
  bytes_ = 0;
  marks_.clear();
  next_number_ = 0;
}

void LogTail::Count(Zxid zxid) {
  if (next_number_ % kMarkEvery == 0) marks_.push_back({next_number_, zxid});
  ++next_number_;
}

void LogTail::Recovered(Zxid zxid) {
  Count(zxid);
  base_ = last_ = written_ = zxid;
}

void LogTail::Append(zab::Entry entry) {
  Count(entry.zxid);
  last_ = entry.zxid;
  bytes_ += Cost(entry);
  entries_.push_back(std::move(entry));
}

void LogTail::TruncateAfter(Zxid after) {
  if (after >= last_) return;
  ++generation_;
  while (!entries_.empty() && entries_.back().zxid > after) {
    bytes_ -= Cost(entries_.back());
    entries_.pop_back();
  }
  base_ = std::min(base_, after);
  written_ = std::min(written_, after);
  last_ = after;
  while (!marks_.empty() && marks_.back().zxid > after) marks_.pop_back();
  next_number_ = marks_.empty() ? 0 : marks_.back().number + 1;
}

void LogTail::TrimTo(Zxid zxid) {
  if (zxid <= trimmed_) return;
  trimmed_ = zxid;
  while (!entries_.empty() && entries_.front().zxid <= zxid) {
    bytes_ -= Cost(entries_.front());
    entries_.pop_front();
  }
  base_ = std::max(base_, zxid);
  while (!marks_.empty() && marks_.front().zxid <= zxid) marks_.pop_front();
}

void LogTail::Written(Zxid zxid, uint64_t generation) {
  if (generation != generation_) return;
  written_ = std::max(written_, std::min(zxid, last_));
  while (bytes_ > cache_bytes_ && !entries_.empty() &&
         entries_.front().zxid <= written_) {
    base_ = entries_.front().zxid;
    bytes_ -= Cost(entries_.front());
    entries_.pop_front();
  }
}

void LogTail::Read(Zxid after, size_t max_bytes, size_t already,
                   std::vector<zab::Entry>* out) const {
  for (auto it = After(entries_, after); it != entries_.end(); ++it) {
    already += it->size_bytes();
    if (!out->empty() && already > max_bytes) return;
    out->push_back(*it);
  }
}

Zxid LogTail::LastAtOrBefore(Zxid zxid) const {
  const auto it = After(entries_, zxid);
  return it == entries_.begin() ? base_ : std::prev(it)->zxid;
}

std::optional<Zxid> LogTail::TrimPoint(Zxid limit, size_t keep) const {
  std::optional<Zxid> point;
  for (const Mark& mark : marks_) {
    if (mark.zxid > limit || next_number_ - mark.number - 1 < keep) break;
    if (mark.zxid > trimmed_) point = mark.zxid;
  }
  return point;
}

}  // namespace sillok
