#include "base/net/send_queue.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sillok::net {
namespace {

// Takes at most `room` bytes a call, then blocks once.
class FakeTransport final : public Transport {
 public:
  ssize_t Read(const iovec*, int) override { return 0; }
  ssize_t Write(const iovec* parts, int count, bool more) override {
    ++calls;
    if (Blocks()) return -1;
    size_t left = room, done = 0;
    for (int i = 0; i < count; ++i) {
      size_t n = std::min(left, parts[i].iov_len);
      taken.append(static_cast<const char*>(parts[i].iov_base), n);
      left -= n;
      done += n;
    }
    last_more = more;
    return static_cast<ssize_t>(done);
  }
  ssize_t SendFile(int file, int64_t position, size_t length) override {
    ++calls;
    ++sendfiles;
    if (Blocks()) return -1;
    if (sendfile_error != 0) {
      errno = sendfile_error;
      return -1;
    }
    std::string bytes(std::min(room, length), '\0');
    ssize_t n = pread(file, bytes.data(), bytes.size(), position);
    if (n > 0) taken.append(bytes, 0, static_cast<size_t>(n));
    return n;
  }
  void ShutdownWrite() override {}

  bool Blocks() {
    if (!block_between) return false;
    blocked = !blocked;
    if (blocked) errno = EAGAIN;
    return blocked;
  }

  size_t room = 1 << 30;
  bool block_between = false;
  bool blocked = false;
  int sendfile_error = 0;
  std::string taken;
  bool last_more = false;
  int calls = 0;
  int sendfiles = 0;
};

class SendQueueTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = testing::TempDir() + "/send_queue_XXXXXX";
    fd_ = mkstemp(path.data());
    ASSERT_GE(fd_, 0);
    unlink(path.c_str());
    std::mt19937 random(4);
    contents_.resize(2 << 20);
    for (char& c : contents_) c = static_cast<char>(random());
    ASSERT_EQ(write(fd_, contents_.data(), contents_.size()),
              static_cast<ssize_t>(contents_.size()));
  }
  void TearDown() override { close(fd_); }

  FilePiece Piece(int64_t position, int64_t length) {
    return {nullptr, fd_, position, length};
  }
  std::string Contents(int64_t position, int64_t length) {
    return contents_.substr(static_cast<size_t>(position),
                            static_cast<size_t>(length));
  }
  SendQueue::Outcome Flush(int64_t quota = 1 << 30) {
    return queue_.Flush(&transport_, quota, scratch_, sizeof(scratch_), &sent_);
  }
  static std::string Length(uint32_t n) {
    std::string text;
    for (int i = 3; i >= 0; --i) text += static_cast<char>(n >> (8 * i));
    return text;
  }

  int fd_ = -1;
  std::string contents_;
  SendQueue queue_;
  FakeTransport transport_;
  SendQueue::Sent sent_;
  char scratch_[16 << 10];
};

TEST_F(SendQueueTest, ManySmallFramesLeaveInOneCall) {
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    queue_.Append(OutFrame::FromString("answer"));
    expected += Length(6) + "answer";
  }
  EXPECT_EQ(queue_.memory_bytes(), 200);
  EXPECT_EQ(Flush(), SendQueue::Outcome::kEmpty);
  EXPECT_EQ(transport_.taken, expected);
  EXPECT_EQ(transport_.calls, 1);
  EXPECT_FALSE(transport_.last_more);
  EXPECT_EQ(queue_.memory_bytes(), 0);
  EXPECT_EQ(sent_.bytes, 200);
}

