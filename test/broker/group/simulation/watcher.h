// Knows who was heard of when, and holds every decision against it: nobody is put
// out early, nobody stays who is gone, nobody waits for nothing.
#ifndef SILLOK_TEST_BROKER_GROUP_SIMULATION_WATCHER_H_
#define SILLOK_TEST_BROKER_GROUP_SIMULATION_WATCHER_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "broker/group/group_table.h"
#include "test/broker/group/simulation/agenda.h"

namespace sillok::group_sim {

// One coordinator's life; reset at a failover.
class Watcher {
 public:
  void OnLoaded(int64_t now_ms) {
    *this = Watcher();
    loaded_at_ms_ = now_ms;
  }
  // A call of a member came, whatever is answered.
  void OnCall(const std::string& member_id, int64_t now_ms) {
    heard_[member_id] = now_ms;
  }
  // Its session began anew: its call was taken, or a parked one answered.
  void OnSessionStart(const std::string& member_id, int64_t now_ms) {
    heard_[member_id] = sessions_[member_id] = now_ms;
  }
  void OnSync(const std::string& member_id, int32_t generation) {
    synced_[generation].insert(member_id);
  }
  // The joins that were answered at once when a generation began.
  void OnGenerationBegun(const Group& group, const std::set<std::string>& joined,
                         int64_t now_ms) {
    begun_at_ms_ = now_ms;
    joined_ = joined;
    for (const auto& [id, member] : group.members()) {
      EXPECT_TRUE(member.is_static() || joined.count(id) > 0)
          << id << " is in generation " << group.generation()
          << " without having joined";
    }
  }

  void OnEvent(const GroupEvent& event, int64_t now_ms) {
    if (event.kind == GroupEvent::Kind::kRebalance) {
      rebalance_at_ms_ = now_ms;
    } else if (event.why == "its session has ended") {
      const auto began = sessions_.find(event.member_id);
      const int64_t since_ms =
          began == sessions_.end() ? loaded_at_ms_ : began->second;
      EXPECT_GE(now_ms - since_ms, kSessionMs) << event.member_id;
    } else if (event.why == "it did not join again in time") {
      EXPECT_EQ(event.instance_id, "") << "a static member lost its place";
      EXPECT_GE(now_ms - rebalance_at_ms_, kRebalanceMs) << event.member_id;
    } else {
      EXPECT_EQ(event.why, "it sent no SyncGroup in time");
      EXPECT_GE(now_ms - begun_at_ms_, kRebalanceMs) << event.member_id;
      EXPECT_EQ(synced_[event.generation].count(event.member_id), 0u);
    }
  }

  // At any time.
  void Check(const Group& group, int64_t now_ms) const {
    // A static member whose replacement could not be written goes on from then.
    constexpr int64_t kSlackMs = kCommitTimeoutMs + 100;
    for (const auto& [id, member] : group.members()) {
      if (member.join_call.has_value() || member.sync_call.has_value()) {
        continue;
      }
      const auto heard = heard_.find(id);
      const int64_t since_ms =
          heard == heard_.end() ? loaded_at_ms_ : heard->second;
      EXPECT_LE(now_ms - since_ms, kSessionMs + kSlackMs)
          << id << " is gone and still a member";
    }
    const int64_t age_ms = now_ms - begun_at_ms_;
    if (group.state() == GroupState::kCompletingRebalance) {
      EXPECT_LE(age_ms, kRebalanceMs + kCommitTimeoutMs + kSlackMs);
    }
    if (group.state() == GroupState::kStable && begun_at_ms_ > 0 &&
        age_ms > kRebalanceMs + kSlackMs) {
      const auto synced = synced_.find(group.generation());
      for (const std::string& id : joined_) {
        if (group.members().count(id) == 0) continue;
        EXPECT_TRUE(synced != synced_.end() && synced->second.count(id) > 0)
            << id << " never synced and is still a member";
      }
    }
  }

 private:
  int64_t loaded_at_ms_ = 0;
  int64_t rebalance_at_ms_ = 0;
  int64_t begun_at_ms_ = 0;  // of the newest generation; 0 = in another life
  std::set<std::string> joined_;
  std::map<std::string, int64_t> heard_;
  std::map<std::string, int64_t> sessions_;
  std::map<int32_t, std::set<std::string>> synced_;
};

}  // namespace sillok::group_sim

#endif  // SILLOK_TEST_BROKER_GROUP_SIMULATION_WATCHER_H_
