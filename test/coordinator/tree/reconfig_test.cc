// Changes of the members, from the request to /zookeeper/config and the rows.
#include <functional>
#include <string>
#include <vector>

#include "coordinator/tree/ensemble_text.h"
#include "coordinator/tree/row_format.h"
#include "coordinator/tree/watch_table.h"
#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

constexpr char kConfig[] = "/zookeeper/config";
constexpr char kFileText[] =
    "server.1=h1:2888:3888:participant;h1:2181\n"
    "server.2=h2:2888:3888:participant;h2:2181\nversion=0";

std::vector<v1::EnsembleMember> FileMembers() {
  return {*ParseServerLine("1=h1:2888;2180;2181"),
          *ParseServerLine("2=h2:2888;2180;2181")};
}

v1::ReconfigOp Join(const std::string& line, int64_t from = -1) {
  v1::ReconfigOp change;
  change.add_joining(line);
  change.set_from_version(from);
  return change;
}

class ReconfigTest : public testing::Test {
 protected:
  explicit ReconfigTest(PrepareOptions options = {}) : leader(options) {
    leader.OpenSession(1);
    leader.tree.SetFileEnsemble(FileMembers());
    leader.who = Who({{"super", ""}});
  }

  Leader::Outcome Prepare(const v1::ReconfigOp& change, uint64_t session = 1) {
    return leader.Take(leader.preparer.PrepareReconfig(
        Origin(session), change, leader.now_ms, &leader.who,
        [this](const std::vector<v1::EnsembleMember>& next) {
          judged = next.size();
          return verdict;
        }));
  }
  v1::CoordCode Code(const v1::ReconfigOp& change, uint64_t session = 1) {
    const Leader::Outcome outcome = Prepare(change, session);
    if (!outcome.logged) return outcome.rejection.code();
    return leader.ApplyOne().response.code();
  }
  std::string Text() const {
    std::string data;
    EXPECT_EQ(leader.tree.GetData(kConfig, &data, nullptr), v1::OK);
    return data;
  }

  Leader leader;
  v1::CoordCode verdict = v1::OK;
  size_t judged = 0;
};

TEST_F(ReconfigTest, TheFilesMembersAreReadBeforeAnythingWasChanged) {
  EXPECT_EQ(Text(), kFileText);
  const v1::Stat stat = leader.StatOf(kConfig);
  EXPECT_EQ(stat.version(), -1);
  EXPECT_EQ(stat.mzxid(), 0u);
  EXPECT_EQ(stat.data_length(), static_cast<int>(Text().size()));
  EXPECT_EQ(leader.tree.ensemble().version, Zxid());
}

// What another member's file says must not make its tree another one.
TEST_F(ReconfigTest, TheFilesMembersAreNoPartOfTheState) {
  Leader other;
  other.OpenSession(1);
  EXPECT_EQ(other.tree.digest(), leader.tree.digest());
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  Disk others;
  WriteRows(other.tree.TakeRows(), &others);
  EXPECT_EQ(disk, others);
  EXPECT_TRUE(leader.tree.CheckInvariants().ok());
  EXPECT_EQ(leader.tree.data_bytes(), other.tree.data_bytes());
}

TEST_F(ReconfigTest, AChangeIsTextStatAnswerAndEvent) {
  leader.now_ms = 77'000;
  WatchTable watches;
  v1::CoordRequest read;
  read.mutable_get_data()->set_path(kConfig);
  read.mutable_get_data()->set_watch(true);
  watches.AddForRead(ConnectionId(5), read, v1::OK);
  ASSERT_TRUE(Prepare(Join("3=h3:2888:3888:observer;2181")).logged);
  const ApplyResult result = leader.ApplyOne();
  const std::string text =
      "server.1=h1:2888:3888:participant;h1:2181\n"
      "server.2=h2:2888:3888:participant;h2:2181\n"
      "server.3=h3:2888:3888:observer;0.0.0.0:2181\nversion=10000000002";
  EXPECT_EQ(leader.last.value(), 0x10000000002u);
  EXPECT_EQ(Text(), text);
  EXPECT_EQ(result.response.data(), text);
  EXPECT_EQ(result.response.stat().mzxid(), leader.last.value());
  const v1::Stat stat = leader.StatOf(kConfig);
  EXPECT_EQ(stat.version(), -1);
  EXPECT_EQ(stat.mzxid(), leader.last.value());
  EXPECT_EQ(stat.mtime_ms(), 77'000);
  EXPECT_EQ(stat.czxid(), 0u);
  EXPECT_EQ(stat.aversion(), -1);
  EXPECT_EQ(stat.data_length(), static_cast<int>(text.size()));
  const auto notices = watches.Trigger(leader.last, result.changes);
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].event.type(), v1::NODE_DATA_CHANGED);
  EXPECT_EQ(notices[0].event.path(), kConfig);
  // The file counts no more.
  leader.tree.SetFileEnsemble({});
  EXPECT_EQ(Text(), text);
  EXPECT_EQ(leader.tree.ensemble().version, leader.last);
  EXPECT_EQ(leader.tree.ensemble().members[0].client_address(), "h1:2180");
}

