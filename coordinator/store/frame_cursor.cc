#include "coordinator/store/frame_cursor.h"

#include <algorithm>

#include "base/status_macros.h"

namespace sillok {

absl::Status FrameCursor::Fill(uint64_t offset, size_t size) {
  if (offset >= buffer_offset_ &&
      offset + size <= buffer_offset_ + buffer_.size()) {
    return absl::OkStatus();
  }
  buffer_offset_ = offset;
  return file_->Read(offset, std::max(size, read_ahead_), &buffer_);
}

std::string_view FrameCursor::At(uint64_t offset) const {
  return std::string_view(buffer_).substr(
      static_cast<size_t>(offset - buffer_offset_));
}

absl::StatusOr<std::optional<Frame>> FrameCursor::Next() {
  RETURN_IF_ERROR(Fill(offset_, kFrameHeaderBytes));
  const std::optional<FrameHeader> header =
      DecodeFrameHeader(tag_, At(offset_));
  if (!header) {
    why_ = "no frame begins there";
    return std::nullopt;
  }
  const size_t bytes = kFrameHeaderBytes + header->body_bytes;
  if (offset_ + bytes > file_->bytes()) {
    why_ = "the frame there ends behind the file";
    return std::nullopt;
  }
  RETURN_IF_ERROR(Fill(offset_, bytes));
  const std::string_view found = At(offset_);
  if (found.size() < bytes) {
    why_ = "the file is cut off in the frame there";
    return std::nullopt;
  }
  const std::string_view body =
      found.substr(kFrameHeaderBytes, header->body_bytes);
  if (!unchecked_ && !FrameBodyMatches(tag_, *header, body)) {
    why_ = "the checksum of the frame there does not match";
    return std::nullopt;
  }
  Frame frame{header->number, offset_, body};
  offset_ += FrameStride(header->body_bytes);
  return frame;
}

absl::StatusOr<std::optional<uint64_t>> FrameCursor::FindLater() {
  for (uint64_t at = offset_ + 8; at + kFrameHeaderBytes <= file_->bytes();
       at += 8) {
    RETURN_IF_ERROR(Fill(at, kFrameHeaderBytes));
    if (DecodeFrameHeader(tag_, At(at))) return at;
  }
  return std::nullopt;
}

}  // namespace sillok
