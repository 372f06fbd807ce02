// Watches that stay, taking watches away, and who may hear of what.
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "coordinator/tree/auth.h"
#include "coordinator/tree/watch_table.h"
#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

using Kind = WatchTable::Kind;
using Strings = std::vector<std::string>;
constexpr ConnectionId kOne{1};
constexpr ConnectionId kTwo{2};

class PersistentWatchTest : public testing::Test {
 protected:
  PersistentWatchTest() { leader.OpenSession(1); }

  // "1 NODE_CREATED /a": whom it went to, and what.
  Strings Run(const v1::CoordRequest& request) {
    Strings out;
    const ApplyResult result = leader.Run(request);
    EXPECT_EQ(result.response.code(), v1::OK);
    for (const WatchNotice& notice :
         table.Trigger(leader.last, result.changes)) {
      out.push_back(std::to_string(notice.connection.value()) + " " +
                    v1::WatchEventType_Name(notice.event.type()) + " " +
                    notice.event.path());
    }
    return out;
  }
  Strings Run(const v1::WriteOp& op) { return Run(Single(op)); }
  v1::CoordCode Remove(ConnectionId connection, const std::string& path,
                       v1::WatcherType type, bool check_only = false) {
    v1::RemoveWatchesOp op;
    op.set_path(path);
    op.set_type(type);
    op.set_check_only(check_only);
    return table.Remove(connection, op);
  }

  Leader leader;
  WatchTable table;
};

TEST_F(PersistentWatchTest, APersistentWatchSeesEverythingOfItsPath) {
  v1::AddWatchOp op;
  op.set_path("/a");
  EXPECT_EQ(table.AddWatch(kOne, op), v1::OK);  // the znode is missing yet
  EXPECT_EQ(Run(Create("/a")), Strings{"1 NODE_CREATED /a"});
  EXPECT_EQ(Run(Set("/a", "1")), Strings{"1 NODE_DATA_CHANGED /a"});
  EXPECT_EQ(Run(Set("/a", "2")), Strings{"1 NODE_DATA_CHANGED /a"});
  EXPECT_EQ(Run(Create("/a/b")), Strings{"1 NODE_CHILDREN_CHANGED /a"});
  EXPECT_EQ(Run(Set("/a/b", "1")), Strings{});
  EXPECT_EQ(Run(Create("/a/b/c")), Strings{});
  EXPECT_EQ(Run(Delete("/a/b/c")), Strings{});
  EXPECT_EQ(Run(Delete("/a/b")), Strings{"1 NODE_CHILDREN_CHANGED /a"});
  EXPECT_EQ(Run(Delete("/a")), Strings{"1 NODE_DELETED /a"});
  EXPECT_EQ(Run(Create("/a")), Strings{"1 NODE_CREATED /a"});
  EXPECT_EQ(table.size(), 1u);
}

TEST_F(PersistentWatchTest, ARecursiveWatchSeesTheSubtreeWithoutChildren) {
  v1::AddWatchOp op;
  op.set_path("/a");
  op.set_mode(v1::PERSISTENT_RECURSIVE_WATCH);
  EXPECT_EQ(table.AddWatch(kOne, op), v1::OK);
  EXPECT_EQ(Run(Create("/a")), Strings{"1 NODE_CREATED /a"});
  EXPECT_EQ(Run(Create("/a/b")), Strings{"1 NODE_CREATED /a/b"});
  EXPECT_EQ(Run(Create("/a/b/c")), Strings{"1 NODE_CREATED /a/b/c"});
  EXPECT_EQ(Run(Set("/a/b/c", "1")), Strings{"1 NODE_DATA_CHANGED /a/b/c"});
  EXPECT_EQ(Run(Create("/ab")), Strings{});
  EXPECT_EQ(Run(Delete("/a/b/c")), Strings{"1 NODE_DELETED /a/b/c"});
  op.set_path("/");
  EXPECT_EQ(table.AddWatch(kTwo, op), v1::OK);
  EXPECT_EQ(Run(Delete("/ab")), Strings{"2 NODE_DELETED /ab"});
  EXPECT_EQ(Run(Delete("/a/b")),
            (Strings{"1 NODE_DELETED /a/b", "2 NODE_DELETED /a/b"}));
}

