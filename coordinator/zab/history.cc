#include "coordinator/zab/history.h"

#include <sstream>
#include <utility>

namespace sillok::zab {
namespace {

template <typename... Parts>
std::string Describe(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// The first entry above `zxid`.
std::deque<Entry>::const_iterator FirstAbove(const std::deque<Entry>& entries,
                                             Zxid zxid) {
  return std::upper_bound(
      entries.begin(), entries.end(), zxid,
      [](Zxid wanted, const Entry& entry) { return wanted < entry.zxid; });
}

}  // namespace

History::History(HardState hard_state, Zxid applied, const LogView* view,
                 const Options& options)
    : view_(view),
      faults_(options.faults),
      cache_bytes_(options.cache_bytes),
      hard_state_(hard_state),
      last_(view->LastZxid()),
      durable_(last_),
      confirmed_last_(last_),
      memory_base_(last_) {
  if (hard_state.current_epoch > hard_state.accepted_epoch ||
      last_.epoch() > hard_state.accepted_epoch) {
    violation_ = Describe("epochs out of order on disk: accepted ",
                          hard_state.accepted_epoch, ", current ",
                          hard_state.current_epoch, ", last entry ", last_);
  } else if (applied < view->TrimmedTo() || applied > last_) {
    violation_ = Describe("applied zxid ", applied, " outside the log, ",
                          view->TrimmedTo(), " to ", last_);
  }
}

std::optional<Zxid> History::LastAtOrBefore(Zxid zxid) const {
  if (zxid >= last_) return last_;
  if (zxid >= memory_base_) {
    auto above = FirstAbove(memory_, zxid);
    return above == memory_.begin() ? memory_base_ : std::prev(above)->zxid;
  }
  if (zxid < floor_) return std::nullopt;
  return view_->LastAtOrBefore(zxid);
}

std::optional<Zxid> History::Next(Zxid zxid) const {
  if (zxid >= last_) return std::nullopt;
  std::vector<Entry> next = Read(zxid, 0);
  if (next.empty()) return std::nullopt;
  return next.front().zxid;
}

std::vector<Entry> History::Read(Zxid after, size_t max_bytes) const {
  std::vector<Entry> result;
  if (after >= last_ || after < floor_) return result;
  size_t bytes = 0;
  if (after < memory_base_) {
    result = view_->Read(after, max_bytes);
    // The view may already show, or still show, what lies beyond.
    while (!result.empty() && result.back().zxid > memory_base_) {
      result.pop_back();
    }
    // Where the answer ends does not tell what is in memory.
    if (result.empty() || result.back().zxid < memory_base_) return result;
    for (const Entry& entry : result) bytes += entry.size_bytes();
    after = memory_base_;
  }
  for (auto entry = FirstAbove(memory_, after); entry != memory_.end();
       ++entry) {
    bytes += entry->size_bytes();
    if (bytes > max_bytes && !result.empty()) break;
    result.push_back(*entry);
  }
  return result;
}

Persist& History::Build(Stage stage) {
  if (building_.empty() || stage < stage_) {
    building_.emplace_back();
    building_.back().token = next_token_++;
    pending_.push_back({building_.back().token, last_});
  }
  stage_ = stage;
  return building_.back();
}

void History::Append(Entry entry) {
  if (!faults_.accept_gaps && !IsSuccessor(last_, entry.zxid)) {
    violation_ = Describe("entry ", entry.zxid, " does not follow ", last_);
    return;
  }
  Persist& persist = Build(Stage::kEntries);
  last_ = entry.zxid;
  pending_.back().last = last_;
  memory_bytes_ += entry.size_bytes();
  persist.entries.push_back(entry);
  memory_.push_back(std::move(entry));
}

void History::TruncateAfter(Zxid zxid) {
  if (zxid >= last_) return;
  Persist& persist = Build(Stage::kTruncate);
  persist.truncate_after = zxid;
  while (!memory_.empty() && memory_.back().zxid > zxid) {
    memory_bytes_ -= memory_.back().size_bytes();
    memory_.pop_back();
  }
  memory_base_ = std::min(memory_base_, zxid);
  last_ = zxid;
  pending_.back().last = zxid;
  pending_.back().keeps = std::min(pending_.back().keeps, zxid);
  UpdateDurable();
}

void History::InstallSnapshot(Zxid zxid) {
  Build(Stage::kInstall).install_snapshot = zxid;
  memory_.clear();
  memory_bytes_ = 0;
  memory_base_ = floor_ = last_ = zxid;
  pending_.back().last = zxid;
  pending_.back().keeps = Zxid();
  UpdateDurable();
}

void History::SetHardState(HardState hard_state) {
  Build(Stage::kHardState).hard_state = hard_state;
  hard_state_ = hard_state;
}

void History::OnPersisted(uint64_t token) {
  while (!pending_.empty() && pending_.front().token <= token) {
    confirmed_last_ = pending_.front().last;
    confirmed_token_ = pending_.front().token;
    pending_.pop_front();
  }
  UpdateDurable();
}

// What is on disk counts as far as no Persist under way cuts it off.
void History::UpdateDurable() {
  durable_ = confirmed_last_;
  for (const Pending& pending : pending_) {
    durable_ = std::min(durable_, pending.keeps);
  }
}

std::vector<Persist> History::TakePersists() {
  return std::exchange(building_, {});
}

void History::Release(Zxid zxid) {
  Zxid limit = std::min(zxid, durable_);
  while (memory_bytes_ > cache_bytes_ && !memory_.empty() &&
         memory_.front().zxid <= limit) {
    memory_base_ = memory_.front().zxid;
    memory_bytes_ -= memory_.front().size_bytes();
    memory_.pop_front();
  }
}

}  // namespace sillok::zab
