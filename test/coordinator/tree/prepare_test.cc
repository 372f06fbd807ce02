#include "coordinator/tree/prepare.h"

#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

class PrepareTest : public testing::Test {
 protected:
  PrepareTest() { leader.OpenSession(1); }

  std::vector<int> MultiCodes(const std::vector<v1::WriteOp>& ops,
                              uint64_t session = 1) {
    const v1::CoordResponse response =
        leader.Run(Multi(ops), session).response;
    std::vector<int> codes;
    for (const v1::WriteResult& r : response.multi()) codes.push_back(r.code());
    return codes;
  }

  Leader leader;
};

TEST_F(PrepareTest, CreateChecksInZooKeepersOrder) {
  leader.Code(Create("/a"));
  leader.Code(Create("/e", "", v1::EPHEMERAL));
  struct Case {
    std::string path;
    v1::CreateMode mode;
    v1::CoordCode want;
  };
  const v1::CreateMode unknown = static_cast<v1::CreateMode>(9);
  for (const Case& c : std::vector<Case>{
           {"/missing/x", unknown, v1::BAD_ARGUMENTS},
           {"relative", v1::PERSISTENT, v1::BAD_ARGUMENTS},
           {"", v1::PERSISTENT, v1::BAD_ARGUMENTS},
           {std::string("/missing/\0", 10), v1::PERSISTENT, v1::BAD_ARGUMENTS},
           {"/missing/x", v1::PERSISTENT, v1::NO_NODE},
           {"/missing/\x01", v1::PERSISTENT, v1::NO_NODE},
           {"/a/x/", v1::PERSISTENT, v1::NO_NODE},
           {"/a/", v1::PERSISTENT, v1::BAD_ARGUMENTS},
           {"/a/./y", v1::PERSISTENT, v1::NO_NODE},
           {"/a/.", v1::PERSISTENT, v1::BAD_ARGUMENTS},
           {"//a", v1::PERSISTENT, v1::BAD_ARGUMENTS},
           {"/a/\x01", v1::PERSISTENT, v1::BAD_ARGUMENTS},
           {"/a/\xff", v1::PERSISTENT, v1::BAD_ARGUMENTS},
           {"/", v1::PERSISTENT, v1::NODE_EXISTS},
           {"/a", v1::PERSISTENT, v1::NODE_EXISTS},
           {"/zookeeper", v1::PERSISTENT, v1::NODE_EXISTS},
           {"/e", v1::EPHEMERAL, v1::NODE_EXISTS},
           {"/e/child", v1::PERSISTENT, v1::NO_CHILDREN_FOR_EPHEMERALS},
           {"/e/\x01", v1::PERSISTENT, v1::BAD_ARGUMENTS},
           {"/a/ok", v1::PERSISTENT, v1::OK},
       }) {
    EXPECT_EQ(leader.Code(Create(c.path, "", c.mode)), c.want)
        << c.path << " " << c.mode;
  }
}

TEST_F(PrepareTest, DeleteChecksInZooKeepersOrder) {
  leader.Code(Create("/a"));
  leader.Code(Create("/a/b"));
  for (const char* path : {"/", "/zookeeper", "/zookeeper/quota",
                           "/zookeeper/config", "relative", ""}) {
    EXPECT_EQ(leader.Code(Delete(path)), v1::BAD_ARGUMENTS) << path;
  }
  EXPECT_EQ(leader.Code(Delete("/missing")), v1::NO_NODE);
  EXPECT_EQ(leader.Code(Delete("/missing/x")), v1::NO_NODE);
  EXPECT_EQ(leader.Code(Delete("/a/")), v1::NO_NODE);
  EXPECT_EQ(leader.Code(Delete("/a", 5)), v1::BAD_VERSION);
  EXPECT_EQ(leader.Code(Delete("/a", 0)), v1::NOT_EMPTY);
  EXPECT_EQ(leader.Code(Delete("/a/b", 0)), v1::OK);
  EXPECT_EQ(leader.Code(Delete("/a")), v1::OK);
}

