// Apache Kafka's own tools, of its last line with ZooKeeper and of a later one.
// They need mvn and Java, which Sillok does not: without them the tests are
// skipped, and say so.

#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "test/compat/compat_cluster.h"

namespace sillok::compat_test {
namespace {

constexpr char kTools[] = "test/compat/java/tools.sh";

class JavaTest : public CompatTest,
                 public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    CompatTest::SetUp();
    if (std::system("command -v mvn >/dev/null && command -v java >/dev/null") !=
        0) {
      GTEST_SKIP() << "neither mvn nor Java here: Apache Kafka's own tools are "
                      "not tried";
    }
    libs_ = TempPath(std::string("kafka-") + GetParam());
    ProgramOutcome fetched = RunProgram(
        "mvn", fmt::format("{} fetch {} {}", kTools, GetParam(), libs_), "",
        600);
    ASSERT_EQ(fetched.code, std::optional<int>(0))
        << "Maven Central was not reached:\n" << fetched.out << fetched.err;
  }

  std::string libs_;
};

TEST_P(JavaTest, TheToolsDoAllTheyCan) {
  ProgramOutcome outcome = RunProgram(
      "java-tools", fmt::format("{} checks {} {}", kTools, libs_, Bootstrap()),
      "", 400);
  EXPECT_EQ(outcome.code, std::optional<int>(0)) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("\n0 failed"), std::string::npos) << outcome.out;
}

// The verifiable producer counts "1.17"; the checker knows "java-17".
std::string Numbered(const std::string& value) {
  return "java-" + value.substr(value.find('.') + 1);
}

// kafka-verifiable-producer's lines, of the records that were acknowledged.
std::vector<Delivered> Acknowledged(const std::string& path) {
  std::vector<Delivered> acked;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    auto event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_discarded() ||
        event.value("name", "") != "producer_send_success") {
      continue;
    }
    acked.push_back({event["topic"], event["partition"], event["offset"],
                     Numbered(event["value"])});
  }
  return acked;
}

// kafka-console-consumer's, with print.partition and print.offset.
std::vector<Delivered> Read(const std::string& path, const std::string& topic) {
  static const std::regex kRecord(R"(Partition:(\d+)\tOffset:(\d+)\t(.*))");
  std::vector<Delivered> read;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    // A line that is still being written has no end yet.
    if (file.eof() || !std::regex_match(line, match, kRecord)) continue;
    read.push_back({topic, stoi(match[1]), stoll(match[2]),
                    Numbered(match[3])});
  }
  return read;
}

TEST_P(JavaTest, TheVerifiableProducerLosesAndDoublesNothingWhenABrokerDies) {
  std::string topic = std::string("java-kill-") + GetParam();
  CreateTopic(topic, 3);
  // By itself it sends a record once only, and fills a batch for one partition
  // before it goes to the next.
  std::string settings = TempPath("producer.properties");
  std::ofstream(settings) << "retries=1000000\nenable.idempotence=true\n"
                             "max.in.flight.requests.per.connection=5\n"
                             "batch.size=100\ndelivery.timeout.ms=60000\n"
                             "request.timeout.ms=10000\n";
  std::string member = TempPath("consumer.properties");
  std::ofstream(member) << "session.timeout.ms=6000\n"
                           "heartbeat.interval.ms=500\n"
                           "metadata.max.age.ms=1000\n";
  ClientProgram follower(
      "java-follower",
      fmt::format("exec {} run {} kafka-console-consumer --bootstrap-server {} "
                  "--topic {} --group {}-followers --from-beginning "
                  "--consumer.config {} --property print.partition=true "
                  "--property print.offset=true",
                  kTools, libs_, Bootstrap(), topic, topic, member));
  ClientProgram producer(
      "java-producer",
      fmt::format("exec {} run {} kafka-verifiable-producer "
                  "--bootstrap-server {} --topic {} --throughput 200 "
                  "--acks -1 --value-prefix 1 --producer.config {}",
                  kTools, libs_, Bootstrap(), topic, settings));
  auto acked = [&] { return Acknowledged(producer.out_path()); };
  auto followed = [&] { return Read(follower.out_path(), topic); };
  KillAndRestartUnder({topic, topic + "-followers", acked, followed,
                       [&] { return producer.Tail() + follower.Tail(); }},
                      3);
  if (HasFatalFailure()) return;
  producer.Signal(SIGTERM);  // it ends what it has begun
  ASSERT_TRUE(producer.Wait(30).has_value()) << producer.Tail();
  std::vector<Delivered> all = acked();
  std::vector<std::string> missing;
  Eventually(60, [&] {
    missing = CheckDelivery(all, followed(), {.whole_log = false});
    return missing.empty();
  });
  EXPECT_EQ(missing, std::vector<std::string>()) << "of the group's reading";
  follower.Signal(SIGTERM);
  std::vector<Delivered> log = ReadWhole(topic);
  for (Delivered& record : log) record.value = Numbered(record.value);
  EXPECT_EQ(CheckDelivery(all, log, {.once_and_in_order = true}),
            std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Versions, JavaTest, testing::Values("3.9.1", "4.1.0"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) {
                             if (c == '.') c = '_';
                           }
                           return "Kafka" + name;
                         });

}  // namespace
}  // namespace sillok::compat_test
