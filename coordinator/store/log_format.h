// The bytes of the log's segment files; docs/format/coordinator-store.md is the
// specification. Pure functions. Internal to coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_LOG_FORMAT_H_
#define SILLOK_COORDINATOR_STORE_LOG_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "coordinator/zab/entry.h"

namespace sillok {

// A segment begins with a page of its own for the header.
inline constexpr size_t kLogPageBytes = 4096;
inline constexpr size_t kFrameHeaderBytes = 32;
inline constexpr size_t kMaxFrameBodyBytes = size_t{1} << 30;

// A segment of format 1 has no packed frames; new ones are of format 2.
inline constexpr uint32_t kUnpackedSegmentFormat = 1;
inline constexpr uint32_t kSegmentFormat = 2;

// What a segment begins with: whose it is, and all that a reader who has no
// earlier segment must know.
struct SegmentHeader {
  uint32_t format = kSegmentFormat;
  uint64_t log_id = 0;    // chosen at random when the log is made
  uint64_t sequence = 0;  // 1, 2, ...: never used twice in a log
  uint64_t bytes = 0;     // of the file
  Zxid previous;          // the last entry before this segment
  uint64_t first_frame = 0;   // number of its first frame
  uint64_t previous_end = 0;  // where the frames of the segment before end
  zab::HardState hard_state;
  uint32_t active_rows = 0;

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

// One page.
std::string EncodeSegmentHeader(const SegmentHeader& header);
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view page);

// Begins each frame of one use of one file, and those of no other: what a
// recycled file still holds of its former life is no frame.
uint64_t LifeTag(uint64_t log_id, uint64_t sequence);

// One synced write: all of its records count, or none.
struct FrameHeader {
  uint64_t number = 0;  // one more than that of the frame before
  uint32_t body_bytes = 0;
  uint64_t checksum = 0;  // of the body
};

// Nothing if these are not the first bytes of a frame of that life.
std::optional<FrameHeader> DecodeFrameHeader(uint64_t tag,
                                             std::string_view bytes);
bool FrameBodyMatches(uint64_t tag, const FrameHeader& header,
                      std::string_view body);
// From the beginning of a frame to that of the next one.
constexpr size_t FrameStride(size_t body_bytes) {
  return (kFrameHeaderBytes + body_bytes + 7) & ~size_t{7};
}

struct LogRecord {
  enum class Kind : uint32_t {
    kEntry = 1,      // zxid, txn
    kTruncate = 2,   // zxid: entries after it are no longer in the log
    kHardState = 3,  // hard_state
    // An image of the tree at zxid takes the place of all before it; active_rows
    // says where it is.
    kInstall = 4,
    // All records of the frame, compressed. RecordReader gives what is in it.
    kPacked = 5,
  };
  Kind kind = Kind::kEntry;
  Zxid zxid;
  zab::HardState hard_state;
  uint32_t active_rows = 0;
  std::string_view txn;  // lives as long as the body and its reader
};

// Puts records together to a frame. Keeps its memory from frame to frame.
class FrameBuilder {
 public:
  FrameBuilder() { Clear(); }
  void Clear();
  void AddEntry(Zxid zxid, std::string_view txn);
  void AddTruncate(Zxid after);
  void AddHardState(const zab::HardState& hard_state);
  void AddInstall(Zxid zxid, uint32_t active_rows);
  // Compresses what was added if that is worth while; nothing can be added
  // then.
  void Pack();

  bool empty() const { return bytes_.size() == kFrameHeaderBytes; }
  // Of the frame so far.
  size_t bytes() const { return bytes_.size(); }
  // The frame with zeros behind it, `padded` bytes altogether; lives until the
  // next Clear.
  std::string_view Finish(uint64_t tag, uint64_t number, size_t padded);

 private:
  void Head(LogRecord::Kind kind, size_t bytes);

  std::string bytes_;
  std::string packed_;
};

// Takes a body apart.
class RecordReader {
 public:
  explicit RecordReader(std::string_view body) : rest_(body) {}
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;
  // Nothing behind the last one; DATA_LOSS if what follows is no record.
  absl::StatusOr<std::optional<LogRecord>> Next();

 private:
  // Goes on in what the packed record there holds.
  absl::Status Unpack();

  std::string_view rest_;
  std::string unpacked_;
  bool begun_ = false;  // something was read
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_LOG_FORMAT_H_