TEST_F(PrepareTest, SetAndCheckCompareTheDataVersion) {
  leader.Code(Create("/a", "0"));
  EXPECT_EQ(leader.Code(Set("/a", "1", 1)), v1::BAD_VERSION);
  EXPECT_EQ(leader.Code(Set("/a", "1", 0)), v1::OK);
  EXPECT_EQ(leader.Code(Set("/a", "1", 0)), v1::BAD_VERSION);
  EXPECT_EQ(leader.Code(Set("/a", "2", -1)), v1::OK);
  EXPECT_EQ(leader.StatOf("/a").version(), 2);
  EXPECT_EQ(leader.Code(Set("/missing", "")), v1::NO_NODE);
  EXPECT_EQ(leader.Code(Set("/a/", "")), v1::BAD_ARGUMENTS);
  EXPECT_EQ(leader.Code(Set("/zookeeper/config", "")), v1::NO_AUTH);
  EXPECT_EQ(MultiCodes({Check("/a", 2)}), (std::vector<int>{v1::OK}));
  EXPECT_EQ(MultiCodes({Check("/a", 1)}), (std::vector<int>{v1::BAD_VERSION}));
  EXPECT_EQ(MultiCodes({Check("/x")}), (std::vector<int>{v1::NO_NODE}));
  EXPECT_EQ(MultiCodes({Check("x")}), (std::vector<int>{v1::BAD_ARGUMENTS}));
}

TEST_F(PrepareTest, AWriteAfterDeleteAndCreateStartsAtVersionZero) {
  leader.Code(Create("/a"));
  leader.Code(Set("/a", "x"));
  EXPECT_EQ(MultiCodes({Delete("/a", 1), Create("/a"), Check("/a", 0)}),
            (std::vector<int>{0, 0, 0}));
  EXPECT_EQ(leader.StatOf("/a").version(), 0);
}

TEST_F(PrepareTest, AVersionIsNeverMinusOne) {
  // A row is the only way to so many sets.
  Disk disk;
  leader.Code(Create("/a"));
  leader.Code(Create("/b"));
  leader.Code(Create("/c"));
  WriteRows(leader.tree.TakeRows(), &disk);
  v1::Txn txn;
  const int32_t versions[] = {std::numeric_limits<int32_t>::max(), -2, 5};
  const int32_t next[] = {std::numeric_limits<int32_t>::min(), 0, 6};
  for (int i = 0; i < 3; ++i) {
    const std::string path = std::string("/") + "abc"[i];
    txn.mutable_write()->clear_ops();
    v1::SetDataTxnOp* set = txn.mutable_write()->add_ops()->mutable_set_data();
    set->set_path(path);
    set->set_version(versions[i]);
    leader.last = leader.last.Next();
    ASSERT_TRUE(leader.tree.Apply(leader.last, txn).ok());
    EXPECT_EQ(leader.Code(Set(path, "", versions[i])), v1::OK);
    EXPECT_EQ(leader.StatOf(path).version(), next[i]);
  }
}

TEST_F(PrepareTest, EveryWriteNeedsALiveSession) {
  leader.Code(Create("/a"));
  for (const uint64_t session : {0, 2}) {
    EXPECT_EQ(leader.Code(Create("/x"), session), v1::SESSION_EXPIRED);
    EXPECT_EQ(leader.Code(Delete("/a"), session), v1::SESSION_EXPIRED);
    EXPECT_EQ(leader.Code(Set("/a", ""), session), v1::SESSION_EXPIRED);
    EXPECT_EQ(MultiCodes({Check("/a"), Create("/x")}, session),
              (std::vector<int>{v1::SESSION_EXPIRED, -2}));
    EXPECT_EQ(leader.Run(Multi({}), session).response.code(),
              v1::SESSION_EXPIRED);
  }
  EXPECT_EQ(leader.Code(Create("/x", "", static_cast<v1::CreateMode>(9)), 2),
            v1::BAD_ARGUMENTS);
}

TEST_F(PrepareTest, WhatIsNoWriteIsRefusedWithoutALogEntry) {
  leader.Code(Create("/a"));
  v1::CoordRequest read;
  read.mutable_exists()->set_path("/a");
  for (const v1::CoordRequest& request :
       {Single(Check("/a")), Single(v1::WriteOp()), read, v1::CoordRequest()}) {
    const Leader::Outcome outcome = leader.Prepare(request);
    EXPECT_FALSE(outcome.logged);
    EXPECT_EQ(outcome.rejection.code(), v1::UNIMPLEMENTED);
  }
  EXPECT_EQ(MultiCodes({Create("/b"), v1::WriteOp()}),
            (std::vector<int>{0, v1::MARSHALLING_ERROR}));
  EXPECT_FALSE(leader.Has("/b"));
}

