// The controller's part that takes requests and answers them when what they asked
// for is done.
#include <utility>

#include "broker/controller/controller_impl.h"
#include "glog/logging.h"

namespace sillok {
namespace {

constexpr int64_t kDefaultTimeoutMs = 30'000;
// A change of configs is answered after that long at the latest, whether or not
// every broker has said that it is in force there.
constexpr int32_t kConfigPatienceMs = 2'000;

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

v1::CreatePartitionsResponse NamesOf(
    const v1::CreatePartitionsRequest& request) {
  v1::CreatePartitionsResponse response;
  for (const v1::MorePartitions& topic : request.topics()) {
    response.add_topics()->set_name(topic.name());
  }
  return response;
}

v1::AlterConfigsResponse NamesOf(const v1::AlterConfigsRequest& request) {
  v1::AlterConfigsResponse response;
  for (const v1::ConfigResourceChanges& changes : request.resources()) {
    *response.add_results()->mutable_resource() = changes.resource();
  }
  return response;
}

}  // namespace

uint64_t Controller::Impl::Random() {
  return options_.random_seed != 0
             ? generator_()
             : (uint64_t{device_()} << 32) | device_();
}

// ---- topics

void Controller::Impl::CreateTopics(v1::CreateTopicsRequest request,
                                    Done<v1::CreateTopicsResponse> done) {
  auto parked = std::make_shared<ParkedRequest<v1::CreateTopicsResponse>>(
      std::move(done));
  parked->response = NamesOf(request);
  if (!Accept(parked)) return;
  const bool validate_only = request.validate_only();
  StartTimeout(parked, request.timeout_ms());
  AddInput({[this, parked, request = std::move(request)] {
              parked->response = decisions_->CreateTopics(
                  request, [this] { return Random(); });
            },
            [this, parked, validate_only](Outcome outcome) {
              if (!Goes(parked, outcome)) return;
              if (validate_only) return parked->Answer();
              for (const auto& topic : parked->response.topics()) {
                AddLeaders(topic, parked.get());
              }
              AwaitApplied(parked);
            }});
}

void Controller::Impl::CreatePartitions(
    v1::CreatePartitionsRequest request,
    Done<v1::CreatePartitionsResponse> done) {
  auto parked = std::make_shared<ParkedRequest<v1::CreatePartitionsResponse>>(
      std::move(done));
  parked->response = NamesOf(request);
  if (!Accept(parked)) return;
  const bool validate_only = request.validate_only();
  StartTimeout(parked, request.timeout_ms());
  AddInput({[this, parked, request = std::move(request)] {
              parked->response = decisions_->CreatePartitions(request);
            },
            [this, parked, validate_only](Outcome outcome) {
              if (!Goes(parked, outcome)) return;
              if (validate_only) return parked->Answer();
              for (const auto& topic : parked->response.topics()) {
                AddLeaders(topic, parked.get());
              }
              AwaitApplied(parked);
            }});
}

void Controller::Impl::DeleteTopics(v1::DeleteTopicsRequest request,
                                    Done<v1::DeleteTopicsResponse> done) {
  auto parked = std::make_shared<ParkedRequest<v1::DeleteTopicsResponse>>(
      std::move(done));
  parked->response = NamesOf(request);
  if (!Accept(parked)) return;
  StartTimeout(parked, request.timeout_ms());
  AddInput({[this, parked, request = std::move(request)] {
              parked->response = decisions_->DeleteTopics(request);
            },
            [this, parked](Outcome outcome) {
              if (Goes(parked, outcome)) delete_waiters_.push_back(parked);
            }});
}

// ---- leaders, configs

void Controller::Impl::ElectLeaders(v1::ElectLeadersRequest request,
                                    Done<v1::ElectLeadersResponse> done) {
  auto parked = std::make_shared<ParkedRequest<v1::ElectLeadersResponse>>(
      std::move(done));
  if (!Accept(parked)) return;
  StartTimeout(parked, request.timeout_ms());
  AddInput({[this, parked, request = std::move(request)] {
              parked->response = decisions_->ElectLeaders(request);
            },
            [this, parked](Outcome outcome) {
              if (!Goes(parked, outcome)) return;
              for (const auto& election : parked->response.partitions()) {
                if (election.error_code() != v1::NONE) continue;
                const TopicEntry* topic = state_.FindTopic(election.topic());
                if (topic == nullptr) continue;
                const int32_t leader =
                    topic->Find(election.partition())->leader;
                if (leader != -1) parked->waiting.insert(leader);
              }
              AwaitApplied(parked);
            }});
}

void Controller::Impl::AlterConfigs(v1::AlterConfigsRequest request,
                                    Done<v1::AlterConfigsResponse> done) {
  auto parked = std::make_shared<ParkedRequest<v1::AlterConfigsResponse>>(
      std::move(done));
  parked->response = NamesOf(request);
  if (!Accept(parked)) return;
  const bool validate_only = request.validate_only();
  AddInput({[this, parked, request = std::move(request)] {
              parked->response = decisions_->AlterConfigs(request);
            },
            [this, parked, validate_only](Outcome outcome) {
              if (!Goes(parked, outcome)) return;
              if (validate_only) return parked->Answer();
              for (const auto& [id, broker] : state_.brokers) {
                parked->waiting.insert(id);
              }
              AwaitApplied(parked);
              timer_->After(kConfigPatienceMs,
                            [strand = strand_,
                             weak = std::weak_ptr<Parked>(parked)] {
                              strand->Post([weak] {
                                if (auto late = weak.lock()) late->Answer();
                              });
                            });
            }});
}

void Controller::Impl::AlterPartition(v1::AlterPartitionRequest request,
                                      Done<v1::AlterPartitionResponse> done) {
  Simple<v1::AlterPartitionResponse>(
      std::move(done), [this, request = std::move(request)] {
        return decisions_->AlterPartition(request);
      });
}

void Controller::Impl::ControlledShutdown(
    v1::ControlledShutdownRequest request,
    Done<v1::ControlledShutdownResponse> done) {
  Simple<v1::ControlledShutdownResponse>(
      std::move(done), [this, request = std::move(request)] {
        LOG(INFO) << "broker hands over and stops broker="
                  << request.broker_id();
        return decisions_->ControlledShutdown(request);
      });
}

// ---- answers

bool Controller::Impl::Accept(const std::shared_ptr<Parked>& parked) {
  if (active_.load()) return true;
  parked->Fail(v1::NOT_CONTROLLER, "this broker is not the controller");
  return false;
}

void Controller::Impl::StartTimeout(const std::shared_ptr<Parked>& parked,
                                    int32_t timeout_ms) {
  const int64_t delay = timeout_ms > 0 ? timeout_ms : kDefaultTimeoutMs;
  timer_->After(delay, [strand = strand_, weak = std::weak_ptr<Parked>(parked)] {
    strand->Post([weak] {
      auto waiting = weak.lock();
      if (!waiting) return;
      waiting->Fail(v1::REQUEST_TIMED_OUT,
                    "not finished in the time given; it goes on");
    });
  });
}

bool Controller::Impl::Goes(const std::shared_ptr<Parked>& parked,
                            Outcome outcome) {
  if (outcome == Outcome::kNotExecuted) {
    parked->Fail(v1::NOT_CONTROLLER, "this broker is not the controller");
  } else if (outcome == Outcome::kUnknown) {
    parked->Fail(v1::REQUEST_TIMED_OUT,
                 "the controller changed; whether it was done is not known");
  }
  return !parked->answered();
}

template <typename Response>
void Controller::Impl::Simple(Done<Response> done,
                              std::function<Response()> decide) {
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

void Controller::Impl::AddLeaders(const v1::TopicResult& result,
                                  Parked* parked) const {
  if (result.error_code() != v1::NONE) return;
  auto topic = state_.topics.find(result.name());
  if (topic == state_.topics.end()) return;
  for (const PartitionEntry& partition : topic->second.partitions) {
    if (partition.leader != -1) parked->waiting.insert(partition.leader);
  }
}

// Until every broker in `waiting` has carried out what was published so far.
void Controller::Impl::AwaitApplied(std::shared_ptr<Parked> parked) {
  parked->version = streams_.version();
  apply_waiters_.push_back(std::move(parked));
}

void Controller::Impl::CheckApplyWaiters() {
  for (auto it = apply_waiters_.begin(); it != apply_waiters_.end();) {
    auto& waiting = (*it)->waiting;
    for (auto id = waiting.begin(); id != waiting.end();) {
      const bool over = !state_.IsAlive(*id) ||
                        streams_.AppliedVersion(*id) >= (*it)->version;
      id = over ? waiting.erase(id) : std::next(id);
    }
    if (!waiting.empty() && !(*it)->answered()) {
      ++it;
      continue;
    }
    auto parked = *it;
    it = apply_waiters_.erase(it);
    parked->Answer();
  }
}

void Controller::Impl::CheckDeleteWaiters() {
  for (auto it = delete_waiters_.begin(); it != delete_waiters_.end();) {
    bool gone = true;
    for (const v1::TopicResult& result : (*it)->response.topics()) {
      if (result.error_code() != v1::NONE) continue;
      if (state_.FindTopicById(result.topic_id()) != nullptr) gone = false;
    }
    if (!gone && !(*it)->answered()) {
      ++it;
      continue;
    }
    auto parked = *it;
    it = delete_waiters_.erase(it);
    parked->Answer();
  }
}

}  // namespace sillok
