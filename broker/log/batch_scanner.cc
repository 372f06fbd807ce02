#include "broker/log/batch_scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/status_macros.h"

namespace sillok {

absl::StatusOr<bool> BatchScanner::Next() {
  constexpr auto kHeader = static_cast<int64_t>(record::kBatchHeaderBytes);
  if (limit_ - next_ < kHeader) return false;
  const int64_t block_end = block_at_ + static_cast<int64_t>(block_size_);
  if (next_ < block_at_ || next_ + kHeader > block_end) {
    const auto want = static_cast<size_t>(std::min(
        static_cast<int64_t>(kBlockBytes), limit_ - next_));
    ASSIGN_OR_RETURN(block_size_, file_.ReadAt(next_, block_, want));
    block_at_ = next_;
    if (block_size_ < record::kBatchHeaderBytes) {
      return absl::DataLossError(fmt::format(
          "the file ends at {}, {} were expected",
          block_at_ + static_cast<int64_t>(block_size_), limit_));
    }
  }
  const record::BatchHeader header =
      record::ParseBatchHeader(block_ + (next_ - block_at_));
  if (const absl::Status status = record::CheckBatchHeader(header);
      !status.ok()) {
    return absl::DataLossError(fmt::format(
        "no batch at position {}: {}", next_, std::string(status.message())));
  }
  if (header.size_bytes() > limit_ - next_) return false;
  header_ = header;
  position_ = next_;
  next_ += header.size_bytes();
  return true;
}

absl::StatusOr<ScanEnd> ScanBatches(
    const File& file, int64_t size,
    const std::function<absl::Status(const record::BatchHeader&, int64_t,
                                     std::string_view)>& visit) {
  constexpr int64_t kBuffer = int64_t{1} << 20;
  constexpr auto kHeader = static_cast<int64_t>(record::kBatchHeaderBytes);
  std::string buffer;
  int64_t buffer_at = 0;
  int64_t position = 0;
  // Makes [position, position + bytes) readable in the buffer.
  const auto fill = [&](int64_t bytes) -> absl::Status {
    if (position >= buffer_at &&
        position + bytes <= buffer_at + static_cast<int64_t>(buffer.size())) {
      return absl::OkStatus();
    }
    const int64_t want = std::min(std::max(bytes, kBuffer), size - position);
    buffer.resize(static_cast<size_t>(want));
    buffer_at = position;
    ASSIGN_OR_RETURN(const size_t got,
                     file.ReadAt(position, buffer.data(), buffer.size()));
    buffer.resize(got);
    return absl::OkStatus();
  };
  while (position < size) {
    const int64_t left = size - position;
    if (left < kHeader) {
      return ScanEnd{position, absl::DataLossError(fmt::format(
                                   "{} bytes are no batch header", left))};
    }
    RETURN_IF_ERROR(fill(kHeader));
    const char* at = buffer.data() + (position - buffer_at);
    if (buffer_at + static_cast<int64_t>(buffer.size()) - position < kHeader) {
      return ScanEnd{position, absl::DataLossError("the file is shorter")};
    }
    const record::BatchHeader header = record::ParseBatchHeader(at);
    if (const absl::Status status = record::CheckBatchHeader(header);
        !status.ok()) {
      return ScanEnd{position, absl::DataLossError(status.ToString())};
    }
    if (header.size_bytes() > left) {
      return ScanEnd{position, absl::DataLossError(fmt::format(
                                   "a batch of {} bytes is cut short to {}",
                                   header.size_bytes(), left))};
    }
    RETURN_IF_ERROR(fill(header.size_bytes()));
    const std::string_view batch =
        std::string_view(buffer).substr(static_cast<size_t>(position -
                                                            buffer_at),
                                        static_cast<size_t>(
                                            header.size_bytes()));
    if (static_cast<int64_t>(batch.size()) < header.size_bytes() ||
        record::BatchCrc(batch) != header.crc) {
      return ScanEnd{position,
                     absl::DataLossError(fmt::format(
                         "CRC of the batch of offset {} is wrong",
                         header.base_offset))};
    }
    if (absl::Status status = visit(header, position, batch); !status.ok()) {
      return ScanEnd{position, std::move(status)};
    }
    position += header.size_bytes();
  }
  return ScanEnd{position, absl::OkStatus()};
}

}  // namespace sillok