TEST_F(PrepareTest, SequenceNumbersCountEveryCreateAndNoFailure) {
  const auto create = [&](const std::string& path, v1::CreateMode mode) {
    return leader.Run(Single(Create(path, "", mode))).response.write().path();
  };
  leader.Code(Create("/q"));
  EXPECT_EQ(create("/q/n-", v1::PERSISTENT_SEQUENTIAL), "/q/n-0000000000");
  EXPECT_EQ(create("/q/x", v1::PERSISTENT), "/q/x");
  EXPECT_EQ(create("/q/n-", v1::EPHEMERAL_SEQUENTIAL), "/q/n-0000000002");
  EXPECT_EQ(leader.Code(Create("/q/x")), v1::NODE_EXISTS);
  EXPECT_EQ(leader.Code(Delete("/q/x")), v1::OK);
  EXPECT_EQ(create("/q/", v1::PERSISTENT_SEQUENTIAL), "/q/0000000003");
  EXPECT_EQ(leader.Run(Multi({Create("/q/m-", "", v1::PERSISTENT_SEQUENTIAL),
                              Create("/q/m-", "", v1::PERSISTENT_SEQUENTIAL),
                              Delete("/missing")}))
                .response.code(),
            v1::NO_NODE);
  EXPECT_EQ(create("/q/n-", v1::PERSISTENT_SEQUENTIAL), "/q/n-0000000004");
  EXPECT_EQ(create("/", v1::PERSISTENT_SEQUENTIAL), "/0000000001");
}

