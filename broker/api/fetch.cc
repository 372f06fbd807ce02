#include "broker/api/fetch.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "broker/api/partition_lookup.h"
#include "proto/record/record_batch.h"

namespace sillok::api {
namespace {

constexpr int32_t kDefaultMaxBytes = 52'428'800;
constexpr int32_t kDefaultPartitionBytes = 1 << 20;

void Refuse(const BrokerContext& context, ErrorCode error,
            const std::string& message, v1::PartitionFetchResult* result) {
  context.metrics->fetch_errors->Add();
  result->set_error_code(static_cast<v1::ErrorCode>(error));
  result->set_error_message(message.empty() ? std::string(ErrorMessage(error))
                                            : message);
  result->set_high_watermark(-1);
  result->set_last_stable_offset(-1);
  result->set_log_start_offset(-1);
}

// Turns batches into plain records from `from` on; a batch that cannot be read
// is an error of the partition.
absl::Status AddPlainRecords(const Bytes& batches, Offset from,
                             v1::PartitionFetchResult* result) {
  record::BatchWalker walker(batches);
  std::string scratch;
  while (walker.Next()) {
    if (walker.header().is_control()) continue;
    Bytes batch = walker.batch();
    auto reader = record::BatchReader::Open(batch.Flat(&scratch));
    if (!reader.ok()) return reader.status();
    record::RecordView view;
    while (reader->Next(&view)) {
      if (view.offset < from) continue;
      v1::Record* plain = result->add_plain();
      if (view.key) plain->set_key(std::string(*view.key));
      if (view.value) plain->set_value(std::string(*view.value));
      for (const record::RecordHeader& header : view.headers()) {
        v1::Header* out = plain->add_headers();
        out->set_key(std::string(header.key));
        if (header.value) out->set_value(std::string(*header.value));
      }
      plain->set_timestamp_ms(view.timestamp_ms);
      plain->set_offset(view.offset.value());
    }
    if (!reader->status().ok()) return reader->status();
  }
  return walker.status();
}

// One fetch on its way. Reads happen on the thread of whoever starts one (the
// caller, or the waiter that fired); never two at once.
class PendingFetch : public std::enable_shared_from_this<PendingFetch> {
 public:
  PendingFetch(const BrokerContext& context, v1::FetchRequest request,
               Done<FetchAnswer> done)
      : context_(context),
        request_(std::move(request)),
        done_(std::move(done)),
        started_ms_(context.clock->MonotonicMs()),
        deadline_ms_(started_ms_ + std::max(0, request_.max_wait_ms())) {
    if (request_.replica_id_plus_one() > 0) {
      bound_ = ReadBound::kLogEnd;
    } else if (request_.isolation_level() == 1) {
      bound_ = ReadBound::kLastStable;
    }
  }

  void Run() {
    FetchAnswer answer = ReadAll();
    bool time_over = context_.clock->MonotonicMs() >= deadline_ms_;
    if (urgent_ || time_over || waits_.empty() ||
        bytes_ >= std::max(request_.min_bytes(), 0)) {
      return Answer(std::move(answer));
    }
    Wait();
  }

 private:
  struct WaitPoint {
    std::shared_ptr<Partition> partition;
    Offset offset;  // the bound must pass this
    Partition::WaitId id = 0;
  };

  FetchAnswer ReadAll() {
    FetchAnswer answer;
    answer.response.set_correlation_id(request_.correlation_id());
    answer.batches.resize(request_.partitions_size());
    waits_.clear();
    urgent_ = false;
    bytes_ = 0;
    int64_t budget = request_.max_bytes() > 0 ? request_.max_bytes()
                                              : kDefaultMaxBytes;
    budget = std::min<int64_t>(budget, context_.options.fetch_max_bytes);
    for (int i = 0; i < request_.partitions_size(); ++i) {
      auto* result = answer.response.add_partitions();
      ReadOne(request_.partitions(i), budget - bytes_, result,
              &answer.batches[i]);
    }
    return answer;
  }

