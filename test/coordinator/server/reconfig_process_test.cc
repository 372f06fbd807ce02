// Members that come and go, as real processes: with load, kills and stale files.
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/coordinator/server/coordinator_process.h"
#include "test/coordinator/server/process_load.h"

namespace sillok::coord {
namespace {

using process_test::Connect;
using process_test::CreateSurely;
using process_test::ExpectAllThere;
using process_test::Load;
using process_test::TestDirectory;
using testing::ElementsAre;
using testing::HasSubstr;

// Anybody may change the members.
const std::vector<std::string> kSettings = {"tickTime=500", "skipACL=true"};

class ReconfigProcessTest : public testing::Test {
 protected:
  void Start(int members, int spares) {
    ensemble_ = std::make_unique<ProcessEnsemble>(TestDirectory(), members,
                                                  kSettings, spares);
    session_ = Connect(ensemble_->servers());
    ASSERT_NE(session_, nullptr);
  }

  v1::CoordCode AskOnce(const std::vector<std::string>& joining,
                        const std::vector<int>& leaving) {
    v1::CoordRequest request;
    v1::ReconfigOp* op = request.mutable_reconfig();
    for (const std::string& line : joining) op->add_joining(line);
    for (const int id : leaving) op->add_leaving(id);
    op->set_from_version(-1);
    return session_->Call(request).code();
  }
  // Until it is decided. To ask again for what has happened changes nothing.
  v1::CoordCode Ask(const std::vector<std::string>& joining,
                    const std::vector<int>& leaving) {
    v1::CoordCode code = v1::CONNECTION_LOSS;
    EXPECT_TRUE(ProcessEnsemble::Eventually([&] {
      code = AskOnce(joining, leaving);
      return code != v1::CONNECTION_LOSS && code != v1::OPERATION_TIMEOUT &&
             code != v1::RECONFIG_IN_PROGRESS;
    }));
    return code;
  }

  // Who has just come may not be heard by the leader yet.
  v1::CoordCode AskUntilDone(const std::vector<std::string>& joining,
                             const std::vector<int>& leaving) {
    v1::CoordCode code = v1::CONNECTION_LOSS;
    ProcessEnsemble::Eventually([&] {
      code = Ask(joining, leaving);
      return code != v1::NEW_CONFIG_NO_QUORUM;
    });
    return code;
  }

  // As `sillok coord add` does it.
  void Observe(int id) {
    ensemble_->StartSpare(id);
    ASSERT_EQ(AskUntilDone({ensemble_->Line(id, true)}, {}), v1::OK);
    ASSERT_TRUE(AwaitRole(id, "observing")) << ensemble_->Log(id);
  }
  void Promote(int id) {
    ASSERT_EQ(AskUntilDone({ensemble_->Line(id)}, {}), v1::OK);
    ASSERT_TRUE(ProcessEnsemble::Eventually([&] {
      const std::string role = ensemble_->Status(id).role();
      return role == "following" || role == "leading";
    })) << ensemble_->Log(id);
  }
  void Add(int id) {
    ASSERT_NO_FATAL_FAILURE(Observe(id));
    ASSERT_NO_FATAL_FAILURE(Promote(id));
  }
  bool AwaitRole(int id, const std::string& role) {
    return ProcessEnsemble::Eventually(
        [&] { return ensemble_->Status(id).role() == role; });
  }
  // Removes it and sees its process end as it should.
  void Remove(int id) {
    ASSERT_EQ(AskUntilDone({}, {id}), v1::OK);
    ExpectEnded(id);
  }
  void ExpectEnded(int id) {
    std::optional<int> code;
    ASSERT_TRUE(ProcessEnsemble::Eventually([&] {
      code = ensemble_->Exited(id);
      return code.has_value();
    })) << ensemble_->Log(id);
    EXPECT_EQ(*code, 0);
    EXPECT_THAT(ensemble_->Log(id),
                HasSubstr("is no member of the ensemble any more"));
  }

