#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "proto/jute/codec.h"
#include "proto/jute/records.h"

namespace sillok::jute {
namespace {

// "00 00 2a" -> bytes.
std::string Hex(std::string_view text) {
  std::string bytes;
  int digits = 0, value = 0;
  for (char c : text) {
    if (c == ' ') continue;
    value = value * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
    if (++digits % 2 == 0) {
      bytes.push_back(static_cast<char>(value));
      value = 0;
    }
  }
  return bytes;
}

Stat SomeStat() {
  Stat stat;
  stat.czxid = 0x100000002;
  stat.mzxid = 0x100000003;
  stat.ctime = 1'700'000'000'000;
  stat.mtime = 1'700'000'000'001;
  stat.version = 7;
  stat.cversion = -2;
  stat.aversion = 1;
  stat.ephemeral_owner = 0x1000'0000'0000'0001;
  stat.data_length = 5;
  stat.num_children = 3;
  stat.pzxid = 0x100000009;
  return stat;
}

template <typename Record>
class RecordTest : public testing::Test {};

template <typename Record>
Record Sample();
template <>
RequestHeader Sample() { return {17, static_cast<int32_t>(Op::kSetData)}; }
template <>
ReplyHeader Sample() { return {-8, 0x1'0000'0001, -101}; }
template <>
MultiHeader Sample() { return {14, false, -1}; }
template <>
Stat Sample() { return SomeStat(); }
template <>
Acl Sample() { return {31, "digest", "bob:hash"}; }
template <>
CreateRequest Sample() {
  return {"/a", {"data", false}, {{31, "world", "anyone"}, {1, "ip", "::1"}}, 3};
}
template <>
CreateTtlRequest Sample() {
  return {{"/ttl", {"", true}, {{31, "auth", ""}}, 5}, 1'000'000'000'000};
}
template <>
PathVersion Sample() { return {"/a/b", -1}; }
template <>
PathWatch Sample() { return {"/w", true}; }
template <>
PathOnly Sample() { return {"/\xc3\xbc"}; }
template <>
SetDataRequest Sample() { return {"/a", {std::string_view("\0\1", 2), false}, 9}; }
template <>
SetAclRequest Sample() { return {"/a", {{1, "world", "anyone"}}, 2}; }
template <>
ReconfigRequest Sample() { return {"server.4=h:1:2", "3,2", "", -1}; }
template <>
PathType Sample() { return {"/a", 3}; }
template <>
AuthPacket Sample() { return {0, "digest", {"user:password", false}}; }
template <>
SetWatchesRequest Sample() { return {5, {"/a", "/b"}, {}, {"/c"}}; }
template <>
SetWatches2Request Sample() {
  return {{5, {"/a"}, {"/x"}, {}}, {"/p"}, {"/r", "/s"}};
}
template <>
PathStat Sample() { return {"/a0000000001", SomeStat()}; }
template <>
StatOnly Sample() { return {SomeStat()}; }
template <>
DataStat Sample() { return {{"", true}, SomeStat()}; }
template <>
AclStat Sample() { return {{{31, "world", "anyone"}}, SomeStat()}; }
template <>
Names Sample() { return {{"a", "b", "c"}}; }
template <>
NamesStat Sample() { return {{"a"}, SomeStat()}; }
template <>
IntOnly Sample() { return {-110}; }
template <>
WhoAmIResponse Sample() { return {{{"ip", "127.0.0.1"}, {"digest", "bob"}}}; }
template <>
WatcherEvent Sample() { return {4, kSyncConnected, "/a"}; }

using AllRecords = testing::Types<
    RequestHeader, ReplyHeader, MultiHeader, Stat, Acl, CreateRequest,
    CreateTtlRequest, PathVersion, PathWatch, PathOnly, SetDataRequest,
    SetAclRequest, ReconfigRequest, PathType, AuthPacket, SetWatchesRequest,
    SetWatches2Request, PathStat, StatOnly, DataStat, AclStat, Names, NamesStat,
    IntOnly, WhoAmIResponse, WatcherEvent>;
TYPED_TEST_SUITE(RecordTest, AllRecords);

TYPED_TEST(RecordTest, ComesBackAsItWas) {
  const TypeParam sample = Sample<TypeParam>();
  const std::string bytes = Encode(sample);
  TypeParam decoded;
  Decoder decoder(bytes);
  decoder(decoded);
  EXPECT_TRUE(decoder.ok());
  EXPECT_TRUE(decoder.rest().empty());
  EXPECT_EQ(decoded, sample);
}

TYPED_TEST(RecordTest, IsMalformedWhereverItIsCutOff) {
  const std::string bytes = Encode(Sample<TypeParam>());
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of its own, so that reading beyond it would be seen.
    const std::vector<char> cut(bytes.begin(), bytes.begin() + size);
    TypeParam decoded;
    EXPECT_FALSE(Decode(std::string_view(cut.data(), cut.size()), &decoded))
        << "at byte " << size;
  }
}

TYPED_TEST(RecordTest, LeavesWhatFollowsAlone) {
  const std::string bytes = Encode(Sample<TypeParam>()) + "more";
  TypeParam decoded;
  Decoder decoder(bytes);
  decoder(decoded);
  EXPECT_TRUE(decoder.ok());
  EXPECT_EQ(decoder.rest(), "more");
}

// Any four bytes may be a length or a count: with each of them at its worst
// nothing is read beyond the end, and no memory is taken for what is not there.
TYPED_TEST(RecordTest, BearsAnyLengthAnywhere) {
  const std::string bytes = Encode(Sample<TypeParam>());
  for (std::string_view length :
       {std::string_view("\xff\xff\xff\xff", 4),
        std::string_view("\xff\xff\xff\xfe", 4),
        std::string_view("\x80\x00\x00\x00", 4),
        std::string_view("\x7f\xff\xff\xff", 4),
        std::string_view("\x00\x0f\xff\xff", 4)}) {
    for (size_t at = 0; at + 4 <= bytes.size(); ++at) {
      std::string damaged = bytes;
      damaged.replace(at, 4, length);
      TypeParam decoded;
      Decode(damaged, &decoded);
    }
  }
}

TEST(JuteTest, NumbersAreBigEndian) {
  EXPECT_EQ(Encode(int32_t{1}, int64_t{-2}, true),
            Hex("00000001 fffffffffffffffe 01"));
}

TEST(JuteTest, ACreateLooksAsZooKeepersClientsSendIt) {
  // create("/n", "ab", world:anyone all rights, ephemeral sequential)
  const std::string frame = Hex(
      "00000007 00000001"              // xid 7, create
      "00000002 2f6e"                  // "/n"
      "00000002 6162"                  // "ab"
      "00000001 0000001f"              // one ACL: all rights
      "00000005 776f726c64"            // world
      "00000006 616e796f6e65"          // anyone
      "00000003");                     // ephemeral sequential
  RequestHeader header;
  CreateRequest create;
  Decoder decoder(frame);
  decoder(header, create);
  ASSERT_TRUE(decoder.ok());
  EXPECT_TRUE(decoder.rest().empty());
  EXPECT_EQ(header, (RequestHeader{7, 1}));
  EXPECT_EQ(create, (CreateRequest{
                        "/n", {"ab", false}, {{31, "world", "anyone"}}, 3}));
  EXPECT_EQ(Encode(header, create), frame);
}

TEST(JuteTest, AStatHasSixtyEightBytesInZooKeepersOrder) {
  EXPECT_EQ(Encode(SomeStat()),
            Hex("0000000100000002 0000000100000003"    // czxid, mzxid
                "0000018bcfe56800 0000018bcfe56801"    // ctime, mtime
                "00000007 fffffffe 00000001"           // versions
                "1000000000000001"                     // owner
                "00000005 00000003 0000000100000009"));  // sizes, pzxid
}

TEST(JuteTest, AnEventLooksAsZooKeeperSendsIt) {
  EXPECT_EQ(Encode(ReplyHeader{kNotificationXid, 0x100000005, 0},
                   WatcherEvent{3, kSyncConnected, "/a"}),
            Hex("ffffffff 0000000100000005 00000000 00000003 00000003"
                "00000002 2f61"));
}

TEST(JuteTest, TheEndOfAMultiIsItsHeaderAlone) {
  EXPECT_EQ(Encode(kMultiEnd), Hex("ffffffff 01 ffffffff"));
}

TEST(JuteTest, NullIsEmptyInTextAndListsAndItselfInData) {
  const std::string null = Hex("ffffffff");
  std::string_view text = "left over";
  Buffer buffer;
  std::vector<std::string_view> list = {"left over"};
  const std::string bytes = null + null + null;
  Decoder nulls(bytes);
  nulls(text, buffer, list);
  EXPECT_TRUE(nulls.ok());
  EXPECT_EQ(text, "");
  EXPECT_TRUE(buffer.null);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(Encode(buffer), null);
}

TEST(JuteTest, AConnectRequestOfAnOldClientHasNoReadOnlyByte) {
  const std::string old = Hex(
      "00000000 0000000000000000 00007530 0000000000000000 00000010"
      "00000000000000000000000000000000");
  ConnectRequest request;
  ASSERT_TRUE(DecodeConnectRequest(old, &request));
  EXPECT_FALSE(request.has_read_only);
  EXPECT_EQ(request.timeout_ms, 30'000);
  EXPECT_EQ(request.password.bytes.size(), kPasswordBytes);
  std::string again;
  AppendConnectRequest(request, &again);
  EXPECT_EQ(again, old);

  ASSERT_TRUE(DecodeConnectRequest(old + '\1', &request));
  EXPECT_TRUE(request.has_read_only);
  EXPECT_TRUE(request.read_only);
  for (size_t size = 0; size < old.size(); ++size) {
    EXPECT_FALSE(DecodeConnectRequest(old.substr(0, size), &request)) << size;
  }
}

TEST(JuteTest, AConnectResponseGoesBothWays) {
  ConnectResponse response;
  response.timeout_ms = 4'000;
  response.session_id = 0x100'0000'0000'0001;
  response.password.bytes = "0123456789abcdef";
  for (bool with_read_only : {true, false}) {
    response.has_read_only = with_read_only;
    std::string bytes;
    AppendConnectResponse(response, &bytes);
    EXPECT_EQ(bytes.size(), with_read_only ? 37u : 36u);
    ConnectResponse decoded;
    ASSERT_TRUE(DecodeConnectResponse(bytes, &decoded));
    EXPECT_EQ(decoded, response);
  }
}

}  // namespace
}  // namespace sillok::jute
