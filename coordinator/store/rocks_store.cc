#include "coordinator/store/rocks_store.h"

#include <algorithm>
#include <future>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/store/rocks_store_impl.h"
#include "glog/logging.h"

namespace sillok {

void RocksStore::StartThreads() {
  Housekeeper::Hooks hooks;
  hooks.on_failure = [this](absl::Status status) { Fail(status); };
  hooks.on_trim = [this](Zxid zxid) {
    std::lock_guard<std::mutex> lock(mutex_);
    tail_.TrimTo(zxid);
  };
  housekeeper_ = std::make_unique<Housekeeper>(
      database_.get(), log_.get(), std::move(hooks),
      options_.sync, options_.log_faults);
  committer_ = std::thread([this] { Run(); });
}

RocksStore::~RocksStore() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (committer_.joinable()) committer_.join();
  housekeeper_.reset();
}

// --- What is given ---

absl::Status RocksStore::Check(const zab::Persist& persist) const {
  Zxid last = tail_.last();
  if (persist.install_snapshot) {
    if (staged_ != persist.install_snapshot) {
      return absl::FailedPreconditionError(
          "no snapshot at " + ToString(*persist.install_snapshot) +
          " is staged");
    }
    last = *persist.install_snapshot;
  }
  if (persist.truncate_after) {
    const Zxid floor =
        persist.install_snapshot ? *persist.install_snapshot : given_applied_;
    if (*persist.truncate_after < floor) {
      return absl::FailedPreconditionError(
          "truncating after " + ToString(*persist.truncate_after) +
          " would undo what is applied, up to " + ToString(floor));
    }
    last = std::min(last, *persist.truncate_after);
  }
  for (const zab::Entry& entry : persist.entries) {
    if (!zab::IsSuccessor(last, entry.zxid)) {
      return absl::FailedPreconditionError("entry " + ToString(entry.zxid) +
                                           " does not follow " +
                                           ToString(last));
    }
    last = entry.zxid;
  }
  return absl::OkStatus();
}

void RocksStore::Persist(zab::Persist persist, Done done) {
  Op op;
  op.persist = std::move(persist);
  op.done = std::move(done);
  for (const zab::Entry& entry : op.persist.entries) {
    op.bytes += entry.size_bytes() + 64;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    op.invalid = Check(op.persist);
    if (op.invalid.ok()) {
      if (op.persist.install_snapshot) {
        tail_.Reset(*op.persist.install_snapshot);
        given_applied_ = *op.persist.install_snapshot;
        staged_.reset();
      }
      if (op.persist.truncate_after) {
        tail_.TruncateAfter(*op.persist.truncate_after);
      }
      for (const zab::Entry& entry : op.persist.entries) tail_.Append(entry);
      op.generation = tail_.generation();
    }
  }
  Enqueue(std::move(op));
}

void RocksStore::Apply(TreeRows rows) {
  Op op;
  op.bytes = rows.bytes;
  bool at_once = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (rows.applied > tail_.last() || rows.applied < given_applied_) {
      op.invalid = absl::FailedPreconditionError(
          "rows of " + ToString(rows.applied) + " after those of " +
          ToString(given_applied_) + " with a log up to " +
          ToString(tail_.last()));
    } else {
      given_applied_ = rows.applied;
      at_once = idle_ && queue_.empty() && health_.ok();
    }
  }
  // The entries they come from are durable: the committer need not wake for it.
  if (at_once) return housekeeper_->AddRows(std::move(rows));
  op.rows = std::move(rows);
  Enqueue(std::move(op));
}

void RocksStore::TrimLog(Zxid upto, size_t keep_entries) {
  std::optional<Zxid> limit;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    limit = tail_.TrimPoint(std::min(upto, given_applied_), keep_entries);
  }
  if (limit) housekeeper_->TrimLog(*limit);
}

absl::Status RocksStore::Flush() {
  std::promise<absl::Status> promise;
  Op op;
  op.done = [&promise](absl::Status status) { promise.set_value(status); };
  Enqueue(std::move(op));
  const absl::Status status = promise.get_future().get();
  housekeeper_->WaitIdle();
  return status.ok() ? health() : status;
}

void RocksStore::Enqueue(Op op) {
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(op));
    wake = std::exchange(idle_, false);
  }
  if (wake) wake_.notify_one();
}

absl::Status RocksStore::health() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return health_;
}

void RocksStore::Fail(const absl::Status& status) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!health_.ok()) return;
  health_ = status;
  LOG(ERROR) << "coordinator store " << options_.directory
             << " takes no more writes: " << status;
}

// --- The committer ---

