// What ACLs allow, in which order a write is checked, and what reads show.
#include <string>
#include <vector>

#include "coordinator/tree/auth.h"
#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

constexpr uint32_t kR = kReadPermission;
constexpr uint32_t kW = kWritePermission;
constexpr uint32_t kC = kCreatePermission;
constexpr uint32_t kD = kDeletePermission;
constexpr uint32_t kA = kAdminPermission;

class PermissionTest : public testing::Test {
 protected:
  PermissionTest() {
    leader.OpenSession(1);
    alice = FirstIdentities("10.0.0.1");
    Authenticate("digest", "alice:secret", "", &alice);
    bob = FirstIdentities("10.0.0.2");
    Authenticate("digest", "bob:secret", "", &bob);
  }

  v1::CoordCode As(const IdentityList& who, const v1::WriteOp& op) {
    leader.who = who;
    return leader.Code(op);
  }
  v1::CoordResponse Read(const IdentityList& who,
                         const v1::CoordRequest& request) {
    v1::CoordResponse response;
    leader.tree.Read(request, {SessionId(1), &who}, &response);
    return response;
  }
  v1::CoordResponse Get(const IdentityList& who, const std::string& path) {
    v1::CoordRequest request;
    request.mutable_get_data()->set_path(path);
    return Read(who, request);
  }
  v1::CoordResponse GetAcl(const IdentityList& who, const std::string& path) {
    v1::CoordRequest request;
    request.mutable_get_acl()->set_path(path);
    return Read(who, request);
  }
  // Everything for alice, `others` for everybody.
  std::vector<v1::Acl> AliceAnd(uint32_t others) const {
    return {Rule(31, "digest", DigestId("alice:secret")),
            Rule(others, "world", "anyone")};
  }

  Leader leader;
  IdentityList alice;
  IdentityList bob;
};

TEST_F(PermissionTest, EachOperationNeedsItsRight) {
  const auto expect = [&](uint32_t needed, const std::string& what,
                          const std::vector<v1::WriteOp>& undo,
                          const v1::WriteOp& op) {
    for (uint32_t others = 0; others < 32; ++others) {
      leader.who = alice;
      leader.Code(CreateFor("/n", AliceAnd(others)));
      leader.Code(Create("/n/old"));
      EXPECT_EQ(As(bob, op), (others & needed) ? v1::OK : v1::NO_AUTH)
          << what << " with " << others;
      leader.who = alice;
      for (const v1::WriteOp& done : undo) leader.Code(done);
      leader.Code(Delete("/n/old"));
      ASSERT_EQ(leader.Code(Delete("/n")), v1::OK);
    }
  };
  expect(kC, "create", {Delete("/n/new")}, Create("/n/new"));
  expect(kD, "delete", {}, Delete("/n/old"));
  expect(kW, "set", {}, Set("/n", "x"));
  expect(kA, "set_acl", {}, SetAcl("/n", {Rule(31, "world", "anyone")}));
}

TEST_F(PermissionTest, ACheckNeedsToRead) {
  As(alice, CreateFor("/n", AliceAnd(kW)));
  leader.who = bob;
  EXPECT_EQ(leader.Run(Multi({Set("/n", "x"), Check("/n")})).response.code(),
            v1::NO_AUTH);
  leader.who = alice;
  EXPECT_EQ(leader.Run(Multi({Set("/n", "x"), Check("/n")})).response.code(),
            v1::OK);
}

TEST_F(PermissionTest, ReadsNeedToRead) {
  As(alice, CreateFor("/n", AliceAnd(kW)));
  EXPECT_EQ(Get(bob, "/n").code(), v1::NO_AUTH);
  EXPECT_FALSE(Get(bob, "/n").has_stat());
  EXPECT_EQ(Get(alice, "/n").code(), v1::OK);
  v1::CoordRequest request;
  request.mutable_get_children()->set_path("/n");
  EXPECT_EQ(Read(bob, request).code(), v1::NO_AUTH);
  request.mutable_count_descendants()->set_path("/n");
  EXPECT_EQ(Read(bob, request).code(), v1::NO_AUTH);
  // Whether it exists anybody may know.
  request.mutable_exists()->set_path("/n");
  EXPECT_EQ(Read(bob, request).code(), v1::OK);
}

