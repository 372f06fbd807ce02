#include "coordinator/tree/watch_table.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

using Kind = WatchTable::Kind;
using Strings = std::vector<std::string>;
constexpr ConnectionId kOne{1};
constexpr ConnectionId kTwo{2};

class WatchTableTest : public testing::Test {
 protected:
  WatchTableTest() { leader.OpenSession(1); }

  // "1 NODE_CREATED /a": whom it went to, and what.
  Strings Run(const v1::CoordRequest& request) {
    Strings out;
    const ApplyResult result = leader.Run(request);
    EXPECT_EQ(result.response.code(), v1::OK);
    for (const WatchNotice& notice :
         table.Trigger(leader.last, result.changes)) {
      EXPECT_EQ(notice.event.zxid(), leader.last.value());
      out.push_back(std::to_string(notice.connection.value()) + " " +
                    v1::WatchEventType_Name(notice.event.type()) + " " +
                    notice.event.path());
    }
    return out;
  }
  Strings Missed(const v1::SetWatchesRequest& request) {
    Strings out;
    for (const v1::WatchEvent& event :
         table.SetWatches(kOne, request, leader.tree)) {
      EXPECT_EQ(event.zxid(), leader.tree.applied().value());
      out.push_back(v1::WatchEventType_Name(event.type()) + " " +
                    event.path());
    }
    return out;
  }
  void Read(ConnectionId connection, const std::string& kind,
            const std::string& path, bool watch = true) {
    v1::CoordRequest request;
    if (kind == "exists") {
      request.mutable_exists()->set_path(path);
      request.mutable_exists()->set_watch(watch);
    } else if (kind == "data") {
      request.mutable_get_data()->set_path(path);
      request.mutable_get_data()->set_watch(watch);
    } else {
      request.mutable_get_children()->set_path(path);
      request.mutable_get_children()->set_watch(watch);
    }
    table.AddForRead(connection, request,
                     leader.tree.Read(request).code());
  }

  Leader leader;
  WatchTable table;
};

TEST_F(WatchTableTest, AWatchFiresOnce) {
  leader.Code(Create("/a"));
  table.Add(kOne, "/a", Kind::kData);
  EXPECT_EQ(Run(Single(Set("/a", "x"))), Strings{"1 NODE_DATA_CHANGED /a"});
  EXPECT_EQ(Run(Single(Set("/a", "y"))), Strings{});
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.connections(), 0u);
}

TEST_F(WatchTableTest, TheSameWatchSetTwiceIsOne) {
  leader.Code(Create("/a"));
  Read(kOne, "exists", "/a");
  Read(kOne, "data", "/a");
  Read(kOne, "data", "/a");
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(Run(Single(Set("/a", "x"))), Strings{"1 NODE_DATA_CHANGED /a"});
}

TEST_F(WatchTableTest, ReadsArmWhatZooKeeperArms) {
  leader.Code(Create("/a"));
  Read(kOne, "data", "/missing");
  Read(kOne, "children", "/missing");
  Read(kOne, "data", "/a", false);
  Read(kOne, "exists", "/a", false);
  Read(kOne, "children", "/a", false);
  EXPECT_EQ(table.size(), 0u);
  Read(kOne, "exists", "/missing");
  EXPECT_EQ(Run(Single(Create("/missing"))),
            Strings{"1 NODE_CREATED /missing"});
}

TEST_F(WatchTableTest, EachChangeFiresItsKindsOfWatch) {
  leader.Code(Create("/a"));
  const auto arm = [&] {
    for (const char* path : {"/", "/a", "/a/b"}) {
      table.Add(kOne, path, Kind::kData);
      table.Add(kTwo, path, Kind::kChildren);
    }
  };
  arm();
  EXPECT_EQ(Run(Single(Create("/a/b"))),
            (Strings{"1 NODE_CREATED /a/b", "2 NODE_CHILDREN_CHANGED /a"}));
  arm();
  EXPECT_EQ(Run(Single(Set("/a", ""))), Strings{"1 NODE_DATA_CHANGED /a"});
  arm();
  Strings deleted = Run(Single(Delete("/a/b")));
  ASSERT_EQ(deleted.size(), 3u);
  std::sort(deleted.begin(), deleted.begin() + 2);
  EXPECT_EQ(deleted, (Strings{"1 NODE_DELETED /a/b", "2 NODE_DELETED /a/b",
                              "2 NODE_CHILDREN_CHANGED /a"}));
}

