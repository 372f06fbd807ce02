// Bytes to message and back. Defined for every message of messages.h (each
// family's .cc instantiates its own), pure, callable from any thread.
#ifndef SILLOK_PROTO_KAFKA_CODEC_H_
#define SILLOK_PROTO_KAFKA_CODEC_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace sillok::kafka {

// What bytes after the last field are: damage, or nobody's business. Kafka's
// broker looks no further than a request's fields, and there are clients that
// end one with bytes too many (librdkafka 2.0 with ListGroups v4 and with
// OffsetFetch v7 of all partitions).
enum class Trailing { kRefused, kIgnored };

// Reads the message that begins at `position` of `frame`. Bytes fields of `out`
// share the memory of `frame` (they keep all of it alive: copy what is to be
// kept long). A frame of one piece is read in place, one of several is flattened
// first.
// InvalidArgument naming message, version and field: bytes that are no such
// message, a version outside kInfo, or a message that would decode to more than
// Reader's memory bound; `out` then holds what was read so far.
template <typename T>
absl::Status DecodeMessage(const Bytes& frame, size_t position, int16_t version,
                           T* out, Trailing trailing = Trailing::kRefused);

// The message's bytes; large Bytes fields are handed through as pieces, not
// copied. InvalidArgument: version outside kInfo, null where this version has
// no null, or a text longer than Kafka's 32767.
template <typename T>
absl::StatusOr<Bytes> EncodeMessage(const T& message, int16_t version);

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_CODEC_H_
