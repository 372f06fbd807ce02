// Random requests through Preparer and ZnodeTree, against a model that is as
// simple as can be: one map, applied at once, with the rules spelled out again.
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

struct ModelNode {
  std::string data;
  int version = 0;
  int64_t creates = 0;
  int64_t deletes = 0;
  uint64_t owner = 0;
  uint64_t czxid = 0, mzxid = 0, pzxid = 0;
};

// Copied whole for a multi, thrown away if it fails.
struct Model {
  std::map<std::string, ModelNode> nodes;
  std::set<uint64_t> sessions;

  static std::string Parent(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
  }
  bool HasChildren(const std::string& path) const {
    for (const auto& [other, node] : nodes) {
      if (other != "/" && Parent(other) == path) return true;
    }
    return false;
  }

  void Remove(const std::string& path, uint64_t zxid) {
    nodes.erase(path);
    ++nodes[Parent(path)].deletes;
    nodes[Parent(path)].pzxid = zxid;
  }

  // Carries out one operation; `*path` is the created path.
  int Do(const v1::WriteOp& op, uint64_t session, uint64_t zxid,
         std::string* path) {
    if (sessions.count(session) == 0) return v1::SESSION_EXPIRED;
    if (op.has_create()) {
      *path = op.create().path();
      const std::string parent = Parent(*path);
      if (nodes.count(parent) == 0) return v1::NO_NODE;
      const v1::CreateMode mode = op.create().mode();
      if (mode == v1::PERSISTENT_SEQUENTIAL ||
          mode == v1::EPHEMERAL_SEQUENTIAL) {
        const std::string digits = std::to_string(nodes[parent].creates);
        *path += std::string(10 - digits.size(), '0') + digits;
      }
      if (nodes.count(*path) != 0) return v1::NODE_EXISTS;
      if (nodes[parent].owner != 0) return v1::NO_CHILDREN_FOR_EPHEMERALS;
      ModelNode node;
      node.data = op.create().data();
      node.czxid = node.mzxid = node.pzxid = zxid;
      if (mode == v1::EPHEMERAL || mode == v1::EPHEMERAL_SEQUENTIAL) {
        node.owner = session;
      }
      nodes[*path] = node;
      ++nodes[parent].creates;
      nodes[parent].pzxid = zxid;
      return v1::OK;
    }
    const std::string target = op.has_delete_()    ? op.delete_().path()
                               : op.has_set_data() ? op.set_data().path()
                                                   : op.check().path();
    const int version = op.has_delete_()    ? op.delete_().version()
                        : op.has_set_data() ? op.set_data().version()
                                            : op.check().version();
    if (nodes.count(target) == 0) return v1::NO_NODE;
    ModelNode& node = nodes[target];
    if (version != -1 && version != node.version) return v1::BAD_VERSION;
    if (op.has_delete_()) {
      if (HasChildren(target)) return v1::NOT_EMPTY;
      Remove(target, zxid);
    } else if (op.has_set_data()) {
      node.data = op.set_data().data();
      node.mzxid = zxid;
      ++node.version;
    }
    return v1::OK;
  }
};

