#include "coordinator/tree/znode_tree.h"

#include <string>
#include <vector>

#include "coordinator/tree/row_format.h"
#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

class ZnodeTreeTest : public testing::Test {
 protected:
  ZnodeTreeTest() { leader.OpenSession(1); }

  std::vector<std::string> Changes(const v1::CoordRequest& request) {
    std::vector<std::string> out;
    for (const TreeChange& change : leader.Run(request).changes) {
      out.push_back(v1::WatchEventType_Name(change.type) + " " + change.path);
    }
    return out;
  }

  Leader leader;
};

TEST_F(ZnodeTreeTest, ANewTreeHasTheSystemNodes) {
  const ZnodeTree tree;
  EXPECT_EQ(tree.znodes(), 4u);
  std::vector<std::string> children;
  v1::Stat stat;
  EXPECT_EQ(tree.GetChildren("/", &children, &stat), v1::OK);
  EXPECT_EQ(children, std::vector<std::string>{"zookeeper"});
  // As on a new ZooKeeper: the system nodes were never created.
  EXPECT_EQ(stat.cversion(), -1);
  EXPECT_EQ(tree.GetChildren("/zookeeper", &children, nullptr), v1::OK);
  EXPECT_EQ(children, (std::vector<std::string>{"config", "quota"}));
  EXPECT_TRUE(tree.CheckInvariants().ok());
}

TEST_F(ZnodeTreeTest, StatsTellWhenAndByWhichTxn) {
  leader.now_ms = 100;
  leader.Code(Create("/a", "abc"));
  const uint64_t created = leader.last.value();
  leader.now_ms = 200;
  leader.Code(Set("/a", "abcd"));
  const uint64_t set = leader.last.value();
  leader.now_ms = 300;
  leader.Code(Create("/a/b"));
  leader.Code(Create("/a/c"));
  leader.Code(Create("/a/d"));
  leader.Code(Delete("/a/c"));
  const v1::Stat stat = leader.StatOf("/a");
  EXPECT_EQ(stat.czxid(), created);
  EXPECT_EQ(stat.mzxid(), set);
  EXPECT_EQ(stat.pzxid(), leader.last.value());
  EXPECT_EQ(stat.ctime_ms(), 100);
  EXPECT_EQ(stat.mtime_ms(), 200);
  EXPECT_EQ(stat.version(), 1);
  EXPECT_EQ(stat.cversion(), 4);  // three creates, one delete
  EXPECT_EQ(stat.aversion(), 0);
  EXPECT_EQ(stat.ephemeral_owner(), 0u);
  EXPECT_EQ(stat.data_length(), 4);
  EXPECT_EQ(stat.num_children(), 2);
  // A grandchild does not touch it.
  leader.Code(Create("/a/b/x"));
  EXPECT_EQ(leader.StatOf("/a").pzxid(), stat.pzxid());
  // Nor does a child's data.
  leader.Code(Set("/a/b", "data"));
  EXPECT_EQ(leader.StatOf("/a").pzxid(), stat.pzxid());
}

TEST_F(ZnodeTreeTest, ANewNodesThreeZxidsAreEqual) {
  leader.Code(Create("/e", "", v1::EPHEMERAL));
  const v1::Stat stat = leader.StatOf("/e");
  EXPECT_EQ(stat.czxid(), leader.last.value());
  EXPECT_EQ(stat.mzxid(), leader.last.value());
  EXPECT_EQ(stat.pzxid(), leader.last.value());
  EXPECT_EQ(stat.ephemeral_owner(), 1u);
  EXPECT_EQ(stat.cversion(), 0);
}

TEST_F(ZnodeTreeTest, ChangesComeInTheOrderWatchesFire) {
  using Strings = std::vector<std::string>;
  EXPECT_EQ(Changes(Single(Create("/a"))),
            (Strings{"NODE_CREATED /a", "NODE_CHILDREN_CHANGED /"}));
  EXPECT_EQ(Changes(Single(Set("/a", "x"))),
            (Strings{"NODE_DATA_CHANGED /a"}));
  EXPECT_EQ(Changes(Multi({Create("/a/b"), Check("/a"), Delete("/a/b")})),
            (Strings{"NODE_CREATED /a/b", "NODE_CHILDREN_CHANGED /a",
                     "NODE_DELETED /a/b", "NODE_CHILDREN_CHANGED /a"}));
  EXPECT_EQ(Changes(Single(Delete("/a"))),
            (Strings{"NODE_DELETED /a", "NODE_CHILDREN_CHANGED /"}));
  EXPECT_EQ(Changes(Single(Delete("/a"))), Strings{});
}

