#include "base/config.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sillok {
namespace {

using testing::HasSubstr;

ConfigSpec Spec() {
  ConfigSpec spec;
  spec.Int("broker.id", 0, "Who I am.", 0, 1000)
      .Int("log.segment.bytes", 1 << 30, "Segment size in bytes.", 14)
      .Bool("auto.create.topics.enable", true, "Create unknown topics.")
      .Choice("compression.type", "producer", {"producer", "none", "lz4"},
              "Codec.")
      .String("log.dirs", "/tmp/x", "Data directories.")
      .Double("ratio", 0.5, "A ratio.", 0, 1)
      .Prefix("server.", "A member: host:port.", [](const std::string& v) {
        return v.find(':') == std::string::npos ? "host:port" : "";
      });
  return spec;
}

std::string WriteFile(const std::string& text) {
  std::string path = testing::TempDir() + "/config_test.properties";
  std::ofstream(path) << text;
  return path;
}

std::string LoadError(const ConfigSources& sources) {
  ConfigSpec spec = Spec();
  auto config = Config::Load(spec, sources);
  EXPECT_FALSE(config.ok());
  std::string text(config.status().message());
  EXPECT_EQ(text.find('\n'), std::string::npos) << "one line: " << text;
  return text;
}

TEST(ConfigTest, LaterSourcesAreStronger) {
  ConfigSpec spec = Spec();
  std::string file = WriteFile(
      "# comment\n\nbroker.id = 1\nlog.segment.bytes=100\nratio=0.25\n"
      "server.1=a:1\nserver.2=b:2\n");
  auto config = Config::Load(
      spec, {file,
             {"log.segment.bytes=300"},
             {{"SILLOK_LOG_SEGMENT_BYTES", "200"}, {"SILLOK_BROKER_ID", "7"}}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->GetInt("log.segment.bytes"), 300);
  EXPECT_EQ(config->GetInt("broker.id"), 7);
  EXPECT_EQ(config->GetDouble("ratio"), 0.25);
  EXPECT_TRUE(config->GetBool("auto.create.topics.enable"));
  EXPECT_FALSE(config->IsSet("auto.create.topics.enable"));
  EXPECT_TRUE(config->IsSet("broker.id"));
  EXPECT_EQ(config->GetPrefix("server."),
            (std::map<std::string, std::string>{{"1", "a:1"}, {"2", "b:2"}}));
}

TEST(ConfigTest, AnUnknownKeyIsNamedWithItsPlaceAndANearOne) {
  std::string file = WriteFile("broker.id=1\nlog.segment.byte=5\n");
  EXPECT_THAT(LoadError({file, {}, {}}),
              HasSubstr(":2: unknown key 'log.segment.byte' (did you mean "
                        "'log.segment.bytes'?)"));
}

TEST(ConfigTest, AWrongValueNamesKeyValueAndWhatIsAllowed) {
  EXPECT_EQ(LoadError({"", {"broker.id=1001"}, {}}),
            "--set: broker.id=1001 is not allowed: it must be an integer from "
            "0 to 1000");
  EXPECT_THAT(LoadError({"", {"log.segment.bytes=1k"}, {}}),
              HasSubstr("an integer of at least 14"));
  EXPECT_THAT(LoadError({"", {"log.segment.bytes=99999999999999999999"}, {}}),
              HasSubstr("an integer of at least 14"));
  EXPECT_THAT(LoadError({"", {"compression.type=zip"}, {}}),
              HasSubstr("one of producer, none, lz4"));
  EXPECT_THAT(LoadError({"", {"auto.create.topics.enable=yes"}, {}}),
              HasSubstr("one of true, false"));
  EXPECT_THAT(LoadError({"", {"server.1=host"}, {}}), HasSubstr("host:port"));
  EXPECT_THAT(LoadError({"", {}, {{"SILLOK_RATIO", "2"}}}),
              HasSubstr("SILLOK_RATIO: ratio=2"));
}

TEST(ConfigTest, WhatIsNoPropertyOrNoFileIsSaid) {
  EXPECT_THAT(LoadError({WriteFile("broker.id\n"), {}, {}}),
              HasSubstr(":1: 'broker.id' is not key=value"));
  EXPECT_THAT(LoadError({"/nowhere/x.properties", {}, {}}),
              HasSubstr("cannot read config file /nowhere/x.properties"));
}

TEST(ConfigTest, ARequiredKeyMustBeGiven) {
  ConfigSpec spec;
  spec.String("coordinator.connect", "", "Where the ensemble is.").Required();
  auto config = Config::Load(spec, {});
  EXPECT_THAT(std::string(config.status().message()),
              HasSubstr("'coordinator.connect' must be set"));
  EXPECT_TRUE(Config::Load(spec, {"", {"coordinator.connect=h:1"}, {}}).ok());
}

TEST(ConfigTest, PrintCanBeLoadedAgain) {
  ConfigSpec spec = Spec();
  auto config = Config::Load(spec, {"", {"ratio=0.75", "server.3=c:3"}, {}});
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->Print(), HasSubstr("# default: 0.5; set by --set\n"));
  auto again = Config::Load(spec, {WriteFile(config->Print()), {}, {}});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->GetDouble("ratio"), 0.75);
  EXPECT_EQ(again->GetPrefix("server.").at("3"), "c:3");
}

}  // namespace
}  // namespace sillok