class TreeModelTest : public testing::TestWithParam<int> {
 protected:
  TreeModelTest() : random_(GetParam()) {
    for (const char* path :
         {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"}) {
      model_.nodes[path];
    }
    // The system nodes count as children that were never created.
    model_.nodes["/"].deletes = -1;
    model_.nodes["/zookeeper"].deletes = -2;
  }

  // Few names, so that requests meet.
  std::string RandomPath() {
    std::string path;
    const int depth = 1 + random_() % 3;
    for (int i = 0; i < depth; ++i) {
      path += "/" + std::string(1, "abc"[random_() % 3]);
    }
    return path;
  }
  v1::WriteOp RandomOp() {
    const int version = static_cast<int>(random_() % 4) - 1;
    switch (random_() % 8) {
      case 0:
        return Delete(RandomPath(), version);
      case 1:
        return Delete(RandomPath());
      case 2:
        return Set(RandomPath(), std::string(random_() % 200, 'x'), version);
      case 3:
        return Set(RandomPath(), std::to_string(random_()));
      case 4:
        return Create(RandomPath(), "seq",
                      random_() % 2 ? v1::PERSISTENT_SEQUENTIAL
                                    : v1::EPHEMERAL_SEQUENTIAL);
      default:
        return Create(RandomPath(), std::to_string(random_()),
                      random_() % 3 ? v1::PERSISTENT : v1::EPHEMERAL);
    }
  }

  struct Expected {
    std::vector<std::pair<int, std::string>> results;
  };

  void CompareNodes() {
    ASSERT_EQ(leader_.tree.znodes(), model_.nodes.size());
    for (const auto& [path, node] : model_.nodes) {
      std::string data;
      v1::Stat stat;
      ASSERT_EQ(leader_.tree.GetData(path, &data, &stat), v1::OK) << path;
      ASSERT_EQ(data, node.data) << path;
      ASSERT_EQ(stat.version(), node.version) << path;
      ASSERT_EQ(stat.ephemeral_owner(), node.owner) << path;
      ASSERT_EQ(stat.cversion(), node.creates + node.deletes) << path;
      ASSERT_EQ(stat.num_children(), node.creates - node.deletes) << path;
      ASSERT_EQ(stat.czxid(), node.czxid) << path;
      ASSERT_EQ(stat.mzxid(), node.mzxid) << path;
      ASSERT_EQ(stat.pzxid(), node.pzxid) << path;
    }
    ASSERT_EQ(leader_.tree.sessions().size(), model_.sessions.size());
    const absl::Status status = leader_.tree.CheckInvariants();
    ASSERT_TRUE(status.ok()) << status;
  }

  // The txn a request would get; the model runs ahead with it at once.
  void Step();
  void StepSession(uint64_t id);
  void StepWrite(uint64_t session);
  void ApplyPending(size_t count);

  std::mt19937 random_;
  Model model_;
  Leader leader_;
  std::deque<Expected> expected_;  // of leader_.log
};

void TreeModelTest::StepSession(uint64_t id) {
  const uint64_t zxid = leader_.last.Next().value();
  if (model_.sessions.count(id) == 0) {
    // An id whose close is pending is not new yet.
    const Prepared prepared = leader_.preparer.PrepareCreateSession(
        Origin(id), SessionId(id), "password", 1000, 0);
    if (!std::holds_alternative<v1::Txn>(prepared)) return;
    leader_.Take(prepared);
    model_.sessions.insert(id);
  } else {
    ASSERT_TRUE(leader_.CloseSession(id).logged);
    std::vector<std::string> owned;
    for (const auto& [path, node] : model_.nodes) {
      if (node.owner == id) owned.push_back(path);
    }
    for (const std::string& path : owned) model_.Remove(path, zxid);
    model_.sessions.erase(id);
  }
  expected_.push_back({});
}

void TreeModelTest::StepWrite(uint64_t session) {
  const bool multi = random_() % 3 == 0;
  std::vector<v1::WriteOp> ops;
  const int count = multi ? random_() % 5 : 1;
  for (int i = 0; i < count; ++i) ops.push_back(RandomOp());
  if (multi && random_() % 2) ops.push_back(Check(RandomPath()));
  const v1::CoordRequest request = multi ? Multi(ops) : Single(ops[0]);

  Model next = model_;
  Expected expected;
  int failed = v1::OK;
  if (ops.empty() && model_.sessions.count(session) == 0) {
    failed = v1::SESSION_EXPIRED;
  }
  for (const v1::WriteOp& op : ops) {
    std::string path;
    int code = v1::RUNTIME_INCONSISTENCY;
    if (failed == v1::OK) {
      code = failed =
          next.Do(op, session, leader_.last.Next().value(), &path);
    }
    expected.results.emplace_back(code, path);
  }
  if (random_() % 20 == 0) {
    // Proposing may fail; it must then be as if nothing had been asked.
    const Prepared prepared =
        leader_.preparer.PrepareWrite(Origin(session), request, 0);
    ASSERT_EQ(std::holds_alternative<v1::Txn>(prepared), failed == v1::OK);
    if (failed == v1::OK) leader_.preparer.Withdraw();
    return;
  }
  const Leader::Outcome outcome = leader_.Prepare(request, session);
  ASSERT_EQ(outcome.logged, failed == v1::OK) << request.ShortDebugString();
  if (outcome.logged) {
    model_ = std::move(next);
    expected_.push_back(std::move(expected));
    return;
  }
  ASSERT_EQ(outcome.rejection.code(), failed) << request.ShortDebugString();
  if (!multi) return;
  ASSERT_EQ(outcome.rejection.multi_size(), static_cast<int>(ops.size()));
  for (size_t i = 0; i < ops.size(); ++i) {
    ASSERT_EQ(outcome.rejection.multi(i).code(), expected.results[i].first);
  }
}

void TreeModelTest::Step() {
  const uint64_t session = 1 + random_() % 4;
  if (random_() % 25 == 0) {
    StepSession(session);
  } else {
    StepWrite(session);
  }
}

void TreeModelTest::ApplyPending(size_t count) {
  for (; count > 0 && !leader_.log.empty(); --count) {
    const v1::CoordResponse response = leader_.ApplyOne().response;
    const Expected expected = std::move(expected_.front());
    expected_.pop_front();
    ASSERT_EQ(response.code(), v1::OK);
    if (response.has_write()) {
      ASSERT_EQ(expected.results.size(), 1u);
      ASSERT_EQ(response.write().path(), expected.results[0].second);
    }
    for (int i = 0; i < response.multi_size(); ++i) {
      ASSERT_EQ(response.multi(i).path(), expected.results[i].second);
    }
  }
}

TEST_P(TreeModelTest, TreeAndModelAgree) {
  Disk disk;
  ZnodeTree follower;
  size_t followed = 0;
  for (int round = 0; round < 300; ++round) {
    const int steps = random_() % 30;
    for (int i = 0; i < steps; ++i) {
      ASSERT_NO_FATAL_FAILURE(Step());
      if (random_() % 4 == 0) {
        ASSERT_NO_FATAL_FAILURE(ApplyPending(random_() % 5));
      }
    }
    if (random_() % 3 == 0) WriteRows(leader_.tree.TakeRows(), &disk);
    if (round % 10 != 0) continue;

    ASSERT_NO_FATAL_FAILURE(ApplyPending(leader_.log.size()));
    ASSERT_EQ(leader_.preparer.pending_txns(), 0u);
    ASSERT_NO_FATAL_FAILURE(CompareNodes());
    // A replica that applies the same txns is the same.
    for (; followed < leader_.applied.size(); ++followed) {
      const auto& [zxid, txn] = leader_.applied[followed];
      // As it comes from the log: bytes.
      v1::Txn decoded;
      ASSERT_TRUE(decoded.ParseFromString(txn.SerializeAsString()));
      ASSERT_TRUE(follower.Apply(zxid, decoded).ok());
    }
    ASSERT_EQ(follower.digest(), leader_.tree.digest());
    ASSERT_EQ(Dump(follower), Dump(leader_.tree));
    // So is one that comes back from the rows.
    WriteRows(leader_.tree.TakeRows(), &disk);
    ZnodeTree reloaded;
    const absl::Status status =
        LoadTree(disk, leader_.tree.applied(), &reloaded);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(Dump(reloaded), Dump(leader_.tree));
    ASSERT_EQ(reloaded.digest(), leader_.tree.digest());
  }
  EXPECT_GT(leader_.applied.size(), 500u);
}

// A member that stopped between two writes of rows replays the log from there.
TEST_P(TreeModelTest, ReplayFromAnyImageGivesTheSameTree) {
  Disk disk;
  std::vector<std::pair<Zxid, Disk>> images{{Zxid(), disk}};
  for (int i = 0; i < 1500; ++i) {
    ASSERT_NO_FATAL_FAILURE(Step());
    ASSERT_NO_FATAL_FAILURE(ApplyPending(random_() % 3));
    if (i % 50 != 0) continue;
    WriteRows(leader_.tree.TakeRows(), &disk);
    images.emplace_back(leader_.tree.applied(), disk);
  }
  ASSERT_NO_FATAL_FAILURE(ApplyPending(leader_.log.size()));
  for (const auto& [applied, image] : images) {
    ZnodeTree tree;
    ASSERT_TRUE(LoadTree(image, applied, &tree).ok());
    for (const auto& [zxid, txn] : leader_.applied) {
      if (zxid > applied) {
        ASSERT_TRUE(tree.Apply(zxid, txn).ok());
      }
    }
    ASSERT_EQ(tree.digest(), leader_.tree.digest());
    ASSERT_EQ(Dump(tree), Dump(leader_.tree));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TreeModelTest, testing::Range(1, 13));

}  // namespace
}  // namespace sillok