void RocksStore::Run() {
  while (true) {
    std::vector<Op> ops = TakeOps();
    if (ops.empty()) return;
    Carry(std::move(ops));
    housekeeper_->AwaitRoom();
  }
}

// Waits for something to do; nothing means stop. An install comes alone.
std::vector<RocksStore::Op> RocksStore::TakeOps() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_ = queue_.empty();
  wake_.wait(lock, [this] { return !queue_.empty() || stopping_; });
  idle_ = false;
  std::vector<Op> ops;
  size_t bytes = 0;
  while (!queue_.empty() && (ops.empty() || bytes < options_.max_batch_bytes)) {
    const bool install =
        queue_.front().persist.install_snapshot.has_value();
    if (install && !ops.empty()) break;
    bytes += queue_.front().bytes;
    ops.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (install) break;
  }
  return ops;
}

void RocksStore::Carry(std::vector<Op> ops) {
  absl::Status status = health();
  size_t good = 0;
  while (status.ok() && good < ops.size() && ops[good].invalid.ok()) ++good;
  if (good > 0) {
    status = Write(&ops, good);
    if (!status.ok()) good = 0;
  }
  if (status.ok() && good < ops.size()) status = ops[good].invalid;
  if (!status.ok()) Fail(status);
  for (size_t i = 0; i < ops.size(); ++i) {
    if (i < good && ops[i].rows) {
      housekeeper_->AddRows(*std::move(ops[i].rows));
    }
    if (ops[i].done) ops[i].done(i < good ? absl::OkStatus() : status);
  }
  if (log_->wants_spare()) housekeeper_->LogHasGrown();
}

absl::Status RocksStore::Write(std::vector<Op>* ops, size_t count) {
  std::vector<const zab::Persist*> persists;
  for (size_t i = 0; i < count; ++i) persists.push_back(&(*ops)[i].persist);
  const std::optional<Zxid> install = persists[0]->install_snapshot;
  // Rows given before are of the image that goes.
  if (install) housekeeper_->WaitIdle();
  RETURN_IF_ERROR(log_->Append(persists));
  if (install) RETURN_IF_ERROR(database_->Install(*install));
  RETURN_IF_ERROR(NoteEpochs(
      {options_.member, log_->hard_state(), log_->sequence()}));
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t i = 0; i < count; ++i) {
    const Op& op = (*ops)[i];
    if (op.persist.entries.empty()) continue;
    tail_.Written(op.persist.entries.back().zxid, op.generation);
  }
  return absl::OkStatus();
}

// --- The image ---

absl::StatusOr<std::unique_ptr<SnapshotWriter>> RocksStore::BeginInstall() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    RETURN_IF_ERROR(health_);
    staged_.reset();
  }
  return database_->BeginInstall([this](Zxid zxid) {
    std::lock_guard<std::mutex> lock(mutex_);
    staged_ = zxid;
  });
}

void RocksStore::DiscardStaged() {
  std::lock_guard<std::mutex> lock(mutex_);
  staged_.reset();
}

// --- The log, read ---

Zxid RocksStore::TrimmedTo() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return tail_.trimmed();
}

Zxid RocksStore::LastZxid() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return tail_.last();
}

std::optional<Zxid> RocksStore::LastAtOrBefore(Zxid zxid) const {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (zxid < tail_.trimmed()) return std::nullopt;
    if (zxid >= tail_.base()) return tail_.LastAtOrBefore(zxid);
  }
  const absl::StatusOr<Zxid> found = log_->LastAtOrBefore(zxid);
  const Zxid trimmed = TrimmedTo();
  if (zxid < trimmed) return std::nullopt;
  if (found.ok()) return std::max(*found, trimmed);
  CHECK(absl::IsNotFound(found.status()))
      << log_path_ << ": " << found.status();
  return trimmed;
}

std::vector<zab::Entry> RocksStore::Read(Zxid after, size_t max_bytes) const {
  std::vector<zab::Entry> entries;
  size_t bytes = 0;
  Zxid at = after;
  while (true) {
    Zxid base;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (at < tail_.trimmed()) return entries;
      base = tail_.base();
      if (at >= base) {
        tail_.Read(at, max_bytes, bytes, &entries);
        return entries;
      }
    }
    const absl::Status status =
        log_->Read(&at, base, max_bytes, &bytes, &entries);
    if (status.ok() && at >= base) continue;
    if (!status.ok() && at >= TrimmedTo()) {
      LOG(FATAL) << log_path_ << ": the log cannot be read after " << at
                 << ": " << status;
    }
    return entries;
  }
}

}  // namespace sillok
