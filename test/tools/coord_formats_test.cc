#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/coord_text.h"
#include "tools/shell_line.h"

namespace sillok::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// An ACL as it is written again, or what is wrong with it.
std::string AclOf(const std::string& text) {
  auto acl = ParseAcl(text);
  return acl.ok() ? FormatAcl(*acl) : std::string(acl.status().message());
}

TEST(CoordTextTest, AclsAreReadAndWritten) {
  EXPECT_EQ(AclOf("world:anyone:r"), "world:anyone:r");
  EXPECT_EQ(AclOf("world:anyone:rwcda"), "world:anyone:cdrwa");
  EXPECT_EQ(AclOf("auth::cdrwa"), "auth::cdrwa");
  EXPECT_EQ(AclOf("ip:10.0.0.0/8:r"), "ip:10.0.0.0/8:r");
  EXPECT_EQ(AclOf("ip:::1:r"), "ip:::1:r") << "an id may have colons";
  EXPECT_EQ(AclOf("world:anyone:"), "world:anyone:") << "nothing is allowed";
  EXPECT_THAT(AclOf("world:anyone"), HasSubstr("scheme:id:permissions"));
  EXPECT_THAT(AclOf(":x:r"), HasSubstr("scheme:id:permissions"));
  EXPECT_THAT(AclOf("world:anyone:rx"), HasSubstr("'x' in 'rx'"));
  EXPECT_THAT(AclOf("digest-password:ann:r"), HasSubstr("user:password"));
}

TEST(CoordTextTest, PasswordsAreHashedAsZooKeeperDoes) {
  EXPECT_EQ(DigestId("super:admin"), "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
  EXPECT_EQ(AclOf("digest-password:super:admin:ra"),
            "digest:super:xQJmxLMiHGwaqBvst5y6rkB6HQs=:ra");
}

TEST(CoordTextTest, SeveralAclsStandBehindCommas) {
  EXPECT_EQ(ParseAcls("world:anyone:r,auth::cdrwa")->size(), 2u);
  EXPECT_FALSE(ParseAcls("world:anyone:r,").ok());
  EXPECT_FALSE(ParseAcls("").ok());
}

TEST(CoordTextTest, TimesToLiveHaveUnits) {
  EXPECT_EQ(*ParseTtl("1500"), 1500);
  EXPECT_EQ(*ParseTtl("500ms"), 500);
  EXPECT_EQ(*ParseTtl("10s"), 10'000);
  EXPECT_EQ(*ParseTtl("5m"), 300'000);
  EXPECT_EQ(*ParseTtl("2h"), 7'200'000);
  EXPECT_EQ(*ParseTtl("1d"), 86'400'000);
  EXPECT_EQ(*ParseTtl("1099511627775"), (int64_t{1} << 40) - 1);
  for (const char* wrong : {"", "0", "-1s", "s", "1w", "1.5s", "10 s",
                            "1099511627776", "99999999999999999999", "20000d"}) {
    auto ttl = ParseTtl(wrong);
    ASSERT_FALSE(ttl.ok()) << wrong;
    EXPECT_THAT(std::string(ttl.status().message()),
                HasSubstr("is no time to live"));
  }
}

TEST(CoordTextTest, PathsAreChecked) {
  for (const char* good : {"/", "/a", "/a/b.c", "/a/..b", "/한"}) {
    EXPECT_EQ(WhyNoPath(good), "") << good;
  }
  EXPECT_THAT(WhyNoPath(""), HasSubstr("begins with /"));
  EXPECT_THAT(WhyNoPath("a/b"), HasSubstr("begins with /"));
  EXPECT_THAT(WhyNoPath("/a/"), HasSubstr("ends with /"));
  EXPECT_THAT(WhyNoPath("/a//b"), HasSubstr("empty name"));
  EXPECT_THAT(WhyNoPath("/a/../b"), HasSubstr("'..' is no name"));
  EXPECT_EQ(ParentOf("/a/b"), "/a");
  EXPECT_EQ(ParentOf("/a"), "/");
  EXPECT_EQ(ChildOf("/", "a"), "/a");
  EXPECT_EQ(ChildOf("/a", "b"), "/a/b");
}

TEST(CoordTextTest, DataThatIsNoTextIsBase64) {
  nlohmann::ordered_json document;
  AddData("x", false, &document);
  EXPECT_EQ(document.dump(), R"({"data":"x"})");
  document.clear();
  AddData("\xff", false, &document);
  EXPECT_EQ(document.dump(), R"({"data_b64":"/w=="})");
  document.clear();
  AddData("", true, &document);
  EXPECT_EQ(document.dump(), R"({"data":null})");
}

std::vector<std::string> WordsOf(const std::string& line) {
  auto words = SplitWords(line);
  return words.ok() ? *words : std::vector<std::string>{
                                   "!", std::string(words.status().message())};
}

TEST(ShellLineTest, WordsAreSplitAsAShellWould) {
  EXPECT_THAT(WordsOf("  set  /a\tb "), ElementsAre("set", "/a", "b"));
  EXPECT_THAT(WordsOf("set /a 'two words' \"and \\\"more\\\"\""),
              ElementsAre("set", "/a", "two words", "and \"more\""));
  EXPECT_THAT(WordsOf("set /a ''"), ElementsAre("set", "/a", ""));
  EXPECT_THAT(WordsOf("set /a x'y'z"), ElementsAre("set", "/a", "xyz"));
  EXPECT_THAT(WordsOf("set /a\\ b '\\'"), ElementsAre("set", "/a b", "\\"));
  EXPECT_THAT(WordsOf("ls / # all"), ElementsAre("ls", "/"));
  EXPECT_THAT(WordsOf("set /a b#c"), ElementsAre("set", "/a", "b#c"));
  EXPECT_THAT(WordsOf(""), IsEmpty());
  EXPECT_THAT(WordsOf("set /a 'open"), ElementsAre("!", HasSubstr("not closed")));
}

TEST(ShellLineTest, CommandsAndPathsAreCompleted) {
  CompletionSources sources;
  sources.commands = {"acl", "acl get", "acl set", "get", "set", "stat", "sync"};
  sources.children = [](const std::string& path) -> std::vector<std::string> {
    if (path == "/") return {"brokers", "box", "config"};
    if (path == "/brokers") return {"ids", "topics"};
    return {};
  };
  EXPECT_THAT(CompleteWord("s", sources), ElementsAre("set", "stat", "sync"));
  EXPECT_THAT(CompleteWord("a", sources), ElementsAre("acl"));
  EXPECT_THAT(CompleteWord("acl ", sources), ElementsAre("get", "set"));
  EXPECT_THAT(CompleteWord("acl s", sources), ElementsAre("set"));
  EXPECT_THAT(CompleteWord("get ", sources), ElementsAre("/"));
  EXPECT_THAT(CompleteWord("get /b", sources), ElementsAre("/box", "/brokers"));
  EXPECT_THAT(CompleteWord("get /br", sources), ElementsAre("/brokers/"));
  EXPECT_THAT(CompleteWord("acl get /c", sources), ElementsAre("/config"));
  EXPECT_THAT(CompleteWord("get /brokers/", sources),
              ElementsAre("/brokers/ids", "/brokers/topics"));
  EXPECT_THAT(CompleteWord("get /brokers/t", sources),
              ElementsAre("/brokers/topics"));
  EXPECT_THAT(CompleteWord("get /x", sources), IsEmpty());
  EXPECT_THAT(CompleteWord("nope", sources), IsEmpty());
}

}  // namespace
}  // namespace sillok::tools
