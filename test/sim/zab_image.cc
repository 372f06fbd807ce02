#include "test/sim/zab_image.h"

#include <algorithm>

namespace sillok::sim {

using zab::Entry;
using zab::Persist;

void ZabImage::Apply(const ZabWrite& write) {
  switch (write.kind) {
    case ZabWrite::Kind::kPersist:
      ApplyPartly(write, ~uint64_t{0});
      return;
    case ZabWrite::Kind::kApplied:
      applied_ = std::max(applied_, write.zxid);
      return;
    case ZabWrite::Kind::kTrim:
      while (!log_.empty() && log_.front().zxid <= write.zxid) {
        trimmed_ = log_.front().zxid;
        log_.pop_front();
      }
      return;
  }
}

void ZabImage::ApplyPartly(const ZabWrite& write, uint64_t random) {
  if (write.kind != ZabWrite::Kind::kPersist) return;
  const Persist& persist = write.persist;
  const bool whole = random == ~uint64_t{0};
  uint64_t parts = whole ? random : random % (persist.entries.size() + 2);
  if (persist.install_snapshot) {
    if (parts-- == 0) return;
    log_.clear();
    trimmed_ = applied_ = *persist.install_snapshot;
  }
  if (persist.truncate_after) {
    if (parts-- == 0) return;
    while (!log_.empty() && log_.back().zxid > *persist.truncate_after) {
      log_.pop_back();
    }
  }
  for (const Entry& entry : persist.entries) {
    if (parts-- == 0) return;
    log_.push_back(entry);
  }
  if (persist.hard_state && parts > 0) hard_state_ = *persist.hard_state;
}

std::deque<Entry>::const_iterator ZabImage::FirstAbove(Zxid zxid) const {
  return std::upper_bound(
      log_.begin(), log_.end(), zxid,
      [](Zxid wanted, const Entry& entry) { return wanted < entry.zxid; });
}

std::optional<Zxid> ZabImage::LastAtOrBefore(Zxid zxid) const {
  if (zxid < trimmed_) return std::nullopt;
  auto above = FirstAbove(zxid);
  return above == log_.begin() ? trimmed_ : std::prev(above)->zxid;
}

std::vector<Entry> ZabImage::Read(Zxid after, size_t max_bytes) const {
  std::vector<Entry> result;
  if (after < trimmed_) return result;
  size_t bytes = 0;
  for (auto entry = FirstAbove(after); entry != log_.end(); ++entry) {
    bytes += entry->size_bytes();
    if (bytes > max_bytes && !result.empty()) break;
    result.push_back(*entry);
  }
  return result;
}

}  // namespace sillok::sim
