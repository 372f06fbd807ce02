// DivideByWishes: members that want different topics. What everybody owns stays,
// the rest is dealt out to the least loaded, and then partitions move from fuller
// to emptier members as long as there is such a pair.
#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "client/internal/sticky_problem.h"

namespace sillok::client {
namespace {

constexpr int kNobody = StickyProblem::kNobody;

// Which partitions have moved from whom to whom. Of two opposite moves of one
// topic's partitions both can be spared.
class Movements {
 public:
  // Instead of moving `partition`, move the one this returns.
  int Better(const StickyProblem& problem, int partition, int from,
             int to) const {
    auto moved = pair_of_.find(partition);
    if (moved != pair_of_.end()) from = moved->second.first;
    int topic = problem.topic_of[static_cast<size_t>(partition)];
    auto opposite = by_topic_.find({topic, to, from});
    if (opposite == by_topic_.end() || opposite->second.empty()) {
      return partition;
    }
    return *opposite->second.begin();
  }

  void Note(const StickyProblem& problem, int partition, int from, int to) {
    int topic = problem.topic_of[static_cast<size_t>(partition)];
    auto moved = pair_of_.find(partition);
    if (moved != pair_of_.end()) {
      auto [first, last] = moved->second;
      by_topic_[{topic, first, last}].erase(partition);
      pair_of_.erase(moved);
      from = first;
      if (from == to) return;  // back where it was
    }
    pair_of_[partition] = {from, to};
    by_topic_[{topic, from, to}].insert(partition);
  }

 private:
  std::map<int, std::pair<int, int>> pair_of_;
  std::map<std::tuple<int, int, int>, std::set<int>> by_topic_;
};

class Balancer {
 public:
  explicit Balancer(const StickyProblem& problem)
      : problem_(problem),
        owner_(problem.owner),
        load_(problem.members.size(), 0) {
    for (int owner : owner_) {
      if (owner != kNobody) ++load_[static_cast<size_t>(owner)];
    }
    for (int m = 0; m < problem.member_count(); ++m) {
      by_load_.insert({Load(m), m});
    }
  }

  StickyPlan Run();

 private:
  int Load(int member) const { return load_[static_cast<size_t>(member)]; }
  int Owner(int partition) const {
    return owner_[static_cast<size_t>(partition)];
  }
  int TopicOf(int partition) const {
    return problem_.topic_of[static_cast<size_t>(partition)];
  }
  const std::vector<int>& Takers(int partition) const {
    return problem_.wanted_by[static_cast<size_t>(TopicOf(partition))];
  }
  bool Wants(int member, int topic) const {
    const auto& topics = problem_.wanted[static_cast<size_t>(member)];
    return std::binary_search(topics.begin(), topics.end(), topic);
  }
  int TopicSize(int topic) const {
    auto t = static_cast<size_t>(topic);
    int end = topic + 1 < problem_.topic_count() ? problem_.first_partition[t + 1]
                                                 : problem_.partition_count();
    return end - problem_.first_partition[t];
  }
  // All that it could have.
  int WantedPartitions(int member) const {
    int sum = 0;
    for (int topic : problem_.wanted[static_cast<size_t>(member)]) {
      sum += TopicSize(topic);
    }
    return sum;
  }

  std::vector<int> InOrder() const;
  void Give(int partition, int to);
  int LeastLoadedTaker(int partition) const;
  bool CanGiveOrTake(int member) const;
  bool IsBalanced() const;
  bool MoveWhileUneven(const std::vector<int>& partitions);
  bool MoveOne(int partition);
  void MoveTo(int partition, int to);
  // How uneven it is: the differences of all pairs, summed up.
  int64_t Unevenness() const;

