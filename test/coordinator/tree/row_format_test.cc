#include "coordinator/tree/row_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <limits>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace sillok {
namespace {

NodeFields Example() {
  NodeFields fields;
  fields.czxid = 0x7fffff0000000001;
  fields.mzxid = 1;
  fields.pzxid = std::numeric_limits<uint64_t>::max();
  fields.ctime_ms = -5;
  fields.mtime_ms = std::numeric_limits<int64_t>::min();
  fields.version = std::numeric_limits<int32_t>::min();
  fields.creates = std::numeric_limits<int64_t>::max();
  fields.num_children = 300;
  fields.ephemeral_owner = 0xdeadbeef;
  fields.data = "some data";
  return fields;
}

TEST(RowFormatTest, NodeComesBackAsItWas) {
  const std::string key = NodeKey("/a/b");
  const std::string value = EncodeNode(key, Example());
  const auto fields = DecodeNode(key, value);
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_EQ(fields->czxid, Example().czxid);
  EXPECT_EQ(fields->mzxid, Example().mzxid);
  EXPECT_EQ(fields->pzxid, Example().pzxid);
  EXPECT_EQ(fields->ctime_ms, Example().ctime_ms);
  EXPECT_EQ(fields->mtime_ms, Example().mtime_ms);
  EXPECT_EQ(fields->version, Example().version);
  EXPECT_EQ(fields->creates, Example().creates);
  EXPECT_EQ(fields->num_children, Example().num_children);
  EXPECT_EQ(fields->ephemeral_owner, Example().ephemeral_owner);
  EXPECT_EQ(fields->data, "some data");
}

TEST(RowFormatTest, AFullZnodeComesBackAsItWas) {
  NodeFields full = Example();
  full.container = true;
  full.null_data = true;
  full.ttl_ms = (int64_t{1} << 40) - 1;
  full.aversion = -1;
  full.acl = std::string_view("\x01\x00 any bytes", 12);
  full.data = "";
  const std::string key = NodeKey("/a/b");
  const std::string value = EncodeNode(key, full);
  const auto fields = DecodeNode(key, value);
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_TRUE(fields->container);
  EXPECT_TRUE(fields->null_data);
  EXPECT_EQ(fields->ttl_ms, full.ttl_ms);
  EXPECT_EQ(fields->aversion, -1);
  EXPECT_EQ(fields->acl, full.acl);
  EXPECT_EQ(fields->data, "");
  EXPECT_EQ(fields->czxid, full.czxid);
  EXPECT_EQ(fields->ephemeral_owner, full.ephemeral_owner);
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(DecodeNode(key, value.substr(0, size)).ok());
  }
}

NodeFields Plain() {
  NodeFields fields;
  fields.czxid = 0x10000000001;
  fields.mzxid = 0x10000000002;
  fields.pzxid = 0x10000000003;
  fields.ctime_ms = 1'700'000'000'000;
  fields.mtime_ms = 1'700'000'000'001;
  fields.version = 3;
  fields.creates = 7;
  fields.num_children = 2;
  fields.data = "data";
  return fields;
}

// Bytes that earlier versions wrote.
TEST(RowFormatTest, APlainZnodeOfAnEarlierVersionIsRead) {
  const std::string row(
      "\x0d\x6c\x06\x21\x18\x46\x94\x4f\x01\x81\x80\x80\x80\x80\x20\x82"
      "\x80\x80\x80\x80\x20\x83\x80\x80\x80\x80\x20\x80\xa0\xab\xfe\xf9\x62"
      "\x82\xa0\xab\xfe\xf9\x62\x06\x0e\x02\x00\x64\x61\x74\x61",
      47);
  const std::string key = NodeKey("/a/b");
  const auto fields = DecodeNode(key, row);
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_TRUE(fields->plain());
  EXPECT_EQ(fields->czxid, Plain().czxid);
  EXPECT_EQ(fields->mzxid, Plain().mzxid);
  EXPECT_EQ(fields->pzxid, Plain().pzxid);
  EXPECT_EQ(fields->ctime_ms, Plain().ctime_ms);
  EXPECT_EQ(fields->mtime_ms, Plain().mtime_ms);
  EXPECT_EQ(fields->version, 3);
  EXPECT_EQ(fields->creates, 7);
  EXPECT_EQ(fields->num_children, 2u);
  EXPECT_EQ(fields->data, "data");
  EXPECT_EQ(NodeDigest("/a/b", Plain()), 0x914f2384648f0378u);
}

TEST(RowFormatTest, TheDigestTellsEverythingAZnodeCanHave) {
  std::set<uint64_t> digests{NodeDigest("/a", Plain())};
  const auto add = [&](auto change) {
    NodeFields fields = Plain();
    change(fields);
    EXPECT_FALSE(fields.plain());
    EXPECT_TRUE(digests.insert(NodeDigest("/a", fields)).second);
  };
  add([](NodeFields& f) { f.container = true; });
  add([](NodeFields& f) { f.null_data = true; });
  add([](NodeFields& f) { f.ttl_ms = 1; });
  add([](NodeFields& f) { f.aversion = 1; });
  add([](NodeFields& f) { f.acl = "x"; });
  add([](NodeFields& f) { f.acl = "y"; });
}

