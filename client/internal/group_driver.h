// GroupDriver: carries out what a consumer's GroupMember asks for, and keeps its
// subscription, which may be a pattern. Loop thread only.
#ifndef SILLOK_CLIENT_INTERNAL_GROUP_DRIVER_H_
#define SILLOK_CLIENT_INTERNAL_GROUP_DRIVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/internal/cluster_client.h"
#include "client/internal/consumer_shared.h"
#include "client/internal/coordinator_client.h"
#include "client/internal/group_member.h"
#include "client/internal/loop.h"

namespace re2 {
class RE2;
}

namespace sillok::client {

class GroupDriver {
 public:
  // `on_topics`: the topics to know of have changed. `on_change`: there may be
  // something to do.
  GroupDriver(Loop* loop, ClusterClient* cluster, const ConsumerConfig& config,
              ConsumerShared* shared, std::function<void()> on_topics,
              std::function<void()> on_change);

  void Subscribe(std::vector<std::string> topics);
  // All topics, made now or later, whose whole name it matches.
  void SubscribePattern(std::shared_ptr<const re2::RE2> pattern);
  void Unsubscribe();
  void OnPoll();
  void OnReleased();
  void EnforceRebalance(const std::string& reason);
  void OnMetadata();
  // Requests that are due, and news for the application.
  void Run();
  // Leaves the group; `done` runs when that is as good as can be.
  void Leave(std::function<void()> done);

  int64_t NextMs() const { return member_.NextMs(); }
  // Subscribed to, as far as known by name, and what the group's members want.
  std::set<std::string> Topics() const;
  const std::set<std::string>& subscription() const { return topics_; }
  bool wants_all_topics() const { return pattern_ != nullptr; }
  CoordinatorClient& coordinator() { return coordinator_; }
  CoordinatorClient::Identity identity() const;
  void OnCommit(ErrorCode code);

 private:
  void Do(GroupMember::Step step);
  void Join(const GroupMember::Step& step);
  void Sync(const GroupMember::Step& step);
  void Heartbeat(const GroupMember::Step& step);
  void CountPartitions(const std::set<std::string>& topics);
  std::map<std::string, int> Counts(const std::set<std::string>& topics) const;
  bool HaveAnswerFor(const std::set<std::string>& topics) const;
  void MatchPattern();
  void PublishNews();

  Loop* const loop_;
  ClusterClient* const cluster_;
  const ConsumerConfig config_;
  ConsumerShared* const shared_;
  const std::function<void()> on_topics_;
  const std::function<void()> on_change_;
  CoordinatorClient coordinator_;
  GroupMember member_;
  std::set<std::string> topics_;
  std::shared_ptr<const re2::RE2> pattern_;
  uint64_t pattern_after_ = 0;  // metadata updates before it was set
  // The leader's question for partition counts, until metadata has an answer
  // newer than this.
  bool counts_wanted_ = false;
  uint64_t counts_after_ = 0;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_GROUP_DRIVER_H_
