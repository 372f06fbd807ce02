// RecordTaker: hands fetched records to the application, chunk by chunk. Belongs
// to the application's thread; positions are under the shared mutex, the parsing
// goes on without it.
#ifndef SILLOK_CLIENT_INTERNAL_RECORD_TAKER_H_
#define SILLOK_CLIENT_INTERNAL_RECORD_TAKER_H_

#include <optional>

#include "absl/status/status.h"
#include "client/config.h"
#include "client/consumer.h"
#include "client/internal/consumer_shared.h"
#include "client/internal/fetched_chunk.h"

namespace sillok::client {

class RecordTaker {
 public:
  RecordTaker(const ConsumerConfig& config, ConsumerShared* shared);

  // Appends what is at hand, up to max.poll.records; positions move behind it.
  // `*room` is set when there is room to fetch ahead. A damaged batch is an error
  // when nothing comes before it.
  absl::Status Take(ConsumerRecords* records, bool* room);
  // Stops amid a chunk: the positions are other ones now.
  void Reset() { reader_.reset(); }

 private:
  // With the mutex held.
  bool OpenNext();
  bool ReaderIsWanted();

  const size_t limit_;
  const ChunkReader::Options options_;
  ConsumerShared* const shared_;
  std::optional<ChunkReader> reader_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_RECORD_TAKER_H_
