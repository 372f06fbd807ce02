// BatchWriter: one produce batch, written straight into the memory it is sent
// from. Pure.
//
// proto/record has a builder too; this one differs in that its memory comes
// from a pool with a budget, that a record's bytes are copied exactly once, and
// that the finished batch is handed to the network where it lies.
#ifndef SILLOK_CLIENT_INTERNAL_BATCH_WRITER_H_
#define SILLOK_CLIENT_INTERNAL_BATCH_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "client/producer.h"
#include "proto/record/codec.h"
#include "proto/record/compression.h"

namespace sillok::client {

// Who wrote a batch and as which of its batches; nobody by default.
struct BatchStamp {
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
};

class BatchWriter {
 public:
  // `capacity` is where the memory begins; it grows as records come.
  explicit BatchWriter(size_t capacity);
  // Takes over memory that an earlier batch had.
  BatchWriter(std::unique_ptr<char[]> memory, size_t capacity);

  // What a record adds to the batch, at most.
  static size_t SizeBound(const ProducerRecord& record);
  // Appends. `bound` is SizeBound(record).
  void Append(const ProducerRecord& record, int64_t timestamp_ms, size_t bound);

  int32_t count() const { return count_; }
  // Uncompressed size, header included.
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  // Compresses, fills in the header and its checksum. Once, after the last
  // Append. The bytes then keep their place until the writer is gone.
  absl::Status Finish(record::Codec codec, int level = record::kDefaultLevel,
                      const BatchStamp& stamp = {});
  // The batch as it travels; valid after Finish.
  const char* data() const { return out_data_; }
  size_t out_size() const { return out_size_; }

  // The same records in writers of at most `size` bytes (a record larger than
  // that alone), not finished. This one stays as it is: the network may still
  // read it.
  std::vector<BatchWriter> Split(size_t size) const;

  // Gives the memory back for another batch; the writer is spent.
  std::unique_ptr<char[]> TakeMemory() { return std::move(memory_); }

 private:
  void Grow(size_t needed);

  std::unique_ptr<char[]> memory_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  int32_t count_ = 0;
  int64_t base_timestamp_ = -1;
  int64_t max_timestamp_ = -1;
  std::string compressed_;  // header and compressed records, when a codec is on
  const char* out_data_ = nullptr;
  size_t out_size_ = 0;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_BATCH_WRITER_H_
