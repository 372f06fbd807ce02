#include "client/internal/sticky_problem.h"

#include <algorithm>
#include <set>

namespace sillok::client {

StickyProblem::StickyProblem(const std::vector<SubscribedMember>& subscribed,
                             const std::map<std::string, int>& partition_counts) {
  for (const SubscribedMember& member : subscribed) members.push_back(&member);
  std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) {
    return a->member_id < b->member_id;
  });
  ReadTopics(partition_counts);
  ReadClaims();
}

TopicPartition StickyProblem::Name(int partition) const {
  auto topic = static_cast<size_t>(topic_of[static_cast<size_t>(partition)]);
  return {topic_names[topic], partition - first_partition[topic]};
}

void StickyProblem::ReadTopics(
    const std::map<std::string, int>& partition_counts) {
  std::set<std::string> all;
  std::set<std::string> first;
  for (const SubscribedMember* member : members) {
    std::set<std::string> topics(member->topics.begin(), member->topics.end());
    if (member == members.front()) first = topics;
    same_subscriptions = same_subscriptions && topics == first;
    all.merge(topics);
  }
  std::map<std::string, int> number;
  for (const auto& [topic, count] : partition_counts) {
    if (all.count(topic) == 0) continue;
    number[topic] = topic_count();
    first_partition.push_back(partition_count());
    topic_of.insert(topic_of.end(), static_cast<size_t>(std::max(count, 0)),
                    topic_count());
    topic_names.push_back(topic);
  }
  wanted_by.resize(topic_names.size());
  for (int m = 0; m < member_count(); ++m) {
    std::set<int> mine;
    for (const std::string& topic : members[static_cast<size_t>(m)]->topics) {
      auto found = number.find(topic);
      if (found != number.end()) mine.insert(found->second);
    }
    wanted.emplace_back(mine.begin(), mine.end());
    for (int topic : mine) wanted_by[static_cast<size_t>(topic)].push_back(m);
  }
}

void StickyProblem::ReadClaims() {
  owner.assign(topic_of.size(), kNobody);
  earlier_owner.assign(topic_of.size(), kNobody);
  auto generation = [this](int member) {
    return members[static_cast<size_t>(member)]->generation;
  };
  std::map<TopicPartition, std::vector<int>> claims;
  for (int m = 0; m < member_count(); ++m) {
    for (const TopicPartition& id : members[static_cast<size_t>(m)]->owned) {
      claims[id].push_back(m);
    }
  }
  for (auto& [id, claimants] : claims) {
    claimants.erase(std::unique(claimants.begin(), claimants.end()),
                    claimants.end());
    std::stable_sort(claimants.begin(), claimants.end(), [&](int a, int b) {
      return generation(a) > generation(b);
    });
    auto topic =
        std::lower_bound(topic_names.begin(), topic_names.end(), id.topic);
    auto t = static_cast<size_t>(topic - topic_names.begin());
    bool exists = topic != topic_names.end() && *topic == id.topic &&
                  id.partition >= 0;
    size_t partition = 0;
    if (exists) {
      partition = static_cast<size_t>(first_partition[t] + id.partition);
      exists = partition < topic_of.size() &&
               static_cast<size_t>(topic_of[partition]) == t;
    }
    const std::vector<int> nobody;
    const std::vector<int>& takers = exists ? wanted_by[t] : nobody;
    std::erase_if(claimants, [&](int m) {
      bool wants = std::binary_search(takers.begin(), takers.end(), m);
      stale_holdings = stale_holdings || !wants;
      return !wants;
    });
    if (claimants.empty()) continue;
    bool disputed = claimants.size() > 1 &&
                    generation(claimants[0]) == generation(claimants[1]);
    if (disputed) continue;
    owner[partition] = claimants[0];
    if (claimants.size() > 1) earlier_owner[partition] = claimants[1];
  }
}

}  // namespace sillok::client
