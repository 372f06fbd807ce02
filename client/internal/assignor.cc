#include "client/internal/assignor.h"

#include <algorithm>

#include "client/internal/sticky_assignor.h"

namespace sillok::client {
namespace {

// Static members come first, by instance id; the others by member id.
bool Before(const SubscribedMember& a, const SubscribedMember& b) {
  if (a.instance_id.empty() != b.instance_id.empty()) {
    return !a.instance_id.empty();
  }
  if (!a.instance_id.empty()) return a.instance_id < b.instance_id;
  return a.member_id < b.member_id;
}

bool Wants(const SubscribedMember& member, const std::string& topic) {
  return std::find(member.topics.begin(), member.topics.end(), topic) !=
         member.topics.end();
}

void AssignRange(const std::vector<SubscribedMember>& members,
                 const std::map<std::string, int>& counts,
                 GroupAssignment* assignment) {
  for (const auto& [topic, count] : counts) {
    std::vector<const SubscribedMember*> takers;
    for (const SubscribedMember& member : members) {
      if (Wants(member, topic)) takers.push_back(&member);
    }
    if (takers.empty()) continue;
    int each = count / static_cast<int>(takers.size());
    int extra = count % static_cast<int>(takers.size());
    int next = 0;
    for (size_t i = 0; i < takers.size(); ++i) {
      int share = each + (static_cast<int>(i) < extra ? 1 : 0);
      for (; share > 0; --share) {
        (*assignment)[takers[i]->member_id].push_back({topic, next++});
      }
    }
  }
}

void AssignRoundRobin(const std::vector<SubscribedMember>& members,
                      const std::map<std::string, int>& counts,
                      GroupAssignment* assignment) {
  size_t turn = 0;
  for (const auto& [topic, count] : counts) {
    bool wanted = std::any_of(
        members.begin(), members.end(),
        [&, &name = topic](const auto& member) { return Wants(member, name); });
    if (!wanted) continue;
    for (int partition = 0; partition < count; ++partition) {
      while (!Wants(members[turn % members.size()], topic)) ++turn;
      (*assignment)[members[turn++ % members.size()].member_id].push_back(
          {topic, partition});
    }
  }
}

// Takes back what a member would get while another still has it.
void WithholdMoving(const std::vector<SubscribedMember>& members,
                    GroupAssignment* assignment) {
  std::map<TopicPartition, std::vector<std::string_view>> holders;
  for (const SubscribedMember& member : members) {
    for (const TopicPartition& id : member.owned) {
      holders[id].push_back(member.member_id);
    }
  }
  for (auto& [member_id, partitions] : *assignment) {
    std::erase_if(partitions, [&, &to = member_id](const TopicPartition& id) {
      auto held = holders.find(id);
      return held != holders.end() &&
             std::find(held->second.begin(), held->second.end(), to) ==
                 held->second.end();
    });
  }
}

}  // namespace

bool IsAssignor(std::string_view name) {
  return name == "range" || name == "roundrobin" || name == "sticky" ||
         IsCooperative(name);
}

bool IsCooperative(std::string_view assignor) {
  return assignor == "cooperative-sticky";
}

bool AssignPartitions(std::string_view assignor,
                      std::vector<SubscribedMember> members,
                      const std::map<std::string, int>& partition_counts,
                      GroupAssignment* assignment) {
  assignment->clear();
  if (!IsAssignor(assignor)) return false;
  for (const SubscribedMember& member : members) {
    (*assignment)[member.member_id];
  }
  if (assignor == "sticky" || IsCooperative(assignor)) {
    AssignSticky(members, partition_counts, assignment);
    if (IsCooperative(assignor)) WithholdMoving(members, assignment);
    return true;
  }
  std::sort(members.begin(), members.end(), Before);
  if (assignor == "range") {
    AssignRange(members, partition_counts, assignment);
  } else {
    AssignRoundRobin(members, partition_counts, assignment);
  }
  return true;
}

}  // namespace sillok::client
