// The `sillok` program itself, against brokers in this process.
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "test/support/fake_broker.h"

namespace sillok::tools {
namespace {

using nlohmann::json;

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Runs `sillok ARGUMENTS`, as a shell would.
Outcome RunSillok(const std::string& arguments, const std::string& input = "") {
  std::string base = testing::TempDir() + "/cli";
  std::ofstream(base + ".in", std::ios::binary) << input;
  std::string command = "env -u SILLOK_BOOTSTRAP tools/sillok " + arguments +
                        " <" + base + ".in >" + base + ".out 2>" + base +
                        ".err";
  int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadFile(base + ".out"),
          ReadFile(base + ".err")};
}

class CliTest : public testing::Test {
 protected:
  CliTest() : cluster_(2), at_("-b " + cluster_.bootstrap() + " ") {}
  Outcome Sillok(const std::string& arguments, const std::string& input = "") {
    return RunSillok(at_ + arguments, input);
  }
  test::FakeCluster cluster_;
  const std::string at_;
};

TEST_F(CliTest, TopicsAreMadeListedDescribedAndDeleted) {
  Outcome made = Sillok("topic create orders -p 3 -r 1");
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out,
            "TOPIC   PARTITIONS  REPLICAS  STATUS\n"
            "orders  3           1         CREATED\n");
  Outcome again = Sillok("topic create orders");
  EXPECT_EQ(again.code, 1);
  EXPECT_EQ(again.err, "sillok: TOPIC_ALREADY_EXISTS: topic 'orders' exists\n");
  EXPECT_EQ(Sillok("topic create orders --if-not-exists").code, 0);
  Outcome listed = Sillok("topic list --json");
  EXPECT_EQ(json::parse(listed.out)[0]["topic"], "orders");
  json described = json::parse(Sillok("topic describe orders --json").out);
  EXPECT_EQ(described[0]["partitions"].size(), 3u);
  EXPECT_EQ(described[0]["partitions"][1]["leader"], 2);
  EXPECT_EQ(described[0]["partitions"][1]["high_watermark"], 0);
  Outcome missing = Sillok("topic describe nope");
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(missing.err,
            "sillok: UNKNOWN_TOPIC_OR_PARTITION: topic 'nope' does not exist\n");
  EXPECT_EQ(Sillok("topic delete orders").code, 2) << "nobody to ask";
  EXPECT_EQ(Sillok("topic delete orders --yes").code, 0);
  EXPECT_FALSE(cluster_.HasTopic("orders"));
  EXPECT_EQ(Sillok("topic delete orders nope --yes").code, 1);
}

TEST_F(CliTest, WhatIsProducedIsConsumed) {
  cluster_.AddTopic("t", 1);
  Outcome produced = Sillok(
      "produce t -f '%k\\t%v\\n' -H source:test -z lz4", "a\t1\nb\t2\n\t\n");
  EXPECT_EQ(produced.code, 0) << produced.err;
  EXPECT_EQ(produced.out, "");
  EXPECT_EQ(produced.err, "produced 3 record(s) to t\n");
  Outcome consumed =
      Sillok("consume t -o start -e -f '%o %k=%v %h{%k:%v}\\n'");
  EXPECT_EQ(consumed.code, 0) << consumed.err;
  EXPECT_EQ(consumed.out,
            "0 a=1 source:test\n1 b=2 source:test\n2 = source:test\n");
  EXPECT_EQ(Sillok("consume t -o 1:2 -f '%v\\n'").out, "2\n");
  EXPECT_EQ(Sillok("consume t -o start -n 2 -f '%v\\n'").out, "1\n2\n");
  EXPECT_EQ(Sillok("consume t -o -1 -e -f '%k\\n'").out, "\n");
  EXPECT_EQ(Sillok("consume t -o end -e").out, "");
  json array = json::parse(Sillok("consume t -o start -e --json").out);
  ASSERT_EQ(array.size(), 3u);
  EXPECT_EQ(array[1]["key"], "b");
  json summary = json::parse(Sillok("produce t --json -k x", "v\n").out);
  EXPECT_EQ(summary["produced"], 1);
  EXPECT_EQ(summary["partitions"][0]["first_offset"], 3);
}

