// Reads the frames of a segment, one after another. Internal to
// coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_FRAME_CURSOR_H_
#define SILLOK_COORDINATOR_STORE_FRAME_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "coordinator/store/log_folder.h"
#include "coordinator/store/log_format.h"

namespace sillok {

struct Frame {
  uint64_t number = 0;
  uint64_t offset = 0;
  std::string_view body;  // lives until the cursor moves
};

class FrameCursor {
 public:
  // Begins at `offset` and reads so many bytes at a time, or a whole frame.
  // With `unchecked`, a planted bug, every body is sound.
  FrameCursor(const LogFile* file, uint64_t tag, uint64_t offset,
              size_t read_ahead, bool unchecked = false)
      : file_(file),
        tag_(tag),
        offset_(offset),
        read_ahead_(read_ahead),
        unchecked_(unchecked) {}

  // The frame at offset(), and moves behind it. Nothing, and stays, if there is
  // no sound frame: why() says what is there instead. An error if the file
  // cannot be read.
  absl::StatusOr<std::optional<Frame>> Next();
  uint64_t offset() const { return offset_; }
  const std::string& why() const { return why_; }

  // Where after offset() another frame of this life begins, be it sound or not.
  absl::StatusOr<std::optional<uint64_t>> FindLater();

 private:
  // At least `size` bytes from `offset` on, if the file has them.
  absl::Status Fill(uint64_t offset, size_t size);
  std::string_view At(uint64_t offset) const;

  const LogFile* const file_;
  const uint64_t tag_;
  uint64_t offset_;
  const size_t read_ahead_;
  const bool unchecked_;
  std::string buffer_;
  uint64_t buffer_offset_ = 0;
  std::string why_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_FRAME_CURSOR_H_
