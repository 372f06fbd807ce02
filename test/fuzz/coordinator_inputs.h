// The fuzzed entries of the coordinator: bytes from another member, and bytes
// from the disk.
#ifndef SILLOK_TEST_FUZZ_COORDINATOR_INPUTS_H_
#define SILLOK_TEST_FUZZ_COORDINATOR_INPUTS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "proto/peer.pb.h"

namespace sillok::coord {

// What a ZAB core did with a script of messages.
struct PeerFuzzResult {
  size_t messages = 0;   // that could be read
  size_t persisted = 0;
  size_t committed = 0;
  bool stopped = false;  // the core found a contradiction and said so
};

// A script is pieces behind a length byte and a control byte: the bytes of a
// PeerMessage for member 1 of three, given to a real core after time has passed
// (control & 1), its writes have become durable (& 2) or a snapshot was staged
// (& 4). Dies (CHECK) if a message that was read cannot be written again, or the
// core breaks a rule of its own towards storage.
PeerFuzzResult FuzzPeerScript(const uint8_t* data, size_t size);

// Frames of the log are read as those of this life of a segment.
inline constexpr uint64_t kFuzzedLifeTag = 0x7461676f66617365;

// One piece of a script.
std::string ScriptPiece(uint8_t control, const v1::PeerMessage& message);

// The first byte picks the kind of record, the rest is its bytes (for records
// that have a key: a length byte and the key first). True if it was taken as
// sound; dies (CHECK) if a sound one does not come back the same.
bool FuzzStoredRecord(const uint8_t* data, size_t size);

}  // namespace sillok::coord

#endif  // SILLOK_TEST_FUZZ_COORDINATOR_INPUTS_H_
