// Which partitions a follower asks one leader for, and in which request. Pure.
#ifndef SILLOK_BROKER_REPLICATION_FETCH_PLANNER_H_
#define SILLOK_BROKER_REPLICATION_FETCH_PLANNER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/ids.h"

namespace sillok {

// What a follower should ask its leader for next.
struct FetchPosition {
  // False: do not fetch until told anew (role or epoch changed, log failed).
  bool following = false;
  // Ask again only after the back-off (the leader was not ready, or an error).
  bool delayed = false;
  BrokerId leader = kNoBroker;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  Offset offset;
  LeaderEpoch last_fetched_epoch = kNoLeaderEpoch;
  Offset log_start;
  Offset high_watermark;
};

// A few requests, called lanes, are under way to one leader at a time, each
// waiting at the leader for something new in its partitions. Lane 0 is wide: it
// has all quiet partitions, and is sent again when one of them wakes up or the
// leader's wait is over. A partition that wakes up moves to a narrow lane, so
// that it goes to and fro without the thousands of quiet ones. When it has
// been quiet for a while, the wide lane takes it back: first both have it,
// then the narrow one leaves it out, so that it is waited for at any time. An
// answer to the older of two questions is ignored by the replica.
//
// Not thread-safe. Names are handed out as dense numbers by the caller.
class FetchPlanner {
 public:
  using Slot = uint32_t;
  struct Options {
    int narrow_lanes = 2;
    int64_t quiet_after_ms = 2'000;
    int64_t backoff_ms = 1'000;  // replica.fetch.backoff.ms
  };
  struct Item {
    Slot slot;
    FetchPosition position;
  };

  explicit FetchPlanner(Options options);

  int lanes() const { return 1 + options_.narrow_lanes; }

  // Follows the partition from `position` on, or moves it there. `fresh`: a new
  // tenure; answers under way do not matter any more.
  void Set(Slot slot, const FetchPosition& position, bool fresh,
           int64_t now_ms);
  void Remove(Slot slot);
  const FetchPosition* Find(Slot slot) const;

  // What lane `lane`, which must be idle, is to ask for now; empty: nothing.
  // Else the lane is busy until Done.
  std::vector<Item> Take(int lane, int64_t now_ms);
  bool Busy(int lane) const { return lanes_[lane].busy; }
  // Something new came for a partition.
  void OnData(Slot slot, int64_t now_ms);
  // The lane's answer has been carried out (Set called where something moved).
  // `failed`: no answer came; its partitions wait for the back-off.
  void Done(int lane, bool failed, int64_t now_ms);

  // When a delayed partition may be asked for again; empty: none is delayed.
  std::optional<int64_t> NextDue() const;
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    FetchPosition position;
    uint64_t tenure = 0;
    bool narrow = true;    // belongs to the narrow lanes
    bool cooling = false;  // narrow, but the wide lane takes it too
    bool in_wide = false;  // under way there
    int in_narrow = 0;     // under way in that lane; 0 = in none
    int64_t last_data_ms = 0;
    int64_t due_ms = 0;    // > 0: in delayed_
  };
  struct Lane {
    bool busy = false;
    std::vector<std::pair<Slot, uint64_t>> sent;  // with the tenure
  };

  bool AnyNarrowIdle() const;
  void Delay(Slot slot, Entry* entry, int64_t due_ms);
  void ReleaseDue(int64_t now_ms);
  void Rotate(std::vector<Item>* items);

  const Options options_;
  std::vector<Lane> lanes_;
  std::map<Slot, Entry> entries_;
  std::set<Slot> narrow_;  // entries with `narrow`
  std::set<Slot> wide_;    // the others, and those with `cooling`
  std::set<std::pair<int64_t, Slot>> delayed_;
  uint64_t next_tenure_ = 1;
  size_t rotation_ = 0;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_FETCH_PLANNER_H_
