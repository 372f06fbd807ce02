// FetchPositions: where a consumer stands in each of its partitions, and what was
// fetched but not yet handed to the application. Pure; the caller serialises (one
// mutex): the application takes chunks, the loop asks what to fetch.
//
// A partition first needs a position: the group's committed one, else the one
// auto.offset.reset says (an offset lookup). From then on `position` is what the
// application has had, `fetch_position` what was fetched; the chunks between
// wait in order of arrival. Seek and a new assignment raise the partition's
// version: what is on its way for an older one is dropped.
//
// When the partition has a new leader epoch, the leader is first asked where the
// epoch of the last record read ends there (KIP-320). If it ends before the
// position, records that were read are gone: an election lost them.
#ifndef SILLOK_CLIENT_INTERNAL_FETCH_POSITIONS_H_
#define SILLOK_CLIENT_INTERNAL_FETCH_POSITIONS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/error.h"
#include "base/ids.h"
#include "client/consumer.h"
#include "client/internal/cluster_metadata.h"
#include "client/internal/fetched_chunk.h"

namespace sillok::client {

struct FetchPositionsOptions {
  bool has_group = false;
  bool read_committed = false;
  OffsetReset reset = OffsetReset::kLatest;
  int64_t retry_backoff_ms = 100;
  // A partition with less than this waiting is fetched ahead, while all together
  // have less than max_bytes.
  int64_t max_partition_bytes = 1 << 20;
  int64_t max_bytes = 50 << 20;
};

class FetchPositions {
 public:
  explicit FetchPositions(const FetchPositionsOptions& options)
      : options_(options) {}

  // --- the application's side
  // Partitions that stay keep their state.
  void Assign(const std::vector<TopicPartition>& partitions);
  std::vector<TopicPartition> Assignment() const;
  bool IsAssigned(const TopicPartition& id) const {
    return partitions_.count(id) != 0;
  }
  // False when not assigned. `offset` < 0 is kLatestTimestamp or
  // kEarliestTimestamp: to be looked up.
  bool Seek(const TopicPartition& id, int64_t offset);
  void SetPaused(const TopicPartition& id, bool paused);
  std::optional<int64_t> Position(const TopicPartition& id) const;
  std::vector<TopicPartition> Paused() const;
  std::optional<int64_t> HighWatermark(const TopicPartition& id) const;
  // Records between the position and the end of what may be read.
  std::optional<int64_t> Lag(const TopicPartition& id) const;
  // What a commit of everything would say.
  PartitionOffsets Consumed() const;

  // OK, or what keeps a partition from being read until the application seeks.
  absl::Status Stuck() const;

  // The next chunk that waits, of a partition that is not paused.
  struct Taken {
    std::shared_ptr<const FetchedChunk> chunk;
    int64_t from = 0;  // records below were had already
  };
  std::optional<Taken> TakeChunk();
  bool HasChunk() const;
  // The application has had the chunk's records below `position`. False when the
  // chunk is out of date: drop the rest.
  bool Consume(const FetchedChunk& chunk, int64_t position, int32_t epoch);
  // Back to the front of the queue (its partition was paused half way).
  void PutBack(std::shared_ptr<const FetchedChunk> chunk);
  bool Wanted(const FetchedChunk& chunk) const;  // current and not paused

  // --- the loop's side
  // Partitions that wait for the group's committed offsets; marks nothing.
  std::vector<TopicPartition> NeedCommitted() const;
  // `offset` -1: nothing committed.
  void OnCommitted(const TopicPartition& id, int64_t offset, int32_t epoch);
  // Partitions that wait for a lookup due now, with the time to look up.
  std::map<TopicPartition, int64_t> NeedLookup(int64_t now_ms) const;
  // `leader_epoch` -1: not told.
  void OnLookup(const TopicPartition& id, ErrorCode code, int64_t offset,
                int32_t leader_epoch, int64_t now_ms);
  // Positions to be checked: where does `epoch` end at the leader?
  struct Validation {
    TopicPartition id;
    int32_t epoch = -1;
    uint64_t version = 0;
  };
  std::vector<Validation> NeedValidation(int64_t now_ms) const;
  // The answer: the largest epoch up to the one asked for and its end, both -1
  // when the leader knows none. An error that no retry cures is returned.
  struct EpochEnd {
    ErrorCode code = ErrorCode::NONE;
    int32_t leader_epoch = -1;
    int64_t end_offset = -1;
  };
  absl::Status OnEpochEnd(const Validation& asked, const EpochEnd& end,
                          int64_t now_ms);
  uint64_t truncations() const { return truncations_; }

