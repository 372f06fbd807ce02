// Links that are dialled, against a listener of the same frames.
#include "base/net/frame_link.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/net/blocking_link.h"
#include "base/net/frame_server.h"
#include "base/net/loop.h"
#include "gtest/gtest.h"
#include "test/base/net/frame_test_support.h"

namespace sillok::net {
namespace {

OutFrame Text(std::string text) { return OutFrame::FromString(std::move(text)); }

// A listener that keeps its connections and what comes in on them.
class Peer {
 public:
  Peer() {
    FrameServerOptions options;
    options.listeners = {{"TEST", "127.0.0.1", 0}};
    options.loop_threads = 1;
    auto started = FrameServer::Start(
        options, [this](const std::shared_ptr<Connection>& connection) {
          opened.Put(connection);
          return std::make_unique<Handler>(this);
        });
    CHECK(started.ok()) << started.status();
    server = *std::move(started);
  }
  ~Peer() { server->Stop(0); }

  std::unique_ptr<FrameServer> server;
  Mailbox<std::shared_ptr<Connection>> opened;
  Mailbox<std::string> frames;
  Mailbox<CloseReason> closes;
  std::atomic<bool> takes{true};

 private:
  class Handler final : public FrameHandler {
   public:
    explicit Handler(Peer* owner) : owner_(owner) {}
    bool WantsReplies() const override { return false; }
    bool WantsFrame() const override { return owner_->takes; }
    void OnFrame(Bytes frame, ReplyPtr) override {
      owner_->frames.Put(frame.ToString());
    }
    void OnClose(CloseReason reason) override { owner_->closes.Put(reason); }

   private:
    Peer* const owner_;
  };
};

// A loop with links of ours.
class FrameLinkTest : public ::testing::Test {
 protected:
  FrameLinkTest() { loop_->Start(); }
  ~FrameLinkTest() override { loop_->Join(); }

  void OnLoop(std::function<void()> act) {
    Mailbox<int> done;
    loop_->Post([&] {
      act();
      done.Put(1);
    });
    ASSERT_TRUE(done.Take().has_value());
  }
  std::shared_ptr<FrameLink> Dial(const std::string& host, int port) {
    FrameLink::Options options;
    options.host = host;
    options.port = port;
    options.max_frame_bytes = 1 << 20;
    std::shared_ptr<FrameLink> link;
    OnLoop([&] {
      link = FrameLink::Dial(
          loop_.get(), options,
          {[this](Bytes frame) { frames_.Put(frame.ToString()); },
           [this](std::string why) { ended_.Put(std::move(why)); }});
    });
    return link;
  }

