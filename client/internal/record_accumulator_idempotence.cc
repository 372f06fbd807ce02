// RecordAccumulator: what follows from an attempt that failed, and the sequences
// of an idempotent producer.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "client/internal/record_accumulator.h"

namespace sillok::client {
namespace {

constexpr int16_t kLastEpoch = std::numeric_limits<int16_t>::max();
constexpr size_t kLeastBatchLimit = 1024;

int32_t SequenceAfter(int32_t sequence, int64_t records) {
  return static_cast<int32_t>((sequence + records) & 0x7fffffff);
}

int32_t SequenceAfter(const ProduceBatch& batch) {
  return SequenceAfter(batch.stamp.base_sequence, batch.writer.count());
}

bool IsTooLarge(ErrorCode code) {
  return code == ErrorCode::MESSAGE_TOO_LARGE ||
         code == ErrorCode::RECORD_LIST_TOO_LARGE;
}

// The broker looked at the batch and did not append it. All others say nothing
// about what is in the log: some come after the append (NOT_LEADER_OR_FOLLOWER
// may, when leadership goes while replicas are waited for), some from the way.
bool IsRefusal(ErrorCode code) {
  switch (code) {
    case ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER:
    case ErrorCode::UNKNOWN_PRODUCER_ID:
    case ErrorCode::INVALID_PRODUCER_EPOCH:
    case ErrorCode::PRODUCER_FENCED:
    case ErrorCode::INVALID_TXN_STATE:
    case ErrorCode::NOT_ENOUGH_REPLICAS:
    case ErrorCode::MESSAGE_TOO_LARGE:
    case ErrorCode::RECORD_LIST_TOO_LARGE:
    case ErrorCode::INVALID_RECORD:
    case ErrorCode::INVALID_TIMESTAMP:
    case ErrorCode::INVALID_REQUIRED_ACKS:
    case ErrorCode::INVALID_TOPIC_EXCEPTION:
    case ErrorCode::INVALID_REQUEST:
    case ErrorCode::CORRUPT_MESSAGE:
    case ErrorCode::POLICY_VIOLATION:
    case ErrorCode::UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode::UNSUPPORTED_COMPRESSION_TYPE:
    case ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case ErrorCode::TOPIC_AUTHORIZATION_FAILED:
    case ErrorCode::CLUSTER_AUTHORIZATION_FAILED:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool RecordAccumulator::Failed(const BatchPtr& batch, ErrorCode code,
                               const absl::Status& why, int64_t now_ms) {
  PartitionQueue* queue = QueueOf(batch->partition);
  batch->last_error = why;
  if (!IsRefusal(code)) batch->maybe_written = true;
  if (IsTooLarge(code) && batch->writer.count() > 1) {
    Split(queue, batch);
    return true;
  }
  if (batch->numbered() && IsRefusal(code)) {
    return FailedNumbered(queue, batch, code, why, now_ms);
  }
  // The way to a broker that is not known is as good as none.
  if (!IsRetriable(code) && code != ErrorCode::BROKER_NOT_AVAILABLE) {
    return false;
  }
  return Retry(batch, why, now_ms);
}

bool RecordAccumulator::FailedNumbered(PartitionQueue* queue,
                                       const BatchPtr& batch, ErrorCode code,
                                       const absl::Status& why,
                                       int64_t now_ms) {
  switch (code) {
    case ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER: {
      // A later one is in the log without it (a broker that had forgotten the
      // producer): it cannot get to its place any more.
      if (batch->place() < queue->settled_place) return false;
      // Behind a batch that failed this is to be expected, and that one goes
      // again first. But when all before it are settled, what the log ends with
      // is not what we think: records are missing there.
      if (batch->stamp.base_sequence == queue->settled) {
        queue->in_doubt = true;
        NoteGap(queue, *batch);
      }
      if (!Retry(batch, why, now_ms)) return false;
      batch->not_before_ms = 0;
      return true;
    }
    case ErrorCode::UNKNOWN_PRODUCER_ID:
      queue->in_doubt = true;
      NoteGap(queue, *batch);
      return Retry(batch, why, now_ms);
    case ErrorCode::INVALID_PRODUCER_EPOCH:
    case ErrorCode::PRODUCER_FENCED:
      // Somebody else writes under our id, of all things: take another.
      if (producer_id_ == batch->stamp.producer_id) producer_id_ = -1;
      NoteGap(queue, *batch);
      return false;
    default:
      return IsRetriable(code) && Retry(batch, why, now_ms);
  }
}

// Halves, and halves again when that is still refused. The sequences are those
// of the whole: nothing else can have them.
void RecordAccumulator::Split(PartitionQueue* queue, const BatchPtr& batch) {
  Topic* topic = TopicOf(queue->id);
  const size_t size = std::max(batch->writer.size() / 2, kLeastBatchLimit);
  topic->batch_limit = std::min(topic->batch_limit, size);
  --queue->in_flight;
  if (batch->attempts > 0) --queue->retrying;
  int32_t first = 0;
  size_t waiter = 0;
  for (BatchWriter& writer : batch->writer.Split(batch->writer.size() / 2)) {
    auto piece = std::make_shared<ProduceBatch>(std::move(writer));
    const int32_t end = first + piece->writer.count();
    piece->partition = batch->partition;
    piece->order = batch->order;
    piece->part = batch->part + first;
    piece->stamp = batch->stamp;
    if (batch->numbered()) {
      piece->stamp.base_sequence =
          SequenceAfter(batch->stamp.base_sequence, first);
    }
    piece->maybe_written = batch->maybe_written;
    piece->created_ms = batch->created_ms;
    piece->attempts = batch->attempts + 1;
    piece->last_error = batch->last_error;
    while (waiter < batch->waiters.size() &&
           batch->waiters[waiter].index < end) {
      piece->waiters.push_back(std::move(batch->waiters[waiter++]));
      piece->waiters.back().index -= first;
    }
    piece->charged = piece->writer.capacity();
    charged_ += piece->charged;
    ++unanswered_;
    open_orders_.insert(piece->order);
    ++queue->retrying;
    PutBack(queue, piece);
    first = end;
  }
  batch->waiters.clear();
  Release(batch);
}

bool RecordAccumulator::Number(PartitionQueue* queue, Work* work) {
  ProduceBatch* first = queue->queue.front().get();
  if (first->numbered()) return true;
  BatchStamp& stamp = queue->stamp;
  if (stamp.producer_id < 0 ||
      (producer_id_ >= 0 && producer_id_ != stamp.producer_id)) {
    if (producer_id_ < 0) {
      work->needs_producer_id = true;
      return false;
    }
    if (queue->in_flight > 0) return false;  // those of the former id first
    stamp = {producer_id_, 0, 0};
    queue->settled = 0;
    queue->settled_place = {};
    queue->established = false;
    queue->in_doubt = false;
  }
  // The batch takes no more records: its count is part of its number.
  if (queue->open && queue->queue.size() == 1) {
    CloseBatch(TopicOf(queue->id), queue);
  }
  first->stamp = stamp;
  stamp.base_sequence =
      SequenceAfter(stamp.base_sequence, first->writer.count());
  return true;
}

void RecordAccumulator::NoteGap(PartitionQueue* queue,
                                const ProduceBatch& batch) {
  queue->gap = std::min(queue->gap.value_or(batch.place()), batch.place());
}

// False: the first batch has to wait.
bool RecordAccumulator::PassGap(PartitionQueue* queue, Work* work) {
  if (!queue->queue.empty()) {
    const ProduceBatch& first = *queue->queue.front();
    if (first.numbered() && first.place() < *queue->gap) return true;
  }
  if (queue->in_flight > 0) return false;
  BatchStamp& stamp = queue->stamp;
  const bool new_id = producer_id_ >= 0 && producer_id_ != stamp.producer_id;
  if (producer_id_ < 0 || (!new_id && stamp.producer_epoch == kLastEpoch)) {
    producer_id_ = -1;
    work->needs_producer_id = !queue->queue.empty();
    return false;
  }
  stamp = {producer_id_,
           static_cast<int16_t>(new_id ? 0 : stamp.producer_epoch + 1), 0};
  Renumber(queue, work);
  return true;
}

// Nothing of the partition is on its way, and what is numbered is behind the
// gap: it gets new numbers, in an epoch that fences whatever of the old one may
// still turn up.
void RecordAccumulator::Renumber(PartitionQueue* queue, Work* work) {
  // When the log ends with something else than we think, what may have been
  // written cannot go again under other numbers: an old attempt may sit in a
  // connection of a broker that only paused, and both would be in the log.
  const bool in_doubt = std::exchange(queue->in_doubt, false);
  while (in_doubt && !queue->queue.empty()) {
    ProduceBatch& first = *queue->queue.front();
    if (!first.numbered() || !first.maybe_written) break;
    first.final_error = ErrorStatus(
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        first.partition.ToString() +
            ": batches before it are not in the log, and this one may or may "
            "not be");
    TakeFirst(queue, &work->failed);
  }
  for (BatchPtr& batch : queue->queue) {
    if (!batch->numbered()) break;
    // A copy, since the network may still hold the bytes of the last attempt.
    auto again = std::make_shared<ProduceBatch>(
        std::move(batch->writer.Split(SIZE_MAX).front()));
    again->partition = batch->partition;
    again->order = batch->order;
    again->part = batch->part;
    again->created_ms = batch->created_ms;
    again->attempts = batch->attempts;
    again->last_error = batch->last_error;
    again->waiters = std::move(batch->waiters);
    again->charged = again->writer.capacity();
    charged_ += again->charged - batch->charged;
    again->stamp = queue->stamp;
    queue->stamp.base_sequence =
        SequenceAfter(queue->stamp.base_sequence, again->writer.count());
    batch = std::move(again);
  }
  queue->settled = 0;
  queue->settled_place = {};
  queue->established = false;
  queue->gap.reset();
}

void RecordAccumulator::Settle(PartitionQueue* queue, const ProduceBatch& batch,
                               bool written) {
  const BatchStamp& stamp = queue->stamp;
  if (batch.stamp.producer_id != stamp.producer_id ||
      batch.stamp.producer_epoch != stamp.producer_epoch) {
    return;  // of before a new beginning
  }
  if (!written && !batch.maybe_written) {
    // Nobody else has its numbers, unless more were given out behind it.
    if (SequenceAfter(batch) == stamp.base_sequence) {
      queue->stamp.base_sequence = batch.stamp.base_sequence;
    } else {
      NoteGap(queue, batch);
    }
    return;
  }
  if (written) queue->established = true;
  if (batch.place() < queue->settled_place) {
    queue->in_doubt = queue->in_doubt || !written;
    return;
  }
  // The broker takes no batch without those before it.
  queue->in_doubt = !written;
  queue->settled_place = batch.place();
  queue->settled = SequenceAfter(batch);
}

}  // namespace sillok::client