TEST_F(WatchTableTest, BothKindsOnADeletedNodeGiveOneEvent) {
  leader.Code(Create("/a"));
  table.Add(kOne, "/a", Kind::kData);
  table.Add(kOne, "/a", Kind::kChildren);
  table.Add(kOne, "/", Kind::kChildren);
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(Run(Single(Delete("/a"))),
            (Strings{"1 NODE_DELETED /a", "1 NODE_CHILDREN_CHANGED /"}));
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(WatchTableTest, AMultiFiresOperationByOperation) {
  leader.Code(Create("/a"));
  table.Add(kOne, "/a", Kind::kData);
  table.Add(kOne, "/a", Kind::kChildren);
  table.Add(kOne, "/a/b", Kind::kData);
  EXPECT_EQ(Run(Multi({Create("/a/b"), Set("/a", "x"), Delete("/a/b"),
                       Delete("/a")})),
            (Strings{"1 NODE_CREATED /a/b", "1 NODE_CHILDREN_CHANGED /a",
                     "1 NODE_DATA_CHANGED /a"}));
}

TEST_F(WatchTableTest, AConnectionsEndTakesItsWatchesOnly) {
  leader.Code(Create("/a"));
  for (const ConnectionId c : {kOne, kTwo}) {
    table.Add(c, "/a", Kind::kData);
    table.Add(c, "/a", Kind::kChildren);
  }
  table.Add(kOne, "/only", Kind::kData);
  table.RemoveConnection(kOne);
  table.RemoveConnection(kOne);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.connections(), 1u);
  EXPECT_EQ(Run(Single(Set("/a", ""))), Strings{"2 NODE_DATA_CHANGED /a"});
  EXPECT_EQ(Run(Single(Create("/only"))), Strings{});
}

TEST_F(WatchTableTest, SetWatchesReportsWhatWasMissed) {
  leader.Code(Create("/same"));
  leader.Code(Create("/changed"));
  leader.Code(Create("/deleted"));
  leader.Code(Create("/parent"));
  v1::SetWatchesRequest request;
  request.set_last_zxid_seen(leader.last.value());
  leader.Code(Set("/changed", "x"));
  leader.Code(Delete("/deleted"));
  leader.Code(Create("/parent/child"));
  leader.Code(Create("/created"));
  for (const char* path : {"/same", "/changed", "/deleted"}) {
    request.add_data(path);
  }
  for (const char* path : {"/created", "/absent"}) request.add_exists(path);
  for (const char* path : {"/same", "/parent", "/deleted"}) {
    request.add_children(path);
  }
  EXPECT_EQ(Missed(request),
            (Strings{"NODE_DATA_CHANGED /changed", "NODE_DELETED /deleted",
                     "NODE_CREATED /created", "NODE_CHILDREN_CHANGED /parent",
                     "NODE_DELETED /deleted"}));
  // The rest is armed: data and children of /same, existence of /absent.
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(Run(Single(Create("/absent"))),
            Strings{"1 NODE_CREATED /absent"});
  EXPECT_EQ(Run(Single(Create("/same/x"))),
            Strings{"1 NODE_CHILDREN_CHANGED /same"});
  EXPECT_EQ(Run(Single(Set("/same", "x"))),
            Strings{"1 NODE_DATA_CHANGED /same"});
}

// Created and deleted while away: the exists watch sees nothing. Deleted and
// created again: the data watch sees a change, as mzxid has moved.
TEST_F(WatchTableTest, ThereAndBackWhileAway) {
  leader.Code(Create("/b"));
  v1::SetWatchesRequest request;
  request.set_last_zxid_seen(leader.last.value());
  leader.Code(Create("/a"));
  leader.Code(Delete("/a"));
  leader.Code(Delete("/b"));
  leader.Code(Create("/b"));
  request.add_exists("/a");
  request.add_data("/b");
  request.add_children("/b");
  EXPECT_EQ(Missed(request), (Strings{"NODE_DATA_CHANGED /b",
                                      "NODE_CHILDREN_CHANGED /b"}));
}

TEST_F(WatchTableTest, ASessionsEndFiresForEachEphemeral) {
  leader.Code(Create("/e", "", v1::EPHEMERAL));
  table.Add(kOne, "/e", Kind::kData);
  table.Add(kOne, "/", Kind::kChildren);
  leader.CloseSession(1);
  const ApplyResult result = leader.ApplyOne();
  const auto notices = table.Trigger(leader.last, result.changes);
  ASSERT_EQ(notices.size(), 2u);
  EXPECT_EQ(notices[0].event.type(), v1::NODE_DELETED);
  EXPECT_EQ(notices[1].event.type(), v1::NODE_CHILDREN_CHANGED);
}

}  // namespace
}  // namespace sillok