  std::shared_ptr<Loop> loop_ = std::make_shared<Loop>("test", 16);
  Mailbox<std::string> frames_;
  Mailbox<std::string> ended_;
};

TEST_F(FrameLinkTest, FramesGoBothWaysInTheirOrder) {
  Peer peer;
  auto link = Dial("127.0.0.1", peer.server->port());
  OnLoop([&] {
    for (int i = 0; i < 100; ++i) link->Send(Text(std::to_string(i)));
  });
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(peer.frames.Take(), std::to_string(i));
  }
  auto connection = peer.opened.Take();
  ASSERT_TRUE(connection.has_value());
  for (int i = 0; i < 100; ++i) (*connection)->Send(Text(std::to_string(i)));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(frames_.Take(), std::to_string(i));
  OnLoop([&] { link->Close(); });
  EXPECT_EQ(peer.closes.Take(), CloseReason::kPeerClosed);
  EXPECT_EQ(ended_.size(), 0u);
}

TEST_F(FrameLinkTest, ANameIsLookedUp) {
  Peer peer;
  auto link = Dial("localhost", peer.server->port());
  OnLoop([&] { link->Send(Text("by name")); });
  EXPECT_EQ(peer.frames.Take(), "by name");
  OnLoop([&] { link->Close(); });
}

TEST_F(FrameLinkTest, WhatIsSentBeforeThereIsAConnectionWaitsForIt) {
  Peer peer;
  std::shared_ptr<FrameLink> link;
  OnLoop([&] {
    FrameLink::Options options;
    options.host = "127.0.0.1";
    options.port = peer.server->port();
    link = FrameLink::Dial(loop_.get(), options, {[](Bytes) {}, [](auto) {}});
    link->Send(Text("early"));
    EXPECT_EQ(link->unsent_bytes(), 9);
  });
  EXPECT_EQ(peer.frames.Take(), "early");
  OnLoop([&] {
    EXPECT_EQ(link->unsent_bytes(), 0);
    link->Close();
  });
}

TEST_F(FrameLinkTest, ALinkThatNobodyTakesSaysWhy) {
  int port;
  {
    Peer gone;
    port = gone.server->port();
  }
  auto link = Dial("127.0.0.1", port);
  auto why = ended_.Take();
  ASSERT_TRUE(why.has_value());
  EXPECT_NE(why->find("refused"), std::string::npos) << *why;
}

TEST_F(FrameLinkTest, TheEndOfTheOtherSideIsToldOnce) {
  Peer peer;
  auto link = Dial("127.0.0.1", peer.server->port());
  auto connection = peer.opened.Take();
  ASSERT_TRUE(connection.has_value());
  (*connection)->Close("test");
  EXPECT_TRUE(ended_.Take().has_value());
  OnLoop([&] {
    link->Send(Text("into the void"));
    link->Close();
  });
  EXPECT_EQ(ended_.size(), 0u);
}

TEST_F(FrameLinkTest, AFrameThatIsTooLongEndsTheLink) {
  Peer peer;
  auto link = Dial("127.0.0.1", peer.server->port());
  auto connection = peer.opened.Take();
  ASSERT_TRUE(connection.has_value());
  (*connection)->Send(Text(std::string((1 << 20) + 1, 'x')));
  EXPECT_EQ(ended_.Take(), "a frame of 1048577 bytes");
  EXPECT_EQ(frames_.size(), 0u);
}

TEST_F(FrameLinkTest, FinishSendsAllBeforeItEnds) {
  Peer peer;
  peer.takes = false;  // so that not all fits into the sockets
  auto link = Dial("127.0.0.1", peer.server->port());
  auto connection = peer.opened.Take();
  ASSERT_TRUE(connection.has_value());
  const std::string piece(1 << 20, 'x');
  OnLoop([&] {
    for (int i = 0; i < 32; ++i) link->Send(Text(piece));
    link->Finish();
    link->Send(Text("not any more"));
  });
  OnLoop([&] { EXPECT_GT(link->unsent_bytes(), 0); });
  link.reset();
  peer.takes = true;
  (*connection)->ReadOn();
  for (int i = 0; i < 32; ++i) ASSERT_EQ(peer.frames.Take(), piece);
  EXPECT_EQ(peer.closes.Take(), CloseReason::kPeerClosed);
  EXPECT_EQ(peer.frames.size(), 0u);
  EXPECT_EQ(ended_.size(), 0u);
}

TEST(BlockingLinkTest, FramesGoBothWays) {
  Peer peer;
  auto link = BlockingLink::Dial({"localhost", peer.server->port()});
  ASSERT_TRUE(link.ok()) << link.status();
  const std::string large(3 << 20, 'y');
  EXPECT_TRUE((*link)->Write(large).ok());
  EXPECT_TRUE((*link)->Write("").ok());
  EXPECT_EQ(peer.frames.Take(), large);
  EXPECT_EQ(peer.frames.Take(), "");
  auto connection = peer.opened.Take();
  ASSERT_TRUE(connection.has_value());
  (*connection)->Send(Text("answer"));
  (*connection)->Send(Text("too long"));
  EXPECT_EQ(*(*link)->Read(6), "answer");
  EXPECT_EQ((*link)->Read(7).status().message(), "a frame of 8 bytes");
}

TEST(BlockingLinkTest, WhoeverWaitsIsFreedByShutDown) {
  Peer peer;
  auto link = BlockingLink::Dial({"127.0.0.1", peer.server->port()});
  ASSERT_TRUE(link.ok()) << link.status();
  ASSERT_TRUE(peer.opened.Take().has_value());
  std::thread other([&] { (*link)->ShutDown(); });
  EXPECT_FALSE((*link)->Read(100).ok());
  other.join();
  EXPECT_FALSE((*link)->Write("x").ok());
}

TEST(HostPortTest, IsSplitAtTheLastColon) {
  EXPECT_EQ(SplitHostPort("a.example:2888")->host, "a.example");
  EXPECT_EQ(SplitHostPort("a.example:2888")->port, 2888);
  EXPECT_EQ(SplitHostPort("[::1]:1")->host, "::1");
  EXPECT_EQ(SplitHostPort(":0")->host, "");
  EXPECT_FALSE(SplitHostPort("a.example").has_value());
  EXPECT_FALSE(SplitHostPort("a.example:").has_value());
  EXPECT_FALSE(SplitHostPort("a.example:12x").has_value());
  EXPECT_FALSE(SplitHostPort("a.example:65536").has_value());
  EXPECT_FALSE(SplitHostPort("a.example:-1").has_value());
}

}  // namespace
}  // namespace sillok::net