TEST_F(PersistentWatchTest, AnUnknownModeIsRefused) {
  v1::AddWatchOp op;
  op.set_path("/a");
  op.set_mode(static_cast<v1::AddWatchMode>(2));
  EXPECT_EQ(table.AddWatch(kOne, op), v1::BAD_ARGUMENTS);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(PersistentWatchTest, OneChangeIsOneEventForAConnection) {
  leader.Code(Create("/a"));
  for (const Kind kind : {Kind::kData, Kind::kChildren, Kind::kPersistent,
                          Kind::kRecursive}) {
    table.Add(kOne, "/a", kind);
  }
  table.Add(kOne, "/", Kind::kRecursive);
  EXPECT_EQ(table.size(), 5u);
  EXPECT_EQ(table.size_of(kOne), 5u);
  EXPECT_EQ(Run(Set("/a", "x")), Strings{"1 NODE_DATA_CHANGED /a"});
  // The one-time watch of data is used up, the others are not.
  EXPECT_EQ(table.size(), 4u);
  EXPECT_EQ(Run(Delete("/a")), Strings{"1 NODE_DELETED /a"});
  EXPECT_EQ(table.size(), 3u);
}

TEST_F(PersistentWatchTest, WatchesAreTakenAwayByType) {
  const std::map<v1::WatcherType, std::set<Kind>> types = {
      {v1::CHILDREN_WATCHER, {Kind::kChildren}},
      {v1::DATA_WATCHER, {Kind::kData}},
      {v1::PERSISTENT_WATCHER, {Kind::kPersistent}},
      {v1::PERSISTENT_RECURSIVE_WATCHER, {Kind::kRecursive}},
      {v1::ANY_WATCHER,
       {Kind::kData, Kind::kChildren, Kind::kPersistent, Kind::kRecursive}},
  };
  for (const Kind kind : {Kind::kData, Kind::kChildren, Kind::kPersistent,
                          Kind::kRecursive}) {
    for (const auto& [type, kinds] : types) {
      table.Add(kOne, "/a", kind);
      const v1::CoordCode expected =
          kinds.count(kind) != 0 ? v1::OK : v1::NO_WATCHER;
      EXPECT_EQ(Remove(kOne, "/a", type, true), expected);
      EXPECT_EQ(table.size(), 1u);
      EXPECT_EQ(Remove(kTwo, "/a", type), v1::NO_WATCHER);
      EXPECT_EQ(Remove(kOne, "/b", type), v1::NO_WATCHER);
      EXPECT_EQ(Remove(kOne, "/a", type), expected);
      EXPECT_EQ(table.size(), expected == v1::OK ? 0u : 1u);
      table.RemoveConnection(kOne);
      EXPECT_EQ(table.paths(), 0u);
    }
  }
  EXPECT_EQ(Remove(kOne, "/a", v1::WATCHER_UNSPECIFIED), v1::BAD_ARGUMENTS);
}

TEST_F(PersistentWatchTest, ATakenRecursiveWatchIsSilent) {
  table.Add(kOne, "/", Kind::kRecursive);
  table.Add(kTwo, "/", Kind::kRecursive);
  EXPECT_EQ(Remove(kOne, "/", v1::ANY_WATCHER), v1::OK);
  EXPECT_EQ(Run(Create("/a")), Strings{"2 NODE_CREATED /a"});
}

TEST_F(PersistentWatchTest, PersistentWatchesAreSetAgainAfterAReconnect) {
  v1::SetWatchesRequest request;
  request.add_persistent("/a");
  request.add_persistent_recursive("/b");
  leader.Code(Create("/a"));  // while away; it is not told
  EXPECT_TRUE(table.SetWatches(kOne, request, leader.tree).empty());
  EXPECT_EQ(Run(Create("/a/x")), Strings{"1 NODE_CHILDREN_CHANGED /a"});
  EXPECT_EQ(Run(Create("/b")), Strings{"1 NODE_CREATED /b"});
}

TEST_F(PersistentWatchTest, EventsCarryTheAclOfTheZnodeAsItWas) {
  IdentityList alice = FirstIdentities("10.0.0.1");
  Authenticate("digest", "alice:secret", "", &alice);
  leader.who = alice;
  const v1::Acl rule = Rule(31, "digest", DigestId("alice:secret"));
  leader.Code(CreateFor("/secret", {rule}));
  table.Add(kOne, "/secret", Kind::kPersistent);
  table.Add(kOne, "/", Kind::kChildren);
  const ApplyResult result = leader.Run(Single(Delete("/secret")));
  const auto notices = table.Trigger(leader.last, result.changes);
  ASSERT_EQ(notices.size(), 2u);
  EXPECT_FALSE(IsAllowed(notices[0].acl, kReadPermission, {}));
  EXPECT_TRUE(
      IsAllowed(notices[0].acl, kReadPermission, {SessionId(1), &alice}));
  EXPECT_EQ(notices[1].acl, nullptr);  // of the parent
}

TEST_F(PersistentWatchTest, AMissedEventIsToldToThoseWhoMayNotReadToo) {
  // Nothing is armed in its place: who is not told would wait for ever. (And
  // exists, which armed it, needs no permission.)
  leader.Code(
      CreateFor("/secret", {Rule(31, "digest", DigestId("alice:secret"))}));
  v1::SetWatchesRequest request;
  request.add_exists("/secret");
  EXPECT_EQ(table.SetWatches(kOne, request, leader.tree).size(), 1u);
}

// --- against a model: every watch is looked at for every change ---

struct WatchModel {
  std::set<std::tuple<uint64_t, std::string, Kind>> watches;

  static bool Sees(Kind kind, const std::string& watched,
                   const TreeChange& change) {
    const bool children = change.type == v1::NODE_CHILDREN_CHANGED;
    switch (kind) {
      case Kind::kData:
        return watched == change.path && !children;
      case Kind::kChildren:
        return watched == change.path &&
               (children || change.type == v1::NODE_DELETED);
      case Kind::kPersistent:
        return watched == change.path;
      case Kind::kRecursive:
        return !children &&
               (watched == "/" || watched == change.path ||
                change.path.rfind(watched + "/", 0) == 0);
    }
    return false;
  }

  std::multiset<std::string> Fire(const TreeChange& change) {
    std::set<uint64_t> connections;
    for (auto it = watches.begin(); it != watches.end();) {
      const auto& [connection, path, kind] = *it;
      const bool sees = Sees(kind, path, change);
      const bool once = kind == Kind::kData || kind == Kind::kChildren;
      if (sees) connections.insert(connection);
      it = sees && once ? watches.erase(it) : std::next(it);
    }
    std::multiset<std::string> events;
    for (const uint64_t connection : connections) {
      events.insert(std::to_string(connection) + " " +
                    std::to_string(change.type) + " " + change.path);
    }
    return events;
  }
};

// Whether table and model disagreed within a few thousand steps.
bool Disagree(unsigned seed, const TreeFaults& faults) {
  std::mt19937 random(seed);
  Leader leader;
  leader.OpenSession(1);
  WatchTable table;
  table.Plant(faults);
  WatchModel model;
  const auto random_path = [&] {
    std::string path;
    const int depth = random() % 4;
    for (int i = 0; i < depth; ++i) {
      path += "/" + std::string(1, "ab"[random() % 2]);
    }
    return path.empty() ? std::string("/") : path;
  };
  for (int step = 0; step < 3000; ++step) {
    const uint64_t connection = 1 + random() % 3;
    const std::string path = random_path();
    if (random() % 2 == 0) {
      const Kind kind = static_cast<Kind>(random() % 4);
      table.Add(ConnectionId(connection), path, kind);
      model.watches.emplace(connection, path, kind);
      continue;
    }
    if (random() % 20 == 0) {
      table.RemoveConnection(ConnectionId(connection));
      std::erase_if(model.watches, [&](const auto& watch) {
        return std::get<0>(watch) == connection;
      });
      continue;
    }
    const v1::WriteOp op = random() % 3 == 0   ? Set(path, "x")
                           : random() % 2 == 0 ? Create(path)
                                               : Delete(path);
    const ApplyResult result = leader.Run(Single(op));
    const auto notices = table.Trigger(leader.last, result.changes);
    size_t next = 0;
    for (const TreeChange& change : result.changes) {
      const std::multiset<std::string> expected = model.Fire(change);
      std::multiset<std::string> fired;
      for (; next < notices.size() &&
             notices[next].event.path() == change.path &&
             notices[next].event.type() == change.type;
           ++next) {
        fired.insert(std::to_string(notices[next].connection.value()) + " " +
                     std::to_string(change.type) + " " + change.path);
      }
      if (fired != expected) return true;
    }
    if (next != notices.size()) return true;
    if (table.size() != model.watches.size()) return true;
  }
  return false;
}

TEST(WatchModelTest, TableAndModelAgree) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    EXPECT_FALSE(Disagree(seed, {})) << "seed " << seed;
  }
}

TEST(WatchModelTest, PlantedBugsAreFound) {
  TreeFaults twice;
  twice.recursive_fires_twice = true;
  EXPECT_TRUE(Disagree(1, twice));
  TreeFaults children;
  children.recursive_hears_children = true;
  EXPECT_TRUE(Disagree(1, children));
}

}  // namespace
}  // namespace sillok
