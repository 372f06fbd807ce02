// The chunks in which an image of the tree travels from member to member;
// docs/format/coordinator-store.md is the specification. Pure. Internal to
// coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_SNAPSHOT_STREAM_H_
#define SILLOK_COORDINATOR_STORE_SNAPSHOT_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"

namespace sillok {

// Makes chunks out of rows.
class SnapshotEncoder {
 public:
  explicit SnapshotEncoder(Zxid zxid) : zxid_(zxid) {}

  void AddRow(std::string_view key, std::string_view value);
  // Bytes of rows since the last TakeChunk.
  size_t pending_bytes() const { return body_.size(); }
  // The rows so far as one chunk. With `last`, the end of the image.
  std::string TakeChunk(bool last);

 private:
  const Zxid zxid_;
  std::string body_;
  uint64_t next_index_ = 0;
  uint64_t rows_ = 0;
  uint64_t running_ = 0;  // checksum over the chunks so far
};

// Takes chunks apart and checks them: order, checksum of each, and at the end the
// number of rows and the checksum over all.
class SnapshotDecoder {
 public:
  using Row = std::pair<std::string_view, std::string_view>;

  // The rows of the next chunk; they point into `chunk`. DATA_LOSS if it is
  // damaged or not the next one; then nothing more may be decoded.
  absl::StatusOr<std::vector<Row>> Decode(std::string_view chunk);
  bool complete() const { return complete_; }
  Zxid zxid() const { return zxid_; }

 private:
  Zxid zxid_;
  uint64_t next_index_ = 0;
  uint64_t rows_ = 0;
  uint64_t running_ = 0;
  bool complete_ = false;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_SNAPSHOT_STREAM_H_