  struct Fetch {
    TopicPartition id;
    int64_t offset = 0;
    int32_t leader_epoch = -1;
    uint64_t version = 0;
  };
  // What to fetch now, by leader; marks it as on its way. Partitions that have to
  // be validated first come up in NeedValidation. Those without a leader set
  // *needs_metadata. `busy(broker)`: no request can go to it now.
  std::map<int32_t, std::vector<Fetch>> TakeFetches(
      const ClusterMetadata& metadata, int64_t now_ms,
      const std::function<bool(int32_t)>& busy, bool* needs_metadata);
  // The outcome for one partition of a fetch. An error that no retry cures is
  // returned, for the application.
  struct FetchOutcome {
    ErrorCode code = ErrorCode::NONE;
    std::string message;
    int64_t high_watermark = -1;
    int64_t last_stable_offset = -1;
    std::shared_ptr<FetchedChunk> chunk;  // null when empty
  };
  absl::Status OnFetched(const Fetch& fetch, FetchOutcome outcome,
                         int64_t now_ms);
  // When a backoff ends next; INT64_MAX = never by itself.
  int64_t NextMs(int64_t now_ms) const;
  // Lets everything be tried at once (metadata changed).
  void ClearBackoff();
  int64_t buffered_bytes() const { return buffered_bytes_; }

 private:
  // kStuck: no position, and auto.offset.reset=none gives none; until a Seek.
  enum Phase { kNeedCommitted, kNeedLookup, kValidating, kReady, kStuck };
  struct Partition {
    Phase phase = kNeedCommitted;
    int64_t lookup_timestamp = 0;
    int64_t position = -1;
    int64_t fetch_position = -1;
    int32_t consumed_epoch = -1;  // of the last record before `position`
    int32_t fetched_epoch = -1;   // of the last one before `fetch_position`
    int32_t checked_epoch = -1;   // leader epoch that both are known to fit
    int32_t new_epoch = -1;       // that they are being checked against
    int64_t high_watermark = -1;
    int64_t end_offset = -1;  // of what may be read
    bool paused = false;
    bool in_flight = false;
    uint64_t version = 0;
    int64_t not_before_ms = 0;
    int64_t queued_bytes = 0;
    absl::Status stuck;
  };

  static bool HasPosition(const Partition& partition) {
    return partition.phase == kReady || partition.phase == kValidating;
  }
  static void SetPosition(Partition* partition, int64_t offset, int32_t epoch);
  // Ready to fetch from this leader; else sees to it that it will be.
  static bool FitsLeader(const PartitionLeader& leader, Partition* partition);
  void OnTruncated(const TopicPartition& id, const EpochEnd& end,
                   Partition* partition);
  Partition* Find(const TopicPartition& id);
  const Partition* Find(const TopicPartition& id) const;
  void Reset(const TopicPartition& id, Partition* partition,
             const std::string& why);
  void DropChunks(const TopicPartition& id, Partition* partition);

  const FetchPositionsOptions options_;
  std::map<TopicPartition, Partition> partitions_;
  std::list<std::shared_ptr<const FetchedChunk>> chunks_;  // by arrival
  int64_t buffered_bytes_ = 0;
  uint64_t next_version_ = 1;
  uint64_t turn_ = 0;
  uint64_t truncations_ = 0;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_FETCH_POSITIONS_H_
