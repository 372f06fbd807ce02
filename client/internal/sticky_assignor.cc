#include "client/internal/sticky_assignor.h"

#include <algorithm>
#include <deque>

#include "client/internal/sticky_problem.h"

namespace sillok::client {
namespace {

// What DivideEvenly knows of its progress.
struct EvenDivision {
  explicit EvenDivision(const StickyProblem& problem)
      : plan(problem.members.size()) {
    size_t partitions = problem.topic_of.size();
    least = partitions / problem.members.size();
    larger_left = partitions % problem.members.size();
    most = least + (larger_left > 0 ? 1 : 0);
  }

  StickyPlan plan;
  size_t least = 0;        // what each member gets at least
  size_t most = 0;         // and at most
  size_t larger_left = 0;  // how many more members may get `most`
  std::deque<int> below;   // members with fewer than `least`
  std::deque<int> at_least;  // with exactly that, who may get one more
};

// Lets members keep what they own, up to their share. Returns what is free.
std::vector<int> KeepOwned(const StickyProblem& problem, EvenDivision* state) {
  std::vector<std::vector<int>> owned(problem.members.size());
  for (int p = 0; p < problem.partition_count(); ++p) {
    int owner = problem.owner[static_cast<size_t>(p)];
    if (owner != StickyProblem::kNobody) {
      owned[static_cast<size_t>(owner)].push_back(p);
    }
  }
  std::vector<bool> kept(problem.topic_of.size());
  for (int m = 0; m < problem.member_count(); ++m) {
    std::vector<int>& mine = owned[static_cast<size_t>(m)];
    size_t share = state->least;
    if (mine.size() < state->least) {
      share = mine.size();
      state->below.push_back(m);
    } else if (mine.size() >= state->most && state->larger_left > 0) {
      share = state->most;
      --state->larger_left;
    } else {
      state->at_least.push_back(m);
    }
    mine.resize(share);
    for (int p : mine) kept[static_cast<size_t>(p)] = true;
    state->plan[static_cast<size_t>(m)] = std::move(mine);
  }
  std::vector<int> free;
  for (int p = 0; p < problem.partition_count(); ++p) {
    if (!kept[static_cast<size_t>(p)]) free.push_back(p);
  }
  return free;
}

}  // namespace

StickyPlan DivideEvenly(const StickyProblem& problem) {
  if (problem.members.empty()) return {};
  EvenDivision state(problem);
  std::vector<int> free = KeepOwned(problem, &state);
  size_t turn = 0;
  for (int partition : free) {
    if (!state.below.empty()) {
      turn %= state.below.size();
      int member = state.below[turn];
      std::vector<int>& mine = state.plan[static_cast<size_t>(member)];
      mine.push_back(partition);
      if (mine.size() == state.least) {
        state.below.erase(state.below.begin() + static_cast<long>(turn));
        state.at_least.push_back(member);
      } else {
        ++turn;
      }
      continue;
    }
    // `least` for all and one more for `larger_left` of them is all there is.
    int member = state.at_least.front();
    state.at_least.pop_front();
    state.plan[static_cast<size_t>(member)].push_back(partition);
  }
  return std::move(state.plan);
}

void AssignSticky(const std::vector<SubscribedMember>& members,
                  const std::map<std::string, int>& partition_counts,
                  GroupAssignment* assignment) {
  StickyProblem problem(members, partition_counts);
  StickyPlan plan = problem.same_subscriptions ? DivideEvenly(problem)
                                               : DivideByWishes(problem);
  for (size_t m = 0; m < plan.size(); ++m) {
    auto& mine = (*assignment)[problem.members[m]->member_id];
    std::sort(plan[m].begin(), plan[m].end());
    for (int partition : plan[m]) mine.push_back(problem.Name(partition));
  }
}

}  // namespace sillok::client
