#include "coordinator/store/row_pump.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "coordinator/store/rocks_snapshot.h"

namespace sillok {
namespace {

constexpr size_t kBatchBytes = 256 * 1024;
// So many batches may wait; then the reader does.
constexpr size_t kMaxBatches = 4;

struct Batch {
  std::string bytes;  // keys and values, one after another
  std::vector<std::pair<size_t, size_t>> sizes;  // of a key and its value
};

// What is between the two threads.
class Queue {
 public:
  // False if nobody takes any more.
  bool Push(Batch batch) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock,
                  [this] { return batches_.size() < kMaxBatches || ended_; });
    if (ended_) return false;
    batches_.push_back(std::move(batch));
    changed_.notify_all();
    return true;
  }
  // Nothing more is pushed, or nothing more is taken.
  void End() {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  // False after the last.
  bool Take(Batch* batch) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !batches_.empty() || ended_; });
    if (batches_.empty()) return false;
    *batch = std::move(batches_.front());
    batches_.pop_front();
    changed_.notify_all();
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> batches_;
  bool ended_ = false;
};

void ReadAll(rocksdb::Iterator* rows, Queue* queue) {
  Batch batch;
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const std::string_view key = ToView(rows->key());
    const std::string_view value = ToView(rows->value());
    batch.bytes.append(key);
    batch.bytes.append(value);
    batch.sizes.emplace_back(key.size(), value.size());
    if (batch.bytes.size() < kBatchBytes) continue;
    if (!queue->Push(std::exchange(batch, {}))) return;
    batch.bytes.reserve(kBatchBytes + kBatchBytes / 8);
  }
  if (!batch.sizes.empty()) queue->Push(std::move(batch));
  queue->End();
}

absl::Status GiveAll(
    const Batch& batch,
    const std::function<absl::Status(std::string_view, std::string_view)>&
        row) {
  std::string_view rest = batch.bytes;
  for (const auto& [key_bytes, value_bytes] : batch.sizes) {
    const absl::Status status =
        row(rest.substr(0, key_bytes), rest.substr(key_bytes, value_bytes));
    if (!status.ok()) return status;
    rest.remove_prefix(key_bytes + value_bytes);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PumpRows(
    rocksdb::Iterator* rows, const std::string& what,
    const std::function<absl::Status(std::string_view, std::string_view)>&
        row) {
  Queue queue;
  std::thread reader([&] { ReadAll(rows, &queue); });
  absl::Status status;
  Batch batch;
  while (status.ok() && queue.Take(&batch)) status = GiveAll(batch, row);
  queue.End();
  reader.join();
  return status.ok() ? FromRocks(rows->status(), what) : status;
}

}  // namespace sillok