TEST_F(PermissionTest, TheAclIsShownToReadersAndAdmins) {
  As(alice, CreateFor("/n", AliceAnd(kR)));
  v1::CoordResponse response = GetAcl(bob, "/n");
  ASSERT_EQ(response.code(), v1::OK);
  ASSERT_EQ(response.acl_size(), 2);
  EXPECT_EQ(response.acl(0).id(), "alice:x");
  EXPECT_EQ(GetAcl(alice, "/n").acl(0).id(), DigestId("alice:secret"));
  As(alice, SetAcl("/n", AliceAnd(kA)));
  EXPECT_EQ(GetAcl(bob, "/n").acl(0).id(), DigestId("alice:secret"));
  As(alice, SetAcl("/n", AliceAnd(kW)));
  EXPECT_EQ(GetAcl(bob, "/n").code(), v1::NO_AUTH);
  EXPECT_EQ(GetAcl(bob, "/").acl(0).ShortDebugString(),
            Rule(31, "world", "anyone").ShortDebugString());
  EXPECT_EQ(GetAcl(bob, "/missing").code(), v1::NO_NODE);
}

TEST_F(PermissionTest, ChildrenDoNotInherit) {
  As(alice, CreateFor("/n", AliceAnd(kC)));
  EXPECT_EQ(As(bob, Create("/n/c")), v1::OK);
  EXPECT_EQ(Get(bob, "/n/c").code(), v1::OK);
  EXPECT_EQ(As(bob, Delete("/n/c")), v1::NO_AUTH);
}

TEST_F(PermissionTest, AnAclHasAVersionOfItsOwn) {
  As(alice, Create("/n"));
  EXPECT_EQ(leader.StatOf("/n").aversion(), 0);
  EXPECT_EQ(As(alice, SetAcl("/n", AliceAnd(kR), 1)), v1::BAD_VERSION);
  const uint64_t mzxid = leader.StatOf("/n").mzxid();
  leader.who = alice;
  const ApplyResult result = leader.Run(Single(SetAcl("/n", AliceAnd(kR), 0)));
  EXPECT_EQ(result.response.write().stat().aversion(), 1);
  EXPECT_TRUE(result.changes.empty());
  EXPECT_EQ(leader.StatOf("/n").mzxid(), mzxid);
  EXPECT_EQ(leader.StatOf("/n").version(), 0);
  EXPECT_EQ(As(alice, SetAcl("/n", {Rule(31, "world", "anyone")}, 1)), v1::OK);
  EXPECT_EQ(leader.StatOf("/n").aversion(), 2);
  EXPECT_TRUE(leader.tree.CheckInvariants().ok());
}

TEST_F(PermissionTest, WhatIsPendingDecides) {
  leader.who = alice;
  ASSERT_TRUE(leader.Prepare(Single(CreateFor("/n", AliceAnd(0)))).logged);
  leader.who = bob;
  EXPECT_EQ(leader.Prepare(Single(Create("/n/c"))).rejection.code(),
            v1::NO_AUTH);
  leader.who = alice;
  ASSERT_TRUE(leader.Prepare(Single(SetAcl("/n", AliceAnd(kC)))).logged);
  leader.who = bob;
  EXPECT_TRUE(leader.Prepare(Single(Create("/n/c"))).logged);
}

