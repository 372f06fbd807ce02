#include "coordinator/tree/acl.h"

#include <memory>
#include <string>
#include <vector>

#include "coordinator/tree/acl_table.h"
#include "coordinator/tree/auth.h"
#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

AclRef Shared(const std::vector<v1::Acl>& rules) {
  return std::make_shared<const AclList>(Rules(rules));
}

bool Allowed(const std::vector<v1::Acl>& rules, uint32_t permissions,
             const IdentityList& who) {
  return IsAllowed(Shared(rules), permissions, {SessionId(1), &who});
}

TEST(AclTest, WithoutAnAclEverybodyMayDoEverything) {
  EXPECT_TRUE(IsAllowed(nullptr, kAdminPermission, {}));
}

TEST(AclTest, AnyoneIsEverybodyAlsoWithoutIdentity) {
  const std::vector<v1::Acl> rules = {
      Rule(kReadPermission, "world", "anyone")};
  EXPECT_TRUE(IsAllowed(Shared(rules), kReadPermission, {}));
  EXPECT_FALSE(IsAllowed(Shared(rules), kWritePermission, {}));
}

TEST(AclTest, AnIdentityHasWhatTheRulesOfItsSchemeGrant) {
  const std::vector<v1::Acl> rules = {
      Rule(kReadPermission | kWritePermission, "digest", "alice:hash"),
      Rule(kCreatePermission, "ip", "10.1.0.0/16"),
  };
  const IdentityList alice = Who({{"ip", "9.9.9.9"}, {"digest", "alice:hash"}});
  EXPECT_TRUE(Allowed(rules, kReadPermission, alice));
  EXPECT_TRUE(Allowed(rules, kWritePermission, alice));
  EXPECT_FALSE(Allowed(rules, kCreatePermission, alice));
  EXPECT_TRUE(Allowed(rules, kCreatePermission, Who({{"ip", "10.1.2.3"}})));
  EXPECT_FALSE(Allowed(rules, kReadPermission, Who({{"ip", "10.1.2.3"}})));
  EXPECT_FALSE(
      Allowed(rules, kReadPermission, Who({{"digest", "alice:other"}})));
  EXPECT_FALSE(Allowed(rules, kReadPermission, Who({{"ip", "alice:hash"}})));
  // One of those asked for is enough.
  EXPECT_TRUE(Allowed(rules, kReadPermission | kAdminPermission, alice));
}

TEST(AclTest, SuperAndTheUnrestrictedMayDoEverything) {
  const std::vector<v1::Acl> rules = {Rule(0, "digest", "alice:hash")};
  EXPECT_TRUE(Allowed(rules, kDeletePermission, Who({{"super", ""}})));
  EXPECT_TRUE(
      IsAllowed(Shared(rules), kDeletePermission, {SessionId(1), nullptr, true}));
  EXPECT_FALSE(Allowed(rules, kDeletePermission, Who({{"world", "anyone"}})));
}

TEST(AclTest, AddressesMatchRangesOfTheirFamily) {
  EXPECT_TRUE(IpMatches("10.1.2.3", "10.1.2.3"));
  EXPECT_FALSE(IpMatches("10.1.2.3", "10.1.2.4"));
  EXPECT_TRUE(IpMatches("10.1.2.3", "10.1.2.200/24"));
  EXPECT_FALSE(IpMatches("10.1.3.3", "10.1.2.200/24"));
  EXPECT_TRUE(IpMatches("10.1.2.129", "10.1.2.255/25"));
  EXPECT_FALSE(IpMatches("10.1.2.127", "10.1.2.255/25"));
  EXPECT_TRUE(IpMatches("1.2.3.4", "9.9.9.9/0"));
  EXPECT_TRUE(IpMatches("fe80::17", "fe80::/64"));
  EXPECT_FALSE(IpMatches("fe81::17", "fe80::/64"));
  EXPECT_TRUE(IpMatches("fe81::17", "fe80::/15"));
  EXPECT_FALSE(IpMatches("10.1.2.3", "::/0"));
  for (const char* range : {"", "10.1.2", "10.1.2.3/33", "10.1.2.3/-1",
                            "10.1.2.3/", "10.1.2.3/8x", "host", "::/129"}) {
    EXPECT_FALSE(IpMatches("10.1.2.3", range)) << range;
  }
}

