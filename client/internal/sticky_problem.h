// The sticky assignor's task in numbers: members and topics are their places in
// the order of their names, partitions are counted through. Pure.
#ifndef SILLOK_CLIENT_INTERNAL_STICKY_PROBLEM_H_
#define SILLOK_CLIENT_INTERNAL_STICKY_PROBLEM_H_

#include <map>
#include <string>
#include <vector>

#include "client/internal/assignor.h"

namespace sillok::client {

struct StickyProblem {
  StickyProblem(const std::vector<SubscribedMember>& subscribed,
                const std::map<std::string, int>& partition_counts);

  static constexpr int kNobody = -1;

  int member_count() const { return static_cast<int>(members.size()); }
  int topic_count() const { return static_cast<int>(topic_names.size()); }
  int partition_count() const { return static_cast<int>(topic_of.size()); }
  TopicPartition Name(int partition) const;

  std::vector<const SubscribedMember*> members;  // by id
  // Topics that exist and that somebody wants, by name.
  std::vector<std::string> topic_names;
  std::vector<int> first_partition;           // of each topic
  std::vector<int> topic_of;                  // of each partition
  std::vector<std::vector<int>> wanted;       // topics of each member, ascending
  std::vector<std::vector<int>> wanted_by;    // members of each topic, ascending
  std::vector<int> owner;           // of each partition, or kNobody
  // Who had it before its owner, by generation; or kNobody.
  std::vector<int> earlier_owner;
  bool same_subscriptions = true;
  // A member holds something that it does not want any more or that is gone.
  bool stale_holdings = false;

 private:
  void ReadTopics(const std::map<std::string, int>& partition_counts);
  void ReadClaims();
};

// Who gets what: partitions of each member, in the order given.
using StickyPlan = std::vector<std::vector<int>>;

// Everybody wants the same: a member gets the average, rounded down or up.
StickyPlan DivideEvenly(const StickyProblem& problem);
// Subscriptions differ: deal out, then move while that makes it more even.
StickyPlan DivideByWishes(const StickyProblem& problem);

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_STICKY_PROBLEM_H_