  const StickyProblem& problem_;
  std::vector<int> owner_;
  std::vector<int> load_;
  // Members that take part, least loaded first.
  std::set<std::pair<int, int>> by_load_;
  Movements movements_;
};

// Those that the fewest want come first, while there is still a choice.
std::vector<int> Balancer::InOrder() const {
  std::vector<int> order(problem_.topic_of.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [this](int a, int b) {
    return Takers(a).size() < Takers(b).size();
  });
  return order;
}

void Balancer::Give(int partition, int to) {
  auto reload = [this](int member, int by) {
    bool takes_part = by_load_.erase({Load(member), member}) != 0;
    load_[static_cast<size_t>(member)] += by;
    if (takes_part) by_load_.insert({Load(member), member});
  };
  if (Owner(partition) != kNobody) reload(Owner(partition), -1);
  owner_[static_cast<size_t>(partition)] = to;
  reload(to, 1);
}

int Balancer::LeastLoadedTaker(int partition) const {
  for (const auto& [load, member] : by_load_) {
    if (Wants(member, TopicOf(partition))) return member;
  }
  return kNobody;
}

bool Balancer::CanGiveOrTake(int member) const {
  if (Load(member) < WantedPartitions(member)) return true;
  for (int topic : problem_.wanted[static_cast<size_t>(member)]) {
    if (TopicSize(topic) > 0 &&
        problem_.wanted_by[static_cast<size_t>(topic)].size() > 1) {
      return true;  // it has all of them, and one of them others want too
    }
  }
  return false;
}

bool Balancer::IsBalanced() const {
  if (by_load_.empty()) return true;
  if (by_load_.begin()->first >= by_load_.rbegin()->first - 1) return true;
  // Nobody could take a partition from somebody who has more.
  std::vector<int> fullest(problem_.topic_names.size(), 0);
  for (int p = 0; p < problem_.partition_count(); ++p) {
    if (Owner(p) == kNobody) continue;
    int& most = fullest[static_cast<size_t>(TopicOf(p))];
    most = std::max(most, Load(Owner(p)));
  }
  for (const auto& [load, member] : by_load_) {
    for (int topic : problem_.wanted[static_cast<size_t>(member)]) {
      if (fullest[static_cast<size_t>(topic)] > load) return false;
    }
  }
  return true;
}

void Balancer::MoveTo(int partition, int to) {
  int instead =
      movements_.Better(problem_, partition, Owner(partition), to);
  movements_.Note(problem_, instead, Owner(instead), to);
  Give(instead, to);
}

bool Balancer::MoveOne(int partition) {
  int from = Owner(partition);
  int earlier = problem_.earlier_owner[static_cast<size_t>(partition)];
  if (earlier != kNobody && earlier != from &&
      Load(from) > Load(earlier) + 1) {
    MoveTo(partition, earlier);
    return true;
  }
  for (int other : Takers(partition)) {
    if (Load(from) <= Load(other) + 1) continue;
    int to = LeastLoadedTaker(partition);
    if (to == kNobody || to == from) return false;
    MoveTo(partition, to);
    return true;
  }
  return false;
}

bool Balancer::MoveWhileUneven(const std::vector<int>& partitions) {
  bool any = false;
  while (true) {
    int64_t uneven = Unevenness();
    for (int partition : partitions) {
      if (IsBalanced()) return any;
      if (MoveOne(partition)) any = true;
    }
    // A move that was replaced by taking back another one may not help at once;
    // a whole turn that does not is the end.
    if (Unevenness() >= uneven) return any;
  }
}

int64_t Balancer::Unevenness() const {
  std::vector<int> loads = load_;
  std::sort(loads.begin(), loads.end());
  int64_t sum = 0;
  for (size_t i = 0; i < loads.size(); ++i) {
    auto place = static_cast<int64_t>(i);
    auto count = static_cast<int64_t>(loads.size());
    sum += loads[i] * (2 * place - count + 1);
  }
  return sum;
}

StickyPlan Balancer::Run() {
  bool fresh = by_load_.rbegin()->first == 0;
  std::vector<int> dealt;
  std::vector<int> movable;
  for (int partition : InOrder()) {
    bool choice = Takers(partition).size() > 1;
    if (choice) movable.push_back(partition);
    if (Owner(partition) != kNobody) continue;
    Give(partition, LeastLoadedTaker(partition));
    if (choice) dealt.push_back(partition);
  }
  for (int m = 0; m < problem_.member_count(); ++m) {
    if (!CanGiveOrTake(m)) by_load_.erase({Load(m), m});
  }
  std::vector<int> before = owner_;
  int64_t uneven_before = Unevenness();
  // Moving what is new costs nothing; try whether that is enough.
  if (!problem_.stale_holdings && !dealt.empty()) MoveWhileUneven(dealt);
  bool moved = MoveWhileUneven(movable);
  if (!fresh && moved && Unevenness() >= uneven_before) owner_ = before;

  StickyPlan plan(problem_.members.size());
  for (int p = 0; p < problem_.partition_count(); ++p) {
    plan[static_cast<size_t>(Owner(p))].push_back(p);
  }
  return plan;
}

}  // namespace

StickyPlan DivideByWishes(const StickyProblem& problem) {
  return Balancer(problem).Run();
}

}  // namespace sillok::client