TEST_F(CliTest, AGroupConsumesCommitsAndShowsItsLag) {
  cluster_.AddTopic("t", 2);
  cluster_.Append({"t", 0}, {"a", "b"});
  cluster_.Append({"t", 1}, {"c"});
  Outcome consumed = Sillok("consume t -g readers -o start -e");
  EXPECT_EQ(consumed.code, 0) << consumed.err;
  EXPECT_EQ(consumed.out.size(), 6u) << consumed.out;
  cluster_.Append({"t", 1}, {"d", "e"});
  json described = json::parse(Sillok("group describe readers --json").out);
  EXPECT_EQ(described[0]["total_lag"], 2);
  EXPECT_EQ(described[0]["partitions"][0]["committed"], 2);
  Outcome listed = Sillok("group list");
  EXPECT_NE(listed.out.find("readers"), std::string::npos);
  Outcome missing = Sillok("group describe nobody");
  EXPECT_EQ(missing.code, 1);
  EXPECT_NE(missing.err.find("GROUP_ID_NOT_FOUND"), std::string::npos);
}

TEST_F(CliTest, RefusedRecordsFailTheCommand) {
  cluster_.AddTopic("t", 1);
  cluster_.FailProduce({"t", 0}, ErrorCode::MESSAGE_TOO_LARGE);
  Outcome produced = Sillok("produce t", "x\n");
  EXPECT_EQ(produced.code, 1);
  EXPECT_NE(produced.err.find("sillok: MESSAGE_TOO_LARGE: t-0 on broker 1"),
            std::string::npos)
      << produced.err;
  Outcome damaged = Sillok("produce t -f '%k\\t%v\\n'", "no tab here\n");
  EXPECT_EQ(damaged.code, 1);
  EXPECT_NE(damaged.err.find("input record 1"), std::string::npos);
}

TEST_F(CliTest, BenchCountsWhatItSentAndRead) {
  cluster_.AddTopic("t", 2);
  json sent =
      json::parse(Sillok("bench produce -t t -n 5k -s 50 --json").out);
  EXPECT_EQ(sent["records"], 5000);
  EXPECT_GT(sent["latency_ms"]["p50"], 0);
  EXPECT_EQ(cluster_.EndOffset({"t", 0}) + cluster_.EndOffset({"t", 1}), 5000);
  json read = json::parse(Sillok("bench consume -t t -n 5000 --json").out);
  EXPECT_EQ(read["records"], 5000);
  EXPECT_EQ(read["bytes"], 250'000);
}

TEST_F(CliTest, ClusterInfoNamesTheBrokers) {
  json info = json::parse(Sillok("cluster info --json").out);
  EXPECT_EQ(info["brokers"].size(), 2u);
  EXPECT_EQ(info["cluster_id"], "fake");
}

TEST(CliUsageTest, WrongArgumentsAreOneLineAndExitTwo) {
  for (const char* arguments :
       {"", "bogus", "topic", "topic create", "topic create t -p x",
        "topic create t -p -1", "produce t -z brotli", "consume t -o nonsense",
        "consume t -f '%q'", "--timeout 0 topic list", "-X nonsense produce t",
        "-X lingerms=5 produce t", "topic create t -c novalue",
        "-b nohost topic list", "consume t -g g -p 0"}) {
    Outcome outcome = RunSillok(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments << ": " << outcome.err;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1)
        << arguments << ": " << outcome.err;
    EXPECT_EQ(outcome.err.rfind("sillok: ", 0), 0u) << outcome.err;
  }
}

TEST(CliUsageTest, HelpAndVersionExitZero) {
  EXPECT_EQ(RunSillok("--help").code, 0);
  EXPECT_EQ(RunSillok("topic create --help").code, 0);
  Outcome version = RunSillok("--version");
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out.rfind("sillok ", 0), 0u);
}

TEST(CliUsageTest, AnUnreachableClusterIsExitThree) {
  for (const char* command : {"topic list", "produce t", "consume t -e",
                              "group list", "cluster info"}) {
    Outcome outcome =
        RunSillok(std::string("-b 127.0.0.1:1 --timeout 0.3 ") + command, "x\n");
    EXPECT_EQ(outcome.code, 3) << command << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find("cannot reach the cluster at 127.0.0.1:1"),
              std::string::npos)
        << command << ": " << outcome.err;
  }
  Outcome coord =
      RunSillok("--coordinator 127.0.0.1:1 --timeout 0.3 coord ls /");
  EXPECT_EQ(coord.code, 3) << coord.err;
}

}  // namespace
}  // namespace sillok::tools
