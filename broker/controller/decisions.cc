#include "broker/controller/decisions.h"

#include <algorithm>
#include <utility>

namespace sillok {
namespace {

bool SameSet(std::vector<int32_t> a, std::vector<int32_t> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

std::vector<int32_t> Without(const std::vector<int32_t>& list,
                             const std::set<int32_t>& away) {
  std::vector<int32_t> rest;
  for (int32_t id : list) {
    if (away.count(id) == 0) rest.push_back(id);
  }
  return rest;
}

}  // namespace

// ---- writes and news

void Decisions::Create(std::string path, std::string data) {
  v1::CreateOp* op = effects_.ops.emplace_back().mutable_create();
  op->set_path(std::move(path));
  op->set_data(std::move(data));
}

void Decisions::Delete(std::string path) {
  v1::DeleteOp* op = effects_.ops.emplace_back().mutable_delete_();
  op->set_path(std::move(path));
  op->set_version(-1);
}

void Decisions::SetData(std::string path, std::string data, int32_t version) {
  v1::SetDataOp* op = effects_.ops.emplace_back().mutable_set_data();
  op->set_path(std::move(path));
  op->set_data(std::move(data));
  op->set_version(version);
}

void Decisions::EndGroup() {
  const size_t begin =
      effects_.group_ends.empty() ? 0 : effects_.group_ends.back();
  if (effects_.ops.size() > begin) {
    effects_.group_ends.push_back(effects_.ops.size());
  }
}

void Decisions::WriteState(const TopicEntry& topic,
                           PartitionEntry* partition) {
  SetData(znode_path::PartitionState(topic.name, partition->number),
          EncodePartitionState({.leader = partition->leader,
                                .leader_epoch = partition->leader_epoch,
                                .controller_epoch = state_->controller_epoch,
                                .isr = partition->isr}),
          partition->version);
  EndGroup();
  ++partition->version;
  ++effects_.partition_writes;
  effects_.topics[topic.name].partitions.insert(partition->number);
}

void Decisions::CreateFirstState(TopicEntry* topic,
                                 PartitionEntry* partition) {
  if (!topic->has_partitions_node) {
    Create(znode_path::TopicPartitions(topic->name), "");
    topic->has_partitions_node = true;
  }
  if (!partition->has_node) {
    Create(znode_path::Partition(topic->name, partition->number), "");
    partition->has_node = true;
  }
  partition->leader_epoch = 0;
  partition->version = 0;
  partition->has_state = true;
  partition->new_on.clear();
  for (int32_t id : partition->isr) {
    partition->new_on.emplace_back(id, state_->brokers.at(id).epoch);
  }
  Create(znode_path::PartitionState(topic->name, partition->number),
         EncodePartitionState({.leader = partition->leader,
                               .leader_epoch = 0,
                               .controller_epoch = state_->controller_epoch,
                               .isr = partition->isr}));
  ++effects_.partition_writes;
  Effects::TopicNews& news = effects_.topics[topic->name];
  news.partitions.insert(partition->number);
  news.created.insert(partition->number);
}

Effects Decisions::TakeEffects() { return std::exchange(effects_, {}); }

// ---- elections

bool Decisions::UncleanAllowed(const TopicEntry& topic) const {
  constexpr char kKey[] = "unclean.leader.election.enable";
  auto find = [&](const std::map<std::string, std::string>& configs)
      -> const std::string* {
    auto it = configs.find(kKey);
    return it == configs.end() ? nullptr : &it->second;
  };
  auto is_true = [](const std::string& text) {  // validated: true or false
    return text.find_first_of("tT") != std::string::npos;
  };
  if (const std::string* set = find(topic.configs)) return is_true(*set);
  // What holds for topics is what the controller's broker says.
  for (const std::string& broker :
       {std::to_string(state_->controller_id),
        std::string(znode_path::kAllBrokers)}) {
    auto it = state_->broker_configs.find(broker);
    if (it == state_->broker_configs.end()) continue;
    if (const std::string* set = find(it->second)) return is_true(*set);
  }
  return options_.unclean_leader_election_enable;
}

int32_t Decisions::CleanLeader(const PartitionEntry& partition,
                               const Away& away) const {
  int32_t stopping = -1;
  for (int32_t id : partition.replicas) {
    if (!partition.InSync(id) || away.count(id) != 0) continue;
    if (state_->CanLead(id)) return id;
    if (stopping == -1 && state_->IsAlive(id)) stopping = id;
  }
  return stopping;
}

int32_t Decisions::AnyLeader(const PartitionEntry& partition) const {
  for (int32_t id : partition.replicas) {
    if (state_->CanLead(id)) return id;
  }
  return -1;
}

// `away` are gone (or came back as others): they lead no more, and are in sync
// only where nobody else is.
void Decisions::WithoutBrokers(TopicEntry* topic, PartitionEntry* partition,
                               const Away& away) {
  const bool leader_away =
      partition->leader != -1 && away.count(partition->leader) != 0;
  if (partition->leader == -1) return;
  std::vector<int32_t> rest = Without(partition->isr, away);
  if (!leader_away) {
    if (rest.size() == partition->isr.size()) return;
    partition->isr = std::move(rest);
    WriteState(*topic, partition);
    return;
  }
  partition->leader = CleanLeader(*partition, away);
  if (partition->leader != -1) partition->isr = std::move(rest);
  ++partition->leader_epoch;
  WriteState(*topic, partition);
}

void Decisions::TryBringOnline(TopicEntry* topic, PartitionEntry* partition) {
  if (topic->deleting || (partition->has_state && partition->leader != -1)) {
    return;
  }
  if (!partition->has_state) {
    partition->leader = AnyLeader(*partition);
    if (partition->leader == -1) return;
    partition->isr.clear();
    for (int32_t id : partition->replicas) {
      if (state_->CanLead(id)) partition->isr.push_back(id);
    }
    CreateFirstState(topic, partition);
    return;
  }
  int32_t leader = CleanLeader(*partition, {});
  if (leader == -1 && UncleanAllowed(*topic)) leader = AnyLeader(*partition);
  if (leader == -1) return;
  partition->leader = leader;
  partition->isr = {leader};
  ++partition->leader_epoch;
  WriteState(*topic, partition);
}

void Decisions::BringTopicOnline(TopicEntry* topic) {
  for (PartitionEntry& partition : topic->partitions) {
    TryBringOnline(topic, &partition);
  }
  // First states of one topic stay together.
  EndGroup();
}

// ---- brokers come and go

void Decisions::OnBrokers(const std::map<int32_t, LiveBroker>& now) {
  OnBrokersLeadersFirst(now);
  ShrinkInSyncSets();
}

void Decisions::ShrinkInSyncSets() {
  const Away gone = std::exchange(leaving_, {});
  if (gone.empty()) return;
  for (auto& [name, topic] : state_->topics) {
    if (topic.deleting) continue;
    for (PartitionEntry& partition : topic.partitions) {
      if (partition.has_state) WithoutBrokers(&topic, &partition, gone);
    }
  }
}

void Decisions::OnBrokersLeadersFirst(
    const std::map<int32_t, LiveBroker>& now) {
  ShrinkInSyncSets();
  Away away;
  Away back;  // of those away: others have come in their names
  bool came = false;
  for (const auto& [id, broker] : state_->brokers) {
    auto it = now.find(id);
    if (it != now.end() && it->second.epoch == broker.epoch) continue;
    away.insert(id);
    if (it != now.end()) {
      back.insert(id);
    } else {
      leaving_.insert(id);
    }
  }
  for (const auto& [id, broker] : now) {
    auto known = state_->brokers.find(id);
    const bool same = known != state_->brokers.end() &&
                      known->second.epoch == broker.epoch;
    if (!same) came = true;
    if (!same || known->second.address.SerializeAsString() !=
                     broker.address.SerializeAsString()) {
      effects_.brokers.insert(id);
    }
  }
  for (int32_t id : away) {
    effects_.brokers.insert(id);
    state_->brokers.erase(id);
  }
  // Those that came back stay away until their old selves are dealt with.
  if (!away.empty()) {
    for (auto& [name, topic] : state_->topics) {
      if (topic.deleting) continue;
      for (PartitionEntry& partition : topic.partitions) {
        if (!partition.has_state) continue;
        // Only who is not there at all may stay in a set for a while: it cannot
        // be elected.
        const bool leader_away = away.count(partition.leader) != 0;
        WithoutBrokers(&topic, &partition, leader_away ? away : back);
      }
    }
  }
  for (const auto& [id, broker] : now) {
    const auto [known, inserted] = state_->brokers.insert({id, broker});
    if (!inserted) known->second.address = broker.address;
  }
  if (came || !away.empty()) {
    for (auto& [name, topic] : state_->topics) BringTopicOnline(&topic);
  }
  FinishDeletions();
}

void Decisions::OnLoaded(
    const std::map<std::string, std::map<int32_t, uint64_t>>& mzxids) {
  for (auto& [name, topic] : state_->topics) {
    if (topic.deleting) continue;
    auto writes = mzxids.find(name);
    for (PartitionEntry& partition : topic.partitions) {
      if (!partition.has_state) continue;
      uint64_t last_write = UINT64_MAX;
      if (writes != mzxids.end()) {
        auto it = writes->second.find(partition.number);
        if (it != writes->second.end()) last_write = it->second;
      }
      Away away;
      for (int32_t id : partition.isr) {
        auto live = state_->brokers.find(id);
        if (live == state_->brokers.end() ||
            static_cast<uint64_t>(live->second.epoch) > last_write) {
          away.insert(id);
        }
      }
      if (partition.leader != -1 && !partition.InSync(partition.leader)) {
        away.insert(partition.leader);  // written by a hand that errs
      }
      if (!away.empty()) WithoutBrokers(&topic, &partition, away);
    }
    BringTopicOnline(&topic);
  }
  for (const std::string& marker : state_->orphan_markers) {
    Delete(znode_path::DeleteTopic(marker));
    EndGroup();
  }
  state_->orphan_markers.clear();
  FinishDeletions();
}

void Decisions::OnTopicFound(TopicEntry topic) {
  if (state_->FindTopic(topic.name) != nullptr) return;
  TopicEntry* added = state_->AddTopic(std::move(topic));
  effects_.topics[added->name].configs = true;
  BringTopicOnline(added);
}

// ---- a leader's wish for another in-sync set

v1::ErrorCode Decisions::CheckIsr(const PartitionEntry& partition,
                                  const v1::AlterPartition& wanted,
                                  int32_t leader) {
  std::set<int32_t> seen;
  for (const v1::IsrMember& member : wanted.isr()) {
    if (!partition.IsReplica(member.broker_id()) ||
        !seen.insert(member.broker_id()).second) {
      return v1::INVALID_REQUEST;
    }
  }
  if (seen.count(leader) == 0) return v1::INVALID_REQUEST;
  for (const v1::IsrMember& member : wanted.isr()) {
    // The leader itself stays, even while it is about to stop.
    if (member.broker_id() == leader) continue;
    if (!state_->CanLead(member.broker_id())) return v1::INELIGIBLE_REPLICA;
    // The incarnation that has fetched up to the leader's end may be gone, and
    // with it what it had (KIP-903).
    const int64_t epoch = state_->brokers.at(member.broker_id()).epoch;
    if (member.broker_epoch() != -1 && member.broker_epoch() != epoch) {
      return v1::INELIGIBLE_REPLICA;
    }
  }
  return v1::NONE;
}

v1::AlteredPartition Decisions::AlterOne(
    const v1::AlterPartitionRequest& request,
    const v1::AlterPartition& wanted) {
  v1::AlteredPartition answer;
  answer.set_topic_id(wanted.topic_id());
  answer.set_partition(wanted.partition());
  auto refuse = [&](v1::ErrorCode code) {
    answer.set_error_code(code);
    return answer;
  };
  TopicEntry* topic = state_->FindTopicById(wanted.topic_id());
  if (topic == nullptr || topic->deleting) {
    return refuse(v1::UNKNOWN_TOPIC_ID);
  }
  PartitionEntry* partition = topic->Find(wanted.partition());
  if (partition == nullptr || !partition->has_state) {
    return refuse(v1::UNKNOWN_TOPIC_OR_PARTITION);
  }
  auto give_state = [&] {
    FillPartitionState(*partition, answer.mutable_state());
  };
  if (wanted.leader_epoch() < partition->leader_epoch ||
      partition->leader != request.broker_id()) {
    give_state();
    return refuse(v1::FENCED_LEADER_EPOCH);
  }
  // Epochs of the future: the asker heard of a controller that we are not.
  if (wanted.leader_epoch() > partition->leader_epoch ||
      wanted.partition_epoch() > partition->version) {
    return refuse(v1::NOT_CONTROLLER);
  }
  std::vector<int32_t> isr;
  for (const v1::IsrMember& member : wanted.isr()) {
    isr.push_back(member.broker_id());
  }
  const bool same = SameSet(isr, partition->isr);
  if (wanted.partition_epoch() < partition->version && !same) {
    give_state();
    return refuse(v1::INVALID_UPDATE_VERSION);
  }
  if (same) {  // also when an answer was lost and the leader asks again
    give_state();
    return refuse(v1::NONE);
  }
  const v1::ErrorCode code = CheckIsr(*partition, wanted, request.broker_id());
  if (code != v1::NONE) return refuse(code);
  partition->isr = std::move(isr);
  WriteState(*topic, partition);
  give_state();
  return answer;
}

v1::AlterPartitionResponse Decisions::AlterPartition(
    const v1::AlterPartitionRequest& request) {
  v1::AlterPartitionResponse response;
  auto broker = state_->brokers.find(request.broker_id());
  if (broker == state_->brokers.end() ||
      broker->second.epoch != request.broker_epoch()) {
    response.set_error_code(v1::STALE_BROKER_EPOCH);
    return response;
  }
  for (const v1::AlterPartition& wanted : request.partitions()) {
    *response.add_partitions() = AlterOne(request, wanted);
  }
  return response;
}

// ---- what the round comes to

v1::ClusterUpdate MakeDelta(const ClusterState& state,
                            const Effects& effects) {
  v1::ClusterUpdate update;
  update.set_controller_id(state.controller_id);
  update.set_controller_epoch(state.controller_epoch);
  for (int32_t id : effects.brokers) {
    auto it = state.brokers.find(id);
    if (it == state.brokers.end()) {
      update.add_brokers_gone(id);
    } else {
      *update.add_brokers() = it->second.address;
    }
  }
  for (const v1::DeletedTopic& deleted : effects.topics_deleted) {
    *update.add_topics_deleted() = deleted;
  }
  for (const auto& [name, news] : effects.topics) {
    auto it = state.topics.find(name);
    if (it == state.topics.end() || it->second.deleting) continue;
    const TopicEntry& topic = it->second;
    v1::TopicState* told = update.add_topics();
    told->set_name(name);
    told->set_topic_id(topic.id);
    if (news.configs) {
      told->set_configs_changed(true);
      told->mutable_configs()->insert(topic.configs.begin(),
                                      topic.configs.end());
    }
    for (const PartitionEntry& partition : topic.partitions) {
      if (news.partitions.count(partition.number) == 0) continue;
      v1::PartitionState* state_told = told->add_partitions();
      FillPartitionState(partition, state_told);
      state_told->set_is_new(news.created.count(partition.number) != 0);
    }
  }
  return update;
}

std::vector<v1::CoordRequest> PackMultis(const ClusterState& state,
                                         const Effects& effects,
                                         size_t max_bytes) {
  std::vector<v1::CoordRequest> multis;
  size_t bytes = 0;
  auto begin_multi = [&] {
    v1::CheckVersionOp* check =
        multis.emplace_back().mutable_multi()->add_ops()->mutable_check();
    check->set_path(znode_path::kControllerEpoch);
    check->set_version(state.controller_epoch_version);
    bytes = 64;
  };
  auto size_of = [](const v1::WriteOp& op) { return op.ByteSizeLong() + 8; };
  size_t begin = 0;
  for (size_t end : effects.group_ends) {
    size_t group_bytes = 0;
    for (size_t i = begin; i < end; ++i) group_bytes += size_of(effects.ops[i]);
    if (multis.empty() ||
        (bytes + group_bytes > max_bytes && multis.back().multi().ops_size() > 1)) {
      begin_multi();
    }
    for (size_t i = begin; i < end; ++i) {
      const size_t op_bytes = size_of(effects.ops[i]);
      if (bytes + op_bytes > max_bytes &&
          multis.back().multi().ops_size() > 1) {
        begin_multi();  // a group too large for one
      }
      *multis.back().mutable_multi()->add_ops() = effects.ops[i];
      bytes += op_bytes;
    }
    begin = end;
  }
  return multis;
}

}  // namespace sillok