TEST_F(ZnodeTreeTest, ClosingASessionDeletesItsEphemeralsInOneTxn) {
  leader.OpenSession(2);
  for (int i = 0; i < 100; ++i) {
    leader.Code(Create("/n" + std::to_string(i), "", v1::EPHEMERAL), 1 + i % 2);
  }
  EXPECT_EQ(leader.tree.ephemerals(), 100u);
  EXPECT_EQ(leader.tree.EphemeralsOf(SessionId(1)).size(), 50u);
  leader.CloseSession(1);
  const ApplyResult result = leader.ApplyOne();
  EXPECT_EQ(result.response.code(), v1::OK);
  EXPECT_EQ(result.session_closed, SessionId(1));
  EXPECT_EQ(result.changes.size(), 100u);
  EXPECT_EQ(leader.tree.ephemerals(), 50u);
  EXPECT_TRUE(leader.tree.EphemeralsOf(SessionId(1)).empty());
  EXPECT_FALSE(leader.tree.sessions().Contains(SessionId(1)));
  EXPECT_TRUE(leader.tree.CheckInvariants().ok());
}

TEST_F(ZnodeTreeTest, ReadsAnswerAsRequests) {
  leader.Code(Create("/a", "data"));
  leader.Code(Create("/a/z"));
  leader.Code(Create("/a/b"));
  v1::CoordRequest request;
  request.mutable_get_data()->set_path("/a");
  EXPECT_EQ(leader.tree.Read(request).data(), "data");
  EXPECT_EQ(leader.tree.Read(request).stat().data_length(), 4);
  request.mutable_get_children()->set_path("/a");
  const v1::CoordResponse children = leader.tree.Read(request);
  ASSERT_EQ(children.children_size(), 2);
  EXPECT_EQ(children.children(0), "b");
  EXPECT_EQ(children.children(1), "z");
  for (const char* path : {"/x", "a", "", "/a/", "//", "/a//b"}) {
    request.mutable_exists()->set_path(path);
    const v1::CoordResponse missing = leader.tree.Read(request);
    EXPECT_EQ(missing.code(), v1::NO_NODE) << path;
    EXPECT_FALSE(missing.has_stat());
  }
  EXPECT_EQ(leader.tree.Read(Single(Create("/y"))).code(), v1::UNIMPLEMENTED);
}

// --- A txn that does not fit means that this replica has diverged ---

TEST_F(ZnodeTreeTest, ATxnThatDoesNotFitIsAnError) {
  leader.Code(Create("/a"));
  leader.Code(Create("/a/b"));
  leader.Code(Create("/e", "", v1::EPHEMERAL));
  const auto fails = [&](const v1::Txn& txn, Zxid zxid) {
    return !leader.tree.Apply(zxid, txn).ok();
  };
  const Zxid next = leader.last.Next();
  v1::Txn txn;
  EXPECT_TRUE(fails(txn, next));  // no kind
  txn.mutable_write();
  EXPECT_TRUE(fails(txn, next));  // no operation
  v1::TxnOp* op = txn.mutable_write()->add_ops();
  EXPECT_TRUE(fails(txn, next));
  op->mutable_create()->set_path("/a");
  EXPECT_TRUE(fails(txn, next));
  op->mutable_create()->set_path("/x/y");
  EXPECT_TRUE(fails(txn, next));
  op->mutable_create()->set_path("/e/y");
  EXPECT_TRUE(fails(txn, next));
  op->mutable_create()->set_path("/y/");
  EXPECT_TRUE(fails(txn, next));
  op->mutable_create()->set_path("/y");
  op->mutable_create()->set_ephemeral_owner(99);
  EXPECT_TRUE(fails(txn, next));
  op->mutable_delete_()->set_path("/a");
  EXPECT_TRUE(fails(txn, next));
  op->mutable_delete_()->set_path("/x");
  EXPECT_TRUE(fails(txn, next));
  op->mutable_delete_()->set_path("/zookeeper/quota");
  EXPECT_TRUE(fails(txn, next));
  op->mutable_set_data()->set_path("/x");
  EXPECT_TRUE(fails(txn, next));
  txn.mutable_create_session()->set_session_id(1);
  EXPECT_TRUE(fails(txn, next));
  txn.mutable_create_session()->set_session_id(0);
  EXPECT_TRUE(fails(txn, next));
  txn.mutable_close_session()->set_session_id(5);
  EXPECT_TRUE(fails(txn, next));
  txn.mutable_close_session()->set_session_id(1);
  EXPECT_TRUE(fails(txn, next));  // leaves /e behind
  txn.mutable_close_session()->add_ephemerals("/a/b");
  EXPECT_TRUE(fails(txn, next));  // not its own
  // A zxid applied before.
  v1::Txn good;
  good.mutable_write()->add_ops()->mutable_create()->set_path("/z");
  EXPECT_TRUE(fails(good, leader.last));
  EXPECT_FALSE(fails(good, next));
}

