#include "client/internal/coordinator_client.h"

#include <algorithm>
#include <utility>

namespace sillok::client {
namespace {

// A broker that does not answer must not hold up the search.
constexpr int64_t kSearchTimeoutMs = 10'000;

}  // namespace

ErrorCode CodeOf(const grpc::Status& status, v1::ErrorCode answer) {
  return status.ok() ? FromProto(answer)
                     : ErrorCodeOf(TransportError("coordinator", status));
}

bool IsPassing(ErrorCode code) {
  return IsRetriable(code) || code == ErrorCode::BROKER_NOT_AVAILABLE;
}

CoordinatorClient::CoordinatorClient(
    Loop* loop, ClusterClient* cluster, const ConsumerConfig& config,
    std::function<void(ErrorCode)> on_search_end)
    : loop_(loop),
      cluster_(cluster),
      config_(config),
      on_search_end_(std::move(on_search_end)) {}

void CoordinatorClient::Find() {
  if (searching_) return;
  searching_ = true;
  broker_id_ = -1;
  int64_t wait_ms = not_before_ms_ - loop_->NowMs();
  if (wait_ms > 0) {
    loop_->After(wait_ms, [this] { Search(); });
  } else {
    Search();
  }
}

void CoordinatorClient::Forget() {
  broker_id_ = -1;
  cluster_->Refresh();
}

void CoordinatorClient::Search() {
  auto end = [this](ErrorCode code) {
    searching_ = false;
    if (code != ErrorCode::NONE) {
      not_before_ms_ = loop_->NowMs() + config_.retry_backoff_ms;
      Forget();
    }
    on_search_end_(code);
  };
  int32_t broker = cluster_->AnyBroker();
  if (broker < 0) {
    end(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    return;
  }
  v1::FindCoordinatorRequest request;
  request.set_key(config_.group_id);
  cluster_->Call(
      broker, &v1::Broker::Stub::AsyncFindCoordinator, request,
      std::min(config_.request_timeout_ms, kSearchTimeoutMs),
      UnaryCall<v1::FindCoordinatorResponse>::Callback(
          [this, end](const grpc::Status& status,
                      v1::FindCoordinatorResponse& response) {
            ErrorCode code = CodeOf(status, response.error_code());
            int32_t id = response.coordinator().broker_id();
            if (code == ErrorCode::NONE &&
                cluster_->metadata().FindBroker(id) == nullptr) {
              code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            }
            if (code == ErrorCode::NONE) broker_id_ = id;
            end(code);
          }));
}

absl::Status CoordinatorClient::NotKnown() const {
  return cluster_->problem().ok()
             ? ErrorStatus(ErrorCode::COORDINATOR_NOT_AVAILABLE,
                           "group '" + config_.group_id + "'")
             : cluster_->problem();
}

void CoordinatorClient::ForgetAfter(const grpc::Status& status,
                                    ErrorCode code) {
  if (!status.ok() || code == ErrorCode::NOT_COORDINATOR ||
      code == ErrorCode::COORDINATOR_NOT_AVAILABLE) {
    Forget();
  }
}

void CoordinatorClient::Commit(const PartitionOffsets& offsets,
                               const Identity& who, CommitDone done) {
  if (!known()) {
    Find();
    done(ErrorCode::COORDINATOR_NOT_AVAILABLE, NotKnown());
    return;
  }
  v1::OffsetCommitRequest request;
  request.set_group_id(config_.group_id);
  request.set_generation_id(who.generation);
  request.set_member_id(who.member_id);
  request.set_group_instance_id(who.instance_id);
  for (const auto& [id, offset] : offsets) {
    v1::CommittedOffset* entry = request.add_offsets();
    entry->set_topic(id.topic);
    entry->set_partition(id.partition);
    entry->set_offset(offset.offset);
    entry->set_leader_epoch(offset.leader_epoch);
    entry->set_metadata(offset.metadata);
  }
  Call(&v1::Broker::Stub::AsyncOffsetCommit, request,
       config_.request_timeout_ms,
       UnaryCall<v1::OffsetCommitResponse>::Callback(
           [this, done](const grpc::Status& status,
                        v1::OffsetCommitResponse& response) {
             ErrorCode code = CodeOf(status, response.error_code());
             std::string where = "group '" + config_.group_id + "'";
             for (const v1::CommittedOffset& offset : response.offsets()) {
               if (code != ErrorCode::NONE) break;
               code = FromProto(offset.error_code());
               if (code == ErrorCode::NONE) continue;
               where += ", " + offset.topic() + "-" +
                        std::to_string(offset.partition());
             }
             ForgetAfter(status, code);
             done(code, code == ErrorCode::NONE
                            ? absl::OkStatus()
                            : ErrorStatus(code, where + ": " +
                                                    std::string(
                                                        ErrorMessage(code))));
           }));
}

void CoordinatorClient::FetchCommitted(
    const std::vector<TopicPartition>& partitions, OffsetsDone done) {
  if (!known()) {
    Find();
    done(NotKnown(), {});
    return;
  }
  v1::OffsetFetchRequest request;
  request.set_group_id(config_.group_id);
  request.set_require_stable(config_.isolation_level ==
                             IsolationLevel::kReadCommitted);
  for (const TopicPartition& id : partitions) {
    v1::PartitionRef* ref = request.add_partitions();
    ref->set_topic(id.topic);
    ref->set_partition(id.partition);
  }
  Call(&v1::Broker::Stub::AsyncOffsetFetch, request, config_.request_timeout_ms,
       UnaryCall<v1::OffsetFetchResponse>::Callback(
           [this, done](const grpc::Status& status,
                        v1::OffsetFetchResponse& response) {
             ErrorCode code = CodeOf(status, response.error_code());
             PartitionOffsets offsets;
             for (const v1::CommittedOffset& offset : response.offsets()) {
               if (code == ErrorCode::NONE) {
                 code = FromProto(offset.error_code());
               }
               if (offset.offset() < 0) continue;
               offsets[{offset.topic(), offset.partition()}] = {
                   offset.offset(), offset.leader_epoch(), offset.metadata()};
             }
             ForgetAfter(status, code);
             done(code == ErrorCode::NONE
                      ? absl::OkStatus()
                      : ErrorStatus(code, "offsets of group '" +
                                              config_.group_id + "'"),
                  std::move(offsets));
           }));
}

}  // namespace sillok::client
