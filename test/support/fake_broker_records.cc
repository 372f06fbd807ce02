// Records of fake brokers: producing, fetching, offsets.
#include <chrono>
#include <cstdint>
#include <string>

#include "broker/log/producer_states.h"
#include "proto/record/record_batch.h"
#include "test/support/fake_broker_service.h"
#include "test/support/fake_broker_state.h"

namespace sillok::test {

grpc::Status FakeBrokerService::InitProducerId(
    Context*, const v1::InitProducerIdRequest*,
    v1::InitProducerIdResponse* response) {
  Lock lock(state_.mutex);
  if (!state_.producer_id_faults.empty()) {
    const ErrorCode code = TakeFault(&state_.producer_id_faults);
    if (code == ErrorCode::NONE) {
      return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "not here");
    }
    response->set_error_code(Proto(code));
    response->set_producer_id(-1);
    return grpc::Status::OK;
  }
  response->set_producer_id(state_.next_producer_id++);
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::Produce(Context* context,
                                        const v1::ProduceRequest* request,
                                        v1::ProduceResponse* response) {
  Lock lock(state_.mutex);
  Append(*request, response);
  AwaitRelease(context, &lock);
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::ProduceStream(
    Context* context,
    grpc::ServerReaderWriter<v1::ProduceResponse, v1::ProduceRequest>* stream)
    {
  v1::ProduceRequest request;
  while (stream->Read(&request)) {
    v1::ProduceResponse response;
    {
      Lock lock(state_.mutex);
      if (!state_.up[Index()]) break;
      Append(request, &response);
      if (state_.lose_answers > 0) {
        --state_.lose_answers;
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "lost on purpose");
      }
      if (!AwaitRelease(context, &lock)) break;
    }
    if (request.acks() != 0 && !stream->Write(response)) break;
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::Fetch(Context* context,
                                      const v1::FetchRequest* request,
                                      v1::FetchResponse* response) {
  FetchOnce(context, *request, response);
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::FetchStream(
    Context* context,
    grpc::ServerReaderWriter<v1::FetchResponse, v1::FetchRequest>* stream)
    {
  v1::FetchRequest request;
  while (stream->Read(&request)) {
    v1::FetchResponse response;
    if (!FetchOnce(context, request, &response)) break;
    if (!stream->Write(response)) break;
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::ListOffsets(
    Context*, const v1::ListOffsetsRequest* request,
    v1::ListOffsetsResponse* response) {
  Lock lock(state_.mutex);
  for (const auto& wanted : request->partitions()) {
    auto* result = response->add_partitions();
    result->set_topic(wanted.topic());
    result->set_partition(wanted.partition());
    result->set_offset(-1);
    result->set_timestamp_ms(-1);
    FakePartition* partition =
        state_.Find({wanted.topic(), wanted.partition()});
    if (partition == nullptr || partition->leader != id_) {
      result->set_error_code(
          partition == nullptr ? v1::UNKNOWN_TOPIC_OR_PARTITION
                               : v1::NOT_LEADER_OR_FOLLOWER);
      continue;
    }
    result->set_leader_epoch(partition->epoch);
    if (wanted.timestamp_ms() == -1) result->set_offset(partition->end);
    if (wanted.timestamp_ms() == -2) result->set_offset(partition->start);
    if (wanted.timestamp_ms() >= 0) ByTime(*partition, wanted, result);
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::OffsetsForLeaderEpoch(
    Context*, const v1::OffsetsForLeaderEpochRequest* request,
    v1::OffsetsForLeaderEpochResponse* response) {
  Lock lock(state_.mutex);
  for (const v1::PartitionLeaderEpoch& asked : request->partitions()) {
    v1::PartitionEpochEnd* answer = response->add_partitions();
    answer->set_topic(asked.topic());
    answer->set_partition(asked.partition());
    answer->set_leader_epoch(-1);
    answer->set_end_offset(-1);
    FakePartition* partition =
        state_.Find({asked.topic(), asked.partition()});
    if (partition == nullptr || partition->leader != id_) {
      answer->set_error_code(v1::NOT_LEADER_OR_FOLLOWER);
      continue;
    }
    for (const std::string& batch : partition->batches) {
      auto header = record::ParseBatchHeader(batch.data());
      if (header.partition_leader_epoch > asked.leader_epoch()) break;
      answer->set_leader_epoch(header.partition_leader_epoch);
      answer->set_end_offset(header.next_offset().value());
    }
  }
  return grpc::Status::OK;
}

void FakeBrokerService::Append(const v1::ProduceRequest& request,
                               v1::ProduceResponse* response) {
  ++state_.produce_requests;
  response->set_correlation_id(request.correlation_id());
  for (const auto& wanted : request.partitions()) {
    auto* result = response->add_partitions();
    result->set_topic(wanted.topic());
    result->set_partition(wanted.partition());
    result->set_base_offset(-1);
    result->set_log_append_time_ms(-1);
    FakePartition* partition =
        state_.Find({wanted.topic(), wanted.partition()});
    ErrorCode code = ErrorCode::NONE;
    if (partition == nullptr) {
      code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    } else if (partition->leader != id_) {
      code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    } else {
      code = TakeFault(&partition->produce_faults);
    }
    if (code == ErrorCode::NONE &&
        !record::BatchReader::Open(wanted.batch()).ok()) {
      code = ErrorCode::CORRUPT_MESSAGE;
    }
    if (code == ErrorCode::NONE &&
        static_cast<int64_t>(wanted.batch().size()) >
            state_.max_message_bytes) {
      code = ErrorCode::MESSAGE_TOO_LARGE;
    }
    ProducerStates::Verdict producer;
    if (code == ErrorCode::NONE) {
      producer = partition->producers.Check(
          record::ParseBatchHeader(wanted.batch().data()));
      code = producer.error;
    }
    result->set_error_code(Proto(code));
    if (code != ErrorCode::NONE) continue;
    if (producer.duplicate.has_value()) {
      result->set_base_offset(producer.duplicate->base_offset().value());
      continue;
    }
    result->set_base_offset(partition->end);
    state_.AppendLocked(partition, wanted.batch());
  }
}

bool FakeBrokerService::FetchOnce(Context* context,
                                  const v1::FetchRequest& request,
                                  v1::FetchResponse* response) {
  Lock lock(state_.mutex);
  auto deadline = std::chrono::steady_clock::now() +
                  std::chrono::milliseconds(request.max_wait_ms());
  bool alive = Wait(context, &lock, [&] {
    return Fill(request, response) ||
           std::chrono::steady_clock::now() >= deadline;
  });
  return alive;
}

// True when there is something to tell at once: data or an error.
bool FakeBrokerService::Fill(const v1::FetchRequest& request,
                             v1::FetchResponse* response) {
  response->Clear();
  response->set_correlation_id(request.correlation_id());
  bool news = false;
  for (const auto& wanted : request.partitions()) {
    auto* result = response->add_partitions();
    result->set_topic(wanted.topic());
    result->set_partition(wanted.partition());
    FakePartition* partition =
        state_.Find({wanted.topic(), wanted.partition()});
    ErrorCode code = FetchCheck(partition, wanted);
    result->set_error_code(Proto(code));
    news = news || code != ErrorCode::NONE;
    if (code != ErrorCode::NONE) continue;
    result->set_high_watermark(partition->end);
    result->set_last_stable_offset(partition->end);
    result->set_log_start_offset(partition->start);
    std::string* out = result->mutable_batches();
    size_t limit = wanted.max_bytes() == 0
                       ? 1 << 20
                       : static_cast<size_t>(wanted.max_bytes());
    for (const std::string& batch : partition->batches) {
      auto header = record::ParseBatchHeader(batch.data());
      if (header.last_offset().value() < wanted.fetch_offset()) continue;
      if (!out->empty() && out->size() + batch.size() > limit) break;
      *out += batch;
    }
    news = news || !out->empty();
  }
  return news;
}

ErrorCode FakeBrokerService::FetchCheck(FakePartition* partition,
                                        const v1::PartitionFetch& wanted) {
  if (partition == nullptr) return ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
  if (partition->leader != id_) return ErrorCode::NOT_LEADER_OR_FOLLOWER;
  int epoch = wanted.current_leader_epoch_plus_one() - 1;
  if (epoch >= 0 && epoch < partition->epoch) {
    return ErrorCode::FENCED_LEADER_EPOCH;
  }
  if (epoch > partition->epoch) return ErrorCode::UNKNOWN_LEADER_EPOCH;
  ErrorCode fault = TakeFault(&partition->fetch_faults);
  if (fault != ErrorCode::NONE) return fault;
  if (wanted.fetch_offset() < partition->start ||
      wanted.fetch_offset() > partition->end) {
    return ErrorCode::OFFSET_OUT_OF_RANGE;
  }
  return ErrorCode::NONE;
}

void FakeBrokerService::ByTime(const FakePartition& partition,
                               const v1::PartitionListOffset& wanted,
                               v1::PartitionListOffsetResult* result) {
  for (const std::string& batch : partition.batches) {
    auto reader = record::BatchReader::Open(batch);
    if (!reader.ok()) continue;
    record::RecordView view;
    while (reader->Next(&view)) {
      if (view.timestamp_ms < wanted.timestamp_ms()) continue;
      result->set_offset(view.offset.value());
      result->set_timestamp_ms(view.timestamp_ms);
      return;
    }
  }
}

}  // namespace sillok::test
