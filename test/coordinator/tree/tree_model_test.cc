// Random requests through Preparer and ZnodeTree, against TreeModel. The model
// runs ahead: it shows at once what is only proposed.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"
#include "test/coordinator/tree/tree_model.h"

namespace sillok {
namespace {

constexpr int64_t kMaxNeverUsedMs = 300;
constexpr int64_t kQuota = 6;

PrepareOptions Enforced(const TreeFaults& faults) {
  PrepareOptions options;
  options.enforce_quota = true;
  options.faults = faults;
  return options;
}

// Who each of the four sessions is.
TreeModel::Who IdentitiesOf(uint64_t session) {
  switch (session) {
    case 1:
      return {{"ip", "10.1.1.1"}};
    case 2:
      return {{"ip", "11.1.1.1"}, {"digest", "alice:h"}};
    case 3:
      return {{"ip", "10.1.1.3"}, {"digest", "alice:h"}, {"digest", "bob:h"}};
    default:
      return {{"ip", "11.1.1.4"}, {"super", ""}};
  }
}

class Scenario {
 public:
  Scenario(int seed, const TreeFaults& faults)
      : faults_(faults), random_(seed), leader_(Enforced(faults)) {
    leader_.tree.Plant(faults);
  }

  void RunAgainstModel();
  void ReplayFromImages();

 private:
  // Few names, so that requests meet.
  std::string RandomPath() {
    std::string path;
    const int depth = 1 + random_() % 3;
    for (int i = 0; i < depth; ++i) {
      path += "/" + std::string(1, "abc"[random_() % 3]);
    }
    return path;
  }
  std::vector<v1::Acl> RandomAcl();
  v1::WriteOp RandomCreate();
  v1::WriteOp RandomOp();

  struct Expected {
    std::vector<std::pair<int, std::string>> results;
  };

  void Step();
  void StepSession(uint64_t id);
  void StepWrite(uint64_t session);
  void StepReap();
  void StepQuota();
  void ApplyPending(size_t count);
  void CompareNodes();
  void CompareReads(const std::string& path);
  void CompareCopies();
  TreeModel::Step ModelStep(uint64_t session) const {
    return {session, IdentitiesOf(session), leader_.last.Next().value(),
            leader_.now_ms};
  }

