#include "client/internal/record_taker.h"

#include <utility>

namespace sillok::client {

RecordTaker::RecordTaker(const ConsumerConfig& config, ConsumerShared* shared)
    : limit_(static_cast<size_t>(config.max_poll_records)),
      options_{config.check_crcs, config.isolation_level ==
                                      IsolationLevel::kReadCommitted},
      shared_(shared) {}

bool RecordTaker::OpenNext() {
  auto taken = shared_->positions.TakeChunk();
  if (!taken) return false;
  reader_.emplace(std::move(taken->chunk), taken->from, options_);
  return true;
}

bool RecordTaker::ReaderIsWanted() {
  std::lock_guard lock(shared_->mutex);
  if (shared_->positions.Wanted(*reader_->chunk())) return true;
  // Paused, or out of date: then this drops it.
  shared_->positions.PutBack(reader_->chunk());
  reader_.reset();
  return false;
}

absl::Status RecordTaker::Take(ConsumerRecords* records, bool* room) {
  absl::Status status;
  while (records->size() < limit_ && status.ok()) {
    if (!reader_) {
      // A nearly full answer goes out rather than wait for another chunk.
      if (records->size() * 2 >= limit_) break;
      std::lock_guard lock(shared_->mutex);
      if (!OpenNext()) break;
      *room = true;
    }
    if (!ReaderIsWanted()) continue;
    status = reader_->Read(limit_ - records->size(), records);
    std::lock_guard lock(shared_->mutex);
    shared_->positions.Consume(*reader_->chunk(), reader_->position(),
                               reader_->leader_epoch());
    // The next Take reads a damaged batch again and reports it.
    if (!status.ok()) shared_->positions.PutBack(reader_->chunk());
    if (!status.ok() || reader_->done()) reader_.reset();
  }
  std::lock_guard lock(shared_->mutex);
  shared_->stats.records += records->size();
  return status;
}

}  // namespace sillok::client