TEST_F(PermissionTest, AMultiSeesTheAclsItSets) {
  leader.who = bob;
  As(alice, CreateFor("/n", AliceAnd(kA)));
  leader.who = bob;
  EXPECT_EQ(leader.Run(Multi({SetAcl("/n", AliceAnd(kC)), Create("/n/c")}))
                .response.code(),
            v1::OK);
  EXPECT_EQ(leader.Run(Multi({Create("/n/d"), SetAcl("/n", AliceAnd(0))}))
                .response.code(),
            v1::NO_AUTH);
  EXPECT_FALSE(leader.Has("/n/d"));
}

TEST_F(PermissionTest, SuperPassesAndSkipAclOpensEverything) {
  As(alice, CreateFor("/n", {Rule(0, "digest", DigestId("alice:secret"))}));
  EXPECT_EQ(As(alice, Set("/n", "x")), v1::NO_AUTH);
  EXPECT_EQ(As(Who({{"super", ""}}), Set("/n", "x")), v1::OK);
  PrepareOptions open;
  open.skip_acl = true;
  Preparer lenient(leader.tree, open);
  EXPECT_TRUE(std::holds_alternative<v1::Txn>(lenient.PrepareWrite(
      Origin(1), Single(Set("/n", "x")), leader.now_ms, &bob)));
}

TEST_F(PermissionTest, TheConfigurationIsReadableAndNobodysToWrite) {
  EXPECT_EQ(Get(bob, "/zookeeper/config").code(), v1::OK);
  EXPECT_EQ(leader.StatOf("/zookeeper/config").aversion(), -1);
  EXPECT_EQ(As(bob, Set("/zookeeper/config", "x")), v1::NO_AUTH);
  EXPECT_EQ(As(bob, SetAcl("/zookeeper/config", AliceAnd(31))), v1::NO_AUTH);
  EXPECT_EQ(As(Who({{"super", ""}}), Set("/zookeeper/config", "x")),
            v1::NO_AUTH);
}

TEST_F(PermissionTest, CreateChecksInZooKeepersOrder) {
  As(alice, CreateFor("/closed", AliceAnd(0)));
  As(alice, CreateFor("/closed/taken", AliceAnd(0)));
  As(alice, Create("/e", "", v1::EPHEMERAL));
  const std::vector<v1::Acl> bad = {Rule(31, "digest", "nobody")};
  v1::WriteOp op = CreateFor("relative", bad);
  op.mutable_create()->set_mode(static_cast<v1::CreateMode>(77));
  EXPECT_EQ(As(bob, op), v1::BAD_ARGUMENTS);
  EXPECT_EQ(As(bob, CreateTtl("relative", 0)), v1::BAD_ARGUMENTS);
  // The session, before anything of the path.
  leader.who = bob;
  EXPECT_EQ(leader.Code(CreateFor("relative", bad), 99), v1::SESSION_EXPIRED);
  EXPECT_EQ(As(bob, CreateFor("relative", bad)), v1::BAD_ARGUMENTS);
  // The ACL, before the parent.
  EXPECT_EQ(As(bob, CreateFor("/missing/x", bad)), v1::INVALID_ACL);
  EXPECT_EQ(As(bob, CreateFor("/missing/x", {})), v1::INVALID_ACL);
  EXPECT_EQ(As(bob, Create("/missing/x")), v1::NO_NODE);
  // The right, before the path is looked at as a whole.
  EXPECT_EQ(As(bob, Create("/closed/.")), v1::NO_AUTH);
  EXPECT_EQ(As(bob, Create("/closed/taken")), v1::NO_AUTH);
  EXPECT_EQ(As(alice, Create("/closed/.")), v1::BAD_ARGUMENTS);
  EXPECT_EQ(As(alice, Create("/closed/taken")), v1::NODE_EXISTS);
  EXPECT_EQ(As(alice, Create("/e/x")), v1::NO_CHILDREN_FOR_EPHEMERALS);
}