  const TreeFaults faults_;
  std::mt19937 random_;
  TreeModel model_;
  Leader leader_;
  std::deque<Expected> expected_;  // of leader_.log
  Disk disk_;
  ZnodeTree follower_;
  size_t followed_ = 0;
};

std::vector<v1::Acl> Scenario::RandomAcl() {
  const uint32_t some = random_() % 32;
  switch (random_() % 7) {
    case 0:
      return {Rule(31, "digest", "alice:h"), Rule(some, "world", "anyone")};
    case 1:
      return {Rule(31, "digest", "bob:h"), Rule(some, "ip", "10.0.0.0/8")};
    case 2:
      return {Rule(31, "auth", "")};
    case 3:
      return {Rule(31, "digest", "nobody")};
    default:
      return {Rule(31, "world", "anyone")};
  }
}

v1::WriteOp Scenario::RandomCreate() {
  v1::CreateMode mode = v1::PERSISTENT;
  switch (random_() % 8) {
    case 0:
      mode = v1::EPHEMERAL;
      break;
    case 1:
      mode = v1::EPHEMERAL_SEQUENTIAL;
      break;
    case 2:
      mode = v1::PERSISTENT_SEQUENTIAL;
      break;
    case 3:
      mode = v1::CONTAINER;
      break;
    case 4:
      mode = v1::PERSISTENT_WITH_TTL;
      break;
    default:
      break;
  }
  v1::WriteOp op = Create(RandomPath(), "", mode);
  if (mode == v1::PERSISTENT_WITH_TTL) {
    op.mutable_create()->set_ttl_ms(1 + random_() % 200);
  }
  if (random_() % 4 == 0) {
    op.mutable_create()->set_null_data(true);
  } else {
    op.mutable_create()->set_data(std::to_string(random_()));
  }
  if (random_() % 3 == 0) {
    const std::vector<v1::Acl> rules = RandomAcl();
    op.mutable_create()->mutable_acl()->Assign(rules.begin(), rules.end());
    op.mutable_create()->set_acl_required(true);
  }
  return op;
}

v1::WriteOp Scenario::RandomOp() {
  const int version = static_cast<int>(random_() % 4) - 1;
  switch (random_() % 12) {
    case 0:
      return Delete(RandomPath(), version);
    case 1:
    case 2:
      return Delete(RandomPath());
    case 3:
      return Set(RandomPath(), std::string(random_() % 200, 'x'), version);
    case 4: {
      v1::WriteOp op = Set(RandomPath(), "");
      op.mutable_set_data()->set_null_data(random_() % 2 == 0);
      return op;
    }
    case 5:
      return SetAcl(RandomPath(), RandomAcl(), version);
    case 6:
      return SetAcl(RandomPath(), RandomAcl());
    default:
      return RandomCreate();
  }
}

void Scenario::StepSession(uint64_t id) {
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

void Scenario::StepWrite(uint64_t session) {
  const bool multi = random_() % 3 == 0;
  std::vector<v1::WriteOp> ops;
  const int count = multi ? random_() % 5 : 1;
  for (int i = 0; i < count; ++i) ops.push_back(RandomOp());
  if (multi && random_() % 2) ops.push_back(Check(RandomPath()));
  const v1::CoordRequest request = multi ? Multi(ops) : Single(ops[0]);
  leader_.who = Who(IdentitiesOf(session));

  TreeModel next = model_;
  Expected expected;
  int failed = v1::OK;
  if (ops.empty() && model_.sessions.count(session) == 0) {
    failed = v1::SESSION_EXPIRED;
  }
  for (const v1::WriteOp& op : ops) {
    std::string path;
    int code = v1::RUNTIME_INCONSISTENCY;
    if (failed == v1::OK) {
      code = failed = next.Do(op, ModelStep(session), &path);
    }
    expected.results.emplace_back(code, path);
  }
  if (random_() % 20 == 0) {
    // Proposing may fail; it must then be as if nothing had been asked.
    const Prepared prepared = leader_.preparer.PrepareWrite(
        Origin(session), request, 0, &leader_.who);
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

// What is reaped must be overdue also after what is pending; what is overdue
// and at rest must be reaped.
void Scenario::StepReap() {
  for (int i = 0; i < 5; ++i) {
    const std::string path = RandomPath();
    const bool at_rest = leader_.log.empty();
    const bool overdue =
        model_.Overdue(path, leader_.now_ms, kMaxNeverUsedMs);
    const uint64_t zxid = leader_.last.Next().value();
    const bool reaped = leader_.Reap(path, kMaxNeverUsedMs).logged;
    if (reaped) {
      ASSERT_TRUE(overdue) << path;
      model_.Remove(path, zxid);
      expected_.push_back({{{v1::OK, ""}}});
    } else if (at_rest) {
      ASSERT_FALSE(overdue) << path;
    }
  }
}

// Sets a quota on one of the topmost znodes, or takes it away; with nothing
// pending, so that it holds at once.
void Scenario::StepQuota() {
  ASSERT_NO_FATAL_FAILURE(ApplyPending(leader_.log.size()));
  const std::string top = "/" + std::string(1, "abc"[random_() % 3]);
  const std::string node = "/zookeeper/quota" + top;
  std::vector<v1::WriteOp> ops;
  if (model_.quotas.erase(top) != 0) {
    ops = {Delete(QuotaLimitsPath(top)), Delete(QuotaStatsPath(top)),
           Delete(node)};
  } else {
    ops = {Create(node),
           Create(QuotaLimitsPath(top),
                  "count=-1,bytes=-1=;countHardLimit=" + std::to_string(kQuota)),
           Create(QuotaStatsPath(top))};
  }
  const bool adds = ops[0].has_create();
  leader_.who = Who(IdentitiesOf(4));
  const uint64_t session = 9;  // one that nobody closes
  if (model_.sessions.count(session) == 0) {
    leader_.Take(leader_.preparer.PrepareCreateSession(
        Origin(session), SessionId(session), "password", 1000, 0));
    leader_.ApplyOne();
    model_.sessions.insert(session);
  }
  for (const v1::WriteOp& op : ops) {
    std::string path;
    TreeModel::Step step = ModelStep(session);
    step.who = IdentitiesOf(4);
    ASSERT_EQ(model_.Do(op, step, &path), v1::OK);
    ASSERT_EQ(leader_.Run(Single(op), session).response.code(), v1::OK);
  }
  if (!adds) return;
  model_.quotas[top] = kQuota;
  // The statistics begin with what is there.
  int64_t count = 0, bytes = 0;
  for (const auto& [path, other] : model_.nodes) {
    if (path != top && path.rfind(top + "/", 0) != 0) continue;
    ++count;
    bytes += static_cast<int64_t>(other.data.size());
  }
  model_.nodes[QuotaStatsPath(top)].data =
      "count=" + std::to_string(count) + ",bytes=" + std::to_string(bytes);
}

void Scenario::Step() {
  leader_.now_ms += random_() % 20;
  const uint64_t session = 1 + random_() % 4;
  const unsigned choice = random_() % 100;
  if (choice < 4) {
    StepSession(session);
  } else if (choice < 12) {
    StepReap();
  } else if (choice < 13) {
    StepQuota();
  } else {
    StepWrite(session);
  }
}

void Scenario::ApplyPending(size_t count) {
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

void Scenario::CompareReads(const std::string& path) {
  v1::CoordRequest request;
  for (uint64_t session = 1; session <= 4; ++session) {
    const IdentityList who = Who(IdentitiesOf(session));
    const Requester requester{SessionId(session), &who};
    v1::CoordResponse response;
    request.mutable_get_data()->set_path(path);
    leader_.tree.Read(request, requester, &response);
    ASSERT_EQ(response.code() == v1::OK,
              model_.Allows(path, 1, IdentitiesOf(session)))
        << path << " session " << session;
  }
  request.mutable_get_acl()->set_path(path);
  const v1::CoordResponse acl = leader_.tree.Read(request);
  ModelAcl rules;
  for (const v1::Acl& rule : acl.acl()) {
    rules.push_back({rule.permissions(), rule.scheme(), rule.id()});
  }
  ASSERT_EQ(rules, model_.nodes[path].acl) << path;
}

void Scenario::CompareNodes() {
  ASSERT_EQ(leader_.tree.znodes(), model_.nodes.size());
  for (const auto& [path, node] : model_.nodes) {
    v1::CoordRequest request;
    request.mutable_get_data()->set_path(path);
    const v1::CoordResponse response = leader_.tree.Read(request);
    ASSERT_EQ(response.code(), v1::OK) << path;
    ASSERT_EQ(response.data(), node.data) << path;
    ASSERT_EQ(response.null_data(), node.null_data) << path;
    const v1::Stat& stat = response.stat();
    ASSERT_EQ(stat.version(), node.version) << path;
    ASSERT_EQ(stat.aversion(), node.aversion) << path;
    ASSERT_EQ(stat.ephemeral_owner(), node.owner) << path;
    ASSERT_EQ(stat.cversion(), node.creates + node.deletes) << path;
    ASSERT_EQ(stat.num_children(), node.creates - node.deletes) << path;
    ASSERT_EQ(stat.czxid(), node.czxid) << path;
    ASSERT_EQ(stat.mzxid(), node.mzxid) << path;
    ASSERT_EQ(stat.pzxid(), node.pzxid) << path;
    ASSERT_NO_FATAL_FAILURE(CompareReads(path));
  }
  ASSERT_EQ(leader_.tree.sessions().size(), model_.sessions.size());
  const absl::Status status = leader_.tree.CheckInvariants();
  ASSERT_TRUE(status.ok()) << status;
}

void Scenario::CompareCopies() {
  // A replica that applies the same txns is the same.
  for (; followed_ < leader_.applied.size(); ++followed_) {
    const auto& [zxid, txn] = leader_.applied[followed_];
    // As it comes from the log: bytes.
    v1::Txn decoded;
    ASSERT_TRUE(decoded.ParseFromString(txn.SerializeAsString()));
    ASSERT_TRUE(follower_.Apply(zxid, decoded).ok());
  }
  ASSERT_EQ(follower_.digest(), leader_.tree.digest());
  ASSERT_EQ(Dump(follower_), Dump(leader_.tree));
  // So is one that comes back from the rows.
  WriteRows(leader_.tree.TakeRows(), &disk_);
  ZnodeTree reloaded;
  reloaded.Plant(faults_);
  const absl::Status status =
      LoadTree(disk_, leader_.tree.applied(), &reloaded);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(Dump(reloaded), Dump(leader_.tree));
  ASSERT_EQ(reloaded.digest(), leader_.tree.digest());
  ASSERT_TRUE(reloaded.CheckInvariants().ok());
}

void Scenario::RunAgainstModel() {
  for (int round = 0; round < 300; ++round) {
    const int steps = random_() % 30;
    for (int i = 0; i < steps; ++i) {
      ASSERT_NO_FATAL_FAILURE(Step());
      if (random_() % 4 == 0) {
        ASSERT_NO_FATAL_FAILURE(ApplyPending(random_() % 5));
      }
    }
    if (random_() % 3 == 0) WriteRows(leader_.tree.TakeRows(), &disk_);
    if (round % 10 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(ApplyPending(leader_.log.size()));
    ASSERT_EQ(leader_.preparer.pending_txns(), 0u);
    ASSERT_NO_FATAL_FAILURE(CompareNodes());
    ASSERT_NO_FATAL_FAILURE(CompareCopies());
  }
  ASSERT_GT(leader_.applied.size(), 500u);
}

// A member that stopped between two writes of rows replays the log from there.
void Scenario::ReplayFromImages() {
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

class TreeModelTest : public testing::TestWithParam<int> {};

TEST_P(TreeModelTest, TreeAndModelAgree) {
  Scenario(GetParam(), {}).RunAgainstModel();
}

TEST_P(TreeModelTest, ReplayFromAnyImageGivesTheSameTree) {
  Scenario(GetParam(), {}).ReplayFromImages();
}

INSTANTIATE_TEST_SUITE_P(Seeds, TreeModelTest, testing::Range(1, 13));

// Whether some of the first seeds show that something is wrong.
bool IsFound(const TreeFaults& faults) {
  for (int seed = 1; seed <= 12; ++seed) {
    testing::TestPartResultArray failures;
    testing::ScopedFakeTestPartResultReporter intercept(
        testing::ScopedFakeTestPartResultReporter::
            INTERCEPT_ONLY_CURRENT_THREAD,
        &failures);
    Scenario(seed, faults).RunAgainstModel();
    if (failures.size() > 0) return true;
  }
  return false;
}

TEST(PlantedBugsTest, EachIsFound) {
  EXPECT_FALSE(IsFound({}));
  const std::vector<std::pair<const char*, bool TreeFaults::*>> bugs = {
      {"leak_acl_references", &TreeFaults::leak_acl_references},
      {"check_applied_acls", &TreeFaults::check_applied_acls},
      {"parent_before_acl", &TreeFaults::parent_before_acl},
      {"reap_without_look", &TreeFaults::reap_without_look},
      {"ttl_from_creation", &TreeFaults::ttl_from_creation},
      {"quota_off_by_one", &TreeFaults::quota_off_by_one},
      {"forget_pending_use", &TreeFaults::forget_pending_use},
      {"null_data_reloads_as_empty", &TreeFaults::null_data_reloads_as_empty},
  };
  for (const auto& [name, bug] : bugs) {
    TreeFaults faults;
    faults.*bug = true;
    EXPECT_TRUE(IsFound(faults)) << name;
  }
}

}  // namespace
}  // namespace sillok
