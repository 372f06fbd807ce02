// The fuzzed entry: what a member does with frames of ZooKeeper's protocol from
// an unknown client.
#ifndef SILLOK_TEST_FUZZ_JUTE_FRAMES_H_
#define SILLOK_TEST_FUZZ_JUTE_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sillok::coord {

struct JuteFuzzResult {
  size_t asked = 0;     // requests that got through to the member
  size_t answered = 0;  // replies of all kinds
  bool ended = false;   // the connection
  uint64_t written = 0;  // transactions that came of it
};

// `data` is frames, each behind its length in two bytes (big-endian); they come
// from a client that has connected. Dies (CHECK) if
// - a request that gets through does not survive the way to another member,
// - a request is neither answered nor the end of the connection,
// - replies are no whole frames, or out of order,
// - the tree contradicts itself afterwards,
// - the member, started anew with what is on its disk, is another one.
JuteFuzzResult FuzzJuteFrames(const uint8_t* data, size_t size);

// `frames` as such data.
std::string JoinForFuzz(const std::vector<std::string>& frames);

// A frame that stands where a connect request should.
void FuzzConnectFrame(const uint8_t* data, size_t size);

}  // namespace sillok::coord

#endif  // SILLOK_TEST_FUZZ_JUTE_FRAMES_H_
