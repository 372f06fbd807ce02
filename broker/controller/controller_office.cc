// The controller's part that stands for election, reads the state when elected
// and steps down.
#include <algorithm>
#include <utility>

#include "broker/controller/controller_impl.h"
#include "broker/metadata/store_calls.h"
#include "glog/logging.h"

namespace sillok {
namespace {

bool StartsWith(const std::string& text, const char* prefix) {
  return text.rfind(prefix, 0) == 0;
}

}  // namespace

void Controller::Impl::Start() {
  running_ = true;
  if (store_->Connected()) Elect();
}

void Controller::Impl::Stop(std::function<void()> done) {
  const bool owner = phase_ == Phase::kActive || phase_ == Phase::kLoading;
  const int32_t version = state_.controller_epoch_version;
  running_ = false;
  Depose("stopping");
  phase_ = Phase::kIdle;
  if (!owner || !store_->Connected()) {
    if (done) done();
    return;
  }
  v1::CoordRequest request;
  AddCheck(&request, znode_path::kControllerEpoch, version);
  AddDelete(&request, znode_path::kController);
  store_->Call(std::move(request),
               [strand = strand_, done = std::move(done)](
                   const v1::CoordResponse&) {
                 if (done) strand->Post(done);
               });
}

void Controller::Impl::Abandon() {
  running_ = false;
  Depose("shut down");
  phase_ = Phase::kIdle;
}

void Controller::Impl::OnEvent(const MetadataStore::Event& event) {
  using Link = MetadataStore::Link;
  if (event.kind == MetadataStore::Event::Kind::kWatch) {
    return OnWatch(event.watch);
  }
  if (!running_) return;
  if (event.link == Link::kExpired) {
    Depose("session expired");
    phase_ = Phase::kFollowing;
  } else if (event.link == Link::kConnected && phase_ != Phase::kActive &&
             phase_ != Phase::kLoading) {
    Elect();
  }
}

void Controller::Impl::OnWatch(const v1::WatchEvent& watch) {
  if (!running_) return;
  const std::string& path = watch.path();
  if (path == znode_path::kController) return Elect();
  if (phase_ != Phase::kActive) {
    // What is being loaded may have missed it: look again afterwards.
    if (phase_ == Phase::kLoading) changed_while_loading_ = true;
    return;
  }
  if (StartsWith(path, znode_path::kBrokerIds)) return RefreshBrokers();
  if (path == znode_path::kTopics || path == znode_path::kDeleteTopics) {
    listing_changed_ = true;
    MaybeStartRound();
  }
}

// Looks at /controller: ours, somebody else's, or free to take. Also asked
// when active, since the znode may have been taken from us.
void Controller::Impl::Elect() {
  const uint64_t term = phase_ == Phase::kActive || phase_ == Phase::kLoading
                            ? term_
                            : ++term_;
  if (phase_ == Phase::kIdle || phase_ == Phase::kFollowing) {
    phase_ = Phase::kElecting;
  }
  StandForElection(
      {.store = store_,
       .strand = strand_,
       .broker_id = options_.broker_id.value(),
       .now_ms = clock_->WallMs(),
       .done = [weak = weak_from_this(),
                term](const ElectionResult& result) {
         auto self = weak.lock();
         if (self && self->term_ == term) self->OnElection(result);
       }});
}

void Controller::Impl::OnElection(const ElectionResult& result) {
  if (!running_) return;
  const bool in_office =
      phase_ == Phase::kActive || phase_ == Phase::kLoading;
  switch (result.kind) {
    case ElectionResult::Kind::kWon:
      if (in_office && result.epoch == epoch_.load()) return;
      if (in_office) Depose("elected anew");
      LOG(INFO) << "elected controller epoch=" << result.epoch;
      epoch_.store(result.epoch);
      epoch_version_ = result.epoch_version;
      Load();
      return;
    case ElectionResult::Kind::kOther:
      if (in_office) Depose("another broker is controller");
      phase_ = Phase::kFollowing;
      return;
    case ElectionResult::Kind::kFailed:
      // Still in office, as far as anybody knows: writes are fenced anyway.
      if (!in_office) phase_ = Phase::kElecting;
      return RetryLater([](Impl* self) { self->Elect(); });
  }
}

void Controller::Impl::RetryLater(std::function<void(Impl*)> task) {
  timer_->After(options_.retry_ms, [weak = weak_from_this(), term = term_,
                                    task = std::move(task)] {
    auto self = weak.lock();
    if (!self) return;
    self->Post([term, task](Impl* impl) {
      if (impl->running_ && impl->term_ == term) task(impl);
    });
  });
}

void Controller::Impl::Load() {
  phase_ = Phase::kLoading;
  ++term_;
  load_started_ms_ = clock_->MonotonicMs();
  changed_while_loading_ = false;
  LoadState(store_, strand_,
            [weak = weak_from_this(), term = term_](
                absl::StatusOr<std::shared_ptr<LoadedState>> loaded) {
              auto self = weak.lock();
              if (self && self->term_ == term) {
                self->OnLoaded(std::move(loaded));
              }
            });
}

void Controller::Impl::OnLoaded(absl::StatusOr<std::shared_ptr<LoadedState>> loaded) {
  if (!running_) return;
  if (!loaded.ok()) {
    LOG(WARNING) << "controller cannot load yet: " << loaded.status();
    return RetryLater([](Impl* self) { self->Load(); });
  }
  state_ = std::move((*loaded)->state);
  state_.controller_id = options_.broker_id.value();
  state_.controller_epoch = epoch_.load();
  state_.controller_epoch_version = epoch_version_;
  decisions_ = std::make_unique<Decisions>(
      DecisionOptions{
          .num_partitions = options_.num_partitions,
          .default_replication_factor = options_.default_replication_factor,
          .unclean_leader_election_enable =
              options_.unclean_leader_election_enable,
          .delete_topic_enable = options_.delete_topic_enable},
      &state_);
  phase_ = Phase::kActive;
  const int64_t took = clock_->MonotonicMs() - load_started_ms_;
  LOG(INFO) << "controller loaded epoch=" << epoch_.load()
            << " brokers=" << state_.brokers.size()
            << " topics=" << state_.topics.size() << " ms=" << took;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.last_load_ms = took;
  }
  // The state is served from its first committed round on.
  AddInput({[this, loaded = *loaded] {
              decisions_->OnLoaded(loaded->mzxids);
            },
            [this](Outcome outcome) {
              if (outcome == Outcome::kCommitted) active_.store(true);
            }});
  if (changed_while_loading_) {
    listing_changed_ = true;
    RefreshBrokers();
  }
  ScheduleRebalance(std::min<int64_t>(
      5'000, options_.leader_imbalance_check_interval_ms));
}

void Controller::Impl::ScheduleRebalance(int64_t delay_ms) {
  if (!options_.auto_leader_rebalance_enable) return;
  timer_->After(delay_ms, [weak = weak_from_this(), term = term_] {
    auto self = weak.lock();
    if (!self) return;
    self->Post([term](Impl* impl) {
      if (impl->term_ != term) return;
      impl->AddInput(
          {[impl] {
             impl->decisions_->RebalanceLeaders(
                 impl->options_.leader_imbalance_per_broker_percentage);
           },
           nullptr});
      impl->ScheduleRebalance(
          impl->options_.leader_imbalance_check_interval_ms);
    });
  });
}

// Out of office, or to start over: who waits is answered, streams end.
void Controller::Impl::Depose(const char* why) {
  if (phase_ == Phase::kActive || phase_ == Phase::kLoading) {
    LOG(INFO) << "controller steps down epoch=" << epoch_.load() << ": "
              << why;
  }
  ++term_;
  active_.store(false);
  served_ = false;
  round_under_way_ = false;
  refreshing_brokers_ = refresh_again_ = listing_changed_ = false;
  std::deque<Input> inputs = std::exchange(inputs_, {});
  std::vector<Input> round = std::exchange(round_, {});
  auto committed = std::exchange(apply_waiters_, {});
  auto deletes = std::exchange(delete_waiters_, {});
  auto sinks = std::exchange(sinks_, {});
  streams_ = UpdateStreams(options_.max_stream_backlog_bytes);
  decisions_.reset();
  state_ = ClusterState();
  UpdateStats();
  for (auto& [id, sink] : sinks) {
    sink->Close(absl::UnavailableError("NOT_CONTROLLER"));
  }
  for (Input& input : round) {
    if (input.answer) input.answer(Outcome::kUnknown);
  }
  for (Input& input : inputs) {
    if (input.answer) input.answer(Outcome::kNotExecuted);
  }
  // These are done: that brokers have not all carried it out is no failure.
  for (const auto& parked : committed) parked->Answer();
  for (const auto& parked : deletes) {
    parked->Fail(v1::REQUEST_TIMED_OUT, "the deletion goes on");
  }
}

// The state is not what the znodes say, or that is not known: reads it anew.
void Controller::Impl::Reload(const char* why) {
  LOG(WARNING) << "controller reads the state again epoch=" << epoch_.load()
               << ": " << why;
  Depose("to read the state again");
  phase_ = Phase::kFollowing;
  // Through /controller, so that a lost office is noticed first.
  RetryLater([](Impl* self) { self->Elect(); });
}

}  // namespace sillok
