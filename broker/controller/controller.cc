#include "broker/controller/controller.h"

#include <atomic>
#include <deque>
#include <mutex>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "broker/controller/decisions.h"
#include "broker/controller/election.h"
#include "broker/controller/state_loader.h"
#include "broker/controller/update_streams.h"
#include "broker/controller/store_gate.h"
#include "broker/metadata/store_calls.h"
#include "fmt/core.h"
#include "glog/logging.h"

namespace sillok {
namespace {

constexpr int64_t kDefaultTimeoutMs = 30'000;
// A round takes no more events than these.
constexpr size_t kMaxRoundEvents = 512;

bool StartsWith(const std::string& text, const char* prefix) {
  return text.rfind(prefix, 0) == 0;
}

// Gives every topic of `response` that has no error yet the code.
template <typename Response>
void FailTopics(v1::ErrorCode code, const char* message, Response* response) {
  for (v1::TopicResult& topic : *response->mutable_topics()) {
    if (topic.error_code() != v1::NONE) continue;
    topic.set_error_code(code);
    topic.set_error_message(message);
  }
}

v1::CreateTopicsResponse NamesOf(const v1::CreateTopicsRequest& request) {
  v1::CreateTopicsResponse response;
  for (const v1::NewTopic& topic : request.topics()) {
    response.add_topics()->set_name(topic.name());
  }
  return response;
}

v1::DeleteTopicsResponse NamesOf(const v1::DeleteTopicsRequest& request) {
  v1::DeleteTopicsResponse response;
  for (const std::string& name : request.names()) {
    response.add_topics()->set_name(name);
  }
  return response;
}

}  // namespace

class Controller::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(ControllerOptions options, MetadataStore* store, Executor* executor,
       Timer* timer, const Clock* clock)
      : options_(std::move(options)),
        store_(std::make_shared<StoreGate>(store)),
        strand_(std::make_shared<Strand>(executor)),
        timer_(timer),
        clock_(clock),
        generator_(options_.random_seed != 0 ? options_.random_seed
                                             : std::random_device()()),
        streams_(options_.max_stream_backlog_bytes) {}

  void Init() {
    std::weak_ptr<Impl> weak = weak_from_this();
    store_->AddListener([weak](const MetadataStore::Event& event) {
      if (auto self = weak.lock()) {
        self->strand_->Post([self, event] { self->OnEvent(event); });
      }
    });
  }

  void Post(std::function<void(Impl*)> task) {
    strand_->Post([self = shared_from_this(), task = std::move(task)] {
      task(self.get());
    });
  }

  bool active() const { return active_.load(); }
  int32_t epoch() const { return epoch_.load(); }
  Stats stats() const {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    return stats_;
  }

  void Start() {
    running_ = true;
    if (store_->Connected()) Elect();
  }