TEST_F(ReconfigTest, ItIsInTheRowsAndComesBackWithThem) {
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  EXPECT_EQ(disk.count(EnsembleKey()), 0u);
  ASSERT_EQ(Code(Join("3=h3:2888;2180")), v1::OK);
  ASSERT_EQ(leader.Code(Create("/a")), v1::OK);
  WriteRows(leader.tree.TakeRows(), &disk);
  EXPECT_EQ(disk.count(EnsembleKey()), 1u);
  ZnodeTree loaded;
  ASSERT_TRUE(LoadTree(disk, leader.tree.applied(), &loaded).ok());
  loaded.SetFileEnsemble(FileMembers());
  EXPECT_EQ(Dump(loaded), Dump(leader.tree));
  EXPECT_EQ(loaded.digest(), leader.tree.digest());
  EXPECT_EQ(loaded.ensemble().version, leader.tree.ensemble().version);
  ASSERT_EQ(loaded.ensemble().members.size(), 3u);
  EXPECT_EQ(loaded.ensemble().members[2].client_address(), "h3:2180");
  EXPECT_TRUE(loaded.CheckInvariants().ok());
  EXPECT_FALSE(loaded.has_rows());
}

// As `coord restore` makes an image: whoever begins with it has the members of
// its own file.
TEST_F(ReconfigTest, WithoutItsRowTheFilesMembersCountAgain) {
  ASSERT_EQ(Code(Join("3=h3:2888;2180")), v1::OK);
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  disk.erase(EnsembleKey());
  ZnodeTree loaded;
  ASSERT_TRUE(LoadTree(disk, leader.tree.applied(), &loaded).ok());
  loaded.SetFileEnsemble(FileMembers());
  EXPECT_EQ(loaded.digest(), leader.tree.digest());
  std::string data;
  ASSERT_EQ(loaded.GetData(kConfig, &data, nullptr), v1::OK);
  EXPECT_EQ(data, kFileText);
}

TEST_F(ReconfigTest, ADamagedOrMisplacedRowIsRefused) {
  ASSERT_EQ(Code(Join("3=h3:2888;2180")), v1::OK);
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  ZnodeTree loaded;
  Disk damaged = disk;
  damaged[EnsembleKey()].back() ^= 1;
  EXPECT_FALSE(LoadTree(damaged, leader.tree.applied(), &loaded).ok());
  Disk later = disk;
  later[EnsembleKey()] =
      EncodeEnsemble({leader.tree.applied().Next().value(), ""});
  EXPECT_FALSE(LoadTree(later, leader.tree.applied(), &loaded).ok());
  Disk other = disk;
  other["Else"] = disk[EnsembleKey()];
  EXPECT_FALSE(LoadTree(other, leader.tree.applied(), &loaded).ok());
}

TEST_F(ReconfigTest, ATransactionThatNamesNobodyToVoteFitsNoTree) {
  for (const std::vector<std::string>& lines :
       std::vector<std::vector<std::string>>{
           {}, {"1=h:1:observer"}, {"2=h:1", "1=i:1"}, {"1=h:1", "1=i:1"}}) {
    v1::Txn txn;
    txn.mutable_reconfig();
    for (const std::string& line : lines) {
      *txn.mutable_reconfig()->add_members() = *ParseServerLine(line);
    }
    ZnodeTree tree;
    EXPECT_FALSE(tree.Apply(Zxid(1, 1), txn).ok()) << lines.size();
  }
}

