// Which sessions the leader has not heard of for too long, and which member
// serves each of them. Pure: time is an argument.
#ifndef SILLOK_COORDINATOR_TREE_SESSION_TRACKER_H_
#define SILLOK_COORDINATOR_TREE_SESSION_TRACKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/tree/session_table.h"

namespace sillok {

// Lives on the leader, for one term; not replicated. Deadlines are rounded up to
// the next tick, so a session lives from `timeout` to `timeout + tick` after the
// last touch. Touch is O(1); Expire costs what it looks at, and looks at each
// session about once in its timeout.
//
// One thread. All times are monotonic milliseconds.
class SessionTracker {
 public:
  // What a request of a session through a member is worth.
  enum class Verdict {
    kOk,
    kExpired,  // unknown or closing: SESSION_EXPIRED
    kMoved,    // another member serves the session now: SESSION_MOVED
  };

  // `tick_ms` > 0.
  explicit SessionTracker(int64_t tick_ms) : tick_ms_(tick_ms) {}

  // A new term: forgets everything and gives each session of `table` a fresh
  // full timeout and no owner.
  void Start(const SessionTable& table, int64_t now_ms);
  // A session was created (its Txn applied) or re-attached: a fresh timeout,
  // and `owner` serves it from now on. A closing session stays closing.
  void Add(SessionId session, int64_t timeout_ms, MemberId owner,
           int64_t now_ms);
  // Its close was applied.
  void Remove(SessionId session);

  // A sign of life. False when the session is unknown or closing.
  bool Touch(SessionId session, int64_t now_ms);
  // The session's connection broke: it expires at `now_ms + within_ms` unless a
  // touch comes before, or by its timeout if that is sooner.
  void ExpireSoon(SessionId session, int64_t within_ms, int64_t now_ms);
  // Makes `member` the owner (re-attach) and touches. False as above.
  bool Claim(SessionId session, MemberId member, int64_t now_ms);
  // A session nobody claimed yet (after a change of leader) takes the asking
  // member as its owner.
  Verdict Check(SessionId session, MemberId member);

  // From now on the session counts as expired: a close of it is under way.
  void MarkClosing(SessionId session);
  // Undoes MarkClosing with a fresh timeout, when the close was not proposed.
  void Reopen(SessionId session, int64_t now_ms);
  bool IsClosing(SessionId session) const;

  // The sessions whose time is up, each once, marked closing; the caller
  // proposes their close (and calls Reopen when it cannot).
  std::vector<SessionId> Expire(int64_t now_ms);
  // When Expire has something to look at, at the earliest.
  std::optional<int64_t> NextDeadlineMs() const;

  size_t size() const { return sessions_.size(); }

 private:
  struct Session {
    int64_t timeout_ms = 0;
    // The bucket it must not expire before. Touch moves only this; Expire
    // re-files a session it finds in a bucket before its deadline.
    int64_t deadline_ms = 0;
    // The bucket it is filed in, at or before the deadline.
    int64_t bucket_ms = 0;
    std::optional<MemberId> owner;
    bool closing = false;
    std::optional<int64_t> soon_ms;  // filed in soon_ under this
  };

  int64_t RoundUp(int64_t ms) const;
  void File(SessionId id, Session& session);
  void DropSoon(SessionId id, Session& session);

  const int64_t tick_ms_;
  std::unordered_map<SessionId, Session> sessions_;
  // Sessions by bucket. An id may be stale (removed, or filed elsewhere since);
  // it counts only in the bucket its session names.
  std::map<int64_t, std::vector<SessionId>> buckets_;
  // Sessions whose connection broke, by the exact time they expire at.
  std::set<std::pair<int64_t, SessionId>> soon_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_SESSION_TRACKER_H_
