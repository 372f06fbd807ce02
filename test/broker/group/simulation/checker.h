// What must always be true of the answers that clients get.
#ifndef SILLOK_TEST_BROKER_GROUP_SIMULATION_CHECKER_H_
#define SILLOK_TEST_BROKER_GROUP_SIMULATION_CHECKER_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "broker/group/group_table.h"

namespace sillok::group_sim {

class Checker {
 public:
  // A member was told its partitions.
  void OnAssigned(int32_t generation, const std::string& who,
                  const std::string& assignment) {
    std::istringstream in(assignment);
    for (int partition; in >> partition;) {
      const auto [it, first] =
          owners_.try_emplace({generation, partition}, who);
      EXPECT_EQ(it->second, who) << "two owners of partition " << partition
                                 << " in generation " << generation;
    }
    newest_assigned_ = std::max(newest_assigned_, generation);
  }
  // A member was told of a generation by one coordinator.
  void OnJoined(int epoch, const v1::JoinGroupResponse& r) {
    const int32_t generation = r.generation_id();
    if (r.leader() == r.member_id()) {
      EXPECT_FALSE(r.members().empty()) << "a leader of nobody";
    }
    if (!r.members().empty() && !r.skip_assignment()) {
      EXPECT_EQ(r.leader(), r.member_id());
      const auto [it, first] =
          leaders_.try_emplace({epoch, generation}, r.member_id());
      EXPECT_EQ(it->second, r.member_id())
          << "two leaders of generation " << generation;
    }
    int32_t& newest = newest_joined_[epoch];
    EXPECT_GE(generation, newest) << "a generation went back";
    newest = generation;
    EXPECT_GE(generation, newest_assigned_)
        << "a generation that had been given out was used again";
  }
  // The group was empty and is no more: the next one of its name begins anew.
  void OnForgotten() {
    owners_.clear();
    leaders_.clear();
    newest_joined_.clear();
    newest_assigned_ = 0;
  }
  void OnCall(CallId call) { open_.insert(call); }
  void OnAnswer(CallId call) {
    EXPECT_EQ(open_.erase(call), 1u) << "answered twice: call " << call;
  }
  void ExpectNoOpenCalls() const { EXPECT_TRUE(open_.empty()); }

  int32_t newest_assigned() const { return newest_assigned_; }
  size_t assigned() const { return owners_.size(); }

 private:
  std::map<std::pair<int32_t, int>, std::string> owners_;
  int32_t newest_assigned_ = 0;
  std::map<int, int32_t> newest_joined_;
  std::map<std::pair<int, int32_t>, std::string> leaders_;
  std::set<CallId> open_;
};

}  // namespace sillok::group_sim

#endif  // SILLOK_TEST_BROKER_GROUP_SIMULATION_CHECKER_H_
