#include "coordinator/store/log_index.h"

#include <algorithm>

namespace sillok {

void LogIndex::Clear() {
  runs_.clear();
  joinable_ = false;
}

void LogIndex::Append(Zxid first, Zxid last, uint64_t sequence,
                      uint64_t offset) {
  if (joinable_ && !runs_.empty() && runs_.back().sequence == sequence &&
      offset - runs_.back().offset < kRunBytes) {
    runs_.back().last = last;
    return;
  }
  runs_.push_back({first, last, sequence, offset});
  joinable_ = true;
}

void LogIndex::TruncateAfter(Zxid after) {
  while (!runs_.empty() && runs_.back().first > after) runs_.pop_back();
  if (!runs_.empty()) runs_.back().last = std::min(runs_.back().last, after);
  joinable_ = false;
}

std::optional<Zxid> LogIndex::DropBefore(uint64_t sequence) {
  std::optional<Zxid> last;
  while (!runs_.empty() && runs_.front().sequence < sequence) {
    last = runs_.front().last;
    runs_.pop_front();
  }
  return last;
}

std::optional<LogRun> LogIndex::FindAfter(Zxid zxid) const {
  const auto run = std::upper_bound(
      runs_.begin(), runs_.end(), zxid,
      [](Zxid z, const LogRun& candidate) { return z < candidate.last; });
  if (run == runs_.end()) return std::nullopt;
  return *run;
}

std::optional<LogRun> LogIndex::FindUpTo(Zxid zxid) const {
  const auto run = std::upper_bound(
      runs_.begin(), runs_.end(), zxid,
      [](Zxid z, const LogRun& candidate) { return z < candidate.first; });
  if (run == runs_.begin()) return std::nullopt;
  return *std::prev(run);
}

}  // namespace sillok