TEST(RowFormatTest, EveryFlippedBitAndEveryCutIsNoticed) {
  const std::string key = NodeKey("/a/b");
  const std::string value = EncodeNode(key, Example());
  for (size_t bit = 0; bit < 8 * value.size(); ++bit) {
    std::string damaged = value;
    damaged[bit / 8] ^= 1 << (bit % 8);
    EXPECT_EQ(DecodeNode(key, damaged).status().code(),
              absl::StatusCode::kDataLoss);
    EXPECT_FALSE(VerifyRow(key, damaged).ok());
  }
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(DecodeNode(key, value.substr(0, size)).ok());
  }
}

TEST(RowFormatTest, ARowUnderAnotherKeyIsNoticed) {
  const std::string value = EncodeNode(NodeKey("/a"), Example());
  EXPECT_TRUE(VerifyRow(NodeKey("/a"), value).ok());
  EXPECT_FALSE(VerifyRow(NodeKey("/b"), value).ok());
}

TEST(RowFormatTest, SessionsAndMetaComeBackAsTheyWere) {
  const std::string key = SessionKey(SessionId(0x0100000000000002));
  const std::string password("\0\x01pass", 6);
  const std::string value = EncodeSession(key, {password, 30'000});
  const auto session = DecodeSession(key, value);
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session->password, password);
  EXPECT_EQ(session->timeout_ms, 30'000);
  EXPECT_EQ(DecodeSessionKey(key)->value(), 0x0100000000000002u);
  EXPECT_FALSE(DecodeSessionKey("Sshort").ok());

  const auto meta = DecodeMeta(EncodeMeta({1, 2, 3, 0xffffffffffffffff}));
  ASSERT_TRUE(meta.ok());
  EXPECT_EQ(meta->applied, 1u);
  EXPECT_EQ(meta->znodes, 2u);
  EXPECT_EQ(meta->sessions, 3u);
  EXPECT_EQ(meta->digest, 0xffffffffffffffffu);
}

TEST(RowFormatTest, ParentsSortBeforeTheirChildren) {
  EXPECT_LT(MetaKey(), NodeKey("/"));
  EXPECT_LT(NodeKey("/"), NodeKey("/a"));
  EXPECT_LT(NodeKey("/a"), NodeKey("/a/b"));
  EXPECT_LT(NodeKey("/\xef\xbf\xaf"), SessionKey(SessionId(1)));
  EXPECT_LT(SessionKey(SessionId(1)), SessionKey(SessionId(256)));
}

// A value with the checksum that makes it one of that key.
std::string Sealed(const std::string& key, const std::string& body) {
  const uint64_t checksum = XXH3_64bits_withSeed(
      body.data(), body.size(), XXH3_64bits(key.data(), key.size()));
  std::string value(8, '\0');
  std::memcpy(value.data(), &checksum, 8);
  return value + body;
}

TEST(RowFormatTest, AFullZnodeOfAnEarlierVersionIsRead) {
  const std::string key = NodeKey("/a");
  const std::string body(
      "\x02\x05\x06\x07\x02\x04\x06\x00\x00\x00\x01\x12\x01\x03" "acldata", 21);
  const std::string value = Sealed(key, body);
  const auto fields = DecodeNode(key, value);
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_EQ(fields->czxid, 5u);
  EXPECT_EQ(fields->mzxid, 6u);
  EXPECT_EQ(fields->pzxid, 7u);
  EXPECT_EQ(fields->ctime_ms, 1);
  EXPECT_EQ(fields->mtime_ms, 2);
  EXPECT_EQ(fields->version, 3);
  EXPECT_TRUE(fields->container);
  EXPECT_FALSE(fields->null_data);
  EXPECT_EQ(fields->ttl_ms, 9);
  EXPECT_EQ(fields->aversion, -1);
  EXPECT_EQ(fields->acl, "acl");
  EXPECT_EQ(fields->data, "data");
}

// The bytes are on people's disks: these values must never change.
TEST(RowFormatTest, FormatThreeIsPinned) {
  NodeFields fields;
  fields.czxid = fields.mzxid = fields.pzxid = 5;
  fields.ctime_ms = fields.mtime_ms = 1;
  fields.data = "d";
  EXPECT_EQ(EncodeNode(NodeKey("/a"), fields).substr(8),
            std::string("\x03\x00\x05\x02" "d", 5));
  fields.mzxid = 7;
  fields.pzxid = 6;
  fields.mtime_ms = 0;
  fields.version = 3;
  fields.creates = 4;
  fields.num_children = 2;
  fields.ephemeral_owner = 9;
  fields.acl = "acl";
  EXPECT_EQ(EncodeNode(NodeKey("/a"), fields).substr(8),
            std::string("\x03\xff\x01\x05\x02\x02\x01\x01\x06\x08\x02\x09"
                        "\x00\x00\x00\x03" "acld", 20));
}

TEST(RowFormatTest, FieldsOfALaterVersionAreRefused) {
  const std::string key = NodeKey("/a");
  for (const std::string& body :
       {std::string("\x04\x00\x05\x02", 4),
        std::string("\x03\x80\x02\x05\x02", 5),
        std::string("\x03\x80\x01\x05\x02\x04\x00\x00\x00", 9)}) {
    const absl::Status status = DecodeNode(key, Sealed(key, body)).status();
    EXPECT_NE(status.message().find("later version"), std::string::npos)
        << status;
  }
}

}  // namespace
}  // namespace sillok
