#include "broker/journal/journaled_state.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "glog/logging.h"
#include "proto/record/record_batch.h"

namespace sillok {
namespace {

// What a coordinator's client is to hear when the partition said `error`.
ErrorCode CoordinatorError(ErrorCode error) {
  switch (error) {
    case ErrorCode::UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode::NOT_ENOUGH_REPLICAS:
    case ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ErrorCode::REQUEST_TIMED_OUT:
      return ErrorCode::COORDINATOR_NOT_AVAILABLE;
    case ErrorCode::NOT_LEADER_OR_FOLLOWER:
    case ErrorCode::FENCED_LEADER_EPOCH:
    case ErrorCode::UNKNOWN_LEADER_EPOCH:
    case ErrorCode::KAFKA_STORAGE_ERROR:
      return ErrorCode::NOT_COORDINATOR;
    case ErrorCode::MESSAGE_TOO_LARGE:
    case ErrorCode::RECORD_LIST_TOO_LARGE:
    case ErrorCode::INVALID_FETCH_SIZE:
      return ErrorCode::MESSAGE_TOO_LARGE;
    default:
      return ErrorCode::UNKNOWN_SERVER_ERROR;
  }
}

Bytes BuildBatch(const std::vector<JournalRecord>& records, int64_t now_ms) {
  record::BatchBuilder builder;
  for (const JournalRecord& record : records) {
    std::optional<std::string_view> value;
    if (record.value.has_value()) value = *record.value;
    builder.Append(now_ms, std::string_view(record.key), value);
  }
  absl::StatusOr<std::string> batch = builder.Build();
  CHECK(batch.ok()) << batch.status();  // nothing is compressed: cannot fail
  return Bytes::FromString(std::move(batch).value());
}

}  // namespace

JournaledState::JournaledState(std::string name, JournalOptions options,
                               const Clock* clock, Post post,
                               JournaledMachine* machine)
    : name_(std::move(name)),
      options_(options),
      clock_(clock),
      post_(std::move(post)),
      machine_(machine) {}

JournaledState::~JournaledState() = default;

// ---- leadership

void JournaledState::Lead(LeaderEpoch epoch,
                          std::shared_ptr<JournalPartition> partition) {
  if (epoch <= epoch_) return;
  EndLife();
  epoch_ = epoch;
  partition_ = std::move(partition);
  phase_ = Phase::kLoading;
  next_offset_ = Offset(0);
  load_end_ = kNoOffset;
  load_started_ms_ = clock_->MonotonicMs();
  LOG(INFO) << "loading partition=" << name_ << " epoch=" << epoch_;
  PostInThisLife([this] { LoadStep(); });
}

void JournaledState::Resign(LeaderEpoch epoch) {
  if (epoch < epoch_) return;
  epoch_ = epoch;
  Depose();
}

void JournaledState::Depose() {
  if (phase_ == Phase::kResigned) return;
  LOG(INFO) << "resigned partition=" << name_ << " epoch=" << epoch_
            << " in_flight=" << in_flight_.size();
  EndLife();
}

void JournaledState::EndLife() {
  ++life_;
  const bool had_state = phase_ != Phase::kResigned;
  phase_ = Phase::kResigned;
  partition_ = nullptr;
  load_retry_at_ms_ = kNeverMs;
  std::deque<InFlight> unsettled;
  unsettled.swap(in_flight_);
  front_id_ += unsettled.size();
  first_unreplied_id_ = front_id_;
  for (InFlight& change : unsettled) {
    Reply(change, ErrorCode::NOT_COORDINATOR);
  }
  if (had_state) machine_->Drop(ErrorCode::NOT_COORDINATOR);
}

ErrorCode JournaledState::Check() const {
  switch (phase_) {
    case Phase::kResigned:
      return ErrorCode::NOT_COORDINATOR;
    case Phase::kLoading:
      return ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    case Phase::kActive:
      return ErrorCode::NONE;
  }
  return ErrorCode::NOT_COORDINATOR;
}

std::function<void()> JournaledState::InThisLife(std::function<void()> task) {
  return [this, life = life_, task = std::move(task)] {
    if (life == life_) task();
  };
}

void JournaledState::PostInThisLife(std::function<void()> task) {
  post_(InThisLife(std::move(task)));
}

// ---- loading

void JournaledState::LoadStep() {
  if (phase_ != Phase::kLoading) return;
  const JournalReadOutcome read =
      partition_->Read(next_offset_, options_.load_step_bytes);
  if (read.error == ErrorCode::OFFSET_OUT_OF_RANGE &&
      next_offset_ < read.log_start_offset) {
    next_offset_ = read.log_start_offset;
    PostInThisLife([this] { LoadStep(); });
    return;
  }
  if (read.error != ErrorCode::NONE) {
    RetryLoad(ErrorName(read.error) + " " + read.error_message);
    return;
  }
  // Everything the predecessors answered for lies below this leader's first
  // log end. A later end is as good.
  if (load_end_ == kNoOffset) load_end_ = read.log_end_offset;
  const Offset before = next_offset_;
  if (!ReplayBatches(read.batches)) return;
  if (next_offset_ >= load_end_) {
    FinishLoading();
  } else if (next_offset_ > before) {
    PostInThisLife([this] { LoadStep(); });
  } else if (read.high_watermark >= load_end_) {
    // Nothing between here and the high watermark: compacted away.
    FinishLoading();
  } else {
    AwaitMoreToLoad();
  }
}

bool JournaledState::ReplayBatches(const Bytes& batches) {
  record::BatchWalker walker(batches);
  std::string scratch;
  while (walker.Next()) {
    if (walker.header().last_offset() < next_offset_) continue;
    const Bytes batch = walker.batch();
    absl::StatusOr<record::BatchReader> reader =
        record::BatchReader::Open(batch.Flat(&scratch));
    if (!reader.ok()) {
      RetryLoad(reader.status().ToString());
      return false;
    }
    const record::BatchHeader& header = reader->header();
    record::RecordView record;
    while (reader->Next(&record)) {
      if (record.offset < next_offset_) continue;
      if (header.is_control()) {
        if (auto marker = record::ParseControlRecord(record)) {
          machine_->ReplayMarker(ProducerId(header.producer_id),
                                 marker->type == record::ControlType::kCommit);
        }
        continue;
      }
      if (!record.key.has_value()) continue;  // says nothing about any key
      machine_->Replay({record.offset, record.timestamp_ms, *record.key,
                        record.value,
                        header.is_transactional()
                            ? ProducerId(header.producer_id)
                            : kNoProducerId});
    }
    if (!reader->status().ok()) {
      RetryLoad(reader->status().ToString());
      return false;
    }
    next_offset_ = header.next_offset();
  }
  if (!walker.status().ok()) {
    RetryLoad(walker.status().ToString());
    return false;
  }
  return true;
}

void JournaledState::AwaitMoreToLoad() {
  VLOG(1) << "load waits for the high watermark partition=" << name_
          << " at=" << next_offset_ << " of=" << load_end_;
  partition_->AwaitHighWatermark(
      next_offset_, [this, post = post_, life = life_](bool reached) {
        post([this, life, reached] {
          if (life != life_) return;
          if (reached) {
            LoadStep();
          } else {
            RetryLoad("the leadership ended");
          }
        });
      });
}

void JournaledState::RetryLoad(const std::string& why) {
  LOG(ERROR) << "load failed, will try again partition=" << name_
             << " epoch=" << epoch_ << " offset=" << next_offset_ << ": "
             << why;
  load_retry_at_ms_ = clock_->MonotonicMs() + options_.load_retry_ms;
}

void JournaledState::FinishLoading() {
  phase_ = Phase::kActive;
  LOG(INFO) << "loaded partition=" << name_ << " epoch=" << epoch_
            << " offset=" << next_offset_ << " took_ms="
            << clock_->MonotonicMs() - load_started_ms_;
  machine_->OnLoaded();
}

// ---- changes

void JournaledState::Append(JournalEntry entry) {
  CHECK(phase_ == Phase::kActive) << name_;
  CHECK(!entry.records.empty()) << name_;
  if (in_flight_.size() >= options_.max_in_flight) {
    post_([this, life = life_, entry = std::move(entry)] {
      if (life == life_ && entry.settle) entry.settle(kNoOffset);
      if (entry.reply) entry.reply(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    });
    return;
  }
  Bytes batch = BuildBatch(entry.records, clock_->WallMs());
  entry.records.clear();  // they are in the batch; only the callbacks wait
  entry.records.shrink_to_fit();
  const uint64_t id = front_id_ + in_flight_.size();
  InFlight change;
  change.entry = std::move(entry);
  change.deadline_ms = clock_->MonotonicMs() + options_.commit_timeout_ms;
  in_flight_.push_back(std::move(change));
  partition_->Append(
      std::move(batch),
      [this, post = post_, life = life_, id](JournalAppendOutcome outcome) {
        post([this, life, id, outcome = std::move(outcome)] {
          if (life == life_) OnAppended(id, outcome);
        });
      });
}

void JournaledState::OnAppended(uint64_t id,
                                const JournalAppendOutcome& outcome) {
  if (outcome.error == ErrorCode::NONE) {
    SettleAsCommitted(id, outcome.base_offset);
    return;
  }
  const ErrorCode error = CoordinatorError(outcome.error);
  VLOG(1) << "append failed partition=" << name_ << " epoch=" << epoch_
          << " error=" << outcome.error << " " << outcome.error_message;
  if (error == ErrorCode::NOT_COORDINATOR) {
    // Another leader may already be at work, or the log is broken: what is in
    // memory is no longer what the log says.
    Depose();
    return;
  }
  if (!outcome.appended()) {
    SettleAsRefused(id, error);
    return;
  }
  // It is in the log and will most likely stay. The client hears "unknown", but
  // the state must have it as soon as the high watermark has passed it.
  if (InFlight* change = FindInFlight(id)) Reply(*change, error);
  AwaitCommit(id, outcome.base_offset, outcome.last_offset);
}

void JournaledState::AwaitCommit(uint64_t id, Offset base, Offset last) {
  partition_->AwaitHighWatermark(
      last, [this, post = post_, life = life_, id, base](bool reached) {
        post([this, life, id, base, reached] {
          if (life != life_) return;
          if (reached) {
            SettleAsCommitted(id, base);
          } else {
            Depose();
          }
        });
      });
}

void JournaledState::SettleAsCommitted(uint64_t id, Offset base) {
  InFlight* change = FindInFlight(id);
  if (change == nullptr || change->settled) return;
  change->settled = true;
  change->base_offset = base;
  ApplySettled();
}

void JournaledState::SettleAsRefused(uint64_t id, ErrorCode error) {
  InFlight* change = FindInFlight(id);
  if (change == nullptr || change->settled) return;
  change->settled = true;
  Reply(*change, error);
  ApplySettled();
}

void JournaledState::ApplySettled() {
  while (!in_flight_.empty() && in_flight_.front().settled) {
    // Taken out first: the callbacks may append.
    InFlight change = std::move(in_flight_.front());
    in_flight_.pop_front();
    ++front_id_;
    first_unreplied_id_ = std::max(first_unreplied_id_, front_id_);
    if (change.entry.settle) change.entry.settle(change.base_offset);
    Reply(change, ErrorCode::NONE);  // nothing when it was refused, and told so
  }
}

void JournaledState::Reply(InFlight& change, ErrorCode error) {
  if (change.replied) return;
  change.replied = true;
  if (change.entry.reply) change.entry.reply(error);
}

JournaledState::InFlight* JournaledState::FindInFlight(uint64_t id) {
  if (id < front_id_ || id - front_id_ >= in_flight_.size()) return nullptr;
  return &in_flight_[id - front_id_];
}

// ---- time

int64_t JournaledState::next_deadline_ms() const {
  int64_t next = load_retry_at_ms_;
  for (uint64_t id = first_unreplied_id_; id - front_id_ < in_flight_.size();
       ++id) {
    const InFlight& change = in_flight_[id - front_id_];
    if (change.replied) continue;
    return std::min(next, change.deadline_ms);
  }
  return next;
}

void JournaledState::OnTime() {
  const int64_t now_ms = clock_->MonotonicMs();
  if (load_retry_at_ms_ <= now_ms) {
    load_retry_at_ms_ = kNeverMs;
    LoadStep();
  }
  while (InFlight* change = FindInFlight(first_unreplied_id_)) {
    if (!change->replied && change->deadline_ms > now_ms) return;
    ++first_unreplied_id_;
    Reply(*change, ErrorCode::COORDINATOR_NOT_AVAILABLE);
  }
}

}  // namespace sillok