TEST_F(PrepareTest, SequenceNumbersGrowBeyondTheOldLimit) {
  leader.Code(Create("/q"));
  v1::Txn txn;
  v1::CreateTxnOp* create = txn.mutable_write()->add_ops()->mutable_create();
  create->set_path("/q/x");
  create->set_parent_creates(9'999'999'999);
  leader.last = leader.last.Next();
  ASSERT_TRUE(leader.tree.Apply(leader.last, txn).ok());
  for (const char* want : {"/q/9999999999", "/q/10000000000"}) {
    EXPECT_EQ(
        leader.Run(Single(Create("/q/", "", v1::PERSISTENT_SEQUENTIAL)))
            .response.write()
            .path(),
        want);
  }
}

TEST_F(PrepareTest, LimitsAreAnsweredQuotaExceeded) {
  Leader small(PrepareOptions{.max_data_bytes = 10, .max_path_bytes = 8});
  small.OpenSession(1);
  const std::string ten(10, 'x'), eleven(11, 'x');
  EXPECT_EQ(small.Code(Create("/a", eleven)), v1::QUOTA_EXCEEDED);
  EXPECT_EQ(small.Code(Create("/a", ten)), v1::OK);
  EXPECT_EQ(small.Code(Set("/a", eleven)), v1::QUOTA_EXCEEDED);
  EXPECT_EQ(small.Code(Set("/a", ten)), v1::OK);
  EXPECT_EQ(small.Code(Create("/2345678")), v1::OK);
  EXPECT_EQ(small.Code(Create("/23456789")), v1::BAD_ARGUMENTS);
  EXPECT_EQ(small.Run(Multi({Set("/a", "123456"), Set("/a", "12345")}))
                .response.code(),
            v1::QUOTA_EXCEEDED);
  EXPECT_EQ(small.StatOf("/a").data_length(), 10);
}

TEST_F(PrepareTest, OneMebibyteOfDataIsTheDefaultLimit) {
  EXPECT_EQ(leader.Code(Create("/a", std::string(1 << 20, 'x'))), v1::OK);
  EXPECT_EQ(leader.Code(Set("/a", std::string((1 << 20) + 1, 'x'))),
            v1::QUOTA_EXCEEDED);
}

TEST_F(PrepareTest, AFailedMultiNamesTheCulpritAndChangesNothing) {
  leader.Code(Create("/a"));
  const std::string before = Dump(leader.tree);
  const v1::CoordResponse response =
      leader
          .Run(Multi({Create("/a/b"), Set("/a", "new"), Delete("/a/b"),
                      Create("/e", "", v1::EPHEMERAL), Create("/a"),
                      Create("/c")}))
          .response;
  EXPECT_EQ(response.code(), v1::NODE_EXISTS);
  std::vector<int> codes;
  for (const auto& result : response.multi()) codes.push_back(result.code());
  EXPECT_EQ(codes, (std::vector<int>{0, 0, 0, 0, v1::NODE_EXISTS, -2}));
  EXPECT_EQ(Dump(leader.tree), before);
  // Nothing of it stays pending either.
  EXPECT_EQ(leader.preparer.pending_txns(), 0u);
  EXPECT_EQ(leader.Code(Create("/a/b")), v1::OK);
  EXPECT_EQ(leader.Code(Set("/a", "new", 0)), v1::OK);
  EXPECT_EQ(leader.Code(Create("/e")), v1::OK);
}

TEST_F(PrepareTest, OperationsOfAMultiSeeTheOnesBefore) {
  const v1::CoordResponse response =
      leader
          .Run(Multi({Create("/a", "0"), Create("/a/b"), Set("/a", "1", 0),
                      Check("/a", 1), Delete("/a/b"), Set("/a", "2", 1)}))
          .response;
  ASSERT_EQ(response.code(), v1::OK);
  ASSERT_EQ(response.multi_size(), 6);
  EXPECT_EQ(response.multi(0).path(), "/a");
  EXPECT_EQ(response.multi(0).stat().num_children(), 0);
  EXPECT_EQ(response.multi(2).stat().num_children(), 1);
  EXPECT_EQ(response.multi(2).stat().version(), 1);
  EXPECT_EQ(response.multi(5).stat().num_children(), 0);
  EXPECT_EQ(response.multi(5).stat().cversion(), 2);
  const uint64_t zxid = leader.StatOf("/a").czxid();
  EXPECT_EQ(leader.StatOf("/a").mzxid(), zxid);
  EXPECT_EQ(leader.StatOf("/a").pzxid(), zxid);
}

TEST_F(PrepareTest, AnEmptyMultiSucceeds) {
  const v1::CoordResponse response = leader.Run(Multi({})).response;
  EXPECT_EQ(response.code(), v1::OK);
  EXPECT_EQ(response.multi_size(), 0);
}

// --- What is pending ---

TEST_F(PrepareTest, RequestsAreJudgedAgainstWhatIsProposed) {
  EXPECT_TRUE(leader.Prepare(Single(Create("/a"))).logged);
  EXPECT_FALSE(leader.Has("/a"));
  const Leader::Outcome again = leader.Prepare(Single(Create("/a")));
  EXPECT_EQ(again.rejection.code(), v1::NODE_EXISTS);
  EXPECT_EQ(again.after, leader.last);
  EXPECT_TRUE(leader.Prepare(Single(Create("/a/b"))).logged);
  EXPECT_EQ(leader.Prepare(Single(Delete("/a"))).rejection.code(),
            v1::NOT_EMPTY);
  EXPECT_TRUE(leader.Prepare(Single(Set("/a", "1", 0))).logged);
  EXPECT_EQ(leader.Prepare(Single(Set("/a", "1", 0))).rejection.code(),
            v1::BAD_VERSION);
  EXPECT_TRUE(leader.Prepare(Single(Delete("/a/b"))).logged);
  EXPECT_TRUE(leader.Prepare(Single(Delete("/a", 1))).logged);
  EXPECT_EQ(leader.Prepare(Single(Set("/a", ""))).rejection.code(),
            v1::NO_NODE);
  EXPECT_EQ(leader.preparer.pending_txns(), 5u);
  while (!leader.log.empty()) leader.ApplyOne();
  EXPECT_FALSE(leader.Has("/a"));
  EXPECT_EQ(leader.preparer.pending_txns(), 0u);
  EXPECT_EQ(leader.Prepare(Single(Delete("/a"))).after, Zxid());
}

TEST_F(PrepareTest, SequenceNumbersOfPendingCreatesDiffer) {
  leader.Code(Create("/q"));
  for (int i = 0; i < 3; ++i) {
    leader.Prepare(Single(Create("/q/", "", v1::PERSISTENT_SEQUENTIAL)));
  }
  for (const char* want : {"/q/0000000000", "/q/0000000001", "/q/0000000002"}) {
    EXPECT_EQ(leader.ApplyOne().response.write().path(), want);
  }
}

TEST_F(PrepareTest, AWithdrawnTxnLeavesNoTrace) {
  leader.Prepare(Single(Create("/a")));
  for (const v1::CoordRequest& request :
       {Single(Create("/a/b")), Single(Set("/a", "x")), Single(Delete("/a")),
        Multi({Delete("/a"), Create("/a"), Create("/a/c")})}) {
    ASSERT_TRUE(std::holds_alternative<v1::Txn>(
        leader.preparer.PrepareWrite(Origin(1), request, 0)));
    leader.preparer.Withdraw();
  }
  ASSERT_TRUE(std::holds_alternative<v1::Txn>(
      leader.preparer.PrepareCloseSession(Origin(1), SessionId(1), 0)));
  leader.preparer.Withdraw();
  EXPECT_TRUE(leader.preparer.SessionAlive(SessionId(1)));
  EXPECT_TRUE(leader.Prepare(Single(Set("/a", "y", 0))).logged);
  EXPECT_TRUE(leader.Prepare(Single(Delete("/a", 1))).logged);
  leader.ApplyOne();
  leader.ApplyOne();
  EXPECT_EQ(leader.ApplyOne().response.code(), v1::OK);
}

TEST_F(PrepareTest, ANewTermForgetsWhatWasPending) {
  leader.Prepare(Single(Create("/lost")));
  leader.preparer.Reset();
  leader.log.clear();
  EXPECT_EQ(leader.Prepare(Single(Set("/lost", ""))).rejection.code(),
            v1::NO_NODE);
  EXPECT_EQ(leader.Code(Create("/lost")), v1::OK);
}

TEST_F(PrepareTest, AppliedTxnsDoNotHideLaterPendingOnes) {
  leader.Prepare(Single(Create("/a")));
  leader.Prepare(Single(Set("/a", "1")));
  leader.ApplyOne();
  EXPECT_EQ(leader.Prepare(Single(Set("/a", "2", 0))).rejection.code(),
            v1::BAD_VERSION);
  EXPECT_TRUE(leader.Prepare(Single(Set("/a", "2", 1))).logged);
}

// --- Sessions ---

TEST_F(PrepareTest, ClosingListsExactlyTheSessionsEphemerals) {
  leader.OpenSession(2);
  leader.Code(Create("/d"));
  leader.Code(Create("/d/applied", "", v1::EPHEMERAL));
  leader.Code(Create("/d/gone", "", v1::EPHEMERAL));
  leader.Code(Create("/d/replaced", "", v1::EPHEMERAL));
  leader.Code(Create("/d/other", "", v1::EPHEMERAL), 2);
  leader.Prepare(Single(Create("/d/pending", "", v1::EPHEMERAL)));
  leader.Prepare(Single(Delete("/d/gone")));
  leader.Prepare(Multi({Delete("/d/replaced"), Create("/d/replaced")}));
  leader.Prepare(Single(Create("/d/brief", "", v1::EPHEMERAL)));
  leader.Prepare(Single(Delete("/d/brief")));
  leader.CloseSession(1);
  const v1::CloseSessionTxn& close =
      leader.log.back().second.close_session();
  EXPECT_EQ(std::vector<std::string>(close.ephemerals().begin(),
                                     close.ephemerals().end()),
            (std::vector<std::string>{"/d/applied", "/d/pending"}));
  while (!leader.log.empty()) leader.ApplyOne();
  EXPECT_EQ(leader.StatOf("/d").num_children(), 2);
  EXPECT_TRUE(leader.Has("/d/other"));
  EXPECT_TRUE(leader.Has("/d/replaced"));
  EXPECT_TRUE(leader.tree.CheckInvariants().ok());
}

TEST_F(PrepareTest, AClosingSessionIsExpiredForEverythingAfter) {
  leader.Code(Create("/e", "", v1::EPHEMERAL));
  EXPECT_TRUE(leader.CloseSession(1).logged);
  EXPECT_EQ(leader.Prepare(Single(Create("/x"))).rejection.code(),
            v1::SESSION_EXPIRED);
  EXPECT_EQ(leader.CloseSession(1).rejection.code(), v1::SESSION_EXPIRED);
  // Another session finds the ephemeral gone already.
  leader.OpenSession(2);
  EXPECT_EQ(leader.Code(Create("/e"), 2), v1::OK);
  EXPECT_EQ(leader.tree.sessions().size(), 1u);
}

TEST_F(PrepareTest, SessionIdsAreGivenOnce) {
  const auto open = [&](uint64_t id) {
    return leader.Take(leader.preparer.PrepareCreateSession(
        Origin(id), SessionId(id), "password", 5000, 0));
  };
  EXPECT_EQ(open(1).rejection.code(), v1::RUNTIME_INCONSISTENCY);
  EXPECT_EQ(open(0).rejection.code(), v1::RUNTIME_INCONSISTENCY);
  EXPECT_TRUE(open(2).logged);
  EXPECT_EQ(open(2).rejection.code(), v1::RUNTIME_INCONSISTENCY);
  EXPECT_TRUE(leader.Prepare(Single(Create("/x")), 2).logged);
  leader.CloseSession(2);
  EXPECT_EQ(open(2).rejection.code(), v1::RUNTIME_INCONSISTENCY);
}

TEST_F(PrepareTest, TheTxnCarriesOriginAndTime) {
  leader.now_ms = 1234;
  leader.Prepare(Single(Create("/a")));
  const v1::Txn& txn = leader.log.back().second;
  EXPECT_EQ(txn.time_ms(), 1234);
  EXPECT_EQ(txn.origin().member_id(), 1);
  EXPECT_EQ(txn.origin().session_id(), 1u);
  EXPECT_EQ(txn.origin().request_id(), 7u);
}

}  // namespace
}  // namespace sillok
