#include "client/internal/cluster_client.h"

#include <algorithm>
#include <random>

#include "base/error.h"
#include "client/internal/backoff.h"

namespace sillok::client {
namespace {

// A broker that does not answer must not hold up the search for another.
constexpr int64_t kMetadataTimeoutMs = 10'000;

std::string Join(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) {
    text += (text.empty() ? "" : ",") + item;
  }
  return text;
}

}  // namespace

absl::Status TransportError(const std::string& where,
                            const grpc::Status& status) {
  ErrorCode code = ErrorCode::NETWORK_EXCEPTION;
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    code = ErrorCode::REQUEST_TIMED_OUT;
  } else if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    code = ErrorCode::UNSUPPORTED_VERSION;
  }
  std::string reason = status.error_message();
  // gRPC repeats the address and wraps the cause in a dump; one cause is enough.
  if (reason.find("Connection refused") != std::string::npos) {
    reason = "connection refused";
  } else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    reason = "no answer in time";
  } else if (reason.size() > 200) {
    reason.resize(200);
  }
  return ErrorStatus(code, where + ": " + reason);
}

ClusterClient::ClusterClient(Loop* loop, const ClientConfig& config,
                             bool auto_create, Observer observer)
    : loop_(loop),
      config_(config),
      auto_create_(auto_create),
      observer_(std::move(observer)),
      rotation_(std::random_device()()) {}

void ClusterClient::SetTopics(std::set<std::string> topics) {
  topics_ = std::move(topics);
}

bool ClusterClient::AddTopic(const std::string& topic) {
  return topics_.insert(topic).second;
}

void ClusterClient::Refresh() {
  if (in_flight_) {
    again_ = true;
    return;
  }
  int64_t since_ms = loop_->NowMs() - last_start_ms_;
  int64_t wait_ms =
      failures_ == 0
          ? config_.retry_backoff_ms
          : BackoffMs(config_.retry_backoff_ms, config_.retry_backoff_max_ms,
                      failures_, rotation_ + static_cast<uint64_t>(failures_));
  if (since_ms >= wait_ms) {
    StartRefresh();
  } else {
    Schedule(wait_ms - since_ms);
  }
}

void ClusterClient::Schedule(int64_t delay_ms) {
  int64_t due_ms = loop_->NowMs() + delay_ms;
  if (scheduled_) {
    if (timer_.first <= due_ms) return;
    loop_->Cancel(timer_);
  }
  scheduled_ = true;
  timer_ = loop_->After(delay_ms, [this] {
    scheduled_ = false;
    if (!in_flight_) StartRefresh();
  });
}

std::string ClusterClient::NextAddress() {
  // After a failure the bootstrap list has its turn too: all known brokers may
  // have moved.
  std::vector<std::string> addresses;
  for (const auto& [id, broker] : metadata_.brokers()) {
    addresses.push_back(broker.address);
  }
  if (addresses.empty() || failures_ > 0) {
    addresses.insert(addresses.end(), config_.bootstrap_servers.begin(),
                     config_.bootstrap_servers.end());
  }
  return addresses[rotation_++ % addresses.size()];
}

void ClusterClient::StartRefresh() {
  if (loop_->stopping()) return;
  in_flight_ = true;
  again_ = false;
  last_start_ms_ = loop_->NowMs();
  v1::MetadataRequest request;
  for (const std::string& topic : topics_) request.add_topics(topic);
  request.set_all_topics(all_topics_);
  request.set_allow_auto_topic_creation(auto_create_);
  std::string address = NextAddress();
  UnaryCall<v1::MetadataResponse>::Start(
      loop_, StubAt(address), &v1::Broker::Stub::AsyncMetadata, request,
      std::min(config_.request_timeout_ms, kMetadataTimeoutMs),
      [this, address, all = all_topics_](const grpc::Status& status,
                                         v1::MetadataResponse& response) {
        OnAnswer(address, all, status, response);
      });
}

void ClusterClient::OnAnswer(const std::string& address, bool all_topics,
                             const grpc::Status& status,
                             v1::MetadataResponse& response) {
  in_flight_ = false;
  if (loop_->stopping()) return;
  if (!status.ok() || response.brokers().empty()) {
    ++failures_;
    absl::Status last =
        status.ok() ? ErrorStatus(ErrorCode::BROKER_NOT_AVAILABLE,
                                  address + " knows no broker yet")
                    : TransportError(address, status);
    problem_ = ErrorStatus(ErrorCodeOf(last),
                           "cannot reach the cluster at " +
                               Join(config_.bootstrap_servers) + " (" +
                               std::string(last.message()) + ")");
    Refresh();
    observer_.on_failure(problem_);
    return;
  }
  failures_ = 0;
  problem_ = absl::OkStatus();
  metadata_.Update(response, all_topics);
  ++updates_;
  bool again = again_;
  observer_.on_metadata();
  if (again) Refresh();
  Schedule(config_.metadata_max_age_ms);
}

v1::Broker::Stub* ClusterClient::StubAt(const std::string& address) {
  std::unique_ptr<v1::Broker::Stub>& stub = stubs_[address];
  if (stub == nullptr) stub = v1::Broker::NewStub(channels_.Get(address));
  return stub.get();
}

v1::Broker::Stub* ClusterClient::Stub(int32_t broker_id) {
  const ClusterMetadata::Broker* broker = metadata_.FindBroker(broker_id);
  return broker == nullptr ? nullptr : StubAt(broker->address);
}

std::shared_ptr<grpc::Channel> ClusterClient::NewDataChannel(
    int32_t broker_id) {
  const ClusterMetadata::Broker* broker = metadata_.FindBroker(broker_id);
  return broker == nullptr ? nullptr : rpc::NewChannel(broker->address);
}

int32_t ClusterClient::AnyBroker() {
  if (metadata_.brokers().empty()) return -1;
  auto next = metadata_.brokers().upper_bound(any_);
  if (next == metadata_.brokers().end()) next = metadata_.brokers().begin();
  any_ = next->first;
  return any_;
}

}  // namespace sillok::client