// --- Rows ---

TEST_F(ZnodeTreeTest, RowsHoldOnlyWhatChangedAndMergeTxns) {
  leader.tree.TakeRows();
  EXPECT_FALSE(leader.tree.has_rows());
  EXPECT_TRUE(leader.tree.TakeRows().rows.empty());
  leader.Code(Create("/p"));
  leader.tree.TakeRows();
  for (int i = 0; i < 10; ++i) leader.Code(Create("/p/" + std::to_string(i)));
  const TreeRows rows = leader.tree.TakeRows();
  EXPECT_EQ(rows.applied, leader.last);
  EXPECT_EQ(rows.rows.size(), 12u);  // ten nodes, their parent, the meta row
  leader.Code(Delete("/p/3"));
  leader.Code(Create("/p/3", "again"));
  leader.Code(Delete("/p/4"));
  Disk disk;
  for (const TreeRow& row : leader.tree.TakeRows().rows) {
    if (row.key == NodeKey("/p/3")) disk[row.key] = row.value.value_or("");
    if (row.key == NodeKey("/p/4")) {
      EXPECT_FALSE(row.value.has_value());
    }
  }
  EXPECT_NE(disk[NodeKey("/p/3")], "");
}

TEST_F(ZnodeTreeTest, ATreeComesBackFromItsRows) {
  leader.OpenSession(2, 7777);
  leader.Code(Create("/a", std::string(1000, 'x')));
  leader.Code(Create("/a/e", "e", v1::EPHEMERAL), 2);
  leader.Code(Create("/a/s", "", v1::PERSISTENT_SEQUENTIAL));
  leader.Code(Set("/", "root data"));
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  ZnodeTree copy;
  const absl::Status status = LoadTree(disk, leader.last, &copy);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Dump(copy), Dump(leader.tree));
  EXPECT_EQ(copy.digest(), leader.tree.digest());
  EXPECT_EQ(copy.applied(), leader.last);
  EXPECT_EQ(copy.ephemerals(), 1u);
  EXPECT_EQ(copy.data_bytes(), leader.tree.data_bytes());
  EXPECT_TRUE(copy.CheckInvariants().ok());
  EXPECT_FALSE(copy.has_rows());
}

TEST_F(ZnodeTreeTest, NoRowsAtZxidZeroIsANewTree) {
  ZnodeTree tree;
  EXPECT_TRUE(LoadTree({}, Zxid(), &tree).ok());
  EXPECT_EQ(tree.znodes(), 4u);
  EXPECT_TRUE(tree.has_rows());
  EXPECT_FALSE(LoadTree({}, Zxid(1, 1), &tree).ok());
}

