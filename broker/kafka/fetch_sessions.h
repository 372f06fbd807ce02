// Fetch sessions (KIP-227): what a consumer has asked for already, so that it
// needs to name only what changes, and is told only what changed.
//
// A session is a list of partitions with the positions last asked for and what
// was last told of each. It begins with a full fetch of epoch 0; the requests
// after it carry its id and the epochs 1, 2, ... Whatever does not fit is an
// error after which the client begins anew, so that forgetting a session is
// always allowed.
#ifndef SILLOK_BROKER_KAFKA_FETCH_SESSIONS_H_
#define SILLOK_BROKER_KAFKA_FETCH_SESSIONS_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <list>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "proto/kafka/message.h"

namespace sillok::kafka_door {

// A partition as the client names it: by topic name, or from v13 on by id.
struct FetchKey {
  std::string topic;
  kafka::Uuid topic_id{};
  int32_t partition = 0;
  friend bool operator==(const FetchKey&, const FetchKey&) = default;
};
struct FetchKeyHash {
  size_t operator()(const FetchKey& key) const;
};

struct FetchItem {
  FetchKey key;
  int64_t fetch_offset = 0;
  int32_t max_bytes = 0;
  int32_t current_leader_epoch = -1;
  friend bool operator==(const FetchItem&, const FetchItem&) = default;
};

struct FetchSessionRequest {
  int32_t session_id = 0;
  int32_t epoch = -1;
  bool uses_topic_ids = false;
  std::vector<FetchItem> items;
  std::vector<FetchKey> forgotten;
};

// What to read for a request.
struct FetchPlan {
  enum class Kind {
    kNoSession,   // all is told, the answer has session id 0
    kNewSession,  // all is told, a session may begin
    kIncremental,
  };
  // FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or
  // FETCH_SESSION_TOPIC_ID_ERROR: nothing is read.
  ErrorCode error = ErrorCode::NONE;
  Kind kind = Kind::kNoSession;
  int32_t session_id = 0;  // kIncremental
  bool uses_topic_ids = false;
  // Each partition once, in the order in which they are to be read and told.
  std::vector<FetchItem> items;
};

// What came of plan.items[i].
struct FetchedItem {
  ErrorCode error = ErrorCode::NONE;
  int64_t high_watermark = -1;
  int64_t log_start_offset = -1;
  bool has_records = false;
};

struct FetchTelling {
  int32_t session_id = 0;  // 0: no session
  std::vector<bool> told;  // whether item i goes into the answer
};

struct FetchSessionOptions {
  // max.incremental.fetch.session.cache.slots; 0 = no sessions.
  int32_t max_sessions = 1'000;
  // A session unused for so long makes room for a new one; a younger one only
  // for a larger one, and only if it is as old as that.
  int64_t eviction_ms = 120'000;
  // Partitions of all sessions together: the bound of the memory.
  int64_t max_partitions = 500'000;
};

// Not thread-safe. `now_ms` may be of any clock that does not go back.
class FetchSessions {
 public:
  // `random` gives the ids of sessions; any bits.
  FetchSessions(const FetchSessionOptions& options,
                std::function<uint32_t()> random);

  // Takes the request's changes into its session, if it has one.
  FetchPlan Begin(FetchSessionRequest request, int64_t now_ms);
  // Which of `results` (one per item of the plan) to tell. Remembers them as
  // told: call it for an answer that will be sent.
  FetchTelling End(const FetchPlan& plan,
                   const std::vector<FetchedItem>& results, int64_t now_ms);

  int64_t session_count() const {
    return static_cast<int64_t>(sessions_.size());
  }
  int64_t partition_count() const { return partition_count_; }
  int64_t evictions() const { return evictions_; }

 private:
  struct Cached {
    FetchItem item;
    int64_t high_watermark = -1;  // as told; -1 tells it again
    int64_t log_start_offset = -1;
  };
  using Order = std::list<Cached>;
  struct Hash {
    using is_transparent = void;
    size_t operator()(const FetchKey& key) const { return FetchKeyHash()(key); }
    size_t operator()(Order::iterator it) const {
      return FetchKeyHash()(it->item.key);
    }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(Order::iterator a, Order::iterator b) const {
      return a->item.key == b->item.key;
    }
    bool operator()(Order::iterator a, const FetchKey& b) const {
      return a->item.key == b;
    }
    bool operator()(const FetchKey& a, Order::iterator b) const {
      return a == b->item.key;
    }
  };
  struct Session {
    int32_t id = 0;
    int32_t epoch = 1;  // that the next request must carry
    bool uses_topic_ids = false;
    int64_t created_ms = 0;
    int64_t last_used_ms = 0;
    // Its place in evictable_: none if it is too young.
    bool evictable = false;
    int64_t evictable_size = 0;
    // In the order of telling: what had records goes to the end, so that no
    // partition keeps the others from being told.
    Order order;
    std::unordered_set<Order::iterator, Hash, Same> by_key;

    int64_t size() const { return static_cast<int64_t>(by_key.size()); }
  };

  ErrorCode Check(const FetchSessionRequest& request) const;
  // False: too many partitions.
  bool Update(FetchSessionRequest request, Session* session);
  void Add(FetchItem item, Session* session);
  void Touch(int64_t now_ms, Session* session);
  // Null: no room.
  Session* Create(int64_t size, bool uses_topic_ids, int64_t now_ms);
  bool MakeRoom(int64_t size, int64_t now_ms);
  void Remove(int32_t id);

  const FetchSessionOptions options_;
  const std::function<uint32_t()> random_;
  std::unordered_map<int32_t, Session> sessions_;
  std::set<std::pair<int64_t, int32_t>> by_last_use_;  // time, id
  std::set<std::pair<int64_t, int32_t>> evictable_;    // size, id
  int64_t partition_count_ = 0;
  int64_t evictions_ = 0;
};

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_FETCH_SESSIONS_H_
