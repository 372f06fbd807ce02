// The bodies of codec.h, for the .cc files that instantiate them.
#ifndef SILLOK_PROTO_KAFKA_CODEC_IMPL_H_
#define SILLOK_PROTO_KAFKA_CODEC_IMPL_H_

#include "proto/kafka/codec.h"
#include "proto/kafka/reader.h"
#include "proto/kafka/writer.h"

namespace sillok::kafka {

template <typename T>
absl::Status DecodeMessage(const Bytes& frame, size_t position, int16_t version,
                           T* out, Trailing trailing) {
  Reader reader(frame, position, T::kInfo, version);
  reader.Message(*out);
  return trailing == Trailing::kIgnored ? reader.status() : reader.Finish();
}

template <typename T>
absl::StatusOr<Bytes> EncodeMessage(const T& message, int16_t version) {
  Writer writer(T::kInfo, version);
  writer.Message(message);
  return writer.Finish();
}

}  // namespace sillok::kafka

#define SILLOK_KAFKA_MESSAGE(T)                                             \
  template absl::Status DecodeMessage<T>(const Bytes&, size_t, int16_t, T*, \
                                         Trailing);                         \
  template absl::StatusOr<Bytes> EncodeMessage<T>(const T&, int16_t)

#endif  // SILLOK_PROTO_KAFKA_CODEC_IMPL_H_
