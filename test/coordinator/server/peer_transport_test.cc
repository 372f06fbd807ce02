// Members' links among one another, over real sockets: who is dialled, who is
// taken in, and how that changes while they run.
#include "coordinator/server/peer_transport.h"

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/net/blocking_link.h"
#include "base/net/frame_link.h"
#include "base/net/loop.h"
#include "base/strand.h"
#include "coordinator/server/peer_door.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "test/base/net/frame_test_support.h"

namespace sillok::coord {
namespace {

using Addresses = std::map<MemberId, std::string>;

// What a member is to its peers, without the member.
class Endpoint {
 public:
  explicit Endpoint(int id, const std::string& ensemble = "e") : id_(id) {
    PeerOptions options;
    options.self = MemberId(id);
    options.ensemble = ensemble;
    options.redial_max_ms = 20;
    transport_ = std::make_unique<PeerTransport>(
        options, loop_.get(),
        PeerTransport::Handler{
            [this](const v1::PeerMessage& message) {
              heard.Put({message.from(), message.forward()});
            },
            [this](MemberId peer) { reset.Put(peer.value()); },
            [this](MemberId peer) { lost.Put(peer.value()); }});
    loop_->SetTick(5, [this] {
      transport_->OnTick(loop_->now_ms());
      if (ticks_door_) door_->OnTick(loop_->now_ms());
    });
    Listen(0);
    loop_->Start();
    OnLoop([this] { transport_->Start(); });
  }
  ~Endpoint() {
    OnLoop([this] { transport_->Stop(); });
    door_->Stop();
    door_.reset();
    loop_->Join();
  }

  std::string address() const {
    return "127.0.0.1:" + std::to_string(door_->port());
  }
  // Another port from now on.
  void Move() {
    door_->Stop();
    door_.reset();
    Listen(0);
  }
  void SetPeers(Addresses addresses) {
    OnLoop([&] { transport_->SetPeers(std::move(addresses)); });
  }
  void Send(int to, const std::string& text) {
    OnLoop([&] { transport_->Send(MemberId(to), Message(to, text)); });
  }
  // In one turn.
  void SendAndSetPeers(int to, const std::string& text, Addresses addresses) {
    OnLoop([&] {
      transport_->Send(MemberId(to), Message(to, text));
      transport_->SetPeers(std::move(addresses));
    });
  }
  // The door's clock goes; before it nothing there runs out.
  void LetTimePass() {
    OnLoop([this] { ticks_door_ = true; });
  }
  bool connected(int peer) {
    bool is = false;
    OnLoop([&] { is = transport_->connected(MemberId(peer)); });
    return is;
  }
  bool ConnectedSoon(int peer) {
    return net::Eventually([&] { return connected(peer); });
  }

  net::Mailbox<std::pair<int, std::string>> heard;  // from, text
  net::Mailbox<int> lost;
  net::Mailbox<int> reset;

 private:
  void Listen(int port) {
    PeerDoor::Options options;
    options.listen = "127.0.0.1:" + std::to_string(port);
    options.silence_ms = 20;
    auto door = PeerDoor::Start(options, loop_, &disk_, nullptr,
                                transport_->MakeDoorHandler());
    CHECK(door.ok()) << door.status();
    door_ = *std::move(door);
  }
  v1::PeerMessage Message(int to, const std::string& text) const {
    v1::PeerMessage message;
    message.set_from(id_);
    message.set_to(to);
    message.set_forward(text);
    return message;
  }
  void OnLoop(const std::function<void()>& act) {
    net::Mailbox<int> done;
    loop_->Post([&] {
      act();
      done.Put(1);
    });
    CHECK(done.Take().has_value());
  }

