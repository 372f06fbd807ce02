#include "coordinator/tree/membership.h"

#include <random>
#include <string>
#include <vector>

#include "coordinator/tree/ensemble_text.h"
#include "coordinator/tree/row_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sillok::coord {
namespace {

using testing::HasSubstr;

std::vector<v1::EnsembleMember> Members(const std::vector<std::string>& lines) {
  std::vector<v1::EnsembleMember> members;
  for (const std::string& line : lines) {
    members.push_back(*ParseServerLine(line));
  }
  return members;
}

v1::Txn Reconfig(const std::vector<v1::EnsembleMember>& members) {
  v1::Txn txn;
  txn.mutable_origin()->set_member_id(3);
  txn.set_time_ms(1'700'000'000'000);
  for (const v1::EnsembleMember& member : members) {
    *txn.mutable_reconfig()->add_members() = member;
  }
  return txn;
}

std::string Random(std::mt19937& random, size_t most) {
  std::string text(random() % most, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

v1::Txn AnyTxn(std::mt19937& random) {
  v1::Txn txn;
  if (random() % 4 != 0) {
    txn.mutable_origin()->set_session_id(random());
    txn.set_time_ms(static_cast<int64_t>(random()));
  }
  switch (random() % 4) {
    case 0: {
      v1::CreateTxnOp* op =
          txn.mutable_write()->add_ops()->mutable_create();
      op->set_path(Random(random, 40));
      op->set_data(Random(random, 300));
      break;
    }
    case 1:
      txn.mutable_create_session()->set_password(Random(random, 20));
      break;
    case 2:
      txn.mutable_close_session()->add_ephemerals(Random(random, 20));
      break;
    default:
      return Reconfig(Members({"1=h:1;2", "4=i:3:observer"}));
  }
  return txn;
}

TEST(MembershipTest, AReconfigurationGivesItsMembersById) {
  const auto members = MembershipOf(
      Reconfig(Members({"5=c:3:4:observer;9", "1=a:1;7"})).SerializeAsString());
  ASSERT_TRUE(members.has_value());
  EXPECT_EQ(*members, (std::vector<zab::EnsembleMember>{
                          {MemberId(1), true, "a:1"},
                          {MemberId(5), false, "c:3"}}));
}

TEST(MembershipTest, OthersGiveNothing) {
  EXPECT_FALSE(MembershipOf("").has_value());
  EXPECT_FALSE(MembershipOf("no transaction").has_value());
  v1::Txn close;
  close.mutable_close_session()->set_session_id(1);
  EXPECT_FALSE(MembershipOf(close.SerializeAsString()).has_value());
}

// The scan says what parsing all of it would say, whatever the bytes are.
TEST(MembershipTest, TheScanAgreesWithTheParser) {
  std::mt19937 random(3);
  int found = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = AnyTxn(random).SerializeAsString();
    if (round % 2 == 1) {
      for (size_t i = random() % 4; i > 0 && !bytes.empty(); --i) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      if (random() % 8 == 0) bytes += Random(random, 9);
      if (random() % 8 == 0) bytes.resize(random() % (bytes.size() + 1));
      if (random() % 8 == 0) bytes += AnyTxn(random).SerializeAsString();
    }
    v1::Txn txn;
    const bool changes = txn.ParseFromString(bytes) && txn.has_reconfig();
    ASSERT_EQ(MembershipOf(bytes).has_value(), changes)
        << round << " " << DescribeKey(bytes);
    found += changes;
  }
  EXPECT_GT(found, 1'000);
}

TEST(MembershipTest, TheRowComesBack) {
  v1::ReconfigTxn reconfig =
      Reconfig(Members({"1=a:1;7;8", "2=b:1:2:observer;9"})).reconfig();
  const std::string row =
      EncodeEnsemble({Zxid(3, 4).value(), reconfig.SerializeAsString()});
  EXPECT_TRUE(VerifyRow(EnsembleKey(), row).ok());
  const auto ensemble = ReadEnsembleRow(row);
  ASSERT_TRUE(ensemble.ok()) << ensemble.status();
  EXPECT_EQ(ensemble->version, Zxid(3, 4));
  ASSERT_EQ(ensemble->members.size(), 2u);
  EXPECT_EQ(ensemble->members[0].client_address(), "a:7");
  EXPECT_EQ(ToMembership(*ensemble).version, Zxid(3, 4));
  EXPECT_FALSE(ToMembership(*ensemble).Votes(MemberId(2)));
  for (size_t i = 0; i < row.size(); ++i) {
    std::string damaged = row;
    damaged[i] ^= 1;
    EXPECT_FALSE(ReadEnsembleRow(damaged).ok()) << i;
    if (i > 0) {
      EXPECT_FALSE(ReadEnsembleRow(row.substr(0, i)).ok()) << i;
    }
  }
  const auto none = ReadEnsembleRow("");
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->members.empty());
  EXPECT_EQ(none->version, Zxid());
}

TEST(MembershipTest, AMemberThatWasRemovedIsTurnedAwayWithTheReason) {
  const auto file = Members({"1=a:1", "2=b:1", "3=c:1"});
  const Ensemble stored{Zxid(2, 7), Members({"1=a:1", "4=d:1:observer"})};
  const auto refused = CheckMember(MemberId(2), file, stored);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("member 2 was removed"));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("1=a:1, 4=d:1 (observer)"));
  const auto taken = CheckMember(MemberId(1), file, stored);
  ASSERT_TRUE(taken.ok());
  EXPECT_THAT(*taken, HasSubstr("not 1=a:1, 2=b:1, 3=c:1 as in the"));
}

// It filled up with a state from before it was added, and was killed.
TEST(MembershipTest, OneThatIsOnItsWayInMayGoOn) {
  const auto file = Members({"1=a:1", "2=b:1:observer"});
  const auto taken = CheckMember(MemberId(2), file,
                                 {Zxid(2, 7), Members({"1=a:1", "3=c:1"})});
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(*taken, HasSubstr("on its way into the ensemble"));
}

TEST(MembershipTest, NothingIsSaidOfAFileThatIsUpToDateOrCounts) {
  const auto file = Members({"1=a:1", "2=b:1"});
  EXPECT_EQ(*CheckMember(MemberId(1), file, {Zxid(2, 7), file}), "");
  EXPECT_EQ(*CheckMember(MemberId(1), file, {Zxid(), file}), "");
  // Before the first change the file counts, whatever the tree was told.
  EXPECT_EQ(*CheckMember(MemberId(3), Members({"3=c:1"}), {Zxid(), {}}), "");
}

}  // namespace
}  // namespace sillok::coord
