// kcat at a terminal: what its manual shows, and a broker's death under it.

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "test/compat/compat_cluster.h"

namespace sillok::compat_test {
namespace {

using nlohmann::json;

class KcatTest : public CompatTest {
 protected:
  static ProgramOutcome Kcat(const std::string& arguments,
                             const std::string& input = "") {
    return RunProgram("kcat", "kcat -b " + Bootstrap() + " " + arguments,
                      input, 60);
  }
  // What it printed; a failure of kcat is one of the test.
  static std::string Output(const std::string& arguments,
                            const std::string& input = "") {
    ProgramOutcome outcome = Kcat(arguments, input);
    EXPECT_EQ(outcome.code, std::optional<int>(0))
        << "kcat " << arguments << "\n" << outcome.err;
    return outcome.out;
  }
};

TEST_F(KcatTest, RecordsWithKeysAndHeadersComeBack) {
  CreateTopic("kcat-records", 1);
  Output("-P -t kcat-records -K: -H a=1 -H a=2 -H empty=", "k:v\nk2:v2\n");
  Output("-P -t kcat-records -K: -Z", "tombstone:\n");
  EXPECT_EQ(Output("-C -t kcat-records -o beginning -e -q -f "
                   "'%o|%k|%s|%S|%h\\n'"),
            "0|k|v|1|a=1,a=2,empty=\n1|k2|v2|2|a=1,a=2,empty=\n"
            "2|tombstone||-1|\n");
}

TEST_F(KcatTest, EveryCodecIsKeptAndRead) {
  CreateTopic("kcat-codecs", 1);
  // A record above the limit of a batch passes only if it was compressed: a
  // client that was told of no codec would quietly send it as it is.
  std::string value;
  while (value.size() < 2'000'000) value += "sillok ";
  const std::string produce =
      "-P -t kcat-codecs -X message.max.bytes=4000000 ";
  for (const char* codec : {"gzip", "snappy", "lz4", "zstd"}) {
    Output(produce + "-z " + codec, value + "\n");
  }
  EXPECT_NE(Kcat(produce, value + "\n").code, std::optional<int>(0));
  std::string read = Output("-C -t kcat-codecs -o beginning -e -q -c 10");
  std::string line = value + "\n";
  EXPECT_EQ(read.size(), 4 * line.size());
  EXPECT_TRUE(read == line + line + line + line);
}

TEST_F(KcatTest, MetadataTellsBrokersTopicsAndPartitions) {
  CreateTopic("kcat-metadata", 3);
  json metadata = json::parse(Output("-L -J -t kcat-metadata"));
  EXPECT_EQ(metadata["brokers"].size(), 3u) << metadata;
  ASSERT_EQ(metadata["topics"].size(), 1u) << metadata;
  EXPECT_EQ(metadata["topics"][0]["topic"], "kcat-metadata");
  ASSERT_EQ(metadata["topics"][0]["partitions"].size(), 3u) << metadata;
  for (const json& partition : metadata["topics"][0]["partitions"]) {
    EXPECT_EQ(partition["replicas"].size(), 3u) << metadata;
    EXPECT_EQ(partition["isrs"].size(), 3u) << metadata;
    EXPECT_GE(partition["leader"], 1) << metadata;
  }
  EXPECT_GE(metadata["controllerid"], 1) << metadata;
  // Without a topic: all of them.
  std::string all = Output("-L -J");
  EXPECT_NE(all.find("\"kcat-metadata\""), std::string::npos) << all;
}

TEST_F(KcatTest, OffsetsAreFoundByTimeAndByEnd) {
  CreateTopic("kcat-times", 1);
  Output("-P -t kcat-times", "one\n");
  // The timestamp that the second record got; what is asked for lies between.
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  Output("-P -t kcat-times", "two\n");
  std::string second = Output("-C -t kcat-times -o 1 -c 1 -q -f %T");
  EXPECT_EQ(Output("-Q -t kcat-times:0:" + second), "kcat-times [0] offset 1\n");
  EXPECT_EQ(Output("-Q -t kcat-times:0:1"), "kcat-times [0] offset 0\n");
  EXPECT_EQ(Output("-Q -t kcat-times:0:-1"), "kcat-times [0] offset 2\n");
  EXPECT_EQ(Output("-Q -t kcat-times:0:-2"), "kcat-times [0] offset 0\n");
  EXPECT_EQ(Output("-C -t kcat-times -e -q -o s@" + second), "two\n");
  EXPECT_EQ(Output("-C -t kcat-times -e -q -o -1"), "two\n");
  EXPECT_EQ(Output("-C -t kcat-times -e -q -o beginning -o e@" + second),
            "one\n");
}

TEST_F(KcatTest, AGroupGoesOnWhereItCommitted) {
  CreateTopic("kcat-group", 2);
  Output("-P -t kcat-group -p 0", "a\nb\n");
  Output("-P -t kcat-group -p 1", "c\n");
  const std::string member =
      "-X auto.offset.reset=earliest -X session.timeout.ms=6000 -q -e "
      "-G kcat-members kcat-group";
  std::string first = Output(member);
  std::vector<std::string> lines;
  for (char c : first) {
    if (c != '\n') lines.emplace_back(1, c);
  }
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, (std::vector<std::string>{"a", "b", "c"}));
  Output("-P -t kcat-group -p 1", "d\n");
  EXPECT_EQ(Output(member), "d\n");
}

TEST_F(KcatTest, ATopicThatIsWrittenToComesIntoBeing) {
  Output("-P -t kcat-auto-created", "first\n");
  EXPECT_EQ(Output("-C -t kcat-auto-created -o beginning -e -q"), "first\n");
}

// The deliveries of a kcat that prints '%t\t%p\t%o\t%s', and of one that
// produces with -vvv, which names partition and offset but not the value.
std::vector<Delivered> Reported(const std::string& path) {
  static const std::regex kReport(
      R"(Message delivered to partition (\d+) \(offset (\d+)\))");
  std::ifstream file(path);
  std::vector<Delivered> reported;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_search(line, match, kReport)) {
      reported.push_back({"", stoi(match[1]), stoll(match[2]), ""});
    }
  }
  return reported;
}

