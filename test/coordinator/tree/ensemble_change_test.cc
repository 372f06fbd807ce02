#include "coordinator/tree/ensemble_change.h"

#include <string>
#include <vector>

#include "coordinator/tree/ensemble_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sillok {
namespace {

using testing::ElementsAre;

Ensemble Present() {
  Ensemble present{Zxid(1, 9), {}};
  for (const char* line : {"1=h1:2888;2180;2181", "2=h2:2888;2180;2181",
                           "3=h3:2888:3888;2181"}) {
    present.members.push_back(*ParseServerLine(line));
  }
  return present;
}

v1::ReconfigOp Joining(const std::vector<std::string>& lines) {
  v1::ReconfigOp change;
  for (const std::string& line : lines) change.add_joining(line);
  return change;
}
v1::ReconfigOp Leaving(const std::vector<int>& ids) {
  v1::ReconfigOp change;
  for (const int id : ids) change.add_leaving(id);
  return change;
}
v1::ReconfigOp All(const std::vector<std::string>& lines) {
  v1::ReconfigOp change;
  for (const std::string& line : lines) change.add_new_members(line);
  return change;
}

// The members that come of it as text, or the code.
std::vector<std::string> Change(const v1::ReconfigOp& change) {
  std::vector<v1::EnsembleMember> next;
  const v1::CoordCode code = ChangeEnsemble(Present(), change, &next);
  if (code != v1::OK) {
    EXPECT_TRUE(next.empty());
    return {v1::CoordCode_Name(code)};
  }
  std::vector<std::string> lines;
  for (const v1::EnsembleMember& member : next) {
    lines.push_back(FormatServer(member) + " " + member.client_address());
  }
  return lines;
}

const char kOne[] = "server.1=h1:2888:3888:participant;h1:2181 h1:2180";
const char kTwo[] = "server.2=h2:2888:3888:participant;h2:2181 h2:2180";
const char kThree[] = "server.3=h3:2888:3888:participant;0.0.0.0:2181 ";
const char kBad[] = "BAD_ARGUMENTS";

TEST(EnsembleChangeTest, MembersJoinInOrderOfTheirIds) {
  EXPECT_THAT(
      Change(Joining({"server.9=h9:1:2:observer;3", "4=h4:2888;2180"})),
      ElementsAre(kOne, kTwo, kThree,
                  "server.4=h4:2888:3888:participant h4:2180",
                  "server.9=h9:1:2:observer;0.0.0.0:3 "));
}

TEST(EnsembleChangeTest, MembersLeaveAndThoseThatAreNotThereAreNoError) {
  EXPECT_THAT(Change(Leaving({2})), ElementsAre(kOne, kThree));
  EXPECT_THAT(Change(Leaving({9, 2, 2, 77})), ElementsAre(kOne, kThree));
  EXPECT_THAT(Change(Leaving({9})), ElementsAre(kOne, kTwo, kThree));
  EXPECT_THAT(Change({}), ElementsAre(kOne, kTwo, kThree));
}

TEST(EnsembleChangeTest, WhoLeavesAndJoinsAtOnceIsThere) {
  v1::ReconfigOp change = Joining({"2=h2:2999;2180"});
  change.add_leaving(2);
  change.add_leaving(3);
  EXPECT_THAT(Change(change),
              ElementsAre(kOne,
                          "server.2=h2:2999:3999:participant;h2:2181 h2:2180"));
}

TEST(EnsembleChangeTest, JoiningAgainChangesAddressOrRoleAndKeepsWhatIsUnsaid) {
  // Our form: gRPC's and ZooKeeper's ports stay as long as the host does.
  EXPECT_THAT(
      Change(Joining({"1=h1:2999:observer"})),
      ElementsAre("server.1=h1:2999:3999:observer;h1:2181 h1:2180", kTwo,
                  kThree));
  EXPECT_THAT(Change(Joining({"1=other:2888"})),
              ElementsAre("server.1=other:2888:3888:participant ", kTwo,
                          kThree));
  // ZooKeeper's form says all but gRPC's.
  EXPECT_THAT(Change(Joining({"1=h1:2888:3999;9"})),
              ElementsAre("server.1=h1:2888:3999:participant;0.0.0.0:9 h1:2180",
                          kTwo, kThree));
}

TEST(EnsembleChangeTest, AllMembersAreNamedAnewAsInTheTextOfAConfiguration) {
  EXPECT_THAT(Change(All({"server.3=h3:2888:3888:participant;0.0.0.0:2181",
                          "server.1=h1:2888:3888:participant;h1:2181",
                          "version=100000009"})),
              ElementsAre(kOne, kThree));
  EXPECT_THAT(Change(All({"7=h7:1:2"})),
              ElementsAre("server.7=h7:1:2:participant "));
}

TEST(EnsembleChangeTest, RefusesWhatCannotBe) {
  EXPECT_THAT(Change(Joining({"some thing"})), ElementsAre(kBad));
  EXPECT_THAT(Change(Joining({"server.0=h:1;2"})), ElementsAre(kBad));
  EXPECT_THAT(Change(Joining({"4=h4:0;2"})), ElementsAre(kBad));
  // Newer clients of ZooKeeper could not read it.
  EXPECT_THAT(Change(Joining({"4=h4:5:5;2"})), ElementsAre(kBad));
  // ZooKeeper's form, and nobody could connect.
  EXPECT_THAT(Change(Joining({"4=h4:1:2"})), ElementsAre(kBad));
  // Nobody would vote.
  EXPECT_THAT(Change(Leaving({1, 2, 3})), ElementsAre(kBad));
  EXPECT_THAT(Change(All({"1=h1:1:observer;2"})), ElementsAre(kBad));
  EXPECT_THAT(Change(All({"version=7"})), ElementsAre(kBad));
  // Twice the same id.
  EXPECT_THAT(Change(All({"1=h1:1;2", "1=h2:1;2"})), ElementsAre(kBad));
  // One of several.
  EXPECT_THAT(Change(Joining({"4=h4:1;2", "5"})), ElementsAre(kBad));
}

TEST(EnsembleChangeTest, NoTwoMembersHaveAnAddressInCommon) {
  for (const char* line :
       {"4=h1:2888;9", "4=h4:1;h1:2180", "4=h1:2180;9", "4=h4:1:2;h2:2181",
        "4=h3:3888;9", "4=h3:1:2888;9"}) {
    EXPECT_THAT(Change(Joining({line})), ElementsAre(kBad)) << line;
  }
  // On one machine, behind different namespaces, ports may well be the same.
  EXPECT_EQ(Change(Joining({"4=127.0.0.1:1:2;127.0.0.1:3",
                            "5=127.0.0.1:2:9;127.0.0.1:3"}))
                .size(),
            5u);
  EXPECT_EQ(
      Change(Joining({"4=0.0.0.0:1:2;3", "5=0.0.0.0:1:2;3"})).size(), 5u);
  EXPECT_THAT(Change(Joining({"4=127.0.0.1:1;3", "5=127.0.0.1:1;4"})),
              ElementsAre(kBad));
}

}  // namespace
}  // namespace sillok
