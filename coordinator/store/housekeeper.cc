#include "coordinator/store/housekeeper.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/status_macros.h"
#include "glog/logging.h"

namespace sillok {
namespace {

// How long rows are gathered, and how many.
constexpr auto kRowsDelay = std::chrono::milliseconds(50);
constexpr size_t kRowsUrgentBytes = 1024 * 1024;
// So many may wait.
constexpr size_t kRowsMaxBytes = 8 * 1024 * 1024;

}  // namespace

Housekeeper::Housekeeper(TreeDatabase* database, SegmentLog* log, Hooks hooks,
                         bool log_synced, const LogFaults& faults)
    : database_(database),
      log_(log),
      hooks_(std::move(hooks)),
      log_synced_(log_synced),
      faults_(faults),
      thread_([this] { Run(); }) {}

Housekeeper::~Housekeeper() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  // A start then has little to apply again.
  if (!failed_) database_->Flush().status().IgnoreError();
}

void Housekeeper::AddRows(TreeRows rows) {
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (failed_) return;
    const size_t before = rows_bytes_;
    rows_bytes_ += rows.bytes;
    wake = rows_.empty() ||
           (before < kRowsUrgentBytes && rows_bytes_ >= kRowsUrgentBytes);
    rows_.push_back(std::move(rows));
  }
  if (wake) wake_.notify_one();
}

void Housekeeper::AwaitRoom() {
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [this] { return rows_bytes_ < kRowsMaxBytes || failed_; });
}

void Housekeeper::TrimLog(Zxid limit) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (failed_) return;
    trim_ = std::max(limit, trim_.value_or(Zxid()));
  }
  wake_.notify_one();
}

void Housekeeper::LogHasGrown() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (failed_) return;
    grown_ = true;
  }
  wake_.notify_one();
}

void Housekeeper::WaitIdle() {
  std::unique_lock<std::mutex> lock(mutex_);
  ++waiting_;
  wake_.notify_one();
  done_.wait(lock, [this] {
    return failed_ || (!busy_ && rows_.empty() && !trim_ && !grown_);
  });
  --waiting_;
}

void Housekeeper::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] {
      return stopping_ || !rows_.empty() || trim_ || grown_;
    });
    wake_.wait_for(lock, kRowsDelay, [this] {
      return stopping_ || waiting_ > 0 || trim_ || grown_ ||
             rows_bytes_ >= kRowsUrgentBytes;
    });
    if (stopping_ && rows_.empty()) return;
    const std::vector<TreeRows> rows = std::exchange(rows_, {});
    const std::optional<Zxid> trim = std::exchange(trim_, std::nullopt);
    rows_bytes_ = 0;
    grown_ = false;
    busy_ = true;
    lock.unlock();
    absl::Status status = CarryOut(rows, trim);
    if (!status.ok()) hooks_.on_failure(status);
    lock.lock();
    busy_ = false;
    failed_ = !status.ok();
    done_.notify_all();
    if (failed_) return;
  }
}

absl::Status Housekeeper::CarryOut(const std::vector<TreeRows>& rows,
                                   std::optional<Zxid> trim) {
  if (!log_synced_) RETURN_IF_ERROR(log_->Sync());
  RETURN_IF_ERROR(database_->Write(rows));
  const absl::Status prepared = log_->PrepareSpare();
  if (absl::IsResourceExhausted(prepared)) {
    // The segment in use has room yet, and the disk may have by then.
    LOG(WARNING) << "no room for the log's next segment: " << prepared;
  } else {
    RETURN_IF_ERROR(prepared);
  }
  return trim ? Trim(*trim) : absl::OkStatus();
}

// Only what the database has on disk may go from the log: a crash takes back what
// it has in memory.
absl::Status Housekeeper::Trim(Zxid limit) {
  if (!log_->PlanTrim(limit)) return absl::OkStatus();
  Zxid durable = database_->applied();
  if (!faults_.trims_ahead_of_tree) {
    ASSIGN_OR_RETURN(durable, database_->Flush());
  }
  limit = std::min(limit, durable);
  const std::optional<Zxid> point = log_->PlanTrim(limit);
  if (!point) return absl::OkStatus();
  hooks_.on_trim(*point);
  return log_->Drop(limit);
}

}  // namespace sillok
