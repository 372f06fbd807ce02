#include "coordinator/tree/path.h"

#include <string>

#include "gtest/gtest.h"

namespace sillok {
namespace {

TEST(PathTest, AcceptsWhatZooKeeperAccepts) {
  for (const char* path :
       {"/", "/a", "/a/b", "/..a", "/a..", "/...", "/.a/b.", "/ ", "/a b",
        "/\xc2\xa0", "/\xed\x95\x9c\xea\xb8\x80", "/\xef\xa4\x80",
        "/\xef\xbf\xaf"}) {
    EXPECT_TRUE(IsValidPath(path)) << path;
  }
}

TEST(PathTest, RefusesWhatZooKeeperRefuses) {
  const std::string nul("/a\0b", 4);
  for (const std::string& path :
       {std::string(), std::string("a"), std::string("a/b"), std::string("/a/"),
        std::string("//"), std::string("//a"), std::string("/a//b"),
        std::string("/."), std::string("/a/./b"), std::string("/a/.."),
        std::string("/../a"), nul, std::string("/a\x01"), std::string("/\x1f"),
        std::string("/\x7f"), std::string("/\xc2\x80"),
        std::string("/\xc2\x9f"), std::string("/\xee\x80\x80"),
        std::string("/\xef\xa3\xbf"), std::string("/\xef\xbf\xb0"),
        std::string("/\xef\xbf\xbf"), std::string("/\xf0\x9f\x98\x80")}) {
    EXPECT_FALSE(IsValidPath(path)) << path;
  }
}

TEST(PathTest, RefusesWhatIsNotUtf8) {
  for (const char* path : {"/\x80", "/\xc2", "/\xc0\xaf", "/\xe0\x80\xaf",
                           "/\xed\xa0\x80", "/\xff", "/\xf8\x88\x80\x80\x80",
                           "/\xe2\x28\xa1"}) {
    EXPECT_FALSE(IsValidPath(path)) << path;
  }
}

TEST(PathTest, ParentIsWhatIsBeforeTheLastSlash) {
  EXPECT_EQ(ParentPath("/"), "/");
  EXPECT_EQ(ParentPath("/a"), "/");
  EXPECT_EQ(ParentPath("/a/b"), "/a");
  EXPECT_EQ(ParentPath("/a/x/"), "/a/x");
  EXPECT_EQ(ParentPath("//a"), "/");
  EXPECT_EQ(BaseName("/a/b"), "b");
  EXPECT_EQ(BaseName("/a/"), "");
}

TEST(PathTest, SequenceNumbersKeepTheirOrderBeyondTenDigits) {
  EXPECT_EQ(SequenceSuffix(0), "0000000000");
  EXPECT_EQ(SequenceSuffix(42), "0000000042");
  EXPECT_EQ(SequenceSuffix(int64_t{1} << 31), "2147483648");
  EXPECT_EQ(SequenceSuffix(10'000'000'000), "10000000000");
}

TEST(PathTest, OnlyTheSystemNodesThemselvesAreReserved) {
  for (const char* path :
       {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"}) {
    EXPECT_TRUE(IsReservedPath(path)) << path;
  }
  EXPECT_FALSE(IsReservedPath("/zookeeper/quota/a"));
  EXPECT_FALSE(IsReservedPath("/zookeepers"));
}

}  // namespace
}  // namespace sillok
