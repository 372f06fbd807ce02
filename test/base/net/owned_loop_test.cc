// A server on its owner's loop, and handlers that order their answers
// themselves.

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/net/frame_server.h"
#include "base/net/loop.h"
#include "gtest/gtest.h"
#include "test/base/net/frame_test_support.h"

namespace sillok::net {
namespace {

OutFrame Text(std::string text) { return OutFrame::FromString(std::move(text)); }

// The owner: takes frames as they come and answers them when a turn ends.
class Owner {
 public:
  explicit Owner(int32_t max_frame_bytes = 1000) {
    loop_->set_before_settling([this] { EndTurn(); });
    loop_->SetTick(5, [this] { ++ticks; });
    FrameServerOptions options;
    options.listeners = {{"TEST", "127.0.0.1", 0}};
    options.loop = loop_;
    options.max_frame_bytes = max_frame_bytes;
    auto started = FrameServer::Start(
        options, [this](const std::shared_ptr<Connection>& connection) {
          return std::make_unique<Handler>(this, connection);
        });
    CHECK(started.ok()) << started.status();
    server = *std::move(started);
    loop_->Start();
  }
  ~Owner() {
    server->Stop(0);
    EXPECT_EQ(handlers.load(), 0);
    // The loop is the owner's: it goes on when the server is gone.
    server.reset();
    Mailbox<int> ran;
    loop_->Post([&] { ran.Put(1); });
    EXPECT_TRUE(ran.Take().has_value());
    loop_->Join();
  }

  std::unique_ptr<FrameServer> server;
  std::atomic<int> handlers{0};
  std::atomic<int> ticks{0};
  std::atomic<int> turns_with_frames{0};
  std::atomic<size_t> most_in_a_turn{0};
  // Frames that one turn may take from a connection.
  std::atomic<size_t> wanted{1'000'000};
  Mailbox<CloseReason> closes;

 private:
  class Handler final : public FrameHandler {
   public:
    Handler(Owner* owner, std::shared_ptr<Connection> connection)
        : owner_(owner), connection_(std::move(connection)) {
      ++owner_->handlers;
    }
    ~Handler() override { --owner_->handlers; }
    bool WantsReplies() const override { return false; }
    bool WantsFrame() const override {
      return owner_->frames_.size() < owner_->wanted;
    }
    void OnFrame(Bytes frame, ReplyPtr reply) override {
      EXPECT_EQ(reply, nullptr);
      owner_->frames_.emplace_back(connection_, frame.ToString());
    }
    int32_t BytesOfBadFrame(int32_t length) const override {
      return length > 0 ? 4 : 0;
    }
    void OnBadFrame(int32_t length, Bytes beginning, ReplyPtr reply) override {
      reply->SendAndClose(
          Text(std::to_string(length) + " " + beginning.ToString()));
    }
    void OnClose(CloseReason reason) override { owner_->closes.Put(reason); }

   private:
    Owner* const owner_;
    const std::shared_ptr<Connection> connection_;
  };

  void EndTurn() {
    if (frames_.empty()) return;
    ++turns_with_frames;
    most_in_a_turn = std::max<size_t>(most_in_a_turn, frames_.size());
    for (auto& [connection, text] : std::exchange(frames_, {})) {
      connection->Send(Text("re " + text));
      if (text == "bye") connection->Finish("");
      connection->ReadOn();
    }
  }

  std::shared_ptr<Loop> loop_ = std::make_shared<Loop>("owner", 64);
  std::vector<std::pair<std::shared_ptr<Connection>, std::string>> frames_;
};

TEST(OwnedLoopTest, FramesAreTakenByTheTurnAndAnsweredInOrder) {
  Owner owner;
  Client client(owner.server->port());
  std::string all;
  for (int i = 0; i < 200; ++i) all += Framed(std::to_string(i));
  ASSERT_TRUE(client.Write(all));
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(client.ReadFrame(), "re " + std::to_string(i));
  }
  EXPECT_LT(owner.turns_with_frames, 200);
}

TEST(OwnedLoopTest, NoFrameIsHandedOutThatIsNotWanted) {
  Owner owner;
  owner.wanted = 3;
  Client client(owner.server->port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += Framed(std::to_string(i));
  ASSERT_TRUE(client.Write(all));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.ReadFrame(), "re " + std::to_string(i));
  }
  EXPECT_LE(owner.most_in_a_turn, 3u);
}

TEST(OwnedLoopTest, WhatWasSentBeforeTheEndArrives) {
  Owner owner;
  Client client(owner.server->port());
  ASSERT_TRUE(client.Write(Framed("one") + Framed("bye") + Framed("ignored")));
  EXPECT_EQ(client.ReadFrame(), "re one");
  EXPECT_EQ(client.ReadFrame(), "re bye");
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(owner.closes.Take(), CloseReason::kHandler);
}

TEST(OwnedLoopTest, TheBeginningOfATooLongFrameCanBeHad) {
  Owner owner;
  Client client(owner.server->port());
  ASSERT_TRUE(client.SendFrame("good"));
  EXPECT_EQ(client.ReadFrame(), "re good");
  ASSERT_TRUE(client.SendFrame(std::string(5'000, 'x')));
  EXPECT_EQ(client.ReadFrame(), "5000 xxxx");
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(owner.closes.Take(), CloseReason::kBadFrame);

  // It may come piece by piece.
  Client slow(owner.server->port());
  const std::string bad = Framed(std::string(5'000, 'y')).substr(0, 8);
  for (char byte : bad) ASSERT_TRUE(slow.Write(std::string(1, byte)));
  EXPECT_EQ(slow.ReadFrame(), "5000 yyyy");
}

TEST(OwnedLoopTest, TimePassesWithoutAnybody) {
  Owner owner;
  EXPECT_TRUE(Eventually([&] { return owner.ticks > 3; }));
}

}  // namespace
}  // namespace sillok::net
