#include "client/internal/leader_calls.h"

#include <memory>

#include "client/internal/coordinator_client.h"

namespace sillok::client {
namespace {

ErrorCode CodeOfAnswer(const std::pair<ErrorCode, OffsetAndTimestamp>& answer) {
  return answer.first;
}
ErrorCode CodeOfAnswer(const FetchPositions::EpochEnd& answer) {
  return answer.code;
}
void SetCode(ErrorCode code, std::pair<ErrorCode, OffsetAndTimestamp>* answer) {
  answer->first = code;
}
void SetCode(ErrorCode code, FetchPositions::EpochEnd* answer) {
  answer->code = code;
}

// What is known so far, until the last of `open` calls has ended.
template <typename Answers>
struct Gathering {
  ClusterClient* cluster = nullptr;
  Answers answers;
  int open = 1;
  std::function<void(Answers)> done;

  void End() {
    if (--open > 0) return;
    for (const auto& [id, answer] : answers) {
      if (IsPassing(CodeOfAnswer(answer))) cluster->Refresh();
    }
    done(std::move(answers));
  }
};

// Sends `requests` by broker; `read` takes an answer over, and partitions of a
// call that failed get its code.
template <typename Request, typename Response, typename Answers>
void Gather(std::shared_ptr<Gathering<Answers>> all,
            std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (
                v1::Broker::Stub::*method)(grpc::ClientContext*,
                                           const Request&,
                                           grpc::CompletionQueue*),
            const std::map<int32_t, Request>& requests, int64_t timeout_ms,
            std::function<void(const Response&, Answers*)> read) {
  all->open += static_cast<int>(requests.size());
  for (const auto& [broker, request] : requests) {
    all->cluster->Call(
        broker, method, request, timeout_ms,
        typename UnaryCall<Response>::Callback(
            [all, read, request](const grpc::Status& status,
                                 Response& response) {
              ErrorCode code = CodeOf(status, v1::NONE);
              for (const auto& asked : request.partitions()) {
                if (status.ok()) break;
                SetCode(code, &all->answers[{asked.topic(),
                                             asked.partition()}]);
              }
              read(response, &all->answers);
              all->End();
            }));
  }
  all->End();
}

}  // namespace

void LeaderCalls::ListOffsets(const std::map<TopicPartition, int64_t>& times,
                              std::function<void(OffsetAnswers)> done) {
  auto all = std::make_shared<Gathering<OffsetAnswers>>();
  all->cluster = cluster_;
  all->done = std::move(done);
  std::map<int32_t, v1::ListOffsetsRequest> requests;
  for (const auto& [id, time] : times) {
    PartitionLeader leader = cluster_->metadata().Leader(id);
    // Until an answer says otherwise.
    all->answers[id].first = leader.broker_id < 0
                                 ? ErrorCode::LEADER_NOT_AVAILABLE
                                 : ErrorCode::NETWORK_EXCEPTION;
    if (leader.broker_id < 0) continue;
    v1::ListOffsetsRequest& request = requests[leader.broker_id];
    request.set_isolation_level(
        config_.isolation_level == IsolationLevel::kReadCommitted ? 1 : 0);
    v1::PartitionListOffset* entry = request.add_partitions();
    entry->set_topic(id.topic);
    entry->set_partition(id.partition);
    entry->set_timestamp_ms(time);
    entry->set_current_leader_epoch_plus_one(leader.epoch + 1);
  }
  Gather<v1::ListOffsetsRequest, v1::ListOffsetsResponse, OffsetAnswers>(
      all, &v1::Broker::Stub::AsyncListOffsets, requests,
      config_.request_timeout_ms,
      [](const v1::ListOffsetsResponse& response, OffsetAnswers* answers) {
        for (const auto& answer : response.partitions()) {
          (*answers)[{answer.topic(), answer.partition()}] = {
              FromProto(answer.error_code()),
              {answer.offset(), answer.timestamp_ms(), answer.leader_epoch()}};
        }
      });
}

void LeaderCalls::EpochEnds(
    const std::vector<FetchPositions::Validation>& asked,
    std::function<void(EpochAnswers)> done) {
  auto all = std::make_shared<Gathering<EpochAnswers>>();
  all->cluster = cluster_;
  all->done = std::move(done);
  std::map<int32_t, v1::OffsetsForLeaderEpochRequest> requests;
  for (const FetchPositions::Validation& validation : asked) {
    PartitionLeader leader = cluster_->metadata().Leader(validation.id);
    all->answers[validation.id].code = leader.broker_id < 0
                                           ? ErrorCode::LEADER_NOT_AVAILABLE
                                           : ErrorCode::NETWORK_EXCEPTION;
    if (leader.broker_id < 0) continue;
    v1::PartitionLeaderEpoch* entry =
        requests[leader.broker_id].add_partitions();
    entry->set_topic(validation.id.topic);
    entry->set_partition(validation.id.partition);
    entry->set_current_leader_epoch_plus_one(leader.epoch + 1);
    entry->set_leader_epoch(validation.epoch);
  }
  Gather<v1::OffsetsForLeaderEpochRequest, v1::OffsetsForLeaderEpochResponse,
         EpochAnswers>(
      all, &v1::Broker::Stub::AsyncOffsetsForLeaderEpoch, requests,
      config_.request_timeout_ms,
      [](const v1::OffsetsForLeaderEpochResponse& response,
         EpochAnswers* answers) {
        for (const auto& answer : response.partitions()) {
          (*answers)[{answer.topic(), answer.partition()}] = {
              FromProto(answer.error_code()), answer.leader_epoch(),
              answer.end_offset()};
        }
      });
}

}  // namespace sillok::client
