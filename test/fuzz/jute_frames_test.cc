// Keeps the fuzz target honest where no fuzzer runs: every kind of request goes
// through it, whole and then damaged.
#include "test/fuzz/jute_frames.h"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proto/jute/records.h"
#include "test/coordinator/zookeeper/wire_fixture.h"

namespace sillok::coord {
namespace {

JuteFuzzResult Fuzz(const std::vector<std::string>& frames) {
  const std::string data = JoinForFuzz(frames);
  return FuzzJuteFrames(reinterpret_cast<const uint8_t*>(data.data()),
                        data.size());
}

TEST(JuteFramesFuzzTest, EveryKindOfRequestIsAnsweredByAMember) {
  const std::vector<std::string> frames = jute::EveryRequest(1);
  const JuteFuzzResult result = Fuzz(frames);
  EXPECT_EQ(result.asked, frames.size());
  EXPECT_EQ(result.answered, frames.size());
  EXPECT_FALSE(result.ended);
  EXPECT_GE(result.written, 6u);
}

// Each type there is, with the body of each other: most are nonsense.
TEST(JuteFramesFuzzTest, EveryTypeBearsEveryBody) {
  size_t ended = 0;
  for (const std::string& frame : jute::EveryRequest(1)) {
    for (int32_t type = -12; type <= 110; ++type) {
      const std::string other =
          jute::Encode(int32_t{7}, type) + frame.substr(8);
      ended += Fuzz({other, jute::Request(9, jute::Op::kWhoAmI)}).ended;
    }
  }
  EXPECT_GT(ended, 100u);
}

// SILLOK_FUZZ_ROUNDS=400000 makes ten million frames of it, in a minute or two.
TEST(JuteFramesFuzzTest, DamagedRequestsHoldToo) {
  const char* rounds = getenv("SILLOK_FUZZ_ROUNDS");
  std::mt19937_64 random(rounds == nullptr ? 13 : std::random_device()());
  size_t ended = 0, written = 0;
  for (int round = rounds == nullptr ? 300 : atoi(rounds); round > 0; --round) {
    std::vector<std::string> frames = jute::EveryRequest(1);
    for (std::string& frame : frames) {
      if (random() % 3 != 0) continue;
      for (uint64_t n = 1 + random() % 3; n > 0; --n) {
        frame[random() % frame.size()] = static_cast<char>(random());
      }
      if (random() % 4 == 0) frame.resize(random() % frame.size());
    }
    std::shuffle(frames.begin(), frames.end(), random);
    const JuteFuzzResult result = Fuzz(frames);
    ended += result.ended;
    written += result.written;
  }
  EXPECT_GT(ended, 50u);
  EXPECT_GT(written, 100u);
}

TEST(JuteFramesFuzzTest, DamagedConnectRequestsHoldToo) {
  std::mt19937_64 random(17);
  for (int round = 0; round < 10'000; ++round) {
    std::string frame = jute::ConnectFrame();
    for (uint64_t n = random() % 4; n > 0; --n) {
      frame[random() % frame.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) frame.resize(random() % frame.size());
    FuzzConnectFrame(reinterpret_cast<const uint8_t*>(frame.data()),
                     frame.size());
  }
}

}  // namespace
}  // namespace sillok::coord
