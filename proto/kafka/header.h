// What stands before a message on a connection: the frame's size and the header
// that says how to read the rest.
#ifndef SILLOK_PROTO_KAFKA_HEADER_H_
#define SILLOK_PROTO_KAFKA_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

inline constexpr size_t kFrameSizeBytes = 4;

struct RequestHeader {
  static constexpr MessageInfo kInfo{"RequestHeader", -1, 0, 2, 2};

  int16_t request_api_key = 0;
  int16_t request_api_version = 0;
  int32_t correlation_id = 0;
  std::optional<std::string> client_id{""};

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("request_api_key", m.request_api_key);
    v.Field("request_api_version", m.request_api_version);
    v.Field("correlation_id", m.correlation_id);
    v.Field("client_id", m.client_id,
            {.since = 1, .nullable_since = 1, .classic = true});
  }
};

struct ResponseHeader {
  static constexpr MessageInfo kInfo{"ResponseHeader", -1, 0, 1, 1};

  int32_t correlation_id = 0;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("correlation_id", m.correlation_id);
  }
};

// The header's own version for a request of this API and version. An API we do
// not have counts as not flexible.
int16_t RequestHeaderVersion(int16_t api_key, int16_t api_version);
// The same for its answer. ApiVersions answers always have v0: the client reads
// them before it knows whether we are flexible.
int16_t ResponseHeaderVersion(int16_t api_key, int16_t api_version);

// The size in a frame's first four bytes. InvalidArgument if it is negative or
// over `max_size`: the connection cannot be read on.
absl::StatusOr<size_t> ReadFrameSize(const char* four_bytes, size_t max_size);

struct ParsedHeader {
  RequestHeader header;
  size_t body_position = 0;  // where DecodeMessage goes on
};
// `frame` is what follows the size. Succeeds for APIs and versions we do not
// have, so that they can be answered: look them up before reading a body.
absl::StatusOr<ParsedHeader> DecodeRequestHeader(const Bytes& frame);

// Size, header and body, ready to be sent; the body's pieces are shared.
// InvalidArgument if it is over 2 GiB.
absl::StatusOr<Bytes> FrameResponse(int16_t api_key, int16_t api_version,
                                    int32_t correlation_id, const Bytes& body);
// The client's side of it.
absl::StatusOr<Bytes> FrameRequest(const RequestHeader& header,
                                   const Bytes& body);

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_HEADER_H_
