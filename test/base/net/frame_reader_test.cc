#include "base/net/frame_reader.h"

#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace sillok::net {
namespace {

std::string Framed(const std::string& payload) {
  std::string frame(4, '\0');
  for (int i = 0; i < 4; ++i) {
    frame[static_cast<size_t>(i)] =
        static_cast<char>(payload.size() >> (24 - 8 * i));
  }
  return frame + payload;
}

// Feeds a stream to a reader in parts of given sizes, as a socket would.
class Feeder {
 public:
  explicit Feeder(std::string stream) : stream_(std::move(stream)) {}

  // At most `bytes`, in one read; what LetGo must save, it must: the scratch
  // memory is overwritten between two reads.
  void Read(size_t bytes) {
    scratch_.assign(kScratch, '?');
    auto target = reader_.Target(scratch_.data(), kScratch);
    size_t room = std::min({bytes, target.size, stream_.size() - position_});
    size_t done = 0;
    for (int i = 0; i < target.count; ++i) {
      size_t n = std::min(room - done, target.parts[i].iov_len);
      std::memcpy(target.parts[i].iov_base, stream_.data() + position_ + done,
                  n);
      done += n;
    }
    position_ += room;
    read_ahead_ = target.parts[target.count - 1].iov_len;
    reader_.Received(room);
    Parse();
    reader_.LetGo();
    scratch_.assign(kScratch, '!');
  }

  void Parse() {
    for (;;) {
      switch (reader_.Next()) {
        case FrameReader::Step::kMore:
          return;
        case FrameReader::Step::kLength:
          if (hold_) return;
          buffer_ = std::shared_ptr<char>(
              new char[static_cast<size_t>(reader_.length()) + 1],
              std::default_delete<char[]>());
          reader_.Begin(buffer_);
          break;
        case FrameReader::Step::kFrame:
          frames_.push_back(reader_.TakeFrame().ToString());
          break;
        case FrameReader::Step::kBadLength:
          bad_ = reader_.length();
          return;
      }
    }
  }
  // Or nothing more can come of it.
  bool done() const { return position_ == stream_.size() || bad_ != 0; }

  static constexpr size_t kScratch = 16 << 10;
  FrameReader reader_{1 << 20};
  std::string stream_;
  size_t position_ = 0;
  std::string scratch_ = std::string(kScratch, '?');
  size_t read_ahead_ = 0;
  bool hold_ = false;
  std::shared_ptr<char> buffer_;
  std::vector<std::string> frames_;
  int32_t bad_ = 0;
};

TEST(FrameReaderTest, CutsAnyStreamInAnyPartsIntoItsFrames) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> frames;
    std::string stream;
    for (int i = 0; i < 12; ++i) {
      size_t size = random() % (random() % 4 == 0 ? 100'000 : 600);
      std::string payload(size, '\0');
      for (char& c : payload) c = static_cast<char>(random());
      frames.push_back(payload);
      stream += Framed(payload);
    }
    Feeder feeder(stream);
    while (!feeder.done()) feeder.Read(1 + random() % (1 << (random() % 18)));
    ASSERT_TRUE(feeder.frames_ == frames) << round;
    ASSERT_FALSE(feeder.reader_.inside_frame());
  }
}

TEST(FrameReaderTest, AFrameIsReadStraightToItsPlace) {
  std::string payload(100'000, 'p');
  Feeder feeder(Framed(payload));
  feeder.Read(4);
  auto target = feeder.reader_.Target(feeder.scratch_.data(), 100);
  ASSERT_EQ(target.count, 2);
  EXPECT_EQ(target.parts[0].iov_base, feeder.buffer_.get());
  EXPECT_EQ(target.parts[0].iov_len, 100'000u);
}

TEST(FrameReaderTest, AfterALargeFrameLittleIsReadAhead) {
  Feeder feeder(Framed("small") + Framed(std::string(40'000, 'x')) +
                Framed("small"));
  feeder.Read(9);
  feeder.Read(Feeder::kScratch);
  EXPECT_EQ(feeder.read_ahead_, Feeder::kScratch);
  feeder.Read(40'004 - Feeder::kScratch);
  EXPECT_EQ(feeder.read_ahead_, 512u);
  EXPECT_EQ(feeder.frames_.size(), 2u);
  feeder.Read(9);
  EXPECT_EQ(feeder.read_ahead_, 512u);
  EXPECT_EQ(feeder.frames_.size(), 3u);
  feeder.Read(1);
  EXPECT_EQ(feeder.read_ahead_, Feeder::kScratch);
}

TEST(FrameReaderTest, LengthsOutsideTheBoundAreBad) {
  for (int32_t length : {-1, INT32_MIN, (1 << 20) + 1, INT32_MAX}) {
    std::string bytes(4, '\0');
    for (int i = 0; i < 4; ++i) {
      bytes[static_cast<size_t>(i)] =
          static_cast<char>(static_cast<uint32_t>(length) >> (24 - 8 * i));
    }
    Feeder feeder(Framed("ok") + bytes + "more");
    feeder.Read(1000);
    EXPECT_EQ(feeder.frames_, std::vector<std::string>{"ok"});
    EXPECT_EQ(feeder.bad_, length);
  }
  Feeder feeder(Framed(std::string(1 << 20, 'x')));
  while (!feeder.done()) feeder.Read(1 << 20);
  EXPECT_EQ(feeder.frames_.size(), 1u) << "the bound itself is good";
}

TEST(FrameReaderTest, WaitingForMemoryKeepsWhatWasReadAhead) {
  Feeder feeder(Framed("first") + Framed("second"));
  feeder.hold_ = true;
  feeder.Read(1000);
  EXPECT_TRUE(feeder.frames_.empty());
  EXPECT_TRUE(feeder.reader_.inside_frame());
  feeder.hold_ = false;
  feeder.Parse();
  EXPECT_EQ(feeder.frames_, (std::vector<std::string>{"first", "second"}));
}

TEST(FrameReaderTest, AnIdleReaderHoldsNothing) {
  Feeder feeder(Framed("x"));
  feeder.Read(3);
  EXPECT_TRUE(feeder.reader_.inside_frame());
  feeder.Read(2);
  EXPECT_FALSE(feeder.reader_.inside_frame());
  EXPECT_FALSE(feeder.reader_.has_unread());
}

}  // namespace
}  // namespace sillok::net
