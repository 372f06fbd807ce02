#include "test/fuzz/kafka_requests.h"

#include <glog/logging.h>

#include <string>

#include "proto/kafka/codec.h"
#include "proto/kafka/header.h"
#include "proto/kafka/messages.h"

namespace sillok::kafka {
namespace {

template <typename T>
FuzzResult FuzzBody(const Bytes& frame, size_t position, int16_t version) {
  if (!T::kInfo.Has(version)) return FuzzResult::kNotOurs;
  T message;
  if (!DecodeMessage(frame, position, version, &message).ok()) {
    return FuzzResult::kRefused;
  }
  // Not compared with the input: unknown tags and padded varints may go.
  const absl::StatusOr<Bytes> first = EncodeMessage(message, version);
  CHECK(first.ok()) << first.status();
  T again;
  const absl::Status status = DecodeMessage(*first, 0, version, &again);
  CHECK(status.ok()) << status;
  const absl::StatusOr<Bytes> second = EncodeMessage(again, version);
  CHECK(second.ok()) << second.status();
  CHECK(first->ToString() == second->ToString()) << T::kInfo.name;
  return FuzzResult::kRead;
}

}  // namespace

FuzzResult FuzzRequest(const uint8_t* data, size_t size) {
  const Bytes frame =
      Bytes::FromString({reinterpret_cast<const char*>(data), size});
  const absl::StatusOr<ParsedHeader> parsed = DecodeRequestHeader(frame);
  if (!parsed.ok()) return FuzzResult::kNoHeader;
  const int16_t version = parsed->header.request_api_version;
  switch (parsed->header.request_api_key) {
#define SILLOK_CASE(Api)            \
  case Api##Request::kInfo.api_key: \
    return FuzzBody<Api##Request>(frame, parsed->body_position, version);
    SILLOK_KAFKA_APIS(SILLOK_CASE)
#undef SILLOK_CASE
  }
  return FuzzResult::kNotOurs;
}

}  // namespace sillok::kafka
