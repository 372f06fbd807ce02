#include "broker/api/fetch.h"

#include <algorithm>
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

// One fetch on its way. It reads every partition once, and again only those
// that a waiter told of; never two reads at once.
class PendingFetch : public std::enable_shared_from_this<PendingFetch> {
 public:
  PendingFetch(const BrokerContext& context, const RequestContext& caller,
               v1::FetchRequest request, FetchForm form, Done<FetchAnswer> done)
      : context_(context),
        departure_(caller.departure),
        request_(std::move(request)),
        form_(request_.plain_records() ? FetchForm::kBytes : form),
        done_(std::move(done)),
        started_ms_(context.clock->MonotonicMs()),
        deadline_ms_(started_ms_ + std::max(0, request_.max_wait_ms())),
        sources_(request_.partitions_size()) {
    if (request_.replica_id_plus_one() > 0) {
      bound_ = ReadBound::kLogEnd;
    } else if (request_.isolation_level() == 1) {
      bound_ = ReadBound::kLastStable;
    }
    budget_ = request_.max_bytes() > 0 ? request_.max_bytes()
                                       : kDefaultMaxBytes;
    budget_ = std::min<int64_t>(budget_, context_.options.fetch_max_bytes);
    answer_.response.set_correlation_id(request_.correlation_id());
    answer_.batches.resize(request_.partitions_size());
    for (int i = 0; i < request_.partitions_size(); ++i) {
      answer_.response.add_partitions();
    }
  }

  void Start() {
    for (int i = 0; i < request_.partitions_size(); ++i) ReadOne(i);
    if (sources_.empty() || request_.max_wait_ms() <= 0 || Complete()) {
      return Answer();
    }
    if (departure_ != nullptr) {
      in_departure_ = departure_->Add([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->OnCallerGone();
      });
    }
    for (int i = 0; i < request_.partitions_size(); ++i) Wait(i);
    Work();
  }

 private:
  // Where one partition's data comes from, and how far it has been read.
  struct Source {
    std::shared_ptr<Partition> partition;
    Offset wait_beyond;  // more is there when the bound passes this
    int64_t bytes = 0;   // in the answer
    Partition::WaitId wait = 0;
  };

  bool Complete() const {
    return urgent_ ||
           bytes_ >= std::clamp<int64_t>(request_.min_bytes(), 0, budget_);
  }

  // Reads request_.partitions(i), again or for the first time.
  void ReadOne(int i) {
    const v1::PartitionFetch& wanted = request_.partitions(i);
    v1::PartitionFetchResult* result = answer_.response.mutable_partitions(i);
    result->Clear();
    result->set_topic(wanted.topic());
    result->set_partition(wanted.partition());
    answer_.batches[i] = {};
    bytes_ -= std::exchange(sources_[i].bytes, 0);
    PartitionLookup found =
        FindPartition(context_, wanted.topic(), wanted.partition());
    if (found.error != ErrorCode::NONE) {
      urgent_ = true;
      return Refuse(context_, found.error, found.message, result);
    }
    const ReadRequest read = ReadFor(wanted);
    ReadOutcome outcome = found.partition->Read(read);
    if (outcome.error != ErrorCode::NONE) {
      urgent_ = true;
      return Refuse(context_, outcome.error, outcome.error_message, result);
    }
    sources_[i].partition = found.partition;
    Take(i, read, std::move(outcome), result);
  }

  ReadRequest ReadFor(const v1::PartitionFetch& wanted) const {
    ReadRequest read;
    read.offset = Offset(wanted.fetch_offset());
    read.max_bytes = static_cast<int32_t>(std::clamp<int64_t>(
        budget_ - bytes_, 0,
        wanted.max_bytes() > 0 ? wanted.max_bytes() : kDefaultPartitionBytes));
    read.at_least_one_batch = bytes_ == 0;
    read.bound = bound_;
    read.as_ranges = form_ == FetchForm::kRanges;
    read.expected_epoch =
        LeaderEpoch(wanted.current_leader_epoch_plus_one() - 1);
    if (bound_ == ReadBound::kLogEnd) {
      read.replica = BrokerId(request_.replica_id_plus_one() - 1);
      read.replica_epoch = BrokerEpoch(request_.replica_epoch());
      read.last_fetched_epoch =
          LeaderEpoch(wanted.last_fetched_epoch_plus_one() - 1);
      read.replica_log_start = Offset(wanted.log_start_offset());
    }
    return read;
  }