TEST_F(SendQueueTest, AFrameWithALargeFileIsAWriteWithMoreAndASendfile) {
  OutFrame frame = OutFrame::FromString("header");
  frame.AppendFile(Piece(100, 300'000));
  queue_.Append(std::move(frame));
  EXPECT_EQ(Flush(), SendQueue::Outcome::kEmpty);
  EXPECT_EQ(transport_.taken,
            Length(300'006) + "header" + Contents(100, 300'000));
  EXPECT_TRUE(transport_.last_more);
  EXPECT_EQ(transport_.calls, 2);
  EXPECT_EQ(sent_.by_sendfile, 300'000);
}

TEST_F(SendQueueTest, SmallFilePiecesLeaveWithTheMemoryAroundThem) {
  OutFrame frame = OutFrame::FromString("a");
  frame.AppendFile(Piece(0, 500));
  frame.Append(Bytes::FromString("b"));
  frame.AppendFile(Piece(5000, 8000));
  queue_.Append(std::move(frame));
  EXPECT_EQ(Flush(), SendQueue::Outcome::kEmpty);
  EXPECT_EQ(transport_.taken, Length(8502) + "a" + Contents(0, 500) + "b" +
                                  Contents(5000, 8000));
  EXPECT_EQ(transport_.calls, 1);
  EXPECT_EQ(transport_.sendfiles, 0);
}

TEST_F(SendQueueTest, AnythingSentInPartsArrivesByteForByte) {
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    queue_ = SendQueue();
    transport_ = FakeTransport();
    transport_.block_between = true;
    std::string expected;
    for (int f = 0; f < 6; ++f) {
      OutFrame frame;
      std::string payload;
      for (unsigned p = 0; p < 1 + random() % 6; ++p) {
        if (random() % 2 == 0) {
          std::string text(random() % 5000, static_cast<char>('a' + p));
          frame.Append(Bytes::FromString(text));
          payload += text;
        } else {
          int64_t length = random() % (random() % 2 == 0 ? 9'000 : 700'000);
          int64_t position = random() % 1'000'000;
          frame.AppendFile(Piece(position, length));
          payload += Contents(position, length);
        }
      }
      expected += Length(static_cast<uint32_t>(payload.size())) + payload;
      queue_.Append(std::move(frame));
    }
    int64_t before = sent_.bytes;
    for (;;) {
      transport_.room = 1 + random() % (1 << (8 + random() % 12));
      auto outcome = Flush(static_cast<int64_t>(1 + random() % 500'000));
      if (outcome == SendQueue::Outcome::kEmpty) break;
      ASSERT_TRUE(outcome == SendQueue::Outcome::kBlocked ||
                  outcome == SendQueue::Outcome::kQuota);
    }
    ASSERT_TRUE(transport_.taken == expected) << round;
    ASSERT_EQ(queue_.memory_bytes(), 0);
    ASSERT_EQ(sent_.bytes - before, static_cast<int64_t>(expected.size()));
  }
}

TEST_F(SendQueueTest, TheQuotaBoundsWhatOneCallSends) {
  OutFrame frame = OutFrame::FromString(std::string(100'000, 'm'));
  frame.AppendFile(Piece(0, 2 << 20));
  queue_.Append(std::move(frame));
  EXPECT_EQ(Flush(70'000), SendQueue::Outcome::kQuota);
  EXPECT_EQ(sent_.bytes, 70'000);
  // A chunk of a file is not cut.
  EXPECT_EQ(Flush(70'000), SendQueue::Outcome::kQuota);
  EXPECT_EQ(sent_.bytes, 100'004 + (1 << 20));
}

TEST_F(SendQueueTest, RawFramesHaveNoLength) {
  queue_.Append(OutFrame::Raw(Bytes::FromString("imok")));
  EXPECT_EQ(Flush(), SendQueue::Outcome::kEmpty);
  EXPECT_EQ(transport_.taken, "imok");
}

TEST_F(SendQueueTest, AnEmptyFrameIsItsLength) {
  queue_.Append(OutFrame());
  EXPECT_EQ(Flush(), SendQueue::Outcome::kEmpty);
  EXPECT_EQ(transport_.taken, Length(0));
}

TEST_F(SendQueueTest, AFileCutShortIsNeverFilledUp) {
  for (int64_t length : {1000, 100'000, 1'500'000}) {
    for (int64_t kept : {int64_t{0}, length / 2, length - 1}) {
      SetUp();
      queue_ = SendQueue();
      transport_ = FakeTransport();
      OutFrame frame = OutFrame::FromString("header");
      frame.AppendFile(Piece(0, length));
      frame.Append(Bytes::FromString("AFTER"));
      queue_.Append(std::move(frame));
      ASSERT_EQ(ftruncate(fd_, kept), 0);
      EXPECT_EQ(Flush(), SendQueue::Outcome::kFileChanged) << length;
      EXPECT_NE(queue_.error(), "");
      std::string right = Length(static_cast<uint32_t>(length + 11)) +
                          "header" + Contents(0, length);
      EXPECT_TRUE(right.compare(0, transport_.taken.size(),
                                transport_.taken) == 0)
          << "wrong bytes sent";
      close(fd_);
    }
  }
  SetUp();
}

TEST_F(SendQueueTest, AFileCutShortBetweenTwoCallsIsNoticed) {
  OutFrame frame;
  frame.AppendFile(Piece(0, 1'000'000));
  queue_.Append(std::move(frame));
  transport_.room = 50'000;
  EXPECT_EQ(Flush(600'000), SendQueue::Outcome::kQuota);
  ASSERT_EQ(ftruncate(fd_, 700'000), 0);
  SendQueue::Outcome outcome;
  do {
    outcome = Flush(50'000);
  } while (outcome == SendQueue::Outcome::kQuota);
  EXPECT_EQ(outcome, SendQueue::Outcome::kFileChanged);
  EXPECT_LE(sent_.bytes, 700'004);
}

TEST_F(SendQueueTest, AnErrorOfTheFileIsNotOneOfTheSocket) {
  OutFrame frame;
  frame.AppendFile(Piece(0, 100'000));
  queue_.Append(std::move(frame));
  transport_.sendfile_error = EIO;
  EXPECT_EQ(Flush(), SendQueue::Outcome::kFileChanged);
  transport_.sendfile_error = EPIPE;
  EXPECT_EQ(Flush(), SendQueue::Outcome::kSocketError);
  EXPECT_EQ(queue_.error_number(), EPIPE);
}

TEST_F(SendQueueTest, WhatIsNotInThePageCacheIsAskedForFirst) {
  ASSERT_EQ(fsync(fd_), 0);
  ASSERT_EQ(posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED), 0);
  char byte;
  iovec part = {&byte, 1};
  if (preadv2(fd_, &part, 1, 0, RWF_NOWAIT) != -1) {
    GTEST_SKIP() << "this file system keeps its pages";
  }
  OutFrame frame = OutFrame::FromString("header");
  frame.AppendFile(Piece(0, 1000));
  frame.AppendFile(Piece(1'000'000, 900'000));
  queue_.Append(std::move(frame));
  std::string got;
  int asked = 0;
  SendQueue::Outcome outcome;
  while ((outcome = Flush()) == SendQueue::Outcome::kCold) {
    FilePiece cold = queue_.cold();
    std::string warm(static_cast<size_t>(cold.length), '\0');
    ASSERT_EQ(pread(cold.fd, warm.data(), warm.size(), cold.position),
              cold.length);
    queue_.SetWarm();
    ++asked;
  }
  EXPECT_EQ(outcome, SendQueue::Outcome::kEmpty);
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(transport_.taken, Length(901'006) + "header" + Contents(0, 1000) +
                                  Contents(1'000'000, 900'000));
}

}  // namespace
}  // namespace sillok::net
