// Record batches of one partition as they were fetched, and the reading of
// records out of them. Pure.
#ifndef SILLOK_CLIENT_INTERNAL_FETCHED_CHUNK_H_
#define SILLOK_CLIENT_INTERNAL_FETCHED_CHUNK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "client/consumer.h"
#include "proto/record/record_batch.h"

namespace sillok::client {

// Immutable once made; records point into it.
struct FetchedChunk {
  TopicPartition id;
  uint64_t version = 0;  // of the partition's position it was fetched for
  int64_t next_offset = 0;  // after its last whole batch
  int32_t last_epoch = -1;  // leader epoch of that batch
  // Whole batches; cut-short ones at the end are left out.
  std::string_view batches;
  // (producer, first offset) of aborted transactions, for read_committed.
  std::vector<std::pair<int64_t, int64_t>> aborted;

  // What `batches` points into.
  Bytes owner;
  std::string flat;
};

// Null when `bytes` holds no whole batch. CORRUPT_MESSAGE in *status when it does
// not even begin with one.
std::shared_ptr<FetchedChunk> MakeChunk(const TopicPartition& id,
                                        uint64_t version, Bytes bytes,
                                        absl::Status* status);

// Reads one chunk in pieces. Not thread-safe.
class ChunkReader {
 public:
  struct Options {
    bool check_crcs = true;
    bool read_committed = false;
  };

  // Skips records below `from`.
  ChunkReader(std::shared_ptr<const FetchedChunk> chunk, int64_t from,
              Options options);

  // Appends up to `limit` records, and what keeps them alive. A damaged batch is
  // CORRUPT_MESSAGE with partition and offset; what came before it was appended,
  // and reading cannot go on.
  absl::Status Read(size_t limit, ConsumerRecords* out);
  bool done() const { return done_; }
  // The offset after the last record read or skipped.
  int64_t position() const { return position_; }
  int32_t leader_epoch() const { return leader_epoch_; }
  const std::shared_ptr<const FetchedChunk>& chunk() const { return chunk_; }

 private:
  // Opens the next batch whose records count; false at the end.
  bool OpenBatch(absl::Status* status);
  bool IsAborted(const record::BatchHeader& header, std::string_view batch);

  const std::shared_ptr<const FetchedChunk> chunk_;
  const Options options_;
  std::string_view rest_;
  std::shared_ptr<record::BatchReader> reader_;  // of the current batch
  int64_t position_;
  int32_t leader_epoch_ = -1;
  bool done_ = false;
  size_t next_aborted_ = 0;
  std::set<int64_t> aborted_producers_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_FETCHED_CHUNK_H_
