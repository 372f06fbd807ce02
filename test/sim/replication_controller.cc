#include "test/sim/replication_controller.h"

#include <algorithm>
#include <set>

namespace sillok::sim {

SimController::SimController(int brokers) : sessions_(brokers) {
  for (int i = 0; i < brokers; ++i) {
    state_.replicas.emplace_back(i);
    state_.isr.emplace_back(i);
  }
  state_.leader = kNoBroker;
  state_.leader_epoch = LeaderEpoch(0);
  state_.partition_epoch = PartitionEpoch(0);
}

bool SimController::InIsr(int broker) const {
  return std::find(state_.isr.begin(), state_.isr.end(), BrokerId(broker)) !=
         state_.isr.end();
}

BrokerEpoch SimController::OnHeartbeat(int broker, int incarnation,
                                       int64_t now_ms) {
  Session& session = sessions_[broker];
  session.seen_ms = now_ms;
  if (session.alive && session.incarnation == incarnation) {
    return session.epoch;
  }
  if (incarnation < session.incarnation) return session.epoch;  // came late
  const bool first = session.epoch == BrokerEpoch(-1);
  const bool unclean = !first && session.incarnation != incarnation;
  if (session.alive) OnGone(broker);
  session.alive = true;
  session.incarnation = incarnation;
  session.epoch = BrokerEpoch(next_epoch_++);
  if (unclean) Remove(broker);
  ElectIfNeeded();
  return session.epoch;
}

void SimController::ExpireSessions(int64_t now_ms, int64_t timeout_ms) {
  for (size_t i = 0; i < sessions_.size(); ++i) {
    if (sessions_[i].alive && now_ms - sessions_[i].seen_ms > timeout_ms) {
      OnGone(static_cast<int>(i));
    }
  }
}

void SimController::OnGone(int broker) {
  sessions_[broker].alive = false;
  Remove(broker);
  if (state_.leader == BrokerId(broker)) {
    state_.leader = kNoBroker;
    state_.leader_epoch = LeaderEpoch(state_.leader_epoch.value() + 1);
    state_.partition_epoch = PartitionEpoch(state_.partition_epoch.value() + 1);
  }
  ElectIfNeeded();
}

// The last one stays: an empty ISR would mean that nobody has the records.
void SimController::Remove(int broker) {
  if (!InIsr(broker) || state_.isr.size() == 1) return;
  std::erase(state_.isr, BrokerId(broker));
  state_.partition_epoch = PartitionEpoch(state_.partition_epoch.value() + 1);
}

void SimController::ElectIfNeeded() {
  if (state_.leader != kNoBroker) return;
  for (BrokerId id : state_.isr) {
    if (sessions_[id.value()].alive) {
      Prefer(id.value());
      return;
    }
  }
}

void SimController::Prefer(int broker) {
  if (!InIsr(broker) || !sessions_[broker].alive ||
      state_.leader == BrokerId(broker)) {
    return;
  }
  state_.leader = BrokerId(broker);
  state_.leader_epoch = LeaderEpoch(state_.leader_epoch.value() + 1);
  state_.partition_epoch = PartitionEpoch(state_.partition_epoch.value() + 1);
}

ErrorCode SimController::AlterPartition(int broker, BrokerEpoch epoch,
                                        const AlterIsr& wanted) {
  if (!sessions_[broker].alive || sessions_[broker].epoch != epoch) {
    return ErrorCode::REQUEST_TIMED_OUT;  // refused as a whole: stale broker
  }
  if (wanted.leader_epoch < state_.leader_epoch ||
      state_.leader != BrokerId(broker)) {
    return ErrorCode::FENCED_LEADER_EPOCH;
  }
  std::set<BrokerId> isr;
  for (const IsrMemberEpoch& member : wanted.isr) isr.insert(member.broker);
  if (isr == std::set<BrokerId>(state_.isr.begin(), state_.isr.end())) {
    return ErrorCode::NONE;
  }
  if (wanted.partition_epoch != state_.partition_epoch) {
    return ErrorCode::INVALID_UPDATE_VERSION;
  }
  for (const IsrMemberEpoch& member : wanted.isr) {
    if (member.broker == BrokerId(broker)) continue;
    const Session& session = sessions_[member.broker.value()];
    if (!session.alive || (member.broker_epoch != BrokerEpoch(-1) &&
                           member.broker_epoch != session.epoch)) {
      return ErrorCode::INELIGIBLE_REPLICA;
    }
  }
  state_.isr.clear();
  for (const IsrMemberEpoch& member : wanted.isr) {
    state_.isr.push_back(member.broker);
  }
  state_.partition_epoch = PartitionEpoch(state_.partition_epoch.value() + 1);
  return ErrorCode::NONE;
}

}  // namespace sillok::sim
