// Between the core's messages and the bytes members exchange.
#ifndef SILLOK_COORDINATOR_ZAB_PEER_CODEC_H_
#define SILLOK_COORDINATOR_ZAB_PEER_CODEC_H_

#include "absl/status/statusor.h"
#include "coordinator/zab/message.h"
#include "proto/peer.pb.h"

namespace sillok::zab {

v1::PeerMessage ToProto(const Message& message);

// InvalidArgument if the body is none of ZAB's (hello, snapshot chunk, forward:
// the shell's own) or a number is out of range. Takes the txn bytes over.
absl::StatusOr<Message> FromProto(v1::PeerMessage&& wire);

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_PEER_CODEC_H_
