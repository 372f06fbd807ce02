// The controller's part that turns events into rounds of writes, and committed
// rounds into updates for the brokers.
#include <utility>

#include "broker/controller/controller_impl.h"
#include "fmt/core.h"
#include "glog/logging.h"

namespace sillok {
namespace {

// A round takes no more events than these.
constexpr size_t kMaxRoundEvents = 512;

}  // namespace

void Controller::Impl::AddInput(Input input) {
  inputs_.push_back(std::move(input));
  MaybeStartRound();
}

void Controller::Impl::MaybeStartRound() {
  if (round_under_way_ || phase_ != Phase::kActive) return;
  if (listing_changed_) return ReadListing();
  if (inputs_.empty()) return;
  round_under_way_ = true;
  round_started_ms_ = clock_->MonotonicMs();
  while (!inputs_.empty() && round_.size() < kMaxRoundEvents) {
    round_.push_back(std::move(inputs_.front()));
    inputs_.pop_front();
    round_.back().decide();
    if (decisions_->InSyncSetsPending()) {
      // In a round of its own, which is the next.
      inputs_.push_front({[this] { decisions_->ShrinkInSyncSets(); }, nullptr});
      break;
    }
  }
  effects_ = decisions_->TakeEffects();
  WriteRound();
}

void Controller::Impl::WriteRound() {
  std::vector<v1::CoordRequest> multis =
      PackMultis(state_, effects_, options_.max_multi_bytes);
  if (multis.empty()) return OnRoundCommitted();
  unanswered_ = multis.size();
  round_failure_ = v1::OK;
  fenced_ = false;
  for (v1::CoordRequest& multi : multis) {
    store_->Call(std::move(multi), [weak = weak_from_this(), term = term_](
                                       const v1::CoordResponse& response) {
      auto self = weak.lock();
      if (!self) return;
      self->Post([term, response](Impl* impl) {
        if (impl->term_ == term) impl->OnMultiAnswered(response);
      });
    });
  }
}

void Controller::Impl::OnMultiAnswered(const v1::CoordResponse& response) {
  if (response.code() != v1::OK) {
    if (round_failure_ == v1::OK) round_failure_ = response.code();
    // The check of /controller_epoch is the first operation.
    if (response.multi_size() > 0 && response.multi(0).code() != v1::OK &&
        response.multi(0).code() != v1::RUNTIME_INCONSISTENCY) {
      fenced_ = true;
    }
  }
  if (--unanswered_ > 0) return;
  if (round_failure_ == v1::OK) return OnRoundCommitted();
  if (fenced_) {
    Depose("another controller was elected since");
    phase_ = Phase::kFollowing;
    return Elect();
  }
  Reload(v1::CoordCode_Name(round_failure_).c_str());
}

void Controller::Impl::OnRoundCommitted() {
  round_under_way_ = false;
  served_ = true;
  uint64_t version = streams_.version();
  if (!effects_.NothingToTell()) {
    version = streams_.Publish(state_, MakeDelta(state_, effects_));
  }
  if (!effects_.topics_deleted.empty()) {
    inputs_.push_front(
        {[this, told = effects_.topics_deleted, version] {
           decisions_->OnDeletionTold(told, version);
         },
         nullptr});
  }
  LogRound();
  PumpStreams();
  std::vector<Input> round = std::exchange(round_, {});
  const uint64_t term = term_;
  for (Input& input : round) {
    if (input.answer) input.answer(Outcome::kCommitted);
    if (term_ != term) return;
  }
  CheckApplyWaiters();
  CheckDeleteWaiters();
  UpdateStats();
  MaybeStartRound();
}

void Controller::Impl::LogRound() {
  const int64_t took = clock_->MonotonicMs() - round_started_ms_;
  if (!effects_.brokers.empty()) {
    std::string alive;
    for (const auto& [id, broker] : state_.brokers) {
      alive += fmt::format("{}{}", alive.empty() ? "" : ",", id);
    }
    LOG(INFO) << "brokers changed alive=" << alive
              << " partition_writes=" << effects_.partition_writes
              << " ms=" << took;
  }
  std::lock_guard<std::mutex> lock(stats_mutex_);
  ++stats_.rounds;
  stats_.partition_writes += effects_.partition_writes;
  stats_.last_round_ms = took;
}

void Controller::Impl::RefreshBrokers() {
  if (refreshing_brokers_) {
    refresh_again_ = true;
    return;
  }
  refreshing_brokers_ = true;
  LoadBrokers(store_, strand_,
              [weak = weak_from_this(), term = term_](
                  absl::StatusOr<std::map<int32_t, LiveBroker>> brokers) {
                auto self = weak.lock();
                if (self && self->term_ == term) {
                  self->OnBrokersRead(std::move(brokers));
                }
              });
}

void Controller::Impl::OnBrokersRead(absl::StatusOr<std::map<int32_t, LiveBroker>> brokers) {
  refreshing_brokers_ = false;
  if (!brokers.ok()) {
    return RetryLater([](Impl* self) { self->RefreshBrokers(); });
  }
  AddInput({[this, brokers = *std::move(brokers)] {
              decisions_->OnBrokersLeadersFirst(brokers);
            },
            nullptr});
  if (std::exchange(refresh_again_, false)) RefreshBrokers();
}

// Between rounds, so that what is read has all our writes and none under way.
void Controller::Impl::ReadListing() {
  listing_changed_ = false;
  round_under_way_ = true;
  LoadTopicListing(
      store_, strand_,
      [this](const std::string& name) {
        return state_.FindTopic(name) != nullptr;
      },
      [weak = weak_from_this(),
       term = term_](absl::StatusOr<TopicListing> listing) {
        auto self = weak.lock();
        if (self && self->term_ == term) {
          self->OnListing(std::move(listing));
        }
      });
}

void Controller::Impl::OnListing(absl::StatusOr<TopicListing> listing) {
  round_under_way_ = false;
  if (!listing.ok()) {
    return RetryLater([](Impl* self) {
      self->listing_changed_ = true;
      self->MaybeStartRound();
    });
  }
  const std::set<std::string> there(listing->topics.begin(),
                                    listing->topics.end());
  for (const auto& [name, topic] : state_.topics) {
    if (there.count(name) == 0) return Reload("a topic znode was taken away");
  }
  for (auto& [name, topic] : listing->found->state.topics) {
    LOG(INFO) << "topic created by another hand topic=" << name;
    inputs_.push_front(
        {[this, found = topic] { decisions_->OnTopicFound(found); },
         nullptr});
  }
  for (const std::string& marker : listing->delete_markers) {
    const TopicEntry* topic = state_.FindTopic(marker);
    if (topic != nullptr && topic->deleting) continue;
    inputs_.push_back(
        {[this, marker] { decisions_->OnDeleteMarker(marker); }, nullptr});
  }
  MaybeStartRound();
}

void Controller::Impl::OpenStream(StreamId id, const v1::BrokerReport& hello,
                std::shared_ptr<UpdateSink> sink) {
  if (phase_ != Phase::kActive) {
    sink->Close(absl::FailedPreconditionError("NOT_CONTROLLER"));
    return;
  }
  sinks_[id] = std::move(sink);
  streams_.Open(id, hello.broker_id(), hello.broker_epoch());
  PumpStreams();
}

void Controller::Impl::OnReport(StreamId id, const v1::BrokerReport& report) {
  const int32_t broker = streams_.BrokerOf(id);
  if (broker == -1) return;
  if (!streams_.OnReport(id, report.applied_sequence())) return;
  CheckApplyWaiters();
  const uint64_t version = streams_.AppliedVersion(broker);
  // What else it has carried out concerns nobody.
  if (state_.deleting().empty() && state_.leftovers.empty()) return;
  AddInput({[this, broker, version, deleted = report.deleted()] {
              // The broker may have gone while this waited.
              if (!state_.IsAlive(broker)) return;
              if (version != 0) decisions_->OnApplied(broker, version);
              decisions_->OnReplicasDeleted(broker, deleted);
            },
            nullptr});
}

void Controller::Impl::OnSent(StreamId id) {
  streams_.OnSent(id);
  PumpStreams();
}

void Controller::Impl::CloseStream(StreamId id) {
  streams_.Close(id);
  sinks_.erase(id);
  CheckApplyWaiters();
}

void Controller::Impl::PumpStreams() {
  if (phase_ != Phase::kActive) return;
  // Before the first round is committed and while one is under way the state
  // is ahead of the znodes.
  const bool committed = !round_under_way_ && served_;
  for (auto& [id, update] : streams_.TakeSends(committed ? &state_ : nullptr)) {
    auto sink = sinks_.find(id);
    if (sink != sinks_.end()) sink->second->Send(std::move(update));
  }
  for (const UpdateStreams::Closed& closed : streams_.TakeClosed()) {
    auto sink = sinks_.find(closed.id);
    if (sink == sinks_.end()) continue;
    auto keep = std::move(sink->second);
    sinks_.erase(sink);
    keep->Close(absl::AbortedError(closed.why));
  }
}

void Controller::Impl::UpdateStats() {
  Stats now;
  now.active = active_.load();
  now.epoch = epoch_.load();
  now.brokers = state_.brokers.size();
  now.topics = state_.topics.size();
  now.update_streams = streams_.size();
  for (const auto& [name, topic] : state_.topics) {
    now.partitions += topic.partitions.size();
    for (const PartitionEntry& partition : topic.partitions) {
      if (partition.leader == -1) ++now.offline_partitions;
    }
  }
  std::lock_guard<std::mutex> lock(stats_mutex_);
  now.rounds = stats_.rounds;
  now.partition_writes = stats_.partition_writes;
  now.last_round_ms = stats_.last_round_ms;
  now.last_load_ms = stats_.last_load_ms;
  stats_ = now;
}

}  // namespace sillok