struct Resolution {
  v1::CoordCode code;
  AclList acl;
};
Resolution Resolve(const std::vector<v1::Acl>& rules,
                   const IdentityList& who = {}) {
  Resolution resolution;
  resolution.code = ResolveAcl(Rules(rules), {SessionId(1), &who},
                               &resolution.acl);
  return resolution;
}

TEST(AclTest, WellFormedRulesAreKeptAsTheyAre) {
  const std::vector<v1::Acl> rules = {
      Rule(1, "world", "anyone"), Rule(31, "digest", "alice:hash"),
      Rule(2, "ip", "10.0.0.0/8"), Rule(2, "ip", "::1"),
      Rule(0, "digest", ":x")};
  const Resolution resolution = Resolve(rules);
  ASSERT_EQ(resolution.code, v1::OK);
  EXPECT_EQ(EncodeAcl(resolution.acl), EncodeAcl(Rules(rules)));
}

TEST(AclTest, EverythingForEverybodyIsNoAcl) {
  EXPECT_TRUE(Resolve({Rule(31, "world", "anyone")}).acl.empty());
  EXPECT_EQ(Resolve({Rule(30, "world", "anyone")}).acl.size(), 1);
}

TEST(AclTest, TheSameRuleTwiceIsOne) {
  const Resolution resolution =
      Resolve({Rule(1, "world", "anyone"), Rule(2, "world", "anyone"),
               Rule(1, "world", "anyone")});
  ASSERT_EQ(resolution.acl.size(), 2);
  EXPECT_EQ(resolution.acl[1].permissions(), 2u);
}

TEST(AclTest, AuthBecomesTheProvedIdentities) {
  const IdentityList who = Who({{"ip", "10.1.2.3"},
                                {"digest", "alice:hash"},
                                {"super", ""},
                                {"digest", "bob:hash"}});
  const Resolution resolution = Resolve({Rule(3, "auth", "ignored")}, who);
  ASSERT_EQ(resolution.code, v1::OK);
  EXPECT_EQ(EncodeAcl(resolution.acl),
            EncodeAcl(Rules({Rule(3, "digest", "alice:hash"),
                             Rule(3, "digest", "bob:hash")})));
}

TEST(AclTest, WhatIsNoAclIsRefused) {
  EXPECT_EQ(Resolve({}).code, v1::INVALID_ACL);
  // An address proves nobody.
  EXPECT_EQ(Resolve({Rule(31, "auth", "")}, Who({{"ip", "10.1.2.3"}})).code,
            v1::INVALID_ACL);
  for (const v1::Acl& rule :
       {Rule(31, "world", "someone"), Rule(31, "digest", "alice"),
        Rule(31, "digest", "alice:"), Rule(31, "digest", "a:b:c"),
        Rule(31, "ip", "10.1"), Rule(31, "ip", "10.1.2.3/40"),
        Rule(31, "ip", "some.host"), Rule(31, "super", ""),
        Rule(31, "sasl", "alice"), Rule(31, "", "")}) {
    EXPECT_EQ(Resolve({Rule(31, "world", "anyone"), rule}).code,
              v1::INVALID_ACL)
        << rule.ShortDebugString();
  }
}

TEST(AclTest, HashesAreMaskedAndNothingElse) {
  const AclList masked =
      MaskDigests(Rules({Rule(1, "digest", "alice:hash"),
                         Rule(2, "ip", "fe80::1"), Rule(4, "world", "anyone")}));
  EXPECT_EQ(EncodeAcl(masked),
            EncodeAcl(Rules({Rule(1, "digest", "alice:x"),
                             Rule(2, "ip", "fe80::1"),
                             Rule(4, "world", "anyone")})));
}

TEST(AclTest, BytesComeBackAndCutBytesDoNot) {
  const AclList acl =
      Rules({Rule(0xffffffff, "digest", std::string(300, 'x') + ":h"),
             Rule(0, "world", "anyone")});
  const std::string bytes = EncodeAcl(acl);
  AclList decoded;
  ASSERT_TRUE(DecodeAcl(bytes, &decoded));
  EXPECT_EQ(EncodeAcl(decoded), bytes);
  EXPECT_EQ(decoded[0].permissions(), 0xffffffffu);
  int whole = 0;  // a cut between two rules leaves a shorter list
  for (size_t size = 1; size < bytes.size(); ++size) {
    whole += DecodeAcl(bytes.substr(0, size), &decoded);
  }
  EXPECT_EQ(whole, 1);
}

