#include "broker/replication/offset_waiters.h"

namespace sillok {

void OffsetWaiters::Add(uint64_t id, Offset offset, int64_t deadline_ms,
                        Wake wake) {
  waiting_[id] = Waiting{offset, deadline_ms, std::move(wake)};
  by_offset_.emplace(offset, id);
  by_deadline_.emplace(deadline_ms, id);
}

bool OffsetWaiters::Remove(uint64_t id) {
  if (waiting_.find(id) == waiting_.end()) return false;
  Extract(id);
  return true;
}

std::vector<OffsetWaiters::Wake> OffsetWaiters::TakeReached(Offset bound) {
  std::vector<Wake> taken;
  while (!by_offset_.empty() && by_offset_.begin()->first < bound) {
    taken.push_back(Extract(by_offset_.begin()->second));
  }
  return taken;
}

std::vector<OffsetWaiters::Wake> OffsetWaiters::TakeExpired(int64_t now_ms) {
  std::vector<Wake> taken;
  while (!by_deadline_.empty() && by_deadline_.begin()->first <= now_ms) {
    taken.push_back(Extract(by_deadline_.begin()->second));
  }
  return taken;
}

std::vector<OffsetWaiters::Wake> OffsetWaiters::TakeAll() {
  std::vector<Wake> taken;
  while (!by_offset_.empty()) {
    taken.push_back(Extract(by_offset_.begin()->second));
  }
  return taken;
}

std::optional<int64_t> OffsetWaiters::NextDeadline() const {
  if (by_deadline_.empty()) return std::nullopt;
  return by_deadline_.begin()->first;
}

OffsetWaiters::Wake OffsetWaiters::Extract(uint64_t id) {
  auto node = waiting_.extract(id);
  Waiting& waiting = node.mapped();
  by_offset_.erase({waiting.offset, id});
  by_deadline_.erase({waiting.deadline_ms, id});
  return std::move(waiting.wake);
}

}  // namespace sillok
