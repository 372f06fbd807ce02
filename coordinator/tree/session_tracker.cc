#include "coordinator/tree/session_tracker.h"

#include <utility>

namespace sillok {

int64_t SessionTracker::RoundUp(int64_t ms) const {
  return (ms / tick_ms_ + 1) * tick_ms_;
}

void SessionTracker::File(SessionId id, Session& session) {
  session.bucket_ms = session.deadline_ms;
  buckets_[session.bucket_ms].push_back(id);
}

void SessionTracker::Start(const SessionTable& table, int64_t now_ms) {
  sessions_.clear();
  buckets_.clear();
  soon_.clear();
  sessions_.reserve(table.size());
  for (const auto& [id, info] : table.all()) {
    Session& session = sessions_[id];
    session.timeout_ms = info.timeout_ms;
    session.deadline_ms = RoundUp(now_ms + info.timeout_ms);
    File(id, session);
  }
}

void SessionTracker::Add(SessionId id, int64_t timeout_ms, MemberId owner,
                         int64_t now_ms) {
  const bool known = sessions_.count(id) != 0;
  Session& session = sessions_[id];
  DropSoon(id, session);
  session.timeout_ms = timeout_ms;
  session.owner = owner;
  session.deadline_ms = RoundUp(now_ms + timeout_ms);
  // A known one may have a later bucket than the new, shorter timeout asks for.
  if (!known || (!session.closing && session.deadline_ms < session.bucket_ms)) {
    File(id, session);
  }
}

void SessionTracker::Remove(SessionId id) {
  auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  DropSoon(id, it->second);
  sessions_.erase(it);
}

void SessionTracker::DropSoon(SessionId id, Session& session) {
  if (!session.soon_ms) return;
  soon_.erase({*session.soon_ms, id});
  session.soon_ms.reset();
}

void SessionTracker::ExpireSoon(SessionId id, int64_t within_ms,
                                int64_t now_ms) {
  auto it = sessions_.find(id);
  if (it == sessions_.end() || it->second.closing) return;
  DropSoon(id, it->second);
  it->second.soon_ms = now_ms + within_ms;
  soon_.emplace(*it->second.soon_ms, id);
}

bool SessionTracker::Touch(SessionId id, int64_t now_ms) {
  auto it = sessions_.find(id);
  if (it == sessions_.end() || it->second.closing) return false;
  DropSoon(id, it->second);
  it->second.deadline_ms = RoundUp(now_ms + it->second.timeout_ms);
  return true;
}

bool SessionTracker::Claim(SessionId id, MemberId member, int64_t now_ms) {
  if (!Touch(id, now_ms)) return false;
  sessions_[id].owner = member;
  return true;
}

SessionTracker::Verdict SessionTracker::Check(SessionId id, MemberId member) {
  auto it = sessions_.find(id);
  if (it == sessions_.end() || it->second.closing) return Verdict::kExpired;
  std::optional<MemberId>& owner = it->second.owner;
  if (!owner) owner = member;
  return *owner == member ? Verdict::kOk : Verdict::kMoved;
}

void SessionTracker::MarkClosing(SessionId id) {
  auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  DropSoon(id, it->second);
  it->second.closing = true;
}

void SessionTracker::Reopen(SessionId id, int64_t now_ms) {
  auto it = sessions_.find(id);
  if (it == sessions_.end() || !it->second.closing) return;
  it->second.closing = false;
  it->second.deadline_ms = RoundUp(now_ms + it->second.timeout_ms);
  File(id, it->second);
}

bool SessionTracker::IsClosing(SessionId id) const {
  auto it = sessions_.find(id);
  return it != sessions_.end() && it->second.closing;
}

std::vector<SessionId> SessionTracker::Expire(int64_t now_ms) {
  std::vector<SessionId> expired;
  while (!soon_.empty() && soon_.begin()->first <= now_ms) {
    const SessionId id = soon_.begin()->second;
    MarkClosing(id);  // takes it out of soon_
    expired.push_back(id);
  }
  while (!buckets_.empty() && buckets_.begin()->first <= now_ms) {
    const auto bucket = buckets_.extract(buckets_.begin());
    for (SessionId id : bucket.mapped()) {
      auto it = sessions_.find(id);
      if (it == sessions_.end()) continue;
      Session& session = it->second;
      if (session.closing || session.bucket_ms != bucket.key()) continue;
      if (session.deadline_ms > now_ms) {
        File(id, session);
        continue;
      }
      MarkClosing(id);
      expired.push_back(id);
    }
  }
  return expired;
}

std::optional<int64_t> SessionTracker::NextDeadlineMs() const {
  std::optional<int64_t> next;
  if (!buckets_.empty()) next = buckets_.begin()->first;
  if (!soon_.empty() && (!next || soon_.begin()->first < *next)) {
    next = soon_.begin()->first;
  }
  return next;
}

}  // namespace sillok