TEST(AclTableTest, AnAclIsThereAsLongAsItIsReferredTo) {
  AclTable table;
  const std::string one = EncodeAcl(Rules({Rule(1, "world", "anyone")}));
  const std::string two = EncodeAcl(Rules({Rule(2, "world", "anyone")}));
  const AclTable::Id id = table.Acquire(one).value();
  EXPECT_NE(id, AclTable::kOpen);
  EXPECT_EQ(table.Acquire(one), id);
  EXPECT_EQ(table.references(id), 2u);
  EXPECT_NE(table.Acquire(two), id);
  EXPECT_EQ(table.size(), 2u);
  const AclRef kept = table.acl(id);
  table.Release(id);
  EXPECT_EQ(table.bytes(id), one);
  table.Release(id);
  EXPECT_EQ(table.size(), 1u);
  // Who still holds it keeps it; the number is free.
  EXPECT_EQ((*kept)[0].permissions(), 1u);
  EXPECT_EQ(table.Acquire(EncodeAcl(Rules({Rule(4, "world", "anyone")}))), id);
}

TEST(AclTableTest, NoBytesAreTheOpenAclAndDamagedOnesNone) {
  AclTable table;
  EXPECT_EQ(table.Acquire(""), AclTable::kOpen);
  EXPECT_EQ(table.acl(AclTable::kOpen), nullptr);
  table.Release(AclTable::kOpen);
  EXPECT_EQ(table.Acquire("\x01\x30"), std::nullopt);
  EXPECT_EQ(table.size(), 0u);
}

TEST(AuthTest, ADigestIsTheBase64OfTheSha1) {
  EXPECT_EQ(DigestId("super:admin"), "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
  // Only the first colon ends the user's name.
  EXPECT_EQ(DigestId("a:b:c").substr(0, 2), "a:");
  EXPECT_EQ(DigestId("nobody").substr(0, 7), "nobody:");
}

TEST(AuthTest, ClientsBecomeWhoTheyProveToBe) {
  IdentityList who = FirstIdentities("10.1.2.3");
  EXPECT_TRUE(Authenticate("digest", "alice:secret", "", &who));
  EXPECT_TRUE(Authenticate("digest", "alice:secret", "", &who));
  EXPECT_TRUE(Authenticate("ip", "anything", "", &who));
  ASSERT_EQ(who.size(), 2);
  EXPECT_EQ(who[0].scheme(), "ip");
  EXPECT_EQ(who[0].id(), "10.1.2.3");
  EXPECT_EQ(who[1].id(), DigestId("alice:secret"));
  for (const char* scheme : {"world", "auth", "super", "sasl", "x509", ""}) {
    EXPECT_FALSE(Authenticate(scheme, "alice:secret", "", &who)) << scheme;
  }
  EXPECT_EQ(who.size(), 2);
}

TEST(AuthTest, NobodyGathersIdentitiesWithoutEnd) {
  IdentityList who = FirstIdentities("10.1.2.3");
  for (int i = 1; i < kMaxIdentities; ++i) {
    ASSERT_TRUE(Authenticate("digest", std::to_string(i) + ":x", "", &who));
  }
  EXPECT_FALSE(Authenticate("digest", "more:x", "", &who));
  EXPECT_EQ(who.size(), kMaxIdentities);
}

TEST(AuthTest, TheSuperDigestMakesSuper) {
  const std::string super = DigestId("super:admin");
  IdentityList who = FirstIdentities("10.1.2.3");
  EXPECT_TRUE(Authenticate("digest", "super:guess", super, &who));
  EXPECT_EQ(who.size(), 2);
  EXPECT_TRUE(Authenticate("digest", "super:admin", super, &who));
  ASSERT_EQ(who.size(), 4);
  EXPECT_EQ(who[2].scheme(), "super");
  const IdentityList shown = DescribeIdentities(who);
  EXPECT_EQ(shown[3].id(), "super");
  EXPECT_EQ(shown[0].id(), "10.1.2.3");
}

}  // namespace
}  // namespace sillok
