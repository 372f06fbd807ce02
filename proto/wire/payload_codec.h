// Protobuf messages that carry large payloads, read and written without copying
// the payloads.
//
// ProduceRequest and FetchResponse have a repeated field of partitions whose
// last field (15) holds record batches. Here the message splits into a skeleton
// (the message without the batches, for the generated code) and the batches (as
// Bytes that share the received memory). On the wire it is ordinary protobuf.
#ifndef SILLOK_PROTO_WIRE_PAYLOAD_CODEC_H_
#define SILLOK_PROTO_WIRE_PAYLOAD_CODEC_H_

#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "proto/broker.pb.h"

namespace sillok {

// Field number of the payload in PartitionProduce and PartitionFetchResult.
inline constexpr int kPayloadField = 15;

// `batches[i]` belongs to message->partitions(i); empty where it has none. An
// INVALID_ARGUMENT leaves both in no useful state.
absl::Status ParseProduceRequest(const Bytes& wire,
                                 v1::ProduceRequest* message,
                                 std::vector<Bytes>* batches);
absl::Status ParseFetchResponse(const Bytes& wire, v1::FetchResponse* message,
                                std::vector<Bytes>* batches);

// The message's own payload fields must be empty; batches.size() must equal
// partitions_size(). Pieces of `batches` are shared, not copied.
Bytes SerializeProduceRequest(v1::ProduceRequest message,
                              const std::vector<Bytes>& batches);
Bytes SerializeFetchResponse(v1::FetchResponse message,
                             const std::vector<Bytes>& batches);

}  // namespace sillok

#endif  // SILLOK_PROTO_WIRE_PAYLOAD_CODEC_H_