  void ReadOne(const v1::PartitionFetch& wanted, int64_t budget,
               v1::PartitionFetchResult* result, Bytes* batches) {
    result->set_topic(wanted.topic());
    result->set_partition(wanted.partition());
    PartitionLookup found =
        FindPartition(context_, wanted.topic(), wanted.partition());
    if (found.error != ErrorCode::NONE) {
      urgent_ = true;
      return Refuse(context_, found.error, found.message, result);
    }
    ReadRequest read;
    read.offset = Offset(wanted.fetch_offset());
    read.max_bytes = static_cast<int32_t>(std::clamp<int64_t>(
        budget, 0,
        wanted.max_bytes() > 0 ? wanted.max_bytes() : kDefaultPartitionBytes));
    read.at_least_one_batch = bytes_ == 0;
    read.bound = bound_;
    read.expected_epoch =
        LeaderEpoch(wanted.current_leader_epoch_plus_one() - 1);
    if (bound_ == ReadBound::kLogEnd) {
      read.replica = BrokerId(request_.replica_id_plus_one() - 1);
      read.replica_epoch = BrokerEpoch(request_.replica_epoch());
      read.last_fetched_epoch =
          LeaderEpoch(wanted.last_fetched_epoch_plus_one() - 1);
      read.replica_log_start = Offset(wanted.log_start_offset());
    }
    ReadOutcome outcome = found.partition->Read(read);
    if (outcome.error != ErrorCode::NONE) {
      urgent_ = true;
      return Refuse(context_, outcome.error, outcome.error_message, result);
    }
    result->set_high_watermark(outcome.high_watermark.value());
    result->set_last_stable_offset(outcome.last_stable_offset.value());
    result->set_log_start_offset(outcome.log_start_offset.value());
    if (outcome.diverging.has_value()) {
      urgent_ = true;
      auto* diverging = result->mutable_diverging_epoch();
      diverging->set_leader_epoch(outcome.diverging->epoch.value());
      diverging->set_end_offset(outcome.diverging->end_offset.value());
      return;
    }
    for (const AbortedTransaction& aborted : outcome.aborted) {
      auto* out = result->add_aborted_transactions();
      out->set_producer_id(aborted.producer_id.value());
      out->set_first_offset(aborted.first_offset.value());
    }
    bytes_ += outcome.batches.size();
    if (request_.plain_records()) {
      absl::Status status =
          AddPlainRecords(outcome.batches, read.offset, result);
      if (!status.ok()) {
        urgent_ = true;
        result->clear_plain();
        return Refuse(context_, ErrorCodeOf(status),
                      std::string(status.message()), result);
      }
    } else {
      *batches = std::move(outcome.batches);
    }
    // More arrives when the bound moves beyond where it stood now.
    Offset bound = outcome.high_watermark;
    if (bound_ == ReadBound::kLogEnd) bound = outcome.log_end_offset;
    if (bound_ == ReadBound::kLastStable) bound = outcome.last_stable_offset;
    waits_.push_back({found.partition, std::max(read.offset, bound)});
  }

  // The first wait that fires runs the fetch again and drops the others. The
  // reader that is told of a changed role finds the error by reading.
  void Wait() {
    auto fired = std::make_shared<std::atomic<bool>>(false);
    auto round = std::make_shared<std::vector<WaitPoint>>(std::move(waits_));
    // Guards the ids against a waiter that fires while they are still noted.
    auto noting = std::make_shared<std::mutex>();
    auto self = shared_from_this();
    auto wake = [self, fired, round, noting](size_t index) {
      if (fired->exchange(true)) return;
      {
        std::lock_guard guard(*noting);
        for (size_t i = 0; i < round->size(); ++i) {
          if (i != index && (*round)[i].id != 0) {
            (*round)[i].partition->CancelWait((*round)[i].id);
          }
        }
      }
      self->Run();
    };
    for (size_t i = 0; i < round->size(); ++i) {
      if (fired->load()) break;
      WaitPoint& point = (*round)[i];
      Partition::WaitId id = point.partition->WaitFor(
          bound_, point.offset, deadline_ms_,
          [wake, i](WakeReason) { wake(i); });
      std::lock_guard guard(*noting);
      point.id = id;
      // Too late to be among those that the firing waiter dropped.
      if (fired->load()) point.partition->CancelWait(id);
    }
  }

  void Answer(FetchAnswer answer) {
    (bound_ == ReadBound::kLogEnd ? context_.metrics->replica_fetch_bytes
                                  : context_.metrics->fetch_bytes)
        ->Add(bytes_);
    context_.metrics->fetch_seconds->Observe(
        (context_.clock->MonotonicMs() - started_ms_) / 1e3);
    done_(std::move(answer));
  }

  const BrokerContext& context_;
  const v1::FetchRequest request_;
  const Done<FetchAnswer> done_;
  const int64_t started_ms_;
  const int64_t deadline_ms_;
  ReadBound bound_ = ReadBound::kHighWatermark;

  // Of the last read.
  std::vector<WaitPoint> waits_;
  bool urgent_ = false;  // an error or a divergence: answer without waiting
  int64_t bytes_ = 0;
};

}  // namespace

void Fetch(const BrokerContext& context, const RequestContext& caller,
           v1::FetchRequest request, Done<FetchAnswer> done) {
  std::make_shared<PendingFetch>(context, std::move(request), std::move(done))
      ->Run();
}

}  // namespace sillok::api