  // Of the members that `id` knows.
  std::vector<int> Voters(int id) const {
    std::vector<int> voters;
    const v1::MemberStatusResponse status = ensemble_->Status(id);
    for (const v1::MemberAddress& member : status.members()) {
      if (!member.observer()) voters.push_back(member.member_id());
    }
    return voters;
  }
  void ExpectEverywhere(const std::vector<std::string>& paths,
                        const std::vector<int>& ids) {
    for (const int id : ids) {
      auto reader = Connect(ensemble_->server(id));
      ASSERT_NE(reader, nullptr);
      ASSERT_EQ(reader->Sync(), v1::OK);
      ExpectAllThere(*reader, paths);
    }
  }

  std::unique_ptr<ProcessEnsemble> ensemble_;
  std::unique_ptr<BlockingSession> session_;
};

TEST_F(ReconfigProcessTest, OneGrowsToFiveAndShrinksToOneAgain) {
  Start(1, 4);
  ASSERT_EQ(CreateSurely(*session_, "/a", "/a"), v1::OK);
  for (const int id : {2, 3, 4, 5}) {
    ASSERT_NO_FATAL_FAILURE(Add(id));
    ASSERT_EQ(CreateSurely(*session_, "/b" + std::to_string(id),
                           "/b" + std::to_string(id)),
              v1::OK);
  }
  ensemble_->WaitForLeader();
  EXPECT_THAT(Voters(3), ElementsAre(1, 2, 3, 4, 5));
  // Two may be missing.
  ensemble_->Kill(1);
  ensemble_->Kill(2);
  ASSERT_EQ(CreateSurely(*session_, "/c", "/c"), v1::OK);
  ensemble_->Start(1);
  ensemble_->Start(2);
  ensemble_->WaitForLeader();
  ExpectEverywhere({"/a", "/b2", "/b5", "/c"}, {1, 2, 3, 4, 5});
  for (const int id : {1, 2, 3, 4}) ASSERT_NO_FATAL_FAILURE(Remove(id));
  ASSERT_EQ(CreateSurely(*session_, "/d", "/d"), v1::OK);
  EXPECT_THAT(Voters(5), ElementsAre(5));
  ensemble_->Kill(5);
  ensemble_->Start(5);
  ensemble_->WaitForLeader();
  ExpectEverywhere({"/a", "/b4", "/c", "/d"}, {5});
}

TEST_F(ReconfigProcessTest, EveryMemberIsReplacedUnderLoadAndNothingIsLost) {
  Start(3, 3);
  Load load(ensemble_->servers(), 4);
  load.WaitForMore(50);
  for (int old = 1; old <= 3; ++old) {
    ASSERT_NO_FATAL_FAILURE(Add(old + 3));
    load.WaitForMore(20);
    ASSERT_NO_FATAL_FAILURE(Remove(old));
    load.WaitForMore(20);
  }
  load.Stop();
  ensemble_->WaitForLeader();
  EXPECT_THAT(Voters(4), ElementsAre(4, 5, 6));
  ExpectEverywhere(load.acknowledged(), {4, 5, 6});
  // All of them are started with files that know of members long gone.
  for (const int id : {4, 5, 6}) ensemble_->Kill(id);
  for (const int id : {4, 5, 6}) ensemble_->Start(id);
  ensemble_->WaitForLeader();
  ExpectEverywhere(load.acknowledged(), {4, 5, 6});
}

TEST_F(ReconfigProcessTest, TheLeaderIsRemovedAndAnotherOneLeads) {
  Start(3, 0);
  for (const int left : {2, 1}) {
    const int leader = ensemble_->WaitForLeader();
    ASSERT_NO_FATAL_FAILURE(Remove(leader));
    ASSERT_EQ(CreateSurely(*session_, "/a" + std::to_string(left),
                           "/a" + std::to_string(left)),
              v1::OK);
    EXPECT_EQ(Voters(ensemble_->WaitForLeader()).size(),
              static_cast<size_t>(left));
  }
}

TEST_F(ReconfigProcessTest, ARemovedMemberDoesNotStartAgain) {
  Start(3, 0);
  const int removed = ensemble_->WaitForLeader() % 3 + 1;
  ASSERT_NO_FATAL_FAILURE(Remove(removed));
  ensemble_->Start(removed);
  std::optional<int> code;
  ASSERT_TRUE(ProcessEnsemble::Eventually([&] {
    code = ensemble_->Exited(removed);
    return code.has_value();
  }));
  EXPECT_EQ(*code, 1);
  EXPECT_THAT(ensemble_->Log(removed),
              HasSubstr("member " + std::to_string(removed) +
                        " was removed from the ensemble"));
  // With nothing on disk it may join anew.
  ensemble_->Wipe(removed);
  ASSERT_NO_FATAL_FAILURE(Add(removed));
  ensemble_->WaitForLeader();
}

// Its file calls it an observer on its way in.
TEST_F(ReconfigProcessTest, OneThatHasJoinedAndIsRemovedDoesNotStartAgainEither) {
  Start(1, 1);
  ASSERT_NO_FATAL_FAILURE(Add(2));
  ASSERT_NO_FATAL_FAILURE(Remove(2));
  ensemble_->Start(2);
  std::optional<int> code;
  ASSERT_TRUE(ProcessEnsemble::Eventually([&] {
    code = ensemble_->Exited(2);
    return code.has_value();
  }));
  EXPECT_EQ(*code, 1);
  EXPECT_THAT(ensemble_->Log(2), HasSubstr("was removed from the ensemble"));
}

TEST_F(ReconfigProcessTest, AMemberThatSleptThroughItsRemovalEnds) {
  Start(3, 0);
  const int leader = ensemble_->WaitForLeader();
  const int away = leader % 3 + 1;
  ensemble_->Pause(away);
  ASSERT_EQ(Ask({}, {away}), v1::OK);
  ASSERT_EQ(CreateSurely(*session_, "/a", "/a"), v1::OK);
  ensemble_->Resume(away);
  // The others do not know it any more; it serves nobody in any case.
  ASSERT_TRUE(ProcessEnsemble::Eventually([&] {
    return ensemble_->Status(away).role() != "following";
  }));
  EXPECT_EQ(Voters(leader).size(), 2u);
  ASSERT_EQ(CreateSurely(*session_, "/b", "/b"), v1::OK);
}

TEST_F(ReconfigProcessTest, WithoutAMajorityInSyncNothingIsChanged) {
  Start(3, 2);
  ensemble_->Kill(1);
  const int leader = ensemble_->WaitForLeader();
  ASSERT_TRUE(ProcessEnsemble::Eventually([&] {
    return ensemble_->Log(leader).find("lost peer 1") != std::string::npos;
  }));
  // Of 2, 3, 4 and 5 only two are there.
  EXPECT_EQ(Ask({ensemble_->Line(4), ensemble_->Line(5)}, {1}),
            v1::NEW_CONFIG_NO_QUORUM);
  EXPECT_EQ(Ask({}, {2}), v1::NEW_CONFIG_NO_QUORUM);
  // With two dead there is nobody to ask.
  ensemble_->Kill(2);
  const v1::CoordCode code = AskOnce({}, {2});
  EXPECT_TRUE(code == v1::CONNECTION_LOSS || code == v1::OPERATION_TIMEOUT)
      << v1::CoordCode_Name(code);
  ensemble_->Start(2);
  ensemble_->WaitForLeader();
  ASSERT_EQ(CreateSurely(*session_, "/a", "/a"), v1::OK);
  EXPECT_THAT(Voters(3), ElementsAre(1, 2, 3));
  // The dead one itself may go.
  ASSERT_EQ(AskUntilDone({}, {1}), v1::OK);
  EXPECT_THAT(Voters(ensemble_->WaitForLeader()), ElementsAre(2, 3));
}

TEST_F(ReconfigProcessTest, AnObserverServesIsPromotedAndStepsDown) {
  Start(3, 1);
  ASSERT_EQ(CreateSurely(*session_, "/a", "/a"), v1::OK);
  ASSERT_NO_FATAL_FAILURE(Observe(4));
  ExpectEverywhere({"/a"}, {4});
  EXPECT_THAT(Voters(4), ElementsAre(1, 2, 3));
  // A restart does not change what it is.
  ensemble_->Kill(4);
  ensemble_->Start(4);
  ASSERT_TRUE(AwaitRole(4, "observing"));
  ASSERT_NO_FATAL_FAILURE(Promote(4));
  // It counts: with it two others may be missing of five... of four one may.
  ensemble_->Kill(ensemble_->WaitForLeader() == 1 ? 2 : 1);
  ASSERT_EQ(CreateSurely(*session_, "/b", "/b"), v1::OK);
  ensemble_->Start(ensemble_->running(1) ? 2 : 1);
  ensemble_->WaitForLeader();
  ASSERT_EQ(AskUntilDone({ensemble_->Line(4, true)}, {}), v1::OK);
  ASSERT_TRUE(AwaitRole(4, "observing"));
  ExpectEverywhere({"/a", "/b"}, {1, 2, 3, 4});
}

// Whoever dies in the middle of a change: it either happened, on every member, or
// it did not, and can be asked for again.
TEST_F(ReconfigProcessTest, AKilledLeaderLeavesTheChangeDoneOrUndone) {
  Start(3, 2);
  Load load(ensemble_->servers(), 2);
  load.WaitForMore(20);
  for (const int id : {4, 5}) ASSERT_NO_FATAL_FAILURE(Observe(id));
  std::vector<std::string> both = {ensemble_->Line(4), ensemble_->Line(5)};
  for (int round = 0; round < 6; ++round) {
    const int leader = ensemble_->WaitForLeader();
    if (round % 2 == 1) {
      both = {ensemble_->Line(4, true), ensemble_->Line(5, true)};
    } else {
      both = {ensemble_->Line(4), ensemble_->Line(5)};
    }
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(round));
      ensemble_->Kill(leader);
    });
    AskOnce(both, {});
    killer.join();
    load.WaitForMore(5);
    ASSERT_EQ(AskUntilDone(both, {}), v1::OK);
    ensemble_->Start(leader);
    const int next = ensemble_->WaitForLeader();
    const size_t voters = round % 2 == 1 ? 3 : 5;
    for (int id = 1; id <= 5; ++id) {
      EXPECT_TRUE(ProcessEnsemble::Eventually([&] {
        return Voters(id).size() == voters;
      })) << id;
    }
    EXPECT_NE(next, 0);
    load.WaitForMore(5);
  }
  load.Stop();
  ExpectEverywhere(load.acknowledged(), {1, 2, 3, 4, 5});
}

TEST_F(ReconfigProcessTest, AMemberFarBehindGetsTheMembersWithTheSnapshot) {
  Start(3, 1);
  const int away = ensemble_->WaitForLeader() % 3 + 1;
  const int other = 6 - away - ensemble_->WaitForLeader();
  ASSERT_NO_FATAL_FAILURE(Add(4));
  ensemble_->Kill(away);
  ensemble_->Wipe(away);
  ASSERT_NO_FATAL_FAILURE(Remove(other));
  ensemble_->Start(away);  // with a file that knows of no 4
  ensemble_->WaitForLeader();
  std::vector<int> expected = {1, 2, 3, 4};
  expected.erase(std::find(expected.begin(), expected.end(), other));
  EXPECT_EQ(Voters(away), expected);
}

}  // namespace
}  // namespace sillok::coord
