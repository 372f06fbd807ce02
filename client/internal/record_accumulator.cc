#include "client/internal/record_accumulator.h"

#include <algorithm>
#include <string>

#include "client/internal/backoff.h"
#include "proto/record/record_batch.h"

namespace sillok::client {
namespace {

constexpr size_t kLeastCapacity = 1024;
constexpr size_t kPooledBuffers = 64;

}  // namespace

RecordAccumulator::RecordAccumulator(const AccumulatorOptions& options)
    : options_(options) {}

void RecordAccumulator::SetLeaders(const std::string& topic,
                                   const std::vector<int32_t>& leaders) {
  std::unique_ptr<Topic>& entry = topics_[topic];
  if (entry == nullptr) {
    entry = std::make_unique<Topic>();
    if (options_.make_partitioner) {
      entry->partitioner = options_.make_partitioner(topic);
    }
    if (entry->partitioner == nullptr) {
      entry->partitioner = std::make_unique<BuiltinPartitioner>(
          options_.partitioner,
          options_.seed * 0x9e3779b97f4a7c15ull + topics_.size());
    }
  }
  if (entry->leaders == leaders) return;
  entry->leaders = leaders;
  entry->with_leader.clear();
  for (size_t i = 0; i < leaders.size(); ++i) {
    if (i == entry->partitions.size()) {
      entry->partitions.push_back(std::make_unique<PartitionQueue>());
      entry->partitions[i]->id = {topic, static_cast<int32_t>(i)};
    }
    PartitionQueue* queue = entry->partitions[i].get();
    if (queue->leader != leaders[i]) {
      for (const BatchPtr& batch : queue->queue) batch->not_before_ms = 0;
    }
    queue->leader = leaders[i];
    if (leaders[i] >= 0) {
      entry->with_leader.push_back(static_cast<int32_t>(i));
    }
  }
}

int RecordAccumulator::PartitionCount(std::string_view topic) const {
  auto found = topics_.find(topic);
  return found == topics_.end()
             ? 0
             : static_cast<int>(found->second->partitions.size());
}

RecordAccumulator::Appended RecordAccumulator::Append(
    const ProducerRecord& record, int64_t wall_ms, int64_t now_ms,
    SendCallback* callback) {
  Appended appended;
  auto found = topics_.find(record.topic);
  if (found == topics_.end() || found->second->partitions.empty()) {
    appended.result = Result::kUnknownTopic;
    return appended;
  }
  Topic* topic = found->second.get();
  auto partitions = static_cast<int32_t>(topic->partitions.size());
  appended.partition =
      record.partition ? *record.partition
                       : topic->partitioner->Choose(record, partitions,
                                                    topic->with_leader);
  if (appended.partition < 0 || appended.partition >= partitions) {
    appended.result = Result::kUnknownPartition;
    return appended;
  }
  size_t bound = BatchWriter::SizeBound(record);
  if (bound + record::kBatchHeaderBytes > options_.max_request_size) {
    appended.result = Result::kTooLarge;
    return appended;
  }
  PartitionQueue* queue = topic->partitions[appended.partition].get();
  const auto full = [&](const PartitionQueue& q) {
    return q.open && q.queue.back()->writer.size() + bound > LimitOf(*topic);
  };
  if (full(*queue)) {
    CloseBatch(topic, queue);
    appended.tell_sender = true;
    if (!record.partition && topic->partitioner->MovesOnBatchClosed()) {
      const int32_t again = topic->partitioner->Choose(record, partitions,
                                                       topic->with_leader);
      if (again < 0 || again >= partitions) {
        appended.partition = again;
        appended.result = Result::kUnknownPartition;
        return appended;
      }
      appended.partition = again;
      queue = topic->partitions[again].get();
      if (full(*queue)) CloseBatch(topic, queue);
    }
  }
  if (!queue->open) {
    if (!BeginBatch(topic, queue, bound, now_ms)) {
      appended.result = Result::kFull;
      pressed_ = true;
      appended.tell_sender = true;
      appended.due_ms = now_ms;
      return appended;
    }
    appended.tell_sender = true;
  }
  ProduceBatch* batch = queue->queue.back().get();
  int64_t timestamp_ms = record.timestamp_ms.value_or(wall_ms);
  if (*callback) {
    batch->waiters.push_back(
        {batch->writer.count(), timestamp_ms, std::move(*callback)});
  }
  batch->writer.Append(record, timestamp_ms, bound);
  if (batch->writer.capacity() > batch->charged) {
    charged_ += batch->writer.capacity() - batch->charged;
    batch->charged = batch->writer.capacity();
  }
  if (appended.tell_sender) {
    appended.due_ms = queue->queue.size() > 1 ? now_ms : DueMs(*queue);
  }
  return appended;
}

bool RecordAccumulator::BeginBatch(Topic* topic, PartitionQueue* queue,
                                   size_t bound, int64_t now_ms) {
  size_t least = bound + record::kBatchHeaderBytes;
  size_t wanted = std::max(
      least, std::min(std::max(kLeastCapacity, queue->last_size),
                      LimitOf(*topic)));
  // One batch is always allowed, however small the budget.
  if (charged_ != 0 && charged_ + wanted > options_.buffer_memory) return false;
  auto batch = std::make_shared<ProduceBatch>(TakeWriter(wanted));
  batch->partition = queue->id;
  batch->order = next_order_++;
  batch->created_ms = now_ms;
  batch->charged = batch->writer.capacity();
  charged_ += batch->charged;
  ++unanswered_;
  open_orders_.insert(batch->order);
  queue->queue.push_back(std::move(batch));
  queue->open = true;
  Activate(queue);
  return true;
}

BatchWriter RecordAccumulator::TakeWriter(size_t wanted) {
  if (wanted > options_.batch_size / 2 && wanted <= options_.batch_size) {
    wanted = options_.batch_size;
    if (!pool_.empty()) {
      std::unique_ptr<char[]> memory = std::move(pool_.back());
      pool_.pop_back();
      return BatchWriter(std::move(memory), wanted);
    }
  }
  return BatchWriter(wanted);
}

void RecordAccumulator::Recycle(std::unique_ptr<char[]> memory,
                                size_t capacity) {
  if (memory == nullptr || capacity != options_.batch_size) return;
  if (pool_.size() < kPooledBuffers) pool_.push_back(std::move(memory));
}

void RecordAccumulator::CloseBatch(Topic* topic, PartitionQueue* queue) {
  queue->open = false;
  queue->last_size = queue->queue.back()->writer.size();
  topic->partitioner->OnBatchClosed(queue->id.partition);
}

void RecordAccumulator::Activate(PartitionQueue* queue) {
  if (queue->active) return;
  queue->active = true;
  active_.push_back(queue);
}

int64_t RecordAccumulator::DueMs(const PartitionQueue& queue) const {
  const bool careful = queue.retrying > 0 ||
                       (options_.idempotent && !queue.established);
  const int window = careful ? 1 : options_.max_in_flight;
  if (queue.in_flight >= window) return INT64_MAX;
  const ProduceBatch& first = *queue.queue.front();
  bool at_once = queue.queue.size() > 1 || !queue.open || pressed_ ||
                 first.order < flush_before_ || first.attempts > 0;
  int64_t due_ms = at_once ? first.created_ms
                           : first.created_ms + options_.linger_ms;
  return std::max(due_ms, first.not_before_ms);
}

void RecordAccumulator::Expire(PartitionQueue* queue, int64_t now_ms,
                               Work* work) {
  while (!queue->queue.empty()) {
    const BatchPtr& first = queue->queue.front();
    int64_t end_ms = first->created_ms + options_.delivery_timeout_ms;
    if (end_ms > now_ms) {
      work->next_ms = std::min(work->next_ms, end_ms);
      return;
    }
    TakeFirst(queue, &work->failed);
  }
}

void RecordAccumulator::TakeFirst(PartitionQueue* queue,
                                  std::vector<BatchPtr>* out) {
  if (queue->open && queue->queue.size() == 1) {
    CloseBatch(TopicOf(queue->id), queue);
  }
  out->push_back(std::move(queue->queue.front()));
  queue->queue.pop_front();
  ++queue->in_flight;
}

RecordAccumulator::Topic* RecordAccumulator::TopicOf(
    const TopicPartition& partition) {
  return topics_.find(partition.topic)->second.get();
}

void RecordAccumulator::Flush() { flush_before_ = next_order_; }

RecordAccumulator::PartitionQueue* RecordAccumulator::QueueOf(
    const TopicPartition& partition) {
  return TopicOf(partition)->partitions[partition.partition].get();
}

void RecordAccumulator::Release(const BatchPtr& batch) {
  charged_ -= batch->charged;
  batch->charged = 0;
  --unanswered_;
  open_orders_.erase(open_orders_.find(batch->order));
  pressed_ = false;
}

void RecordAccumulator::Complete(const BatchPtr& batch, bool written) {
  PartitionQueue* queue = QueueOf(batch->partition);
  --queue->in_flight;
  if (batch->attempts > 0) --queue->retrying;
  if (batch->numbered()) Settle(queue, *batch, written);
  Release(batch);
}

bool RecordAccumulator::Retry(const BatchPtr& batch, const absl::Status& why,
                              int64_t now_ms) {
  PartitionQueue* queue = QueueOf(batch->partition);
  batch->last_error = why;
  if (batch->attempts >= options_.retries ||
      now_ms >= batch->created_ms + options_.delivery_timeout_ms) {
    return false;
  }
  --queue->in_flight;
  if (batch->attempts == 0) ++queue->retrying;
  ++batch->attempts;
  batch->not_before_ms =
      now_ms + BackoffMs(options_.retry_backoff_ms,
                         options_.retry_backoff_max_ms, batch->attempts,
                         batch->order + static_cast<uint64_t>(now_ms));
  PutBack(queue, batch);
  return true;
}

void RecordAccumulator::PutBack(PartitionQueue* queue, const BatchPtr& batch) {
  auto place = std::find_if(
      queue->queue.begin(), queue->queue.end(),
      [&](const BatchPtr& other) { return batch->place() < other->place(); });
  queue->queue.insert(place, batch);
  Activate(queue);
}

std::vector<BatchPtr> RecordAccumulator::TakeAll() {
  std::vector<BatchPtr> all;
  for (PartitionQueue* queue : active_) {
    while (!queue->queue.empty()) TakeFirst(queue, &all);
    queue->active = false;
  }
  active_.clear();
  return all;
}

}  // namespace sillok::client