  void Stop(std::function<void()> done) {
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

  // From any thread: what runs later does not reach the store any more.
  void CloseStore() { store_->Close(); }

  // The broker is going away: no callback may touch it, but those who wait are
  // answered.
  void Abandon() {
    running_ = false;
    Depose("shut down");
    phase_ = Phase::kIdle;
  }

  // ---- requests

  void CreateTopics(v1::CreateTopicsRequest request,
                    Done<v1::CreateTopicsResponse> done) {
    auto parked = std::make_shared<Parked<v1::CreateTopicsResponse>>();
    parked->done = std::move(done);
    parked->response = NamesOf(request);
    if (!AcceptTopics(parked)) return;
    const bool validate_only = request.validate_only();
    StartTimeout(parked, request.timeout_ms());
    AddInput({[this, parked, request = std::move(request)] {
                parked->response = decisions_->CreateTopics(
                    request, [this] { return Random(); });
              },
              [this, parked, validate_only](Outcome outcome) {
                OnTopicsWritten(parked, outcome);
                if (outcome != Outcome::kCommitted || parked->answered) return;
                if (validate_only) return parked->Answer();
                AwaitLeaders(parked);
              }});
  }

  void DeleteTopics(v1::DeleteTopicsRequest request,
                    Done<v1::DeleteTopicsResponse> done) {
    auto parked = std::make_shared<Parked<v1::DeleteTopicsResponse>>();
    parked->done = std::move(done);
    parked->response = NamesOf(request);
    if (!AcceptTopics(parked)) return;
    StartTimeout(parked, request.timeout_ms());
    AddInput({[this, parked, request = std::move(request)] {
                parked->response = decisions_->DeleteTopics(request);
              },
              [this, parked](Outcome outcome) {
                OnTopicsWritten(parked, outcome);
                if (outcome != Outcome::kCommitted || parked->answered) return;
                delete_waiters_.push_back(parked);
              }});
  }

  void AlterPartition(v1::AlterPartitionRequest request,
                      Done<v1::AlterPartitionResponse> done) {
    Simple<v1::AlterPartitionResponse>(
        std::move(done), [this, request = std::move(request)] {
          return decisions_->AlterPartition(request);
        });
  }

  void ControlledShutdown(v1::ControlledShutdownRequest request,
                          Done<v1::ControlledShutdownResponse> done) {
    Simple<v1::ControlledShutdownResponse>(
        std::move(done), [this, request = std::move(request)] {
          LOG(INFO) << "broker hands over and stops broker="
                    << request.broker_id();
          return decisions_->ControlledShutdown(request);
        });
  }

  // ---- streams

  void OpenStream(StreamId id, const v1::BrokerReport& hello,
                  std::shared_ptr<UpdateSink> sink) {
    if (phase_ != Phase::kActive) {
      sink->Close(absl::FailedPreconditionError("NOT_CONTROLLER"));
      return;
    }
    sinks_[id] = std::move(sink);
    streams_.Open(id, hello.broker_id(), hello.broker_epoch());
    PumpStreams();
  }

  void OnReport(StreamId id, const v1::BrokerReport& report) {
    const int32_t broker = streams_.BrokerOf(id);
    if (broker == -1) return;
    if (!streams_.OnReport(id, report.applied_sequence())) return;
    CheckLeaderWaiters();
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

  void OnSent(StreamId id) {
    streams_.OnSent(id);
    PumpStreams();
  }

  void CloseStream(StreamId id) {
    streams_.Close(id);
    sinks_.erase(id);
    CheckLeaderWaiters();
  }

 private:
  enum class Phase { kIdle, kElecting, kFollowing, kLoading, kActive };
  enum class Outcome {
    kCommitted,
    kNotExecuted,  // it never came to a round: another controller may do it
    kUnknown,      // in a round that failed
  };

  // An event for the core: `decide` runs when no round is under way, `answer`
  // when what it decided is committed, or is known not to be.
  struct Input {
    std::function<void()> decide;
    std::function<void(Outcome)> answer;
  };

  template <typename Response>
  struct Parked {
    Done<Response> done;
    Response response;
    bool answered = false;
    uint64_t version = 0;       // brokers that lead must get this far ...
    std::set<int32_t> waiting;  // ... these

    void Answer() {
      if (std::exchange(answered, true)) return;
      done(response);
    }
  };

  uint64_t Random() {
    return options_.random_seed != 0
               ? generator_()
               : (uint64_t{device_()} << 32) | device_();
  }

  // ---- election

  void OnEvent(const MetadataStore::Event& event) {
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

  void OnWatch(const v1::WatchEvent& watch) {
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
  void Elect() {
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

  void OnElection(const ElectionResult& result) {
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

  void RetryLater(std::function<void(Impl*)> task) {
    timer_->After(options_.retry_ms, [weak = weak_from_this(), term = term_,
                                      task = std::move(task)] {
      auto self = weak.lock();
      if (!self) return;
      self->Post([term, task](Impl* impl) {
        if (impl->running_ && impl->term_ == term) task(impl);
      });
    });
  }

  void Load() {
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

  void OnLoaded(absl::StatusOr<std::shared_ptr<LoadedState>> loaded) {
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

  // Out of office, or to start over: who waits is answered, streams end.
  void Depose(const char* why) {
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
    auto creates = std::exchange(leader_waiters_, {});
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
    // These topics exist: that their leaders are not all known is no failure.
    for (const auto& parked : creates) parked->Answer();
    for (const auto& parked : deletes) {
      FailTopics(v1::REQUEST_TIMED_OUT, "the deletion goes on",
                 &parked->response);
      parked->Answer();
    }
  }

  // The state is not what the znodes say, or that is not known: reads it anew.
  void Reload(const char* why) {
    LOG(WARNING) << "controller reads the state again epoch=" << epoch_.load()
                 << ": " << why;
    Depose("to read the state again");
    phase_ = Phase::kFollowing;
    // Through /controller, so that a lost office is noticed first.
    RetryLater([](Impl* self) { self->Elect(); });
  }

  // ---- rounds

  void AddInput(Input input) {
    inputs_.push_back(std::move(input));
    MaybeStartRound();
  }

  void MaybeStartRound() {
    if (round_under_way_ || phase_ != Phase::kActive) return;
    if (listing_changed_) return ReadListing();
    if (inputs_.empty()) return;
    round_under_way_ = true;
    round_started_ms_ = clock_->MonotonicMs();
    while (!inputs_.empty() && round_.size() < kMaxRoundEvents) {
      round_.push_back(std::move(inputs_.front()));
      inputs_.pop_front();
      round_.back().decide();
    }
    effects_ = decisions_->TakeEffects();
    WriteRound();
  }

  void WriteRound() {
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

  void OnMultiAnswered(const v1::CoordResponse& response) {
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

  void OnRoundCommitted() {
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
    CheckLeaderWaiters();
    CheckDeleteWaiters();
    UpdateStats();
    MaybeStartRound();
  }

  void LogRound() {
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

  // ---- watches

  void RefreshBrokers() {
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

  void OnBrokersRead(absl::StatusOr<std::map<int32_t, LiveBroker>> brokers) {
    refreshing_brokers_ = false;
    if (!brokers.ok()) {
      return RetryLater([](Impl* self) { self->RefreshBrokers(); });
    }
    AddInput({[this, brokers = *std::move(brokers)] {
                decisions_->OnBrokers(brokers);
              },
              nullptr});
    if (std::exchange(refresh_again_, false)) RefreshBrokers();
  }

  // Between rounds, so that what is read has all our writes and none under way.
  void ReadListing() {
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

  void OnListing(absl::StatusOr<TopicListing> listing) {
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

  void ScheduleRebalance(int64_t delay_ms) {
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

  // ---- answers

  template <typename Response>
  bool AcceptTopics(const std::shared_ptr<Parked<Response>>& parked) {
    if (active_.load()) return true;
    FailTopics(v1::NOT_CONTROLLER, "this broker is not the controller",
               &parked->response);
    parked->Answer();
    return false;
  }

  template <typename Response>
  void StartTimeout(const std::shared_ptr<Parked<Response>>& parked,
                    int32_t timeout_ms) {
    const int64_t delay = timeout_ms > 0 ? timeout_ms : kDefaultTimeoutMs;
    timer_->After(delay, [strand = strand_,
                          weak = std::weak_ptr<Parked<Response>>(parked)] {
      strand->Post([weak] {
        auto waiting = weak.lock();
        if (!waiting || waiting->answered) return;
        FailTopics(v1::REQUEST_TIMED_OUT,
                   "not finished in the time given; it goes on",
                   &waiting->response);
        waiting->Answer();
      });
    });
  }

  template <typename Response>
  void OnTopicsWritten(const std::shared_ptr<Parked<Response>>& parked,
                       Outcome outcome) {
    if (outcome == Outcome::kNotExecuted) {
      FailTopics(v1::NOT_CONTROLLER, "this broker is not the controller",
                 &parked->response);
      parked->Answer();
    } else if (outcome == Outcome::kUnknown) {
      FailTopics(v1::REQUEST_TIMED_OUT,
                 "the controller changed; whether it was done is not known",
                 &parked->response);
      parked->Answer();
    }
  }

  template <typename Response>
  void Simple(Done<Response> done, std::function<Response()> decide) {
    if (!active_.load()) {
      Response response;
      response.set_error_code(v1::NOT_CONTROLLER);
      return done(response);
    }
    auto response = std::make_shared<Response>();
    AddInput({[response, decide = std::move(decide)] { *response = decide(); },
              [response, done = std::move(done)](Outcome outcome) {
                if (outcome != Outcome::kCommitted) {
                  // Asked again, the next controller says what holds.
                  *response = Response();
                  response->set_error_code(v1::NOT_CONTROLLER);
                }
                done(*response);
              }});
  }

  // Until every leader of the new topics has taken its role.
  void AwaitLeaders(
      const std::shared_ptr<Parked<v1::CreateTopicsResponse>>& parked) {
    parked->version = streams_.version();
    for (const v1::TopicResult& result : parked->response.topics()) {
      if (result.error_code() != v1::NONE) continue;
      const TopicEntry* topic = state_.FindTopicById(result.topic_id());
      if (topic == nullptr) continue;
      for (const PartitionEntry& partition : topic->partitions) {
        if (partition.leader != -1) parked->waiting.insert(partition.leader);
      }
    }
    leader_waiters_.push_back(parked);
  }

  void CheckLeaderWaiters() {
    for (auto it = leader_waiters_.begin(); it != leader_waiters_.end();) {
      auto& waiting = (*it)->waiting;
      for (auto id = waiting.begin(); id != waiting.end();) {
        const bool over = !state_.IsAlive(*id) ||
                          streams_.AppliedVersion(*id) >= (*it)->version;
        id = over ? waiting.erase(id) : std::next(id);
      }
      if (!waiting.empty() && !(*it)->answered) {
        ++it;
        continue;
      }
      auto parked = *it;
      it = leader_waiters_.erase(it);
      parked->Answer();
    }
  }

  void CheckDeleteWaiters() {
    for (auto it = delete_waiters_.begin(); it != delete_waiters_.end();) {
      bool gone = true;
      for (const v1::TopicResult& result : (*it)->response.topics()) {
        if (result.error_code() != v1::NONE) continue;
        if (state_.FindTopicById(result.topic_id()) != nullptr) gone = false;
      }
      if (!gone && !(*it)->answered) {
        ++it;
        continue;
      }
      auto parked = *it;
      it = delete_waiters_.erase(it);
      parked->Answer();
    }
  }

  // ---- streams

  void PumpStreams() {
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

  void UpdateStats() {
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

  const ControllerOptions options_;
  const std::shared_ptr<StoreGate> store_;
  const std::shared_ptr<Strand> strand_;
  Timer* const timer_;
  const Clock* const clock_;

  std::atomic<bool> active_{false};
  std::atomic<int32_t> epoch_{-1};
  mutable std::mutex stats_mutex_;
  Stats stats_;

  // All below: on the strand.
  std::random_device device_;
  std::mt19937_64 generator_;
  bool running_ = false;
  Phase phase_ = Phase::kIdle;
  // Raised whenever what is under way is void; answers carry the term they were
  // asked in.
  uint64_t term_ = 0;
  int32_t epoch_version_ = 0;
  int64_t load_started_ms_ = 0;
  bool changed_while_loading_ = false;

  ClusterState state_;
  std::unique_ptr<Decisions> decisions_;
  UpdateStreams streams_;
  std::map<StreamId, std::shared_ptr<UpdateSink>> sinks_;

  // What arrived and is not decided. Bounded by the requests in flight of the
  // brokers, which wait for their answers.
  std::deque<Input> inputs_;
  std::vector<Input> round_;  // decided, being written
  Effects effects_;           // of that round
  bool round_under_way_ = false;
  bool served_ = false;  // the first round after loading is committed
  int64_t round_started_ms_ = 0;
  size_t unanswered_ = 0;
  v1::CoordCode round_failure_ = v1::OK;
  bool fenced_ = false;
  bool refreshing_brokers_ = false;
  bool refresh_again_ = false;
  bool listing_changed_ = false;
  std::vector<std::shared_ptr<Parked<v1::CreateTopicsResponse>>>
      leader_waiters_;
  std::vector<std::shared_ptr<Parked<v1::DeleteTopicsResponse>>>
      delete_waiters_;

 public:
  std::atomic<uint64_t> next_stream_{1};
};

Controller::Controller(ControllerOptions options, MetadataStore* store,
                       Executor* executor, Timer* timer, const Clock* clock)
    : impl_(std::make_shared<Impl>(std::move(options), store, executor, timer,
                                   clock)) {
  impl_->Init();
}

Controller::~Controller() {
  impl_->CloseStore();
  impl_->Post([](Impl* impl) { impl->Abandon(); });
}

void Controller::Start() {
  impl_->Post([](Impl* impl) { impl->Start(); });
}

void Controller::Stop(std::function<void()> done) {
  impl_->Post([done = std::move(done)](Impl* impl) { impl->Stop(done); });
}

bool Controller::IsActive() const { return impl_->active(); }
int32_t Controller::Epoch() const { return impl_->epoch(); }
Controller::Stats Controller::stats() const { return impl_->stats(); }

void Controller::CreateTopics(v1::CreateTopicsRequest request,
                              Done<v1::CreateTopicsResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->CreateTopics(std::move(request), std::move(done));
  });
}

void Controller::DeleteTopics(v1::DeleteTopicsRequest request,
                              Done<v1::DeleteTopicsResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->DeleteTopics(std::move(request), std::move(done));
  });
}

void Controller::AlterPartition(v1::AlterPartitionRequest request,
                                Done<v1::AlterPartitionResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->AlterPartition(std::move(request), std::move(done));
  });
}

void Controller::ControlledShutdown(
    v1::ControlledShutdownRequest request,
    Done<v1::ControlledShutdownResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->ControlledShutdown(std::move(request), std::move(done));
  });
}

Controller::StreamId Controller::OpenStream(const v1::BrokerReport& hello,
                                            std::shared_ptr<UpdateSink> sink) {
  const StreamId id = impl_->next_stream_.fetch_add(1);
  impl_->Post([id, hello, sink = std::move(sink)](Impl* impl) {
    impl->OpenStream(id, hello, sink);
  });
  return id;
}

void Controller::OnReport(StreamId stream, v1::BrokerReport report) {
  impl_->Post([stream, report = std::move(report)](Impl* impl) {
    impl->OnReport(stream, report);
  });
}

void Controller::OnSent(StreamId stream) {
  impl_->Post([stream](Impl* impl) { impl->OnSent(stream); });
}

void Controller::CloseStream(StreamId stream) {
  impl_->Post([stream](Impl* impl) { impl->CloseStream(stream); });
}

}  // namespace sillok