  const int id_;
  Executor disk_{"disk", 1};
  const std::shared_ptr<net::Loop> loop_ =
      std::make_shared<net::Loop>("peers", 512);
  std::unique_ptr<PeerTransport> transport_;
  std::unique_ptr<PeerDoor> door_;
  bool ticks_door_ = false;
};

// What glog was given meanwhile.
class LogLines final : public google::LogSink {
 public:
  LogLines() { google::AddLogSink(this); }
  ~LogLines() override { google::RemoveLogSink(this); }
  void send(google::LogSeverity, const char*, const char*, int, const tm*,
            const char* message, size_t length) override {
    std::lock_guard lock(mutex_);
    text_ += std::string(message, length) + "\n";
  }
  bool Has(const std::string& words) {
    std::lock_guard lock(mutex_);
    return text_.find(words) != std::string::npos;
  }
  size_t Count(const std::string& words) {
    std::lock_guard lock(mutex_);
    size_t count = 0;
    for (size_t at = text_.find(words); at != std::string::npos;
         at = text_.find(words, at + 1)) {
      ++count;
    }
    return count;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

using Heard = std::pair<int, std::string>;

// Both know, and are connected to, one another. Who is the first to dial may be
// refused once.
void Acquaint(Endpoint& one, Endpoint& two) {
  one.SetPeers({{MemberId(2), two.address()}});
  two.SetPeers({{MemberId(1), one.address()}});
  ASSERT_TRUE(one.ConnectedSoon(2));
  ASSERT_TRUE(two.ConnectedSoon(1));
  while (one.lost.size() > 0) one.lost.Take();
  while (two.lost.size() > 0) two.lost.Take();
}

TEST(PeerTransportTest, PeersThatAreSetAreDialledAndHeard) {
  Endpoint one(1), two(2);
  Acquaint(one, two);
  one.Send(2, "a");
  one.Send(2, "b");
  EXPECT_EQ(two.heard.Take(), Heard(1, "a"));
  EXPECT_EQ(two.heard.Take(), Heard(1, "b"));
  two.Send(1, "c");
  EXPECT_EQ(one.heard.Take(), Heard(2, "c"));
}

TEST(PeerTransportTest, ThisMemberItselfIsNoPeer) {
  Endpoint one(1), two(2);
  Acquaint(one, two);
  one.SetPeers({{MemberId(1), one.address()}, {MemberId(2), two.address()}});
  EXPECT_TRUE(one.connected(2));
  EXPECT_FALSE(one.connected(1));
}

TEST(PeerTransportTest, AStrangerIsToldWhyItIsNotTakenIn) {
  LogLines log;
  Endpoint one(1), two(2), stranger(3);
  Acquaint(one, two);
  stranger.SetPeers({{MemberId(1), one.address()}});
  ASSERT_TRUE(stranger.lost.Take().has_value());
  EXPECT_FALSE(stranger.connected(1));
  EXPECT_TRUE(log.Has("peer 1 at " + one.address() +
                      " refuses this member: member 3 is not in the ensemble "
                      "that member 1 knows"));
  EXPECT_TRUE(log.Has("refused a peer at 127.0.0.1: member 3 is not in the"));
  // The ones that belong together do not mind.
  EXPECT_TRUE(one.connected(2));
  stranger.Send(1, "let me in");
  one.SetPeers({{MemberId(2), two.address()}, {MemberId(3), stranger.address()}});
  // Now it is one of them, and need not wait for its own next attempt.
  ASSERT_TRUE(stranger.ConnectedSoon(1));
  ASSERT_TRUE(one.ConnectedSoon(3));
  stranger.Send(1, "thanks");
  auto heard = one.heard.Take();
  if (heard == Heard(3, "let me in")) heard = one.heard.Take();
  EXPECT_EQ(heard, Heard(3, "thanks"));
}

TEST(PeerTransportTest, AMemberOfAnotherEnsembleIsRefusedAndNotAllTheTime) {
  LogLines log;
  Endpoint one(1), other(2, "f");
  one.SetPeers({{MemberId(2), other.address()}});
  other.SetPeers({{MemberId(1), one.address()}});
  ASSERT_TRUE(other.lost.Take().has_value());
  ASSERT_TRUE(one.lost.Take().has_value());
  EXPECT_EQ(
      log.Count("member 1 belongs to ensemble 'e', not to 'f'"), 2u);
  EXPECT_EQ(
      log.Count("member 2 belongs to ensemble 'f', not to 'e'"), 2u);
}

TEST(PeerTransportTest, WhoIsLetGoGetsTheLastMessageAndIsNotHeardAnyMore) {
  Endpoint one(1), two(2);
  Acquaint(one, two);
  one.SendAndSetPeers(2, "you are out", {});
  EXPECT_EQ(two.heard.Take(), Heard(1, "you are out"));
  EXPECT_EQ(two.lost.Take(), 1);
  two.Send(1, "am I?");
  // Its connection is closed, and it is a stranger from then on.
  EXPECT_TRUE(net::Eventually([&] { return !two.connected(1); }));
  EXPECT_EQ(one.heard.size(), 0u);
}

TEST(PeerTransportTest, APeerThatHasMovedIsDialledWhereItIsNow) {
  Endpoint one(1), two(2);
  Acquaint(one, two);
  two.Move();
  ASSERT_TRUE(one.lost.Take().has_value());
  one.SetPeers({{MemberId(2), two.address()}});
  ASSERT_TRUE(one.ConnectedSoon(2));
  one.Send(2, "found you");
  EXPECT_EQ(two.heard.Take(), Heard(1, "found you"));
}

TEST(PeerTransportTest, APeerThatComesLateIsDialledAgainAndAgain) {
  Endpoint one(1);
  std::string address;
  {
    Endpoint gone(2);
    address = gone.address();
  }
  one.SetPeers({{MemberId(2), address}});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(one.lost.Take().has_value());
  EXPECT_FALSE(one.connected(2));
}

TEST(PeerTransportTest, WhoIsConnectedToUsIsNotLostBecauseItsDoorIsShut) {
  Endpoint one(1), two(2);
  std::string nowhere;
  {
    Endpoint gone(2);
    nowhere = gone.address();
  }
  two.SetPeers({{MemberId(1), one.address()}});
  one.SetPeers({{MemberId(2), nowhere}});
  ASSERT_TRUE(two.ConnectedSoon(1));
  two.Send(1, "here I am");
  ASSERT_EQ(one.heard.Take(), Heard(2, "here I am"));
  while (one.lost.size() > 0) one.lost.Take();
  // As many dials that fail as there were, and more.
  for (size_t n = one.reset.size() + 3; n > 0; --n) {
    ASSERT_EQ(one.reset.Take(), 2);
  }
  EXPECT_EQ(one.lost.size(), 0u);
}

// What a peer could do with a socket of its own.
std::unique_ptr<net::BlockingLink> Connect(const Endpoint& to) {
  const auto at = net::SplitHostPort(to.address());
  auto link = net::BlockingLink::Dial({at->host, at->port, ""});
  CHECK(link.ok()) << link.status();
  return *std::move(link);
}
std::string SnapshotHello(int from, int to) {
  PeerOptions options;
  options.self = MemberId(from);
  options.ensemble = "e";
  return MakeHello(options, MemberId(to), true).SerializeAsString();
}
std::string RefusalOf(net::BlockingLink& link) {
  auto frame = link.Read(1'000);
  CHECK(frame.ok()) << frame.status();
  v1::PeerAck ack;
  CHECK(ack.ParseFromString(*frame));
  return ack.refused();
}

TEST(PeerDoorTest, AConnectionWithoutAHelloEnds) {
  Endpoint one(1);
  auto link = Connect(one);
  one.LetTimePass();
  EXPECT_FALSE(link->Read(1'000).ok());
}

TEST(PeerDoorTest, ASilentPeerIsNotSentAwayForIt) {
  Endpoint one(1), two(2);
  Acquaint(one, two);
  auto stranger = Connect(two);
  two.LetTimePass();
  EXPECT_FALSE(stranger->Read(1'000).ok());  // so long it took, and more
  EXPECT_TRUE(one.connected(2));
  EXPECT_EQ(one.lost.size(), 0u);
}

TEST(PeerDoorTest, ASnapshotThatDoesNotGoOnMakesRoomForTheNext) {
  Endpoint one(1);
  one.SetPeers({{MemberId(2), "127.0.0.1:1"}, {MemberId(3), "127.0.0.1:1"}});
  auto first = Connect(one);
  ASSERT_TRUE(first->Write(SnapshotHello(2, 1)).ok());
  EXPECT_EQ(RefusalOf(*first), "");
  auto second = Connect(one);
  ASSERT_TRUE(second->Write(SnapshotHello(3, 1)).ok());
  EXPECT_EQ(RefusalOf(*second), "another snapshot is being taken in");
  one.LetTimePass();
  EXPECT_FALSE(first->Read(1'000).ok());
  // The place is given back behind what the disk still had to do.
  ASSERT_TRUE(net::Eventually([&] {
    auto third = Connect(one);
    return third->Write(SnapshotHello(3, 1)).ok() && RefusalOf(*third) == "";
  }));
}

}  // namespace
}  // namespace sillok::coord
