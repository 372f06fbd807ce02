// The part of Decisions that moves leaderships while nobody has failed.
#include <set>
#include <utility>

#include "broker/controller/decisions.h"
#include "fmt/core.h"

namespace sillok {
namespace {

std::vector<int32_t> Without(const std::vector<int32_t>& list,
                             const std::set<int32_t>& away) {
  std::vector<int32_t> rest;
  for (int32_t id : list) {
    if (away.count(id) == 0) rest.push_back(id);
  }
  return rest;
}

}  // namespace

// ---- handing over

// Another in-sync replica leads instead of `from`, which leaves the set.
bool Decisions::HandOver(PartitionEntry* partition, int32_t from) {
  for (int32_t id : partition->replicas) {
    if (id == from || !partition->InSync(id) || !state_->CanLead(id)) continue;
    partition->leader = id;
    partition->isr = Without(partition->isr, {from});
    ++partition->leader_epoch;
    return true;
  }
  return false;
}

v1::ControlledShutdownResponse Decisions::ControlledShutdown(
    const v1::ControlledShutdownRequest& request) {
  v1::ControlledShutdownResponse response;
  const int32_t id = request.broker_id();
  auto broker = state_->brokers.find(id);
  if (broker == state_->brokers.end() ||
      broker->second.epoch != request.broker_epoch()) {
    response.set_error_code(v1::STALE_BROKER_EPOCH);
    return response;
  }
  broker->second.shutting_down = true;
  int32_t remaining = 0;
  for (auto& [name, topic] : state_->topics) {
    if (topic.deleting) continue;
    for (PartitionEntry& partition : topic.partitions) {
      if (!partition.has_state || !partition.InSync(id)) continue;
      // A partition with one replica has nobody to go to: it does not count, or
      // no broker could ever stop.
      if (partition.replicas.size() == 1) continue;
      if (partition.leader == id) {
        if (HandOver(&partition, id)) {
          WriteState(topic, &partition);
        } else {
          ++remaining;
        }
      } else if (partition.leader != -1) {
        partition.isr = Without(partition.isr, {id});
        WriteState(topic, &partition);
      }
    }
  }
  response.set_remaining(remaining);
  return response;
}

void Decisions::RebalanceLeaders(int32_t percentage) {
  struct Share {
    int64_t preferred = 0;
    std::vector<std::pair<TopicEntry*, PartitionEntry*>> elsewhere;
  };
  std::map<int32_t, Share> shares;
  for (auto& [name, topic] : state_->topics) {
    if (topic.deleting) continue;
    for (PartitionEntry& partition : topic.partitions) {
      if (!partition.has_state || partition.replicas.empty()) continue;
      const int32_t preferred = partition.replicas.front();
      Share& share = shares[preferred];
      ++share.preferred;
      if (partition.leader != preferred) {
        share.elsewhere.emplace_back(&topic, &partition);
      }
    }
  }
  for (auto& [id, share] : shares) {
    const int64_t away = static_cast<int64_t>(share.elsewhere.size());
    if (away * 100 <= share.preferred * percentage) continue;
    if (!state_->CanLead(id)) continue;
    for (auto [topic, partition] : share.elsewhere) {
      if (partition->leader != -1) HandOverTo(topic, partition, id);
    }
  }
}

// ---- elections that an administrator asks for

// False when `to` is not in sync or cannot lead.
bool Decisions::HandOverTo(TopicEntry* topic, PartitionEntry* partition,
                           int32_t to) {
  if (!partition->InSync(to) || !state_->CanLead(to)) return false;
  // Without a leader the set names those that may have gone: alone, then.
  if (partition->leader == -1) partition->isr = {to};
  partition->leader = to;
  ++partition->leader_epoch;
  WriteState(*topic, partition);
  return true;
}

v1::ErrorCode Decisions::ElectOne(v1::ElectionType type, TopicEntry* topic,
                                  PartitionEntry* partition) {
  if (type == v1::ELECTION_PREFERRED) {
    const int32_t preferred = partition->replicas.front();
    if (partition->leader == preferred) return v1::ELECTION_NOT_NEEDED;
    return HandOverTo(topic, partition, preferred)
               ? v1::NONE
               : v1::PREFERRED_LEADER_NOT_AVAILABLE;
  }
  if (partition->leader != -1) return v1::ELECTION_NOT_NEEDED;
  int32_t leader = CleanLeader(*partition, {});
  if (leader == -1) leader = AnyLeader(*partition);
  if (leader == -1) return v1::ELIGIBLE_LEADERS_NOT_AVAILABLE;
  // Whatever the in-sync set says, nobody but the new leader is known to have
  // what it has.
  partition->leader = leader;
  partition->isr = {leader};
  ++partition->leader_epoch;
  WriteState(*topic, partition);
  return v1::NONE;
}

namespace {

std::string WhyNotElected(v1::ErrorCode code, const TopicEntry& topic,
                          const PartitionEntry& partition) {
  switch (code) {
    case v1::ELECTION_NOT_NEEDED:
      return fmt::format(
          "Leader election not needed for topic partition {}-{}: broker {} "
          "leads.",
          topic.name, partition.number, partition.leader);
    case v1::PREFERRED_LEADER_NOT_AVAILABLE:
      return fmt::format(
          "Failed to elect leader for partition {}-{}: the preferred replica, "
          "broker {}, is not alive and in sync.",
          topic.name, partition.number, partition.replicas.front());
    case v1::ELIGIBLE_LEADERS_NOT_AVAILABLE:
      return fmt::format(
          "Failed to elect leader for partition {}-{}: no broker with a replica "
          "is alive.",
          topic.name, partition.number);
    default:
      return "";
  }
}

}  // namespace

void Decisions::Elect(v1::ElectionType type, const std::string& name,
                      int32_t number, v1::PartitionElection* result) {
  result->set_topic(name);
  result->set_partition(number);
  TopicEntry* topic = state_->FindTopic(name);
  PartitionEntry* partition = topic == nullptr || topic->deleting
                                  ? nullptr
                                  : topic->Find(number);
  if (partition == nullptr) {
    result->set_error_code(v1::UNKNOWN_TOPIC_OR_PARTITION);
    result->set_error_message(
        fmt::format("The partition {}-{} does not exist.", name, number));
    return;
  }
  // Without a state no replica has ever been alive.
  const v1::ErrorCode code =
      partition->has_state          ? ElectOne(type, topic, partition)
      : type == v1::ELECTION_UNCLEAN ? v1::ELIGIBLE_LEADERS_NOT_AVAILABLE
                                    : v1::PREFERRED_LEADER_NOT_AVAILABLE;
  result->set_error_code(code);
  result->set_error_message(WhyNotElected(code, *topic, *partition));
}

void Decisions::ElectAll(v1::ElectionType type,
                         v1::ElectLeadersResponse* response) {
  for (auto& [name, topic] : state_->topics) {
    if (topic.deleting) continue;
    for (PartitionEntry& partition : topic.partitions) {
      v1::PartitionElection result;
      Elect(type, name, partition.number, &result);
      if (result.error_code() == v1::ELECTION_NOT_NEEDED) continue;
      *response->add_partitions() = std::move(result);
    }
  }
}

v1::ElectLeadersResponse Decisions::ElectLeaders(
    const v1::ElectLeadersRequest& request) {
  v1::ElectLeadersResponse response;
  const v1::ElectionType type = request.election_type();
  if (type != v1::ELECTION_PREFERRED && type != v1::ELECTION_UNCLEAN) {
    response.set_error_code(v1::INVALID_REQUEST);
    response.set_error_message(
        fmt::format("Unknown election type {}; allowed: 0 (preferred), 1 "
                    "(unclean).",
                    static_cast<int>(type)));
    return response;
  }
  if (request.all_partitions()) {
    ElectAll(type, &response);
    return response;
  }
  std::set<std::pair<std::string, int32_t>> seen;
  for (const v1::TopicPartitions& wanted : request.topics()) {
    for (int32_t number : wanted.partitions()) {
      if (!seen.insert({wanted.topic(), number}).second) continue;
      Elect(type, wanted.topic(), number, response.add_partitions());
    }
  }
  return response;
}

}  // namespace sillok
