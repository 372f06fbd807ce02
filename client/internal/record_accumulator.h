// RecordAccumulator: the producer's records between Send and their answer. Pure:
// the caller gives the time and does the sending.
//
// Each partition has a queue of batches: the last takes records, those before
// it are closed. TakeWork and TakeAll hand batches out, to be sent or to be
// failed; each one comes back, through Failed (which may put it back) or, for
// good, through Complete. The caller serialises all calls (one mutex); none of
// them calls out (but for the application's partitioner) or does more than move
// memory.
//
// Order: a partition's batches are handed out in the order they were begun, at
// most `max_in_flight` at a time. After one had to be retried, the partition
// hands out one at a time, from the oldest, until none that failed is left.
//
// Idempotence: the first time a batch is handed out it gets the producer's id
// and epoch and the partition's next sequence, which it keeps through all
// attempts; so the broker knows an attempt that it has seen. A batch that is
// refused for good leaves a gap that the broker would not take the next one
// over: the partition then waits until none of its batches is on the way and
// begins anew, with its own next epoch and sequence 0. Epochs are counted for
// each partition by itself, since brokers look at each log alone.
#ifndef SILLOK_CLIENT_INTERNAL_RECORD_ACCUMULATOR_H_
#define SILLOK_CLIENT_INTERNAL_RECORD_ACCUMULATOR_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/error.h"
#include "base/ids.h"
#include "client/internal/batch_writer.h"
#include "client/internal/partitioner.h"
#include "client/producer.h"

namespace sillok::client {

struct AccumulatorOptions {
  size_t batch_size = 256 * 1024;
  int64_t linger_ms = 5;
  size_t buffer_memory = 64 * 1024 * 1024;
  size_t max_request_size = 1024 * 1024;
  int64_t delivery_timeout_ms = 120'000;
  int64_t retries = 2'147'483'647;
  int64_t retry_backoff_ms = 100;
  int64_t retry_backoff_max_ms = 1'000;
  int max_in_flight = 5;
  bool idempotent = false;  // then max_in_flight is at most 5
  PartitionerKind partitioner = PartitionerKind::kMurmur2;
  // The application's own instead of `partitioner`.
  std::function<std::unique_ptr<Partitioner>(const std::string& topic)>
      make_partitioner;
  uint64_t seed = 1;
};

// A batch, from its first record to its answer. Between TakeWork and its return
// it belongs to the caller.
struct ProduceBatch {
  struct Waiter {
    int32_t index;  // of the record in the batch
    int64_t timestamp_ms;
    SendCallback callback;
  };

  TopicPartition partition;
  uint64_t order = 0;  // its place among the partition's batches
  int32_t part = 0;    // of one that was split: the first record's number in it
  BatchStamp stamp;    // with an id: numbered
  // An attempt may have reached the log although no answer says so.
  bool maybe_written = false;
  int64_t created_ms = 0;
  int attempts = 0;  // that failed
  int64_t not_before_ms = 0;
  bool finished = false;  // writer.Finish has run
  size_t charged = 0;     // of buffer.memory
  absl::Status last_error;
  absl::Status final_error;  // in Work::failed: why, unless it is the time
  BatchWriter writer;
  std::vector<Waiter> waiters;

  explicit ProduceBatch(BatchWriter w) : writer(std::move(w)) {}
  bool numbered() const { return stamp.producer_id >= 0; }
  // Rises along a partition.
  using Place = std::pair<uint64_t, int32_t>;
  Place place() const { return {order, part}; }
};
// Shared: the network may still hold the bytes of an attempt that was given up.
using BatchPtr = std::shared_ptr<ProduceBatch>;

class RecordAccumulator {
 public:
  explicit RecordAccumulator(const AccumulatorOptions& options);

  // --- what is known of a topic
  // Leaders by partition number, -1 = none. A new leader ends a partition's
  // backoff. A topic keeps at least the partitions it had.
  void SetLeaders(const std::string& topic,
                  const std::vector<int32_t>& leaders);
  // 0: not known.
  int PartitionCount(std::string_view topic) const;