TEST_F(ReconfigTest, IsRefusedInZooKeepersOrder) {
  leader.who = Who({{"ip", "10.0.0.1"}});
  v1::ReconfigOp bad = Join("some thing", 5);
  EXPECT_EQ(Code(bad, 99), v1::SESSION_EXPIRED);
  EXPECT_EQ(Code(bad), v1::BAD_VERSION);
  bad.set_from_version(0);
  EXPECT_EQ(Code(bad), v1::BAD_ARGUMENTS);
  EXPECT_EQ(judged, 0u);
  verdict = v1::NEW_CONFIG_NO_QUORUM;
  EXPECT_EQ(Code(Join("3=h3:2888;2180")), v1::NEW_CONFIG_NO_QUORUM);
  EXPECT_EQ(judged, 3u);
  verdict = v1::OK;
  EXPECT_EQ(Code(Join("3=h3:2888;2180")), v1::NO_AUTH);
  EXPECT_EQ(Code(Join("999=h3:2888;2180")), v1::NO_AUTH);
  leader.who = Who({{"super", ""}});
  EXPECT_EQ(Code(Join("256=h3:2888;2180")), v1::BAD_ARGUMENTS);
  EXPECT_EQ(Text(), kFileText);
  EXPECT_EQ(Code(Join("255=h3:2888;2180")), v1::OK);
}

TEST_F(ReconfigTest, OneAtATime) {
  ASSERT_TRUE(Prepare(Join("3=h3:2888;2180")).logged);
  const Leader::Outcome second = Prepare(Join("4=h4:2888;2180"));
  EXPECT_EQ(second.rejection.code(), v1::RECONFIG_IN_PROGRESS);
  EXPECT_EQ(second.after, leader.last);
  leader.ApplyOne();
  const auto version = static_cast<int64_t>(leader.last.value());
  EXPECT_EQ(Code(Join("4=h4:2888;2180", version - 1)), v1::BAD_VERSION);
  EXPECT_EQ(Code(Join("4=h4:2888;2180", version)), v1::OK);
  EXPECT_EQ(leader.tree.ensemble().members.size(), 4u);
}

TEST_F(ReconfigTest, OneThatIsWithdrawnLeavesNothingBehind) {
  Prepared prepared = leader.preparer.PrepareReconfig(
      Origin(1), Join("3=h3:2888;2180"), 1, &leader.who,
      [](const auto&) { return v1::OK; });
  ASSERT_TRUE(std::holds_alternative<v1::Txn>(prepared));
  leader.preparer.Withdraw();
  EXPECT_EQ(Code(Join("3=h3:2888;2180")), v1::OK);
}

TEST_F(ReconfigTest, WhoeverMayWriteTheConfigurationMayChangeIt) {
  ASSERT_EQ(leader.Code(SetAcl(kConfig, {Rule(kReadPermission, "world",
                                              "anyone"),
                                         Rule(kWritePermission, "ip",
                                              "10.0.0.1")})),
            v1::OK);
  leader.who = Who({{"ip", "10.0.0.2"}});
  EXPECT_EQ(Code(Join("3=h3:2888;2180")), v1::NO_AUTH);
  leader.who = Who({{"ip", "10.0.0.1"}});
  EXPECT_EQ(Code(Join("3=h3:2888;2180")), v1::OK);
  // The text is the ensemble's own all the same.
  EXPECT_EQ(leader.Code(Set(kConfig, "mine")), v1::NO_AUTH);
}

TEST_F(ReconfigTest, AMemberByItselfStaysAlone) {
  leader.tree.SetFileEnsemble({});
  EXPECT_EQ(Text(), "");
  EXPECT_EQ(leader.StatOf(kConfig).version(), 0);
  EXPECT_EQ(Code(Join("3=h3:2888;2180")), v1::UNIMPLEMENTED);
}

class DisabledReconfigTest : public ReconfigTest {
 protected:
  static PrepareOptions Disabled() {
    PrepareOptions options;
    options.reconfig_enabled = false;
    return options;
  }
  DisabledReconfigTest() : ReconfigTest(Disabled()) {}
};

TEST_F(DisabledReconfigTest, SaysSoBeforeAnythingElse) {
  EXPECT_EQ(Code(Join("some thing", 5), 99), v1::RECONFIG_DISABLED);
}

}  // namespace
}  // namespace sillok
