#include "broker/replication/replica_fetcher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "glog/logging.h"

namespace sillok {
namespace {

std::optional<EpochEndOffset> DivergingEpoch(
    const v1::PartitionFetchResult& result) {
  if (!result.has_diverging_epoch()) return std::nullopt;
  return EpochEndOffset{LeaderEpoch(result.diverging_epoch().leader_epoch()),
                        Offset(result.diverging_epoch().end_offset())};
}

// Nothing in it that the replica does not know.
bool NothingNew(const v1::PartitionFetchResult& result, const Bytes& batches,
                const FetchPosition& position) {
  return result.error_code() == v1::NONE && batches.empty() &&
         !result.has_diverging_epoch() &&
         std::min(Offset(result.high_watermark()), position.offset) <=
             position.high_watermark &&
         Offset(result.log_start_offset()) <= position.log_start;
}

}  // namespace

std::shared_ptr<ReplicaFetcher> ReplicaFetcher::Create(
    ReplicaFetcherOptions options, const Environment& environment) {
  return std::shared_ptr<ReplicaFetcher>(
      new ReplicaFetcher(options, environment));
}

ReplicaFetcher::ReplicaFetcher(ReplicaFetcherOptions options,
                               const Environment& environment)
    : options_(options),
      environment_(environment),
      strand_(environment.executor),
      planner_(options.planner),
      lanes_(planner_.lanes()) {}

void ReplicaFetcher::SetAddress(const std::string& host, int port) {
  strand_.Post([self = shared_from_this(), host, port] {
    if (self->host_ == host && self->port_ == port) return;
    self->host_ = host;
    self->port_ = port;
    self->CloseLanes();
    self->Pump();
  });
}

void ReplicaFetcher::SetBrokerEpoch(BrokerEpoch epoch) {
  strand_.Post([self = shared_from_this(), epoch] {
    self->broker_epoch_ = epoch;
    self->Pump();
  });
}

void ReplicaFetcher::Follow(std::shared_ptr<Partition> partition) {
  strand_.Post([self = shared_from_this(), partition = std::move(partition)] {
    if (self->stopped_) return;
    const auto [found, added] =
        self->slots_.try_emplace(partition->id(), self->next_slot_);
    if (added) ++self->next_slot_;
    const FetchPlanner::Slot slot = found->second;
    self->partitions_[slot] = partition;
    partition->NextFetch([self, slot](FetchPosition position) {
      self->strand_.Dispatch([self, slot, position] {
        self->OnPosition(slot, position, /*fresh=*/true);
        self->Pump();
      });
    });
  });
}

void ReplicaFetcher::Unfollow(const TopicPartition& partition) {
  strand_.Post([self = shared_from_this(), partition] {
    const auto found = self->slots_.find(partition);
    if (found != self->slots_.end()) self->RemoveSlot(found->second);
  });
}

void ReplicaFetcher::Stop() {
  strand_.Post([self = shared_from_this()] {
    self->stopped_ = true;
    self->environment_.timer->Cancel(
        std::exchange(self->timer_, Timer::kNone));
    self->CloseLanes();
    self->slots_.clear();
    self->partitions_.clear();
  });
}

void ReplicaFetcher::Pump() {
  if (stopped_ || host_.empty() || broker_epoch_ == BrokerEpoch(-1)) return;
  // Narrow lanes first: what they take, the wide one need not.
  for (int lane = planner_.lanes() - 1; lane >= 0; --lane) {
    if (!planner_.Busy(lane)) Send(lane);
  }
  ArmTimer();
}

void ReplicaFetcher::Send(int lane) {
  const int64_t now = environment_.clock->MonotonicMs();
  std::vector<FetchPlanner::Item> items = planner_.Take(lane, now);
  if (items.empty()) return;
  v1::FetchRequest request;
  request.set_max_wait_ms(lane == 0 ? options_.wait_max_ms
                                    : std::min(options_.wait_max_ms, 100));
  request.set_min_bytes(1);
  request.set_max_bytes(options_.response_max_bytes);
  request.set_replica_id_plus_one(options_.self.value() + 1);
  request.set_replica_epoch(broker_epoch_.value());
  for (const FetchPlanner::Item& item : items) {
    const FetchPosition& position = item.position;
    const TopicPartition& id = partitions_.at(item.slot)->id();
    v1::PartitionFetch* fetch = request.add_partitions();
    fetch->set_topic(id.topic);
    fetch->set_partition(id.partition);
    fetch->set_fetch_offset(position.offset.value());
    fetch->set_max_bytes(options_.partition_max_bytes);
    fetch->set_current_leader_epoch_plus_one(position.leader_epoch.value() +
                                             1);
    fetch->set_last_fetched_epoch_plus_one(
        position.last_fetched_epoch.value() + 1);
    fetch->set_log_start_offset(position.log_start.value());
  }
  Lane& state = lanes_[lane];
  state.sent = std::move(items);
  state.request = next_request_++;
  request.set_correlation_id(state.request);
  if (state.channel == nullptr) {
    state.channel =
        environment_.channels->Open(options_.source, host_, port_);
  }
  state.channel->Send(
      request, request.max_wait_ms() + options_.answer_grace_ms,
      [self = shared_from_this(), lane, id = state.request](
          absl::StatusOr<ReplicaFetchResponse> response) {
        const bool here = response.ok() && response->may_act_here;
        auto act = [self, lane, id, response = std::move(response)]() mutable {
          self->OnAnswer(lane, id, std::move(response));
        };
        if (here) {
          self->strand_.Dispatch(std::move(act));
        } else {
          self->strand_.Post(std::move(act));
        }
      });
}

void ReplicaFetcher::OnAnswer(int lane, uint64_t request,
                              absl::StatusOr<ReplicaFetchResponse> response) {
  Lane& state = lanes_[lane];
  if (stopped_ || state.request != request || state.channel == nullptr) return;
  state.request = 0;
  absl::Status status = response.status();
  if (status.ok() && response->header.error_code() != v1::NONE) {
    status = ErrorStatus(ErrorCodeFromNumber(response->header.error_code()));
  }
  if (!status.ok()) {
    if (!std::exchange(source_unreachable_, true)) {
      LOG(WARNING) << "cannot fetch from broker=" << options_.source
                   << " address=" << host_ << ':' << port_
                   << " status=" << status;
    }
    planner_.Done(lane, /*failed=*/true, environment_.clock->MonotonicMs());
    state.sent.clear();
    Pump();
    return;
  }
  if (std::exchange(source_unreachable_, false)) {
    LOG(INFO) << "fetching again from broker=" << options_.source;
  }
  CarryOut(lane, *std::move(response));
}

void ReplicaFetcher::CarryOut(int lane, ReplicaFetchResponse response) {
  Lane& state = lanes_[lane];
  const std::vector<FetchPlanner::Item> sent = std::exchange(state.sent, {});
  response.batches.resize(response.header.partitions_size());
  state.carrying_out = 1;  // until all have been told
  // Answers come in the order of the request; a leader may leave out what has
  // nothing new.
  size_t at = 0;
  for (int i = 0; i < response.header.partitions_size(); ++i) {
    const v1::PartitionFetchResult& result = response.header.partitions(i);
    for (; at < sent.size(); ++at) {
      const auto found = partitions_.find(sent[at].slot);
      if (found == partitions_.end()) continue;  // not followed any more
      const TopicPartition& id = found->second->id();
      if (id.partition == result.partition() && id.topic == result.topic()) {
        break;
      }
    }
    if (at == sent.size()) break;
    if (TellPartition(lane, sent[at], result,
                      std::move(response.batches[i]))) {
      ++state.carrying_out;
    }
    ++at;
  }
  FinishLane(lane);
}

bool ReplicaFetcher::TellPartition(int lane, const FetchPlanner::Item& item,
                                   const v1::PartitionFetchResult& result,
                                   Bytes batches) {
  const FetchPosition* now = planner_.Find(item.slot);
  if (now == nullptr) return false;
  if (NothingNew(result, batches, *now)) return false;
  if (!batches.empty()) {
    planner_.OnData(item.slot, environment_.clock->MonotonicMs());
  }
  ReplicaFetchResult fetched;
  fetched.error = ErrorCodeFromNumber(result.error_code());
  fetched.leader_epoch = item.position.leader_epoch;
  fetched.fetch_offset = item.position.offset;
  fetched.last_fetched_epoch = item.position.last_fetched_epoch;
  fetched.batches = std::move(batches);
  fetched.leader_high_watermark = Offset(result.high_watermark());
  fetched.leader_log_start = Offset(result.log_start_offset());
  fetched.diverging = DivergingEpoch(result);
  partitions_.at(item.slot)->OnFetched(
      std::move(fetched),
      [self = shared_from_this(), lane,
       slot = item.slot](FetchPosition position) {
        self->strand_.Post([self, lane, slot, position] {
          self->OnPosition(slot, position, /*fresh=*/false);
          self->FinishLane(lane);
        });
      });
  return true;
}

void ReplicaFetcher::OnPosition(FetchPlanner::Slot slot,
                                const FetchPosition& position, bool fresh) {
  if (stopped_ || partitions_.find(slot) == partitions_.end()) return;
  if (!position.following || position.leader != options_.source) {
    RemoveSlot(slot);
    return;
  }
  const FetchPosition* before = planner_.Find(slot);
  // An answer of an earlier tenure can only end that one's part.
  if (before != nullptr && before->leader_epoch != position.leader_epoch) {
    fresh = true;
  }
  planner_.Set(slot, position, fresh, environment_.clock->MonotonicMs());
}

void ReplicaFetcher::FinishLane(int lane) {
  Lane& state = lanes_[lane];
  if (stopped_ || --state.carrying_out > 0) return;
  planner_.Done(lane, /*failed=*/false, environment_.clock->MonotonicMs());
  Pump();
}

void ReplicaFetcher::CloseLanes() {
  const int64_t now = environment_.clock->MonotonicMs();
  for (int lane = 0; lane < planner_.lanes(); ++lane) {
    Lane& state = lanes_[lane];
    state.channel.reset();
    // An answer that is being carried out finishes its lane itself.
    if (state.request != 0) {
      state.request = 0;
      state.sent.clear();
      planner_.Done(lane, /*failed=*/false, now);
    }
  }
}

void ReplicaFetcher::ArmTimer() {
  const std::optional<int64_t> due = planner_.NextDue();
  if (!due.has_value()) return;
  if (timer_ != Timer::kNone && timer_due_ms_ <= *due) return;
  environment_.timer->Cancel(timer_);
  timer_due_ms_ = *due;
  timer_ = environment_.timer->After(
      *due - environment_.clock->MonotonicMs(),
      [weak = weak_from_this()] {
        const std::shared_ptr<ReplicaFetcher> self = weak.lock();
        if (self == nullptr) return;
        self->strand_.Post([self] {
          self->timer_ = Timer::kNone;
          self->Pump();
        });
      });
}

void ReplicaFetcher::RemoveSlot(FetchPlanner::Slot slot) {
  const auto found = partitions_.find(slot);
  if (found == partitions_.end()) return;
  slots_.erase(found->second->id());
  partitions_.erase(found);
  planner_.Remove(slot);
}

}  // namespace sillok