  // --- records
  enum class Result {
    kAppended,
    kUnknownTopic,      // ask for metadata and come again
    kUnknownPartition,  // the record names one that the topic has not
    kFull,              // wait for memory
    kTooLarge,          // bigger than max.request.size
  };
  struct Appended {
    Result result = Result::kAppended;
    int32_t partition = -1;
    // When this record's batch can go, as far as it is known; the sender has to
    // wake up by then.
    int64_t due_ms = 0;
    // Set for kAppended when the batch was begun or filled by this record.
    bool tell_sender = false;
  };
  // `callback` is moved from only when appended.
  Appended Append(const ProducerRecord& record, int64_t wall_ms, int64_t now_ms,
                  SendCallback* callback);

  // --- sending
  struct Work {
    // By leader: at most one batch of each partition, within max_request_size.
    std::map<int32_t, std::vector<BatchPtr>> sends;
    // To be failed: past delivery.timeout.ms, or with a final_error.
    std::vector<BatchPtr> failed;
    int64_t next_ms = INT64_MAX;     // when to come again
    bool needs_metadata = false;     // something waits for a leader
    bool needs_producer_id = false;  // something waits for SetProducerId
  };
  // `room(broker)`: may a request go to it now. Batches due at or before now_ms.
  template <typename Room>
  Work TakeWork(int64_t now_ms, const Room& room);

  // Idempotent producers: the id that batches get from now on, with epoch 0.
  // Partitions with batches on their way go over when those are answered.
  void SetProducerId(int64_t producer_id) { producer_id_ = producer_id; }

  // Everything is due at once until the batches there are now are answered.
  void Flush();

  // --- answers
  // The batch has its final answer, good (`written`) or bad, and its callbacks
  // have run.
  void Complete(const BatchPtr& batch, bool written = true);
  // An attempt failed. True: the batch, or the parts it was split into, is
  // queued again. False: this is final, or no attempt is left (retries or time);
  // the caller still has the batch, to tell its callbacks and Complete it.
  bool Failed(const BatchPtr& batch, ErrorCode code, const absl::Status& why,
              int64_t now_ms);
  // Puts the batch back for another attempt, after a pause. False as above.
  bool Retry(const BatchPtr& batch, const absl::Status& why, int64_t now_ms);
  // Everything not yet handed out, for a producer that closes.
  std::vector<BatchPtr> TakeAll();

  // Batches that have no final answer yet, and the memory they take.
  size_t unanswered() const { return unanswered_; }
  size_t buffered_bytes() const { return charged_; }
  // The number the next batch will get; it and AllAnsweredBefore make a fence.
  uint64_t next_order() const { return next_order_; }
  // True once every batch that was begun before `order` is answered.
  bool AllAnsweredBefore(uint64_t order) const {
    return open_orders_.empty() || *open_orders_.begin() >= order;
  }
  // Memory of a batch that nobody refers to any more.
  void Recycle(std::unique_ptr<char[]> memory, size_t capacity);
  size_t batch_size() const { return options_.batch_size; }

 private:
  struct PartitionQueue {
    TopicPartition id;
    std::deque<BatchPtr> queue;  // by order; the last may be open
    bool open = false;           // queue.back() takes records
    int in_flight = 0;
    int retrying = 0;  // batches queued or in flight that failed before
    int32_t leader = -1;
    bool active = false;  // in active_
    size_t last_size = 0;