TEST_F(PermissionTest, DeleteChecksInZooKeepersOrder) {
  As(alice, CreateFor("/closed", AliceAnd(0)));
  As(alice, Create("/closed/n"));
  As(alice, Create("/closed/n/child"));
  EXPECT_EQ(As(bob, Delete("/zookeeper")), v1::BAD_ARGUMENTS);
  EXPECT_EQ(As(bob, Delete("/missing/n")), v1::NO_NODE);
  // The parent's right, before the znode is looked for.
  EXPECT_EQ(As(bob, Delete("/closed/missing")), v1::NO_AUTH);
  EXPECT_EQ(As(alice, Delete("/closed/missing")), v1::NO_NODE);
  EXPECT_EQ(As(alice, Delete("/closed/n", 5)), v1::BAD_VERSION);
  EXPECT_EQ(As(alice, Delete("/closed/n", 0)), v1::NOT_EMPTY);
}

TEST_F(PermissionTest, SetAclChecksInZooKeepersOrder) {
  As(alice, CreateFor("/n", AliceAnd(0)));
  EXPECT_EQ(As(bob, SetAcl("/n/", {})), v1::BAD_ARGUMENTS);
  EXPECT_EQ(As(bob, SetAcl("/missing", {})), v1::INVALID_ACL);
  EXPECT_EQ(As(bob, SetAcl("/missing", AliceAnd(0))), v1::NO_NODE);
  EXPECT_EQ(As(bob, SetAcl("/n", AliceAnd(0), 7)), v1::NO_AUTH);
  EXPECT_EQ(As(alice, SetAcl("/n", AliceAnd(0), 7)), v1::BAD_VERSION);
  EXPECT_EQ(As(alice, Set("/n", "x", 7)), v1::BAD_VERSION);
  EXPECT_EQ(As(bob, Set("/n", "x", 7)), v1::NO_AUTH);
}

TEST_F(PermissionTest, AclsAreSharedAndGoWithTheLastZnode) {
  const size_t before = leader.tree.acls();
  for (const char* path : {"/a", "/b", "/c"}) {
    As(alice, CreateFor(path, AliceAnd(kR)));
  }
  EXPECT_EQ(leader.tree.acls(), before + 1);
  As(alice, SetAcl("/a", AliceAnd(kW)));
  EXPECT_EQ(leader.tree.acls(), before + 2);
  for (const char* path : {"/a", "/b", "/c"}) As(alice, Delete(path));
  EXPECT_EQ(leader.tree.acls(), before);
}

// More different ACLs than a node's own field can name.
TEST_F(PermissionTest, ThousandsOfDifferentAclsAreKept) {
  As(alice, Create("/n"));
  for (int i = 0; i < 3000; ++i) {
    As(alice, CreateFor("/n/" + std::to_string(i),
                        {Rule(31, "digest", "u" + std::to_string(i) + ":h")}));
  }
  EXPECT_EQ(Get(Who({{"digest", "u2999:h"}}), "/n/2999").code(), v1::OK);
  EXPECT_EQ(Get(Who({{"digest", "u2998:h"}}), "/n/2999").code(), v1::NO_AUTH);
  ASSERT_TRUE(leader.tree.CheckInvariants().ok());
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  ZnodeTree copy;
  ASSERT_TRUE(LoadTree(disk, leader.tree.applied(), &copy).ok());
  EXPECT_EQ(Dump(copy), Dump(leader.tree));
  EXPECT_TRUE(copy.CheckInvariants().ok());
  leader.who = alice;
  for (int i = 0; i < 3000; ++i) {
    As(alice, Delete("/n/" + std::to_string(i)));
  }
  EXPECT_TRUE(leader.tree.CheckInvariants().ok());
}

TEST_F(PermissionTest, AnAclHasABound) {
  PrepareOptions options;
  options.max_data_bytes = 100;
  Leader strict(options);
  strict.OpenSession(1);
  const std::vector<v1::Acl> large = {
      Rule(1, "digest", std::string(100, 'x') + ":h")};
  EXPECT_EQ(strict.Code(CreateFor("/n", large)), v1::QUOTA_EXCEEDED);
  EXPECT_EQ(strict.Code(Create("/n")), v1::OK);
  EXPECT_EQ(strict.Code(SetAcl("/n", large)), v1::QUOTA_EXCEEDED);
}

