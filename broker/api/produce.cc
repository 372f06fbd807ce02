#include "broker/api/produce.h"

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "broker/api/partition_lookup.h"
#include "broker/metadata/cluster_view.h"
#include "fmt/format.h"
#include "proto/record/record_batch.h"

namespace sillok::api {
namespace {

constexpr int64_t kDefaultTimeoutMs = 30'000;

// One request on its way: answers when its last partition has.
struct PendingProduce {
  v1::ProduceResponse response;
  std::atomic<int> left{0};
  int64_t started_ms = 0;
  const BrokerContext* context = nullptr;
  Done<v1::ProduceResponse> done;

  void OneLess() {
    if (left.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    context->metrics->produce_seconds->Observe(
        (context->clock->MonotonicMs() - started_ms) / 1e3);
    done(std::move(response));
  }
};

void Refuse(const BrokerContext& context, ErrorCode error,
            const std::string& message, v1::PartitionProduceResult* result) {
  context.metrics->produce_errors->Add();
  result->set_error_code(static_cast<v1::ErrorCode>(error));
  result->set_error_message(message.empty() ? std::string(ErrorMessage(error))
                                            : message);
  result->set_base_offset(-1);
  result->set_log_append_time_ms(-1);
  result->set_log_start_offset(-1);
}

// A v2 batch of the records that came as plain fields.
absl::StatusOr<Bytes> BuildBatch(const v1::PartitionProduce& partition,
                                 int64_t now_ms) {
  record::BatchBuilder builder;
  std::vector<record::RecordHeader> headers;
  for (const v1::Record& plain : partition.plain()) {
    headers.clear();
    for (const v1::Header& header : plain.headers()) {
      headers.push_back({header.key(), header.has_value()
                                           ? std::optional<std::string_view>(
                                                 header.value())
                                           : std::nullopt});
    }
    auto text = [](bool has, const std::string& value) {
      return has ? std::optional<std::string_view>(value) : std::nullopt;
    };
    builder.Append(plain.timestamp_ms() == 0 ? now_ms : plain.timestamp_ms(),
                   text(plain.has_key(), plain.key()),
                   text(plain.has_value(), plain.value()), headers);
  }
  auto batch = builder.Build();
  if (!batch.ok()) return batch.status();
  return Bytes::FromString(std::move(*batch));
}

// A leader that may have been replaced without knowing must not acknowledge by
// itself; with acks=all the followers' fetches speak for it.
bool MustRefuseWeakAck(const BrokerContext& context, const Partition& partition,
                       int acks) {
  return acks != -1 && !context.holds_lease() &&
         partition.stats().assignment.replicas.size() > 1;
}

constexpr char kLeaseInDoubt[] =
    "this broker's session with the coordinator is in doubt: ask for metadata "
    "again, or use acks=all";

struct Checked {
  ErrorCode error = ErrorCode::NONE;
  std::string message;
  Bytes batch;
};

Checked Check(const BrokerContext& context,
              const v1::PartitionProduce& partition, Bytes batch) {
  if (IsInternalTopic(partition.topic())) {
    return {ErrorCode::INVALID_TOPIC_EXCEPTION,
            fmt::format("'{}' is an internal topic: only brokers write to it",
                        partition.topic()),
            {}};
  }
  if (partition.plain_size() == 0) {
    if (batch.empty()) {
      return {ErrorCode::INVALID_RECORD,
              "the request has neither records nor a batch for the partition",
              {}};
    }
    return {ErrorCode::NONE, "", std::move(batch)};
  }
  if (!batch.empty()) {
    return {ErrorCode::INVALID_REQUEST,
            "a partition takes plain records or a batch, not both",
            {}};
  }
  auto built = BuildBatch(partition, context.clock->WallMs());
  if (!built.ok()) {
    return {ErrorCodeOf(built.status()), std::string(built.status().message()),
            {}};
  }
  return {ErrorCode::NONE, "", *std::move(built)};
}

}  // namespace

void Produce(const BrokerContext& context, const RequestContext& caller,
             v1::ProduceRequest request, std::vector<Bytes> batches,
             Done<v1::ProduceResponse> done) {
  auto pending = std::make_shared<PendingProduce>();
  pending->context = &context;
  pending->done = std::move(done);
  pending->started_ms = context.clock->MonotonicMs();
  pending->response.set_correlation_id(request.correlation_id());
  int count = request.partitions_size();
  // The results are made before the first append: callbacks then write to their
  // own one only. One more is held so that nothing answers before the loop ends.
  for (const auto& partition : request.partitions()) {
    auto* result = pending->response.add_partitions();
    result->set_topic(partition.topic());
    result->set_partition(partition.partition());
  }
  pending->left = count + 1;

  std::set<std::pair<std::string, int32_t>> seen;
  for (int i = 0; i < count; ++i) {
    const v1::PartitionProduce& partition = request.partitions(i);
    v1::PartitionProduceResult* result = pending->response.mutable_partitions(i);
    auto refuse = [&](ErrorCode error, const std::string& message) {
      Refuse(context, error, message, result);
      pending->OneLess();
    };
    if (count > 1 &&
        !seen.emplace(partition.topic(), partition.partition()).second) {
      refuse(ErrorCode::INVALID_REQUEST,
             "the request names the partition twice");
      continue;
    }
    Checked checked = Check(context, partition, std::move(batches[i]));
    if (checked.error != ErrorCode::NONE) {
      refuse(checked.error, checked.message);
      continue;
    }
    PartitionLookup found =
        FindPartition(context, partition.topic(), partition.partition());
    if (found.error != ErrorCode::NONE) {
      refuse(found.error, found.message);
      continue;
    }
    if (MustRefuseWeakAck(context, *found.partition, request.acks())) {
      refuse(ErrorCode::NOT_LEADER_OR_FOLLOWER, kLeaseInDoubt);
      continue;
    }
    AppendRequest append;
    append.batch = std::move(checked.batch);
    append.options.transactions_allowed = false;
    append.acks = request.acks();
    append.timeout_ms =
        request.timeout_ms() > 0 ? request.timeout_ms() : kDefaultTimeoutMs;
    int64_t size = append.batch.size();
    found.partition->Append(
        std::move(append),
        [pending, result, size, acks = request.acks(),
         partition = found.partition](AppendOutcome outcome) {
          const BrokerContext& context = *pending->context;
          if (outcome.error == ErrorCode::NONE &&
              MustRefuseWeakAck(context, *partition, acks)) {
            outcome.error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
            outcome.error_message = kLeaseInDoubt;
          }
          if (outcome.error != ErrorCode::NONE) {
            std::string message = outcome.error_message;
            if (!outcome.record_errors.empty()) {
              message += fmt::format(" (record {}: {})",
                                     outcome.record_errors[0].batch_index,
                                     outcome.record_errors[0].message);
            }
            Refuse(context, outcome.error, message, result);
            for (const auto& wrong : outcome.record_errors) {
              v1::RecordError* error = result->add_record_errors();
              error->set_batch_index(wrong.batch_index);
              error->set_message(wrong.message);
            }
          } else {
            context.metrics->produce_bytes->Add(size);
            result->set_base_offset(outcome.base_offset.value());
            result->set_log_append_time_ms(outcome.log_append_time_ms);
            result->set_log_start_offset(outcome.log_start_offset.value());
          }
          pending->OneLess();
        });
  }
  pending->OneLess();
}

}  // namespace sillok::api