    // Idempotence. What numbered batches carry and the next one will.
    BatchStamp stamp;
    // The sequence after the newest batch that has its final answer: what the
    // broker takes next if it has all that went before.
    int32_t settled = 0;
    ProduceBatch::Place settled_place;  // of that batch
    // The broker has taken a batch with this id and epoch. Before, one batch is
    // on its way at most: a broker that does not know the producer lets it begin
    // with any sequence, so a second batch could get in without the first.
    bool established = false;
    // A batch was given up that may or may not be in the log.
    bool in_doubt = false;
    // From here on the broker waits for a sequence that will not come: a new
    // epoch is due, once what is before has gone its way with its own numbers
    // (it may be in the log under those).
    std::optional<ProduceBatch::Place> gap;
  };
  struct Topic {
    std::unique_ptr<Partitioner> partitioner;
    // Brokers have refused larger batches; bytes before compression.
    size_t batch_limit = SIZE_MAX;
    std::vector<std::unique_ptr<PartitionQueue>> partitions;
    std::vector<int32_t> with_leader;
    std::vector<int32_t> leaders;
  };
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  bool BeginBatch(Topic* topic, PartitionQueue* queue, size_t bound,
                  int64_t now_ms);
  size_t LimitOf(const Topic& topic) const {
    return std::min(options_.batch_size, topic.batch_limit);
  }
  void CloseBatch(Topic* topic, PartitionQueue* queue);
  void Activate(PartitionQueue* queue);
  BatchWriter TakeWriter(size_t wanted);
  void Release(const BatchPtr& batch);
  // When the first batch of `queue` may go: INT64_MAX while it has to wait for
  // an answer.
  int64_t DueMs(const PartitionQueue& queue) const;
  void Expire(PartitionQueue* queue, int64_t now_ms, Work* work);
  void TakeFirst(PartitionQueue* queue, std::vector<BatchPtr>* out);
  void PutBack(PartitionQueue* queue, const BatchPtr& batch);
  Topic* TopicOf(const TopicPartition& partition);
  PartitionQueue* QueueOf(const TopicPartition& partition);

  // Idempotence; record_accumulator_idempotence.cc.
  // False: the first batch has to wait, for an id or for answers.
  bool Number(PartitionQueue* queue, Work* work);
  bool PassGap(PartitionQueue* queue, Work* work);
  void Renumber(PartitionQueue* queue, Work* work);
  static void NoteGap(PartitionQueue* queue, const ProduceBatch& batch);
  void Settle(PartitionQueue* queue, const ProduceBatch& batch, bool written);
  bool FailedNumbered(PartitionQueue* queue, const BatchPtr& batch,
                      ErrorCode code, const absl::Status& why, int64_t now_ms);
  void Split(PartitionQueue* queue, const BatchPtr& batch);

  const AccumulatorOptions options_;
  std::unordered_map<std::string, std::unique_ptr<Topic>, StringHash,
                     std::equal_to<>>
      topics_;
  std::vector<PartitionQueue*> active_;  // those with batches queued
  size_t turn_ = 0;                      // where the next TakeWork starts
  int64_t producer_id_ = -1;
  uint64_t next_order_ = 1;
  uint64_t flush_before_ = 0;  // batches below are due at once
  std::multiset<uint64_t> open_orders_;  // of batches without an answer
  size_t unanswered_ = 0;
  size_t charged_ = 0;
  bool pressed_ = false;  // Append found no room: linger no longer
  std::vector<std::unique_ptr<char[]>> pool_;  // each of batch_size
};

template <typename Room>
RecordAccumulator::Work RecordAccumulator::TakeWork(int64_t now_ms,
                                                    const Room& room) {
  Work work;
  std::map<int32_t, size_t> bytes;
  size_t count = active_.size();
  for (size_t i = 0; i < count; ++i) {
    PartitionQueue* queue = active_[(turn_ + i) % count];
    Expire(queue, now_ms, &work);
    if (queue->gap && !PassGap(queue, &work)) continue;
    if (queue->queue.empty()) continue;
    int64_t due_ms = DueMs(*queue);
    if (due_ms > now_ms) {
      work.next_ms = std::min(work.next_ms, due_ms);
      continue;
    }
    if (queue->leader < 0) {
      work.needs_metadata = true;
      continue;
    }
    if (!room(queue->leader)) continue;  // its answers will wake us
    size_t size = queue->queue.front()->writer.size();
    size_t& sum = bytes[queue->leader];
    if (sum != 0 && sum + size > options_.max_request_size) {
      work.next_ms = now_ms;  // the next request takes it
      continue;
    }
    if (options_.idempotent && !Number(queue, &work)) continue;
    sum += size;
    TakeFirst(queue, &work.sends[queue->leader]);
    if (!queue->queue.empty()) {
      work.next_ms = std::min(work.next_ms, DueMs(*queue));
    }
  }
  if (count != 0) turn_ = (turn_ + 1) % count;
  std::erase_if(active_, [](PartitionQueue* queue) {
    queue->active = !queue->queue.empty();
    return !queue->active;
  });
  return work;
}

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_RECORD_ACCUMULATOR_H_