// --- other reads ---

TEST_F(PermissionTest, AMultiReadAnswersEachForItself) {
  As(alice, CreateFor("/closed", AliceAnd(0)));
  As(alice, Create("/open", "data"));
  v1::CoordRequest request;
  v1::MultiReadOp* multi = request.mutable_multi_read();
  multi->add_reads()->mutable_get_data()->set_path("/open");
  multi->add_reads()->mutable_get_data()->set_path("/closed");
  multi->add_reads()->mutable_get_children()->set_path("/missing");
  multi->add_reads()->mutable_get_children()->set_path("/zookeeper");
  const v1::CoordResponse response = Read(bob, request);
  EXPECT_EQ(response.code(), v1::OK);
  ASSERT_EQ(response.reads_size(), 4);
  EXPECT_EQ(response.reads(0).data(), "data");
  EXPECT_EQ(response.reads(1).code(), v1::NO_AUTH);
  EXPECT_EQ(response.reads(2).code(), v1::NO_NODE);
  EXPECT_EQ(response.reads(3).children_size(), 2);
  multi->add_reads()->mutable_exists()->set_path("/open");
  EXPECT_EQ(Read(bob, request).code(), v1::BAD_ARGUMENTS);
}

TEST_F(PermissionTest, AMultiReadHasABound) {
  leader.Code(Create("/large", std::string(1 << 20, 'x')));
  v1::CoordRequest request;
  for (int i = 0; i < 32; ++i) {
    request.mutable_multi_read()->add_reads()->mutable_get_data()->set_path(
        "/large");
  }
  EXPECT_EQ(Read(bob, request).code(), v1::OK);
  *request.mutable_multi_read()->add_reads() = request.multi_read().reads(0);
  EXPECT_EQ(Read(bob, request).code(), v1::QUOTA_EXCEEDED);
  EXPECT_EQ(Read(bob, request).reads_size(), 0);
}

TEST_F(PermissionTest, DescendantsAreCountedWithoutTheirRoot) {
  for (const char* path : {"/a", "/a/b", "/a/b/c", "/a/d", "/ab"}) {
    leader.Code(Create(path));
  }
  leader.Code(Create("/a/e", "", v1::EPHEMERAL));
  v1::CoordRequest request;
  request.mutable_count_descendants()->set_path("/a");
  EXPECT_EQ(Read(bob, request).count(), 4);
  request.mutable_count_descendants()->set_path("/");
  EXPECT_EQ(Read(bob, request).count(), 9);
  request.mutable_count_descendants()->set_path("/missing");
  EXPECT_EQ(Read(bob, request).code(), v1::NO_NODE);
}

TEST_F(PermissionTest, EphemeralsOfTheSessionByPrefix) {
  leader.OpenSession(2);
  for (const char* path : {"/ab", "/a", "/b"}) {
    leader.Code(Create(path, "", v1::EPHEMERAL));
  }
  leader.Run(Single(Create("/ac", "", v1::EPHEMERAL)), 2);
  v1::CoordRequest request;
  const auto list = [&](const std::string& prefix) {
    request.mutable_get_ephemerals()->set_prefix(prefix);
    const v1::CoordResponse response = Read(bob, request);
    return std::vector<std::string>(response.children().begin(),
                                    response.children().end());
  };
  EXPECT_EQ(list("/a"), (std::vector<std::string>{"/a", "/ab"}));
  EXPECT_EQ(list("/"), (std::vector<std::string>{"/a", "/ab", "/b"}));
  EXPECT_EQ(list(""), (std::vector<std::string>{"/a", "/ab", "/b"}));
  EXPECT_EQ(list("/x"), std::vector<std::string>{});
}

}  // namespace
}  // namespace sillok
