#include "test/sim/replication_world.h"

#include <algorithm>
#include <iostream>
#include <utility>

namespace sillok::sim {
namespace {

// Kinds of choices; the network draws with 100 and up.
enum Kind { kSwarm = 1, kFaultKind, kFaultWho, kDelay, kClient, kKept, kWhere };

constexpr int64_t kSessionTimeoutMs = 1'500;
constexpr int64_t kAlterTimeoutMs = 800;
constexpr int64_t kFaultPhaseUs = 20'000'000;
constexpr int64_t kHealPhaseUs = 20'000'000;
constexpr int kRecordsPerFetch = 8;

std::string Name(int broker) { return "broker " + std::to_string(broker); }

}  // namespace

// One broker's process and what outlives it.
struct ReplicationWorld::Broker {
  // The disk.
  SimLog log;
  Offset checkpoint;
  // The process.
  int life = 0;
  bool up = false;
  int64_t paused_until_us = 0;
  BrokerEpoch epoch{-1};
  std::optional<ReplicaState> state;
  OffsetWaiters produced;
  uint64_t ticket = 0;  // of the AlterPartition under way
  uint64_t fetching = 0;  // which question is awaited
  bool flushing = false;
  Offset last_hw;  // up to which its advance has been checked
  // The machine lost its page cache, and the controller may not know yet.
  bool lossy = false;
};

struct ReplicationWorld::FetchQuestion {
  int replica = 0;
  BrokerEpoch broker_epoch{-1};
  LeaderEpoch leader_epoch;
  LogPosition log;
};

struct ReplicationWorld::FetchReply {
  ErrorCode error = ErrorCode::NONE;
  std::vector<SimRecord> records;
  Offset high_watermark = kNoOffset;
  Offset log_start = kNoOffset;
  std::optional<EpochEndOffset> diverging;
};

void ReplicationReached::Add(const ReplicationReached& o) {
  acknowledged += o.acknowledged;
  reads += o.reads;
  elections += o.elections;
  kills += o.kills;
  power_losses += o.power_losses;
  truncations += o.truncations;
  truncated_records += o.truncated_records;
  shrinks += o.shrinks;
  expansions += o.expansions;
  refused_alters += o.refused_alters;
  restarts_at += o.restarts_at;
  timed_out_alters += o.timed_out_alters;
  lost_tails += o.lost_tails;
}

std::string ReplicationReached::ToString() const {
  const std::pair<const char*, uint64_t> all[] = {
      {"acknowledged", acknowledged}, {"reads", reads},
      {"elections", elections},       {"kills", kills},
      {"power_losses", power_losses}, {"lost_tails", lost_tails},
      {"truncations", truncations},   {"truncated_records", truncated_records},
      {"shrinks", shrinks},           {"expansions", expansions},
      {"refused_alters", refused_alters},
      {"timed_out_alters", timed_out_alters},
      {"restarts_at", restarts_at}};
  std::string text;
  for (const auto& [name, count] : all) {
    text += std::string(name) + "=" + std::to_string(count) + " ";
  }
  return text;
}

ReplicationWorld::ReplicationWorld(const ReplicationOptions& options)
    : options_(options), random_(options.seed) {
  brokers_count_ = static_cast<int>(Range(2, 5, kSwarm));
  controller_node_ = brokers_count_;
  flush_ = Chance(0.5, kSwarm);
  power_losses_ = Chance(0.6, kSwarm);
  retention_ = Chance(0.3, kSwarm);
  leader_options_.min_insync_replicas = static_cast<int32_t>(
      Range(1, std::min(3, brokers_count_), kSwarm));
  leader_options_.replica_lag_time_max_ms = Range(300, 2'000, kSwarm);
  leader_options_.joiner_wait_max_ms = Range(50, 500, kSwarm);
  leader_options_.faults = options.leader_faults;
  fault_rate_ = Chance(0.1, kSwarm) ? 0 : Range(1, 30, kSwarm) / 100.0;
  NetworkOptions network;
  network.loss = Chance(0.5, kSwarm) ? Range(0, 10, kSwarm) / 100.0 : 0;
  network.duplication = Chance(0.5, kSwarm) ? Range(0, 10, kSwarm) / 100.0 : 0;
  network.delay_mean_us = Range(100, 5'000, kSwarm);
  network.slow = Chance(0.5, kSwarm) ? 0.05 : 0;
  network_ = std::make_unique<Network>(network, brokers_count_ + 1, &random_,
                                       100);
  controller_ = std::make_unique<SimController>(brokers_count_);
  for (int i = 0; i < brokers_count_; ++i) {
    brokers_.push_back(std::make_unique<Broker>());
  }
}

ReplicationWorld::~ReplicationWorld() = default;

void ReplicationWorld::Trace(const std::string& line) {
  for (char c : line) trace_hash_ = trace_hash_ * 1099511628211u + c;
  if (options_.trace) {
    std::cout << events_.now() / 1000 << "ms " << line << "\n";
  }
}

ReplicationResult ReplicationWorld::Run() {
  ReplicationResult result;
  try {
    for (int i = 0; i < brokers_count_; ++i) Start(i);
    Tick();
    while (!events_.empty() &&
           events_.next_time() < kFaultPhaseUs + kHealPhaseUs) {
      if (faults_on_ && events_.next_time() >= kFaultPhaseUs) {
        faults_on_ = false;
        HealAll();
        for (int i = 0; i < brokers_count_; ++i) {
          if (!brokers_[i]->up) Start(i);
        }
      }
      events_.Pop()();
    }
    ExpectConverged();
  } catch (const Broken& broken) {
    result.failed = true;
    result.invariant = broken.invariant;
    result.text = broken.what();
    Trace("BROKEN " + broken.invariant + ": " + broken.what());
  }
  reached_.acknowledged = committed_.acknowledged();
  result.reached = reached_;
  result.trace_hash = trace_hash_;
  return result;
}

// ---- the network

void ReplicationWorld::Send(int from, int to, Event event) {
  const Network::Fate fate = network_->Send(from, to, events_.now());
  for (int copy = 0; copy < fate.copies; ++copy) {
    events_.At(fate.arrival[copy],
               [this, from, to, event] { Deliver(from, to, event); });
  }
}

void ReplicationWorld::Deliver(int from, int to, Event event) {
  if (network_->IsCut(from, to)) return;
  if (to != controller_node_) {
    const Broker& broker = *brokers_[to];
    if (!broker.up) return;
    if (broker.paused_until_us > events_.now()) {
      events_.At(broker.paused_until_us,
                 [this, from, to, event] { Deliver(from, to, event); });
      return;
    }
  }
  event();
}

void ReplicationWorld::AfterFor(int id, int64_t delay_us, Event event) {
  const int life = brokers_[id]->life;
  After(delay_us, [this, id, life, event = std::move(event)] {
    Broker& broker = *brokers_[id];
    if (!broker.up || broker.life != life) return;
    if (broker.paused_until_us > events_.now()) {
      AfterFor(id, broker.paused_until_us - events_.now(), event);
      return;
    }
    event();
  });
}

// ---- the controller

void ReplicationWorld::Heartbeat(int id) {
  AfterFor(id, 200'000, [this, id] { Heartbeat(id); });
  const int life = brokers_[id]->life;
  Send(id, controller_node_, [this, id, life] {
    const bool was_in_isr = controller_->InIsr(id);
    const PartitionEpoch before = controller_->state().partition_epoch;
    const BrokerEpoch epoch = controller_->OnHeartbeat(id, life, NowMs());
    if (controller_->state().partition_epoch != before) PushAll();
    if (was_in_isr && !controller_->InIsr(id)) brokers_[id]->lossy = false;
    Send(controller_node_, id, [this, id, life, epoch] {
      if (brokers_[id]->life == life) {
        brokers_[id]->epoch = std::max(brokers_[id]->epoch, epoch);
      }
    });
    PushState(id);
  });
}

void ReplicationWorld::PushState(int id) {
  if (!controller_->Alive(id)) return;
  // Meant for one registration: a broker that has restarted must not take up
  // the leader epoch of its former life, whose records it may have lost.
  Send(controller_node_, id,
       [this, id, epoch = controller_->EpochOf(id),
        state = controller_->state()] {
         if (brokers_[id]->epoch == epoch) ApplyState(id, state);
       });
}

void ReplicationWorld::PushAll() {
  const PartitionAssignment& state = controller_->state();
  Expect(state.leader == kNoBroker || controller_->InIsr(state.leader.value()),
         "LeaderInIsr", "");
  for (int i = 0; i < brokers_count_; ++i) PushState(i);
}

void ReplicationWorld::OnAlterRequest(int id, BrokerEpoch epoch,
                                      AlterIsr wanted, uint64_t ticket) {
  const size_t before = controller_->state().isr.size();
  const PartitionEpoch old_epoch = controller_->state().partition_epoch;
  const ErrorCode error = controller_->AlterPartition(id, epoch, wanted);
  const size_t after = controller_->state().isr.size();
  if (controller_->state().partition_epoch != old_epoch) {
    Trace("isr " + std::to_string(before) + " -> " + std::to_string(after) +
          " by " + Name(id));
    ++(after < before ? reached_.shrinks : reached_.expansions);
    PushAll();
  }
  if (error != ErrorCode::NONE) ++reached_.refused_alters;
  Send(controller_node_, id,
       [this, id, ticket, error, state = controller_->state()] {
         OnAlterAnswer(id, ticket, error, state);
       });
}

// ---- life and roles

void ReplicationWorld::Start(int id) {
  Broker& broker = *brokers_[id];
  ++broker.life;
  broker.up = true;
  broker.epoch = BrokerEpoch(-1);
  broker.state.emplace(BrokerId(id),
                       std::clamp(broker.checkpoint, broker.log.start(),
                                  broker.log.end()));
  Trace("start " + Name(id) + " end " +
        std::to_string(broker.log.end().value()));
  Heartbeat(id);
  NextFetch(id, 0);
}

void ReplicationWorld::Crash(int id, bool power_loss) {
  Broker& broker = *brokers_[id];
  broker.up = false;
  broker.state.reset();
  broker.produced = OffsetWaiters();
  broker.ticket = 0;
  broker.fetching = 0;
  broker.flushing = false;
  broker.paused_until_us = 0;
  ++reached_.kills;
  if (power_loss) {
    ++reached_.power_losses;
    const Offset before = broker.log.end();
    broker.log.LosePageCache(Range(0, 3, kKept));
    if (broker.log.end() < before) {
      ++reached_.lost_tails;
      if (!flush_) broker.lossy = true;
    }
    broker.checkpoint = std::min(broker.checkpoint, broker.log.end());
  }
  Trace((power_loss ? "power loss " : "kill ") + Name(id));
}

void ReplicationWorld::ApplyState(int id, const PartitionAssignment& next) {
  Broker& broker = *brokers_[id];
  using Change = ReplicaState::Change;
  const Change preview = broker.state->Preview(next);
  if (preview == Change::kStale) return;
  if (preview == Change::kLeader) broker.log.AssignEpoch(next.leader_epoch);
  broker.last_hw = std::min(broker.state->high_watermark(), broker.log.end());
  const Change change = broker.state->Apply(
      next, leader_options_, broker.log.end(), DurableEnd(id), NowMs());
  if (change == Change::kLeader) {
    one_leader_.OnLeading(next.leader_epoch, id);
    ++reached_.elections;
    Trace(Name(id) + " leads epoch " +
          std::to_string(next.leader_epoch.value()) + " from " +
          std::to_string(broker.log.end().value()) + " hw " +
          std::to_string(broker.state->high_watermark().value()));
    // A zombie that hears late of an election that is over already need not
    // have it all: it can commit nothing.
    if (controller_->state().leader_epoch == next.leader_epoch) {
      committed_.ExpectAllIn(broker.log, "the new leader, " + Name(id));
    }
  }
  if (change == Change::kFollower) {
    for (auto& wake : broker.produced.TakeAll()) {
      wake(WakeReason::kRoleChanged);
    }
    if (options_.shell_faults.truncate_to_high_watermark) {
      TruncateTo(id, broker.state->high_watermark());
    }
    broker.fetching = 0;
    NextFetch(id, 0);
  }
  AfterLeaderInput(id);
}

// ---- leader

Offset ReplicationWorld::DurableEnd(int id) const {
  const SimLog& log = brokers_[id]->log;
  return flush_ ? log.durable_end() : log.end();
}

void ReplicationWorld::StartFlush(int id) {
  Broker& broker = *brokers_[id];
  if (broker.flushing || broker.log.durable_end() >= broker.log.end()) return;
  broker.flushing = true;
  const Offset end = broker.log.end();
  const uint64_t truncations = broker.log.truncations();
  AfterFor(id, Range(200, 8'000, kDelay), [this, id, end, truncations] {
    Broker& broker = *brokers_[id];
    broker.flushing = false;
    if (broker.log.truncations() == truncations) broker.log.MarkDurable(end);
    if (LeaderState* leader = broker.state->leader()) {
      leader->OnLocalEnd(broker.log.end(), DurableEnd(id), NowMs());
      AfterLeaderInput(id);
    }
    if (flush_ && broker.log.durable_end() < broker.log.end()) StartFlush(id);
  });
}

void ReplicationWorld::AfterLeaderInput(int id) {
  Broker& broker = *brokers_[id];
  LeaderState* leader = broker.state->leader();
  if (leader == nullptr) return;
  const std::optional<AlterIsr> wanted = leader->TakeAlterIsr();
  CheckHighWatermark(id);
  if (flush_) StartFlush(id);
  for (auto& wake : broker.produced.TakeReached(leader->high_watermark())) {
    wake(WakeReason::kReached);
  }
  if (wanted.has_value()) SendAlter(id, *wanted);
}

void ReplicationWorld::CheckHighWatermark(int id) {
  Broker& broker = *brokers_[id];
  const Offset hw = broker.state->high_watermark();
  const LeaderEpoch epoch = broker.state->leader_epoch();
  monotonic_.OnHighWatermark(id, epoch, hw, broker.log.end());
  if (hw == broker.last_hw) return;
  Expect(broker.state->leader()->EnoughInSync(), "HighWatermarkUnderMinIsr",
         Name(id));
  for (Offset o = std::max(broker.last_hw, broker.log.start()); o < hw; o += 1) {
    const SimRecord& record = broker.log.At(o);
    CheckInIsrLogs(o, record);
    committed_.OnCommitted(o, record);
  }
  broker.last_hw = hw;
}

void ReplicationWorld::CheckInIsrLogs(Offset offset, const SimRecord& record) {
  for (BrokerId member : controller_->state().isr) {
    const Broker& broker = *brokers_[member.value()];
    if (broker.lossy || offset < broker.log.start()) continue;
    const bool has =
        broker.log.Has(offset) && broker.log.At(offset) == record &&
        (!flush_ || offset < broker.log.durable_end());
    Expect(has, "CommittedIsInEveryIsrLog",
           "offset " + std::to_string(offset.value()) + " is not with " +
               Name(member.value()));
  }
}

void ReplicationWorld::SendAlter(int id, const AlterIsr& wanted) {
  Broker& broker = *brokers_[id];
  const uint64_t ticket = next_ticket_++;
  broker.ticket = ticket;
  Send(id, controller_node_,
       [this, id, epoch = broker.epoch, wanted, ticket] {
         OnAlterRequest(id, epoch, wanted, ticket);
       });
  AfterFor(id, kAlterTimeoutMs * 1000, [this, id, ticket] {
    if (brokers_[id]->ticket == ticket) ++reached_.timed_out_alters;
    OnAlterAnswer(id, ticket, ErrorCode::REQUEST_TIMED_OUT, {});
  });
}

void ReplicationWorld::OnAlterAnswer(int id, uint64_t ticket, ErrorCode error,
                                     const PartitionAssignment& state) {
  Broker& broker = *brokers_[id];
  if (broker.ticket != ticket) return;
  broker.ticket = 0;
  if (LeaderState* leader = broker.state->leader()) {
    leader->OnAlterIsrResult(error, state, NowMs());
    AfterLeaderInput(id);
  }
}

void ReplicationWorld::Append(int id) {
  Broker& broker = *brokers_[id];
  LeaderState* leader = broker.state->leader();
  if (leader == nullptr || !leader->EnoughInSync()) return;
  const Offset offset = broker.log.end();
  const SimRecord record{broker.state->leader_epoch(), next_value_++};
  const LogPosition before = broker.log.Position();
  broker.log.Append(record);
  log_matching_.OnAppended(offset, record, before.last_epoch);
  leader->OnLocalEnd(broker.log.end(), DurableEnd(id), NowMs());
  const auto acknowledge = [this, id, offset, record](WakeReason reason) {
    if (reason != WakeReason::kReached) return;
    const LeaderState* now = brokers_[id]->state->leader();
    if (now == nullptr || !now->EnoughInSync()) return;
    CheckInIsrLogs(offset, record);
    committed_.OnAcknowledged(offset, record.value);
  };
  if (options_.shell_faults.acknowledge_before_replication) {
    acknowledge(WakeReason::kReached);
  } else {
    broker.produced.Add(record.value, offset, NowMs() + 5'000, acknowledge);
  }
  AfterLeaderInput(id);
}

void ReplicationWorld::Read(int id) {
  Broker& broker = *brokers_[id];
  const LeaderState* leader = broker.state->leader();
  if (leader == nullptr) return;
  const Offset bound = options_.shell_faults.read_above_high_watermark
                           ? broker.log.end()
                           : leader->high_watermark();
  // What a new leader took over is committed, but it may have been by one whose
  // high watermark nobody has seen yet: only what the oracle knows is compared.
  const Offset from = std::max(broker.log.start(), bound - 5);
  for (Offset o = from; o < bound; o += 1) {
    committed_.OnRead(o, broker.log.At(o));
    ++reached_.reads;
  }
}

// ---- follower

void ReplicationWorld::NextFetch(int id, int64_t delay_us) {
  AfterFor(id, delay_us, [this, id] { Fetch(id, 0); });
}

void ReplicationWorld::Fetch(int id, int64_t) {
  Broker& broker = *brokers_[id];
  const FollowerState* follower = broker.state->follower();
  if (follower == nullptr || follower->leader() == kNoBroker) return;
  if (broker.fetching != 0) return;
  if (broker.epoch == BrokerEpoch(-1)) {
    NextFetch(id, 50'000);
    return;
  }
  if (flush_ && !options_.shell_faults.fetch_before_flush &&
      broker.log.durable_end() < broker.log.end()) {
    StartFlush(id);
    NextFetch(id, 1'000);
    return;
  }
  FetchQuestion question;
  question.replica = id;
  question.broker_epoch = broker.epoch;
  question.leader_epoch = follower->leader_epoch();
  question.log = broker.log.Position();
  const uint64_t awaited = broker.fetching = next_ticket_++;
  const int leader = follower->leader().value();
  Send(id, leader, [this, id, leader, question, awaited] {
    const FetchReply reply = Answer(leader, question);
    Send(leader, id, [this, id, question, reply, awaited] {
      // A late answer is carried out too: the core has to see through it.
      if (brokers_[id]->fetching == awaited) brokers_[id]->fetching = 0;
      OnFetchReply(id, question, reply);
    });
  });
  AfterFor(id, 400'000, [this, id, awaited] {
    if (brokers_[id]->fetching != awaited) return;
    brokers_[id]->fetching = 0;
    NextFetch(id, 0);
  });
}

ReplicationWorld::FetchReply ReplicationWorld::Answer(
    int id, const FetchQuestion& question) {
  Broker& broker = *brokers_[id];
  FetchReply reply;
  LeaderState* leader = broker.state->leader();
  if (leader == nullptr) {
    reply.error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    return reply;
  }
  if (!options_.shell_faults.no_epoch_check) {
    reply.error = CheckLeaderEpoch(question.leader_epoch,
                                   broker.state->leader_epoch());
    if (reply.error != ErrorCode::NONE) return reply;
  }
  const SimLog& log = broker.log;
  reply.high_watermark = leader->high_watermark();
  reply.log_start = log.start();
  if (!options_.shell_faults.no_epoch_check &&
      question.log.last_epoch != kNoLeaderEpoch) {
    const EpochEndOffset end = log.EndForEpoch(question.log.last_epoch);
    if (end.end_offset == kNoOffset) {
      reply.error = ErrorCode::OFFSET_OUT_OF_RANGE;
      return reply;
    }
    reply.diverging =
        FindDivergence(end, question.log.last_epoch, question.log.end);
    if (reply.diverging.has_value()) return reply;
  }
  const Offset from = question.log.end;
  if (from < log.start() || from > log.end()) {
    reply.error = ErrorCode::OFFSET_OUT_OF_RANGE;
    return reply;
  }
  for (Offset o = from; o < log.end() && o < from + kRecordsPerFetch; o += 1) {
    reply.records.push_back(log.At(o));
  }
  // The strand hears of it a little later than the reader.
  LeaderState::ReplicaFetch fetch;
  fetch.replica = BrokerId(question.replica);
  fetch.broker_epoch = question.broker_epoch;
  fetch.fetch_offset = from;
  fetch.replica_log_start = question.log.start;
  fetch.leader_end_at_read = log.end();
  const LeaderEpoch epoch = broker.state->leader_epoch();
  AfterFor(id, Range(0, 300, kDelay), [this, id, fetch, epoch] {
    LeaderState* leader = brokers_[id]->state->leader();
    if (leader == nullptr || brokers_[id]->state->leader_epoch() != epoch) {
      return;
    }
    leader->OnReplicaFetch(fetch, NowMs());
    AfterLeaderInput(id);
  });
  return reply;
}

void ReplicationWorld::OnFetchReply(int id, const FetchQuestion& question,
                                    const FetchReply& reply) {
  Broker& broker = *brokers_[id];
  const FollowerState* follower = broker.state->follower();
  if (follower == nullptr) return;
  FetchAnswer answer;
  answer.error = reply.error;
  answer.asked_epoch = question.leader_epoch;
  answer.asked_offset = question.log.end;
  answer.asked_last_epoch = question.log.last_epoch;
  answer.leader_high_watermark = reply.high_watermark;
  answer.leader_log_start = reply.log_start;
  answer.diverging = reply.diverging;
  const FollowerStep step = follower->Decide(
      answer, broker.log.Position(), [&broker](LeaderEpoch epoch) {
        return broker.log.EndForEpoch(epoch);
      });
  using Action = FollowerStep::Action;
  switch (step.action) {
    case Action::kStop:
    case Action::kIgnore:
      break;
    case Action::kWait:
      NextFetch(id, 100'000);
      return;
    case Action::kTruncate:
      TruncateTo(id, step.offset);
      break;
    case Action::kRestartAt:
      ++reached_.restarts_at;
      broker.log.RestartAt(step.offset);
      broker.state->SetFollowerHighWatermark(step.offset);
      break;
    case Action::kAppend:
      for (const SimRecord& record : reply.records) {
        const LogPosition before = broker.log.Position();
        log_matching_.OnAppended(before.end, record, before.last_epoch);
        broker.log.Append(record);
      }
      broker.log.AdvanceStart(reply.log_start);
      broker.state->SetFollowerHighWatermark(std::max(
          broker.log.start(), FollowerState::HighWatermarkAfter(
                                  broker.state->high_watermark(),
                                  reply.high_watermark, broker.log.end())));
      break;
  }
  NextFetch(id, reply.records.empty() ? 20'000 : 0);
}

void ReplicationWorld::TruncateTo(int id, Offset target) {
  Broker& broker = *brokers_[id];
  ++reached_.truncations;
  if (target < broker.log.end()) {
    reached_.truncated_records += broker.log.end() - target;
  }
  Trace(Name(id) + " truncates " + std::to_string(broker.log.end().value()) +
        " -> " + std::to_string(target.value()));
  Expect(target >= broker.state->high_watermark(),
         "NeverTruncatesBelowHighWatermark", Name(id));
  broker.log.TruncateTo(target);
  broker.state->SetFollowerHighWatermark(
      std::min(broker.state->high_watermark(), broker.log.end()));
}

// ---- clients, faults, the end

void ReplicationWorld::Tick() {
  After(5'000, [this] { Tick(); });
  const PartitionEpoch before = controller_->state().partition_epoch;
  controller_->ExpireSessions(NowMs(), kSessionTimeoutMs);
  if (controller_->state().partition_epoch != before) PushAll();
  for (int i = 0; i < brokers_count_; ++i) {
    Broker& broker = *brokers_[i];
    if (!broker.up || broker.paused_until_us > events_.now()) continue;
    if (LeaderState* leader = broker.state->leader()) {
      leader->CheckLag(NowMs());
      AfterLeaderInput(i);
      if (Chance(0.3, kClient)) Append(i);
      if (Chance(0.3, kClient)) Read(i);
      if (retention_ && Chance(0.005, kClient)) {
        broker.log.AdvanceStart(
            Offset(Range(broker.log.start().value(),
                         leader->high_watermark().value(), kClient)));
      }
    }
    if (Chance(0.01, kClient)) {
      broker.checkpoint = broker.state->high_watermark();
    }
    // The kernel writes some of the page cache back now and then.
    if (!flush_ && Chance(0.02, kClient)) {
      broker.log.MarkDurable(broker.log.end());
    }
  }
  if (faults_on_ && Chance(fault_rate_ * 0.05, kFaultKind)) Faults();
}

bool ReplicationWorld::AnyoneImpaired() const {
  return std::any_of(brokers_.begin(), brokers_.end(), [](const auto& broker) {
    return !broker->up || broker->lossy;
  });
}

void ReplicationWorld::Faults() {
  // Without flushing, acknowledged records live in page caches: as long as one
  // machine has lost its own, nobody else may fail (promise P2).
  const bool fragile = std::any_of(
      brokers_.begin(), brokers_.end(),
      [](const auto& broker) { return broker->lossy; });
  const int who = static_cast<int>(Range(0, brokers_count_ - 1, kFaultWho));
  Broker& broker = *brokers_[who];
  if (!broker.up) {
    Start(who);
    return;
  }
  if (fragile) return;
  const int64_t lasts = Range(50'000, 4'000'000, kFaultWho);
  switch (Range(0, 5, kFaultKind)) {
    case 0:
      Crash(who, false);
      After(lasts, [this, who] {
        if (!brokers_[who]->up) Start(who);
      });
      break;
    case 1: {
      // Everybody at once, when flushing is what keeps the records.
      if (!power_losses_) break;
      if (!flush_ && (AnyoneImpaired() || NowMs() - healed_ms_ < 3'000 ||
                      controller_->state().isr.size() < 2)) {
        HealAll();
        break;
      }
      const bool all = flush_ && Chance(0.4, kFaultKind);
      for (int i = 0; i < brokers_count_; ++i) {
        if ((!all && i != who) || !brokers_[i]->up) continue;
        Crash(i, true);
        After(lasts + 10'000 * i, [this, i] {
          if (!brokers_[i]->up) Start(i);
        });
      }
      break;
    }
    case 2:
      if (!flush_) healed_ms_ = NowMs() + lasts / 1000;
      broker.paused_until_us = events_.now() + lasts;
      break;
    case 3: {
      const int other = static_cast<int>(Range(0, brokers_count_, kWhere));
      Trace("cut " + Name(who) + " - " + Name(other));
      network_->Cut(who, other);
      if (Chance(0.7, kWhere)) network_->Cut(other, who);
      healed_ms_ = NowMs() + 1'000'000;
      break;
    }
    case 4:
      HealAll();
      break;
    case 5:
      controller_->Prefer(who);
      PushAll();
      break;
  }
}

void ReplicationWorld::HealAll() {
  Trace("heal");
  network_->HealAll();
  healed_ms_ = NowMs();
  for (auto& broker : brokers_) {
    broker->paused_until_us = std::min(broker->paused_until_us, events_.now());
  }
  if (!faults_on_) network_->set_options(NetworkOptions());
}

void ReplicationWorld::ExpectConverged() {
  const PartitionAssignment& state = controller_->state();
  Expect(state.leader != kNoBroker, "Converges", "no leader");
  Expect(state.isr.size() == static_cast<size_t>(brokers_count_), "Converges",
         "the ISR has " + std::to_string(state.isr.size()));
  const Broker& leader = *brokers_[state.leader.value()];
  Expect(leader.state->leader() != nullptr &&
             leader.state->leader_epoch() == state.leader_epoch,
         "Converges", "the leader does not lead");
  Expect(committed_.end() + 1'000 > leader.log.end() &&
             leader.state->high_watermark() + 50 > leader.log.end(),
         "Converges", "the high watermark stands still");
  for (int i = 0; i < brokers_count_; ++i) {
    const SimLog& log = brokers_[i]->log;
    for (Offset o = std::max(log.start(), leader.log.start());
         o < std::min(log.end(), leader.log.end()); o += 1) {
      Expect(log.At(o) == leader.log.At(o), "LogsEqualAtTheEnd", Name(i));
    }
    Expect(log.end() + 50 > leader.log.end(), "Converges",
           Name(i) + " stays behind");
  }
  committed_.ExpectAllIn(leader.log, "the last leader");
}

ReplicationRun RunReplicationSeeds(ReplicationOptions options, uint64_t first,
                                   uint64_t count) {
  ReplicationRun run;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    options.seed = seed;
    const ReplicationResult result = ReplicationWorld(options).Run();
    ++run.seeds;
    run.reached.Add(result.reached);
    if (result.failed) {
      run.failed = true;
      run.failed_seed = seed;
      run.failure = result;
      return run;
    }
  }
  return run;
}

}  // namespace sillok::sim