// Every single row that is lost, damaged or stale stops the load.
TEST_F(ZnodeTreeTest, AnImageWithAnythingWrongIsRefused) {
  leader.Code(Create("/a"));
  leader.Code(Create("/a/b", "x"));
  leader.Code(Create("/e", "", v1::EPHEMERAL));
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  const Disk older = disk;
  leader.Code(Set("/a/b", "y"));
  WriteRows(leader.tree.TakeRows(), &disk);
  ZnodeTree tree;
  ASSERT_TRUE(LoadTree(disk, leader.last, &tree).ok());
  EXPECT_FALSE(LoadTree(disk, leader.last.Next(), &tree).ok());
  for (const auto& [key, value] : disk) {
    Disk lost = disk;
    lost.erase(key);
    EXPECT_FALSE(LoadTree(lost, leader.last, &tree).ok()) << DescribeKey(key);
    Disk damaged = disk;
    damaged[key].back() ^= 1;
    const absl::Status status = LoadTree(damaged, leader.last, &tree);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << DescribeKey(key);
    EXPECT_NE(std::string(status.message()).find(DescribeKey(key)),
              std::string::npos);
  }
  Disk stale = disk;
  stale[NodeKey("/a/b")] = older.at(NodeKey("/a/b"));
  EXPECT_FALSE(LoadTree(stale, leader.last, &tree).ok());
  Disk extra = disk;
  extra[NodeKey("/x")] = EncodeNode(NodeKey("/x"), {});
  EXPECT_FALSE(LoadTree(extra, leader.last, &tree).ok());
  extra = disk;
  extra["?"] = "x";
  EXPECT_FALSE(LoadTree(extra, leader.last, &tree).ok());
  // Still usable after all that.
  EXPECT_TRUE(LoadTree(disk, leader.last, &tree).ok());
}

TEST_F(ZnodeTreeTest, AnEphemeralWithoutItsSessionIsRefused) {
  // A consistent image in every other respect: made by a tree that has both.
  leader.Code(Create("/e", "", v1::EPHEMERAL));
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  const uint64_t session_digest =
      SessionDigest(SessionId(1), {"0123456789abcdef", 10'000});
  disk.erase(SessionKey(SessionId(1)));
  disk[MetaKey()] =
      EncodeMeta({leader.last.value(), leader.tree.znodes(), 0,
                  leader.tree.digest() - session_digest});
  ZnodeTree tree;
  const absl::Status status = LoadTree(disk, leader.last, &tree);
  EXPECT_NE(std::string(status.message()).find("does not exist"),
            std::string::npos)
      << status;
}

// Images from before there were ACLs have an open configuration znode.
TEST_F(ZnodeTreeTest, AnOldImageIsGivenAProtectedConfiguration) {
  leader.Code(Create("/a"));
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  const std::string key = NodeKey("/zookeeper/config");
  NodeFields config = DecodeNode(key, disk[key]).value();
  uint64_t digest = leader.tree.digest() -
                    NodeDigest("/zookeeper/config", config);
  config.acl = "";
  config.aversion = 0;
  disk[key] = EncodeNode(key, config);
  digest += NodeDigest("/zookeeper/config", config);
  disk[MetaKey()] = EncodeMeta({leader.tree.applied().value(),
                                leader.tree.znodes(),
                                leader.tree.sessions().size(), digest});
  ZnodeTree copy;
  ASSERT_TRUE(LoadTree(disk, leader.tree.applied(), &copy).ok());
  EXPECT_EQ(copy.digest(), leader.tree.digest());
  EXPECT_EQ(Dump(copy), Dump(leader.tree));
  ASSERT_TRUE(copy.has_rows());
  WriteRows(copy.TakeRows(), &disk);
  ZnodeTree again;
  ASSERT_TRUE(LoadTree(disk, leader.tree.applied(), &again).ok());
  EXPECT_FALSE(again.has_rows());
}

TEST_F(ZnodeTreeTest, AnEphemeralWithoutItsSessionIsFoundAtOnce) {
  leader.Code(Create("/e", "", v1::EPHEMERAL));
  EXPECT_TRUE(leader.tree.CheckEphemerals().ok());
  // The close forgets its ephemerals, as a damaged log could.
  v1::Txn txn;
  txn.mutable_close_session()->set_session_id(1);
  EXPECT_FALSE(leader.tree.Apply(leader.last.Next(), txn).ok());
}

TEST_F(ZnodeTreeTest, DigestTellsDifferentStatesApart) {
  Leader other;
  other.OpenSession(1);
  EXPECT_EQ(other.tree.digest(), leader.tree.digest());
  leader.Code(Create("/a", "x"));
  other.Code(Create("/b", "x"));
  EXPECT_NE(other.tree.digest(), leader.tree.digest());
}

}  // namespace
}  // namespace sillok
