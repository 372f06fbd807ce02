#include "coordinator/tree/ensemble_text.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sillok {
namespace {

TEST(EnsembleTextTest, ReadsOurFormAndZooKeepers) {
  struct Case {
    std::string text, peer, grpc, zookeeper;
    int election = 0;
    bool observer = false;
  };
  for (const Case& c : std::vector<Case>{
           {"h1:2888", "h1:2888", "", ""},
           {"h1:2888;2180", "h1:2888", "h1:2180", ""},
           {"h1:2888;2180;2181", "h1:2888", "h1:2180", "h1:2181"},
           {"h1:2888;2180;0.0.0.0:2181", "h1:2888", "h1:2180", "0.0.0.0:2181"},
           {"h1:2888:observer;2180", "h1:2888", "h1:2180", "", 0, true},
           {"h1:2888:3888", "h1:2888", "", "", 3888},
           {"h1:2888:3888:observer", "h1:2888", "", "", 3888, true},
           {"h1:2888:3888:participant;2181", "h1:2888", "", "0.0.0.0:2181",
            3888},
           {"h1:2888:3888;h2:2181", "h1:2888", "", "h2:2181", 3888},
           {" h1 : 2888 ; 2180 ", "h1:2888", "h1:2180", ""},
           {"h1:2888;0.0.0.0:2180", "h1:2888", "h1:2180", ""},
           {"h1:2888;[::]:2180", "h1:2888", "h1:2180", ""},
           {"h1:2888;h2:2180", "h1:2888", "h2:2180", ""},
           {"[::1]:2888;2180", "[::1]:2888", "[::1]:2180", ""}}) {
    const auto server = ParseServer(c.text);
    ASSERT_TRUE(server.ok()) << c.text;
    EXPECT_EQ(server->peer_address(), c.peer) << c.text;
    EXPECT_EQ(server->client_address(), c.grpc) << c.text;
    EXPECT_EQ(server->zookeeper_address(), c.zookeeper) << c.text;
    EXPECT_EQ(server->election_port(), c.election) << c.text;
    EXPECT_EQ(server->observer(), c.observer) << c.text;
  }
}

TEST(EnsembleTextTest, RefusesWhatIsNoServer) {
  for (const char* text :
       {"", "h1", "h1:", ":2888", "h1:x", "h1:70000", "h1:-1", "h1:2888;",
        "h1:2888;x", "h1:2888;a:b:1", "h1:2888:leader", "h1:2888:3888;1;2",
        "h1:1;2;3;4", "h1:1:2:3:observer", "h1:1:0", "h 1:2888", "h=1:2888",
        "h1|h2:2888", "[::1:2888", "h1:2888;:2181", "some thing"}) {
    EXPECT_FALSE(ParseServer(text).ok()) << text;
  }
}

TEST(EnsembleTextTest, ALineHasANumberBefore) {
  for (const char* text : {"server.7=h:1", "7=h:1", " server.7 = h:1\n"}) {
    const auto member = ParseServerLine(text);
    ASSERT_TRUE(member.ok()) << text;
    EXPECT_EQ(member->id(), 7);
    EXPECT_EQ(member->peer_address(), "h:1");
  }
  for (const char* text : {"h:1", "=h:1", "0=h:1", "-1=h:1",
                           "x=h:1", "server.=h:1", "server.1", "1=", "",
                           "99999999999999999999=h:1"}) {
    EXPECT_FALSE(ParseServerLine(text).ok()) << text;
  }
}

Ensemble Of(Zxid version, const std::vector<std::string>& lines) {
  Ensemble ensemble{version, {}};
  for (const std::string& line : lines) {
    ensemble.members.push_back(*ParseServerLine(line));
  }
  return ensemble;
}

TEST(EnsembleTextTest, IsWrittenAsZooKeeperWritesIt) {
  EXPECT_EQ(FormatEnsemble(Of(Zxid(uint64_t{0x100000000}),
                              {"1=127.0.0.1:2888:3888;2181",
                               "2=h:2888:3888:observer;h:2181"})),
            "server.1=127.0.0.1:2888:3888:participant;0.0.0.0:2181\n"
            "server.2=h:2888:3888:observer;h:2181\n"
            "version=100000000");
  // ZooKeeper's clients want an election port that is another one.
  EXPECT_EQ(FormatServer(*ParseServerLine("3=h:2888;2180")),
            "server.3=h:2888:3888:participant");
  EXPECT_EQ(FormatServer(*ParseServerLine("3=h:65000;2180;2181")),
            "server.3=h:65000:64000:participant;h:2181");
}

// Read, written and read again: nothing is lost but what the text cannot say.
TEST(EnsembleTextTest, ComesBackFromItsText) {
  std::mt19937 random(7);
  auto pick = [&](int bound) { return static_cast<int>(random() % bound); };
  const std::vector<std::string> hosts = {"h", "10.0.0.1", "[::1]", "0.0.0.0",
                                          "a-b.c.d"};
  auto host = [&] { return hosts[static_cast<size_t>(pick(5))]; };
  for (int round = 0; round < 2'000; ++round) {
    v1::EnsembleMember member;
    member.set_id(1 + pick(255));
    member.set_observer(pick(2) == 0);
    member.set_peer_address(host() + ":" + std::to_string(1 + pick(65535)));
    member.set_election_port(1 + pick(65535));
    if (pick(2) == 0) {
      member.set_zookeeper_address(host() + ":" +
                                   std::to_string(pick(65536)));
    }
    const auto back = ParseServerLine(FormatServer(member));
    ASSERT_TRUE(back.ok()) << FormatServer(member);
    EXPECT_EQ(back->SerializeAsString(), member.SerializeAsString());
  }
}

TEST(EnsembleTextTest, AnythingMayBeReadWithoutHarm) {
  std::mt19937 random(11);
  const std::string letters = "server.=:;1270[]observparticnt \n,|-\xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = round % 2 == 0 ? "server.1=h:1:2:observer;3" : "";
    for (size_t i = random() % 12; i > 0; --i) {
      const char c = letters[random() % letters.size()];
      const size_t at = random() % (text.size() + 1);
      if (random() % 3 == 0 && at < text.size()) {
        text[at] = c;
      } else {
        text.insert(at, 1, c);
      }
    }
    const auto member = ParseServerLine(text);
    if (!member.ok()) continue;
    const auto again = ParseServerLine(FormatServer(*member));
    ASSERT_TRUE(again.ok()) << text << " -> " << FormatServer(*member);
    EXPECT_EQ(again->peer_address(), member->peer_address()) << text;
    EXPECT_EQ(again->observer(), member->observer()) << text;
  }
}

TEST(EnsembleTextTest, TheRoleIsPutWhereItBelongs) {
  EXPECT_EQ(WithRole("h:1;2", true), "h:1:observer;2");
  EXPECT_EQ(WithRole("h:1:2;3", true), "h:1:2:observer;3");
  EXPECT_EQ(WithRole("h:1:participant;2;3", true), "h:1:observer;2;3");
  EXPECT_EQ(WithRole("h:1:observer", false), "h:1:participant");
  EXPECT_EQ(WithRole("h:1", false), "h:1:participant");
}

TEST(EnsembleTextTest, WhoListensEverywhereIsFoundAtItsHost) {
  EXPECT_EQ(ReachableAddress("0.0.0.0:2181", "h:2888"), "h:2181");
  EXPECT_EQ(ReachableAddress("[::]:2181", "[::1]:2888"), "[::1]:2181");
  EXPECT_EQ(ReachableAddress("a:2181", "h:2888"), "a:2181");
  EXPECT_EQ(ReachableAddress("", "h:2888"), "");
}

}  // namespace
}  // namespace sillok
