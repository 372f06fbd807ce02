#include "proto/kafka/header.h"

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "proto/kafka/api_table.h"
#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(RequestHeader);
SILLOK_KAFKA_MESSAGE(ResponseHeader);

namespace {

bool IsFlexible(int16_t api_key, int16_t api_version) {
  const ApiRange* api = FindApi(api_key);
  return api != nullptr && api_version >= api->flexible;
}

absl::StatusOr<Bytes> Frame(const Bytes& header, const Bytes& body) {
  const size_t size = header.size() + body.size();
  if (size > INT32_MAX) {
    return absl::InvalidArgumentError(
        fmt::format("a frame of {} bytes is over 2 GiB", size));
  }
  std::string front(kFrameSizeBytes, '\0');
  for (size_t i = 0; i < kFrameSizeBytes; ++i) {
    front[i] = static_cast<char>(size >> (8 * (kFrameSizeBytes - 1 - i)));
  }
  Bytes frame = Bytes::FromString(front + header.ToString());
  frame.Append(body);
  return frame;
}

}  // namespace

int16_t RequestHeaderVersion(int16_t api_key, int16_t api_version) {
  return IsFlexible(api_key, api_version) ? 2 : 1;
}

int16_t ResponseHeaderVersion(int16_t api_key, int16_t api_version) {
  if (api_key == kApiVersionsKey) return 0;
  return IsFlexible(api_key, api_version) ? 1 : 0;
}

absl::StatusOr<size_t> ReadFrameSize(const char* four_bytes, size_t max_size) {
  uint32_t bits = 0;
  for (size_t i = 0; i < kFrameSizeBytes; ++i) {
    bits = bits << 8 | static_cast<uint8_t>(four_bytes[i]);
  }
  const int32_t size = static_cast<int32_t>(bits);
  if (size < 0 || static_cast<size_t>(size) > max_size) {
    return absl::InvalidArgumentError(
        fmt::format("a frame of {} bytes, the most is {}", size, max_size));
  }
  return static_cast<size_t>(size);
}

absl::StatusOr<ParsedHeader> DecodeRequestHeader(const Bytes& frame) {
  // Key and version stand in front in every version of the header.
  char front[4];
  if (frame.size() < sizeof(front)) {
    return absl::InvalidArgumentError(fmt::format(
        "RequestHeader: a request of {} bytes has no header", frame.size()));
  }
  frame.CopyTo(0, sizeof(front), front);
  const auto number = [&front](size_t at) {
    return static_cast<int16_t>(static_cast<uint8_t>(front[at]) << 8 |
                                static_cast<uint8_t>(front[at + 1]));
  };
  ParsedHeader parsed;
  Reader reader(frame, 0, RequestHeader::kInfo,
                RequestHeaderVersion(number(0), number(2)));
  reader.Message(parsed.header);
  RETURN_IF_ERROR(reader.status());
  parsed.body_position = reader.position();
  return parsed;
}

absl::StatusOr<Bytes> FrameResponse(int16_t api_key, int16_t api_version,
                                    int32_t correlation_id, const Bytes& body) {
  ASSIGN_OR_RETURN(const Bytes header,
                   EncodeMessage(ResponseHeader{correlation_id},
                                 ResponseHeaderVersion(api_key, api_version)));
  return Frame(header, body);
}

absl::StatusOr<Bytes> FrameRequest(const RequestHeader& header,
                                   const Bytes& body) {
  ASSIGN_OR_RETURN(
      const Bytes front,
      EncodeMessage(header, RequestHeaderVersion(header.request_api_key,
                                                 header.request_api_version)));
  return Frame(front, body);
}

}  // namespace sillok::kafka
