#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <random>

#include "base/net/frame_server.h"
#include "gtest/gtest.h"
#include "test/base/net/frame_test_support.h"

namespace sillok::net {
namespace {

// A file without a name; the last owner closes it.
struct OpenFile {
  explicit OpenFile(std::string text) : contents(std::move(text)) {
    std::string path = testing::TempDir() + "/frame_server_XXXXXX";
    fd = mkstemp(path.data());
    PCHECK(fd >= 0);
    unlink(path.c_str());
    for (size_t done = 0; done < contents.size();) {
      ssize_t n = write(fd, contents.data() + done, contents.size() - done);
      PCHECK(n > 0);
      done += static_cast<size_t>(n);
    }
  }
  ~OpenFile() { close(fd); }
  int fd = -1;
  std::string contents;
};

std::shared_ptr<OpenFile> RandomFile(size_t size) {
  std::mt19937_64 random(6);
  std::string text(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    uint64_t word = random();
    std::memcpy(text.data() + i, &word, 8);
  }
  return std::make_shared<OpenFile>(std::move(text));
}

FilePiece Piece(const std::shared_ptr<OpenFile>& file, int64_t position,
                int64_t length) {
  return {file, file->fd, position, length};
}

TEST(FrameServerFileTest, PiecesOfFilesAndMemoryArriveByteForByte) {
  auto file = RandomFile(16 << 20);
  TestServer server;
  std::mt19937 random(7);
  // Small windows make every call partial.
  for (int receive_buffer : {0, 4096, 100'000}) {
    Client client(server.port(), receive_buffer);
    for (int round = 0; round < 10; ++round) {
      std::string expected;
      OutFrame frame;
      for (int i = 0; i < 8; ++i) {
        std::string text(random() % 3000, static_cast<char>('a' + i));
        frame.Append(Bytes::FromString(text));
        int64_t length = random() % (round % 2 == 0 ? 600'000 : 10'000);
        int64_t position = random() % (15 << 20);
        frame.AppendFile(Piece(file, position, length));
        expected += text + file->contents.substr(static_cast<size_t>(position),
                                                 static_cast<size_t>(length));
      }
      client.SendFrame("fetch");
      server.Next().reply->Send(std::move(frame));
      auto got = client.ReadFrame();
      ASSERT_TRUE(got.has_value());
      ASSERT_TRUE(*got == expected) << round;
    }
  }
  EXPECT_GT(server.server->stats().sendfile_bytes, 1 << 20);
}

TEST(FrameServerFileTest, ColdFilesArriveByteForByte) {
  auto file = RandomFile(8 << 20);
  PCHECK(fsync(file->fd) == 0);
  PCHECK(posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
  char byte;
  iovec part = {&byte, 1};
  bool cold = preadv2(file->fd, &part, 1, 0, RWF_NOWAIT) == -1;
  TestServer server;
  Client client(server.port());
  client.SendFrame("fetch");
  OutFrame frame = OutFrame::FromString("header");
  frame.AppendFile(Piece(file, 0, 8 << 20));
  server.Next().reply->Send(std::move(frame));
  auto got = client.ReadFrame();
  ASSERT_TRUE(got.has_value());
  EXPECT_TRUE(*got == "header" + file->contents);
  EXPECT_EQ(server.server->stats().cold_reads > 0, cold);
}

TEST(FrameServerFileTest, AFileCutShortEndsTheConnectionBeforeAWrongByte) {
  auto file = RandomFile(8 << 20);
  TestServer server;
  Client client(server.port(), 4096);
  client.SendFrame("fetch");
  OutFrame frame = OutFrame::FromString("header");
  frame.AppendFile(Piece(file, 0, 8 << 20));
  frame.Append(Bytes::FromString("trailer"));
  server.Next().reply->Send(std::move(frame));
  std::string head = client.Read(10 + 1000);
  PCHECK(ftruncate(file->fd, 7 << 20) == 0);
  std::string rest = client.Read(16 << 20);
  EXPECT_EQ(server.closes.Take(), CloseReason::kFileChanged);
  std::string got = head.substr(4) + rest;
  ASSERT_LE(got.size(), 6u + (7 << 20));
  EXPECT_TRUE(("header" + file->contents).compare(0, got.size(), got) == 0);
}

TEST(FrameServerFileTest, FilesAreLetGoWhenSentAndWhenTheConnectionEnds) {
  TestServer server;
  std::weak_ptr<OpenFile> sent, unsent;
  Client client(server.port(), 4096);
  {
    auto small = RandomFile(100'000), large = RandomFile(32 << 20);
    sent = small;
    unsent = large;
    client.Write(Framed("1") + Framed("2"));
    OutFrame one, two;
    one.AppendFile(Piece(small, 0, 100'000));
    two.AppendFile(Piece(large, 0, 32 << 20));
    server.Next().reply->Send(std::move(one));
    server.Next().reply->Send(std::move(two));
  }
  ASSERT_TRUE(client.ReadFrame().has_value());
  EXPECT_TRUE(Eventually([&] { return sent.expired(); }));
  EXPECT_FALSE(unsent.expired());
  client.Close();
  EXPECT_TRUE(Eventually([&] { return unsent.expired(); }));
}

TEST(FrameServerFileTest, ALongAnswerDoesNotHoldUpOthersOfTheSameThread) {
  auto file = RandomFile(32 << 20);
  FrameServerOptions options;
  options.loop_threads = 1;
  TestServer server(options);
  std::atomic<bool> over{false};
  server.on_frame = [&](const auto&, Bytes bytes, ReplyPtr reply) {
    if (bytes.ToString() != "file") {
      reply->Send(OutFrame(bytes));
      return;
    }
    OutFrame frame;
    for (int i = 0; i < 10; ++i) {
      frame.AppendFile(Piece(file, 0, 32 << 20));
    }
    reply->Send(std::move(frame));
  };
  Client reader(server.port());
  std::thread reading([&] {
    reader.SendFrame("file");
    std::string length = reader.Read(4);
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(reader.Read(32 << 20).size(), size_t{32} << 20);
    }
    over = true;
  });
  Client quick(server.port());
  int answered = 0;
  while (!over) {
    quick.SendFrame("quick");
    ASSERT_EQ(quick.ReadFrame(), "quick");
    ++answered;
  }
  reading.join();
  EXPECT_GT(answered, 0);
}

}  // namespace
}  // namespace sillok::net