TEST_F(KcatTest, NothingIsLostOrDoubledWhenABrokerDies) {
  const std::string topic = "kcat-kill";
  CreateTopic(topic, 3);
  ClientProgram follower(
      "kcat-follower",
      fmt::format("exec kcat -b {} -u -q -f '%t\\t%p\\t%o\\t%s\\n' "
                  "-X auto.offset.reset=earliest -X session.timeout.ms=6000 "
                  "-X topic.metadata.refresh.interval.ms=1000 "
                  "-X heartbeat.interval.ms=500 -G kcat-followers {}",
                  Bootstrap(), topic));
  // One program per partition, so that the order of each is known.
  std::vector<std::unique_ptr<ClientProgram>> producers;
  for (int p = 0; p < 3; ++p) {
    producers.push_back(std::make_unique<ClientProgram>(
        fmt::format("kcat-producer-{}", p),
        fmt::format("exec kcat -b {} -P -t {} -p {} -vvv -z lz4 -E "
                    "-X enable.idempotence=true -X linger.ms=5 "
                    "-X message.timeout.ms=60000",
                    Bootstrap(), topic, p)));
  }
  std::atomic<bool> stop = false;
  std::vector<Delivered> written;  // the writer's until it has ended
  std::thread writer([&] {
    for (int number = 0; !stop; ++number) {
      for (int p = 0; p < 3; ++p) {
        std::string value = fmt::format("kcat{}-{:06}", p, number);
        if (!producers[p]->Write(value + "\n")) return;
        written.push_back({topic, p, -1, value});
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  auto tails = [&] {
    std::string tails = "\nfollower:" + follower.Tail();
    for (const auto& producer : producers) tails += producer->Tail();
    return tails;
  };
  auto acked = [&] {
    std::vector<Delivered> all;
    for (const auto& producer : producers) {
      std::vector<Delivered> reported = Reported(producer->err_path());
      all.insert(all.end(), reported.begin(), reported.end());
    }
    return all;
  };
  KillAndRestartUnder(
      {topic, "kcat-followers", acked,
       [&] { return ReadDeliveries(follower.out_path()); }, tails},
      3);
  stop = true;
  writer.join();
  if (HasFatalFailure()) return;
  for (const auto& producer : producers) {
    producer->CloseInput();
    // Zero says that all it read was acknowledged.
    EXPECT_EQ(producer->Wait(60), std::optional<int>(0)) << producer->Tail();
  }
  EXPECT_EQ(acked().size(), written.size());
  std::vector<std::string> missing;
  Eventually(60, [&] {
    missing = CheckDelivery(written, ReadDeliveries(follower.out_path()),
                            {.whole_log = false});
    return missing.empty();
  });
  EXPECT_EQ(missing, std::vector<std::string>()) << "of the group's reading";
  follower.Signal(SIGTERM);
  EXPECT_EQ(follower.Wait(30), std::optional<int>(0)) << follower.Tail();
  EXPECT_EQ(CheckDelivery(written, ReadWhole(topic),
                          {.once_and_in_order = true}),
            std::vector<std::string>());
}

}  // namespace
}  // namespace sillok::compat_test