  // Puts what was read into the answer.
  void Take(int i, const ReadRequest& read, ReadOutcome outcome,
            v1::PartitionFetchResult* result) {
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
    sources_[i].bytes = outcome.size_bytes;
    bytes_ += outcome.size_bytes;
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
      answer_.batches[i] = {std::move(outcome.batches),
                            std::move(outcome.ranges), outcome.size_bytes};
    }
    // More arrives when the bound moves beyond where it stood now.
    Offset bound = outcome.high_watermark;
    if (bound_ == ReadBound::kLogEnd) bound = outcome.log_end_offset;
    if (bound_ == ReadBound::kLastStable) bound = outcome.last_stable_offset;
    sources_[i].wait_beyond = std::max(read.offset, bound);
  }

  void Wait(int i) {
    Source& source = sources_[i];
    if (source.partition == nullptr) return;
    source.wait = source.partition->WaitFor(
        bound_, source.wait_beyond, deadline_ms_,
        [self = shared_from_this(), i](WakeReason) { self->OnWoken(i); });
  }

  // A waiter fired: more data, another role (the read finds the error), or the
  // time is over.
  void OnWoken(int i) {
    {
      std::lock_guard lock(mutex_);
      if (answered_) return;
      woken_.push_back(i);
      if (std::exchange(working_, true)) return;
    }
    Work();
  }

  // Nobody reads the answer; the wait has to end, and all that it holds.
  void OnCallerGone() {
    {
      std::lock_guard lock(mutex_);
      caller_gone_ = true;
      if (answered_ || std::exchange(working_, true)) return;
    }
    Work();
  }

  // Reads what the waiters told of, until there is nothing new or the fetch is
  // answered. One thread at a time: whoever set `working_`.
  void Work() {
    std::vector<int> woken;
    for (;;) {
      woken.clear();
      bool caller_gone = false;
      {
        std::lock_guard lock(mutex_);
        woken.swap(woken_);
        caller_gone = caller_gone_;
        if (woken.empty() && !caller_gone) {
          working_ = false;
          return;
        }
      }
      if (caller_gone) return Answer();
      const bool time_over = context_.clock->MonotonicMs() >= deadline_ms_;
      if (time_over) {
        // The offsets that are told shall be of now.
        for (int i = 0; i < request_.partitions_size(); ++i) ReadOne(i);
        return Answer();
      }
      for (int i : woken) ReadOne(i);
      if (Complete()) return Answer();
      for (int i : woken) Wait(i);
    }
  }

  void Answer() {
    {
      std::lock_guard lock(mutex_);
      answered_ = true;
    }
    if (in_departure_ != 0) departure_->Remove(in_departure_);
    for (Source& source : sources_) {
      if (source.wait != 0) source.partition->CancelWait(source.wait);
    }
    (bound_ == ReadBound::kLogEnd ? context_.metrics->replica_fetch_bytes
                                  : context_.metrics->fetch_bytes)
        ->Add(bytes_);
    context_.metrics->fetch_seconds->Observe(
        (context_.clock->MonotonicMs() - started_ms_) / 1e3);
    done_(std::move(answer_));
  }

  const BrokerContext& context_;
  const std::shared_ptr<Departure> departure_;  // may be null
  const v1::FetchRequest request_;
  const FetchForm form_;
  const Done<FetchAnswer> done_;
  const int64_t started_ms_;
  const int64_t deadline_ms_;
  ReadBound bound_ = ReadBound::kHighWatermark;
  int64_t budget_ = 0;  // bytes of the whole answer

  // Of whoever works.
  FetchAnswer answer_;
  std::vector<Source> sources_;
  bool urgent_ = false;  // an error or a divergence: answer without waiting
  int64_t bytes_ = 0;
  Departure::Id in_departure_ = 0;

  std::mutex mutex_;         // all below
  std::vector<int> woken_;   // partitions to look at again
  bool working_ = true;      // Start works first
  bool answered_ = false;
  bool caller_gone_ = false;
};

}  // namespace

void Fetch(const BrokerContext& context, const RequestContext& caller,
           v1::FetchRequest request, FetchForm form,
           Done<FetchAnswer> done) {
  std::make_shared<PendingFetch>(context, caller, std::move(request), form,
                                 std::move(done))
      ->Start();
}

}  // namespace sillok::api
