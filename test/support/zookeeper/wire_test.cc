#include "test/support/zookeeper/wire.h"

#include "gtest/gtest.h"

namespace sillok::zk {
namespace {

// The bytes are written out by hand from the protocol's description.
TEST(ZooKeeperWireTest, AGetDataRequestIsHeaderPathAndWatch) {
  Op op{.op = kGetData, .path = "/a", .watch = true};
  EXPECT_EQ(EncodeRequest(7, op),
            std::string("\0\0\0\7\0\0\0\4\0\0\0\2/a\1", 15));
}

TEST(ZooKeeperWireTest, NullAndEmptyDiffer) {
  EXPECT_EQ(Writer().Bytes(std::nullopt).bytes(), "\xff\xff\xff\xff");
  EXPECT_EQ(Writer().Bytes("").bytes(), std::string(4, '\0'));
  EXPECT_EQ(Reader("\xff\xff\xff\xff").Bytes(), std::nullopt);
}

TEST(ZooKeeperWireTest, AReaderPastTheEndIsNotOk) {
  Reader reader(std::string_view("\0\0", 2));
  EXPECT_EQ(reader.Int(), 0);
  EXPECT_FALSE(reader.ok());
  const std::string huge("\x7f\xff\xff\xff", 4);
  Reader list(huge);
  EXPECT_TRUE(list.Strings().empty());
  EXPECT_FALSE(list.ok());
}

TEST(ZooKeeperWireTest, AMultiEndsWithItsTerminator) {
  Op check{.op = kCheck, .path = "/", .version = 3};
  Op multi{.op = kMulti, .parts = {check}};
  EXPECT_EQ(EncodeBody(multi),
            Writer()
                .Int(13).Bool(false).Int(-1)
                .Bytes("/").Int(3)
                .Int(-1).Bool(true).Int(-1)
                .bytes());
}

TEST(ZooKeeperWireTest, ConnectResponsesAreReadBack) {
  const std::string frame = Writer()
                                .Int(0).Int(4000).Long(5)
                                .Bytes(std::string(16, 'p')).Bool(false)
                                .bytes();
  EXPECT_EQ(frame.size(), 37u);
  auto response = DecodeConnectResponse(frame);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->timeout_ms, 4000);
  EXPECT_EQ(response->session_id, 5);
  EXPECT_FALSE(DecodeConnectResponse(frame.substr(1)).has_value());
}

}  // namespace
}  // namespace sillok::zk
