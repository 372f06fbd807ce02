// Walks the batches in a log file, by headers alone or reading all of them.
#ifndef SILLOK_BROKER_LOG_BATCH_SCANNER_H_
#define SILLOK_BROKER_LOG_BATCH_SCANNER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/log/file_system.h"
#include "proto/record/record_batch.h"

namespace sillok {

// Header by header from a batch boundary on. Reads little: a block where
// batches are small, a header where they are large. Any thread.
class BatchScanner {
 public:
  // Looks at [position, limit) of `file`, which outlives it.
  BatchScanner(const File& file, int64_t position, int64_t limit)
      : file_(file), next_(position), limit_(limit) {}

  // True: at a batch that lies wholly below the limit. False: at the limit, or
  // at a batch that crosses it. DATA_LOSS: what is there is no batch.
  absl::StatusOr<bool> Next();
  const record::BatchHeader& header() const { return header_; }
  int64_t position() const { return position_; }
  // After the current batch; after false, where the scan ended.
  int64_t end() const { return next_; }

 private:
  static constexpr size_t kBlockBytes = 4096;

  const File& file_;
  int64_t next_;
  const int64_t limit_;
  int64_t position_ = 0;
  record::BatchHeader header_;
  int64_t block_at_ = 0;
  size_t block_size_ = 0;
  char block_[kBlockBytes];
};

struct ScanEnd {
  int64_t position = 0;  // where the good batches end
  // OK at the end of the file, else what is wrong at that position.
  absl::Status trouble;
};

// Reads all of `file` up to `size` and checks every batch's CRC; `visit` gets
// header, position and bytes of each good one, and may refuse it. The status is
// for a disk that cannot be read.
absl::StatusOr<ScanEnd> ScanBatches(
    const File& file, int64_t size,
    const std::function<absl::Status(const record::BatchHeader& header,
                                     int64_t position,
                                     std::string_view batch)>& visit);

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_BATCH_SCANNER_H_
