// A broker's disk is full, or does not hold what was written: nothing that was
// acknowledged is lost, and nothing wrong is served.

#include <signal.h>
#include <sys/mount.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/rpc/channel.h"
#include "fmt/format.h"
#include "proto/broker.grpc.pb.h"
#include "proto/record/record_batch.h"
#include "test/cluster/cluster_fixture.h"
#include "test/cluster/run_command.h"

namespace sillok::cluster_test {
namespace {

constexpr char kTopic[] = "orders";

class DiskTest : public ClusterTest {
 protected:
  void TearDown() override {
    for (const std::string& path : mounted_) {
      // What lies on it has to be let go first.
      for (const tools::DevNode& node : cluster_->nodes()) {
        if (cluster_->Pid(node).has_value()) {
          (void)cluster_->SignalNode(node, SIGKILL);
          (void)cluster_->AwaitExit(node, 10);
        }
      }
      // A process that was killed may hold it for a moment more.
      EXPECT_TRUE(Eventually(10, [&] { return umount(path.c_str()) == 0; }))
          << strerror(errno);
    }
    ClusterTest::TearDown();
  }

  // A disk of its own for the node's data; false when we may not mount one.
  bool Mount(const tools::DevNode& node, int mebibytes, bool again = false) {
    std::string size = fmt::format("size={}m", mebibytes);
    if (mount("sillok", node.data_path().c_str(), "tmpfs",
              again ? MS_REMOUNT : 0, size.c_str()) != 0) {
      std::cout << "cannot mount a tmpfs: " << strerror(errno) << std::endl;
      return false;
    }
    if (!again) mounted_.push_back(node.data_path());
    return true;
  }

  std::string LogOf(const tools::DevNode& node, size_t from = 0) {
    return ReadWholeFile(node.log_path()).substr(from);
  }

  std::set<std::string> Values(const std::string& topic) {
    std::set<std::string> values;
    for (auto& [key, value] : ReadAll(topic)) values.insert(value);
    return values;
  }

  static size_t Missing(const std::map<int, std::set<int64_t>>& acknowledged,
                        const std::set<std::string>& kept) {
    size_t missing = 0;
    for (const auto& [key, numbers] : acknowledged) {
      for (int64_t number : numbers) {
        missing += !kept.contains(fmt::format("{}:{:0100}", key, number));
      }
    }
    return missing;
  }

  // The newest .log file of a replica.
  static std::string ActiveSegment(const tools::DevNode& node, int partition) {
    std::string newest;
    std::string folder =
        fmt::format("{}/{}-{}", node.data_path(), kTopic, partition);
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".log") {
        newest = std::max(newest, entry.path().string());
      }
    }
    return newest;
  }

  std::vector<std::string> mounted_;
};

// Records of 32 KiB whose values begin with a number, until somebody says stop.
class BigLoad {
 public:
  BigLoad(client::ProducerConfig config, std::string topic)
      : topic_(std::move(topic)) {
    config.acks = -1;
    config.delivery_timeout_ms = 60'000;
    config.request_timeout_ms = 5'000;
    producer_ = *client::Producer::Create(config);
  }
  void Send(int count) {
    for (int i = 0; i < count; ++i) {
      std::string value = fmt::format("{:032}", number_++);
      value.resize(32 << 10, 'x');
      client::ProducerRecord record;
      record.topic = topic_;
      record.value = value;
      (void)producer_->Send(
          record, [this, value](const absl::Status& status,
                                const client::RecordMetadata&) {
            std::lock_guard lock(mutex_);
            if (status.ok()) {
              acknowledged_.insert(value);
            } else {
              failures_.push_back(status);
            }
          });
    }
    absl::Status flushed = producer_->Flush(absl::Seconds(90));
    EXPECT_TRUE(flushed.ok()) << flushed;
  }
  std::set<std::string> acknowledged() {
    std::lock_guard lock(mutex_);
    return acknowledged_;
  }
  std::vector<absl::Status> failures() {
    std::lock_guard lock(mutex_);
    return failures_;
  }

 private:
  std::string topic_;
  std::unique_ptr<client::Producer> producer_;
  int64_t number_ = 0;
  std::mutex mutex_;
  std::set<std::string> acknowledged_;
  std::vector<absl::Status> failures_;
};

TEST_F(DiskTest, OneFullDiskOfThreeLosesNothingAndStopsNobody) {
  tools::DevNode full;
  bool mounted = false;
  StartCluster({}, [&] {
    full = Node("broker-1");
    mounted = Mount(full, 24);
  });
  if (!mounted) GTEST_SKIP() << "needs the right to mount";
  CreateTopic(kTopic, 3, 3, {{"min.insync.replicas", "2"}});
  // It leads one of the three to begin with.
  bool leads = false;
  for (int p = 0; p < 3; ++p) leads = leads || LeaderOf(kTopic, p) == 1;
  EXPECT_TRUE(leads);
  BigLoad load(ProducerConfig(), kTopic);
  bool noticed = false;
  for (int i = 0; i < 40 && !noticed; ++i) {
    load.Send(50);
    noticed = cluster_->Health(full) != "ok";
  }
  ASSERT_TRUE(noticed) << "60 MiB on a disk of 24";
  std::string health = cluster_->Health(full);
  std::cout << "health: " << health << std::endl;
  EXPECT_NE(health.find("No space left"), std::string::npos) << health;
  EXPECT_NE(health.find("orders-"), std::string::npos) << health;
  EXPECT_NE(LogOf(full).find("replica cannot be written: partition=orders-"),
            std::string::npos);

  // The others lead, without it.
  ASSERT_TRUE(Eventually(60, [&] {
    auto topics = NewAdmin()->DescribeTopics({kTopic});
    if (!topics.ok() || !(*topics)[0].status.ok()) return false;
    for (const client::PartitionInfo& info : (*topics)[0].partitions) {
      if (info.leader == 1 || info.leader < 0) return false;
      for (int32_t id : info.isr) {
        if (id == 1) return false;
      }
    }
    return true;
  }));
  load.Send(200);
  for (const absl::Status& failure : load.failures()) ADD_FAILURE() << failure;
  std::cout << load.acknowledged().size() << " records of 32 KiB acknowledged"
            << std::endl;
  EXPECT_EQ(load.acknowledged(), Values(kTopic));

  // With room it is one of them again, without being started anew.
  const std::optional<int> pid = cluster_->Pid(full);
  ASSERT_TRUE(Mount(full, 256, /*again=*/true));
  ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
  ASSERT_TRUE(
      Eventually(30, [&] { return cluster_->Health(full) == "ok"; }));
  EXPECT_EQ(cluster_->Pid(full), pid);
  // And has it all: the others go, in order, and it leads what is left.
  for (const char* other : {"broker-2", "broker-3"}) {
    ASSERT_TRUE(cluster_->SignalNode(Node(other), SIGTERM).ok());
    ASSERT_TRUE(cluster_->AwaitExit(Node(other), 30).ok());
  }
  for (int p = 0; p < 3; ++p) {
    ASSERT_TRUE(Eventually(30, [&] { return LeaderOf(kTopic, p) == 1; }));
  }
  EXPECT_EQ(load.acknowledged(), Values(kTopic));
}

TEST_F(DiskTest, AFullDiskWithTheOnlyReplicaRefusesClearlyAndKeepsTheRest) {
  tools::DevNode full;
  bool mounted = false;
  StartCluster({}, [&] {
    full = Node("broker-1");
    mounted = Mount(full, 16);
  });
  if (!mounted) GTEST_SKIP() << "needs the right to mount";
  client::TopicSpec spec;
  spec.name = kTopic;
  spec.assignments[0] = {1};
  spec.configs["min.insync.replicas"] = "1";
  auto made = NewAdmin()->CreateTopics({spec});
  ASSERT_TRUE(made.ok() && (*made)[0].status.ok()) << made.status();

  auto stub = v1::Broker::NewStub(rpc::NewChannel(full.grpc_address()));
  std::set<std::string> acknowledged;
  int refused = 0;
  auto produce = [&](int number) {
    v1::ProduceRequest request;
    request.set_acks(-1);
    auto* part = request.add_partitions();
    part->set_topic(kTopic);
    std::string value = fmt::format("{:032}", number);
    value.resize(100'000, 'x');
    part->add_plain()->set_value(value);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(20));
    v1::ProduceResponse response;
    grpc::Status status = stub->Produce(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    const auto& result = response.partitions(0);
    if (result.error_code() == v1::NONE) {
      acknowledged.insert(value);
      return;
    }
    ++refused;
    EXPECT_EQ(v1::ErrorCode_Name(result.error_code()), "KAFKA_STORAGE_ERROR");
    EXPECT_NE(result.error_message().find("No space left"), std::string::npos)
        << result.error_message();
    EXPECT_EQ(result.error_message().find('\n'), std::string::npos);
  };
  int number = 0;
  for (; number < 400 && refused < 20; ++number) produce(number);
  EXPECT_EQ(refused, 20) << "40 MB on a disk of 16 MiB";
  std::cout << acknowledged.size() << " acknowledged before it was full; health: "
            << cluster_->Health(full) << std::endl;
  EXPECT_GT(acknowledged.size(), 50u);
  EXPECT_NE(cluster_->Health(full).find("No space left"), std::string::npos);
  // It still serves what it has.
  EXPECT_EQ(LeaderOf(kTopic, 0), 1);
  EXPECT_EQ(Values(kTopic), acknowledged);

  ASSERT_TRUE(cluster_->SignalNode(full, SIGKILL).ok());
  ASSERT_TRUE(cluster_->AwaitExit(full, 30).ok());
  ASSERT_TRUE(Mount(full, 64, /*again=*/true));
  StartAgain(full.name());
  ASSERT_TRUE(Eventually(60, [&] { return LeaderOf(kTopic, 0) == 1; }));
  EXPECT_EQ(Values(kTopic), acknowledged);
  int before = refused;
  for (int end = number + 20; number < end; ++number) produce(number);
  EXPECT_EQ(refused, before);
  EXPECT_EQ(Values(kTopic), acknowledged);
}

// What may be wrong with the end of a file after a crash, and in its middle.
class DamageTest : public DiskTest {
 protected:
  // Kills broker 2 under load, damages one replica after the other with
  // `damage`, starts it again at once or after its leaderships have moved, and
  // expects that nothing is missing, not even when it is asked alone.
  void Run(bool at_once,
           const std::vector<std::function<void(const std::string& segment)>>&
               damage,
           const std::string& said) {
    StartCluster();
    CreateTopic(kTopic, 3, 3, {{"min.insync.replicas", "2"}});
    Load load(ProducerConfig(), kTopic, 12);
    ASSERT_TRUE(Eventually(60, [&] { return load.acknowledged() >= 3000; }));
    tools::DevNode node = Node("broker-2");
    Kill(node.name());
    std::vector<std::string> damaged;
    for (size_t i = 0; i < damage.size(); ++i) {
      damaged.push_back(ActiveSegment(node, static_cast<int>(i)));
      ASSERT_GT(std::filesystem::file_size(damaged.back()), 10'000u);
      damage[i](damaged.back());
    }
    if (!at_once) {
      // The others have elected; it comes back as a follower that is behind.
      uint64_t goal = load.acknowledged() + 2000;
      ASSERT_TRUE(Eventually(60, [&] { return load.acknowledged() >= goal; }));
    }
    size_t before = LogOf(node).size();
    StartAgain(node.name());
    std::string log = LogOf(node, before);
    for (const std::string& segment : damaged) {
      size_t line = log.find(said);
      while (line != std::string::npos &&
             log.substr(line, log.find('\n', line) - line).find(segment) ==
                 std::string::npos) {
        line = log.find(said, line + 1);
      }
      EXPECT_NE(line, std::string::npos)
          << "no word of " << segment << " in:\n" << log;
    }
    ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
    uint64_t goal = load.acknowledged() + 1000;
    ASSERT_TRUE(Eventually(60, [&] { return load.acknowledged() >= goal; }));
    load.Stop();
    EXPECT_EQ(load.failed(), 0u);
    std::map<int, std::set<int64_t>> acknowledged = load.Acknowledged();
    EXPECT_EQ(Missing(acknowledged, Values(kTopic)), 0u);

    // What it has itself is whole, too: asked alone, with every CRC checked.
    ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
    for (const char* other : {"broker-1", "broker-3"}) {
      ASSERT_TRUE(cluster_->SignalNode(Node(other), SIGTERM).ok());
      ASSERT_TRUE(cluster_->AwaitExit(Node(other), 30).ok());
    }
    for (int p = 0; p < 3; ++p) {
      ASSERT_TRUE(Eventually(30, [&] { return LeaderOf(kTopic, p) == 2; }));
    }
    EXPECT_EQ(Missing(acknowledged, Values(kTopic)), 0u);
    std::cout << load.acknowledged() << " records acknowledged" << std::endl;
  }

  static void AppendGarbage(const std::string& segment) {
    std::ofstream(segment, std::ios::binary | std::ios::app)
        << std::string(777, '\xa5');
  }
  static void AppendZeros(const std::string& segment) {
    std::ofstream(segment, std::ios::binary | std::ios::app)
        << std::string(4096, '\0');
  }
  static void CutMidBatch(const std::string& segment) {
    std::filesystem::resize_file(segment,
                                 std::filesystem::file_size(segment) - 37);
  }
  static void FlipBit(const std::string& segment, uint64_t at) {
    std::fstream file(segment,
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(at));
    char byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 0x10));
  }
  // Where the batch lies that has the middle byte of the file.
  static uint64_t BatchInTheMiddle(const std::string& segment) {
    std::string bytes = ReadWholeFile(segment);
    uint64_t at = 0;
    while (true) {
      uint64_t size = static_cast<uint64_t>(
          record::ParseBatchHeader(bytes.data() + at).size_bytes());
      if (at + size > bytes.size() / 2) return at;
      at += size;
    }
  }
  static void FlipInTheMiddle(const std::string& segment) {
    FlipBit(segment, std::filesystem::file_size(segment) / 2);
  }
};

constexpr char kCut[] = "cutting off a torn write";

TEST_F(DamageTest, ATornTailIsCutAndFetchedAgain) {
  Run(/*at_once=*/false, {AppendGarbage, CutMidBatch, AppendZeros}, kCut);
}

TEST_F(DamageTest, ATornTailOfAMemberThatIsBackAtOnceIsNoLoss) {
  Run(/*at_once=*/true, {AppendGarbage, CutMidBatch, CutMidBatch}, kCut);
}

TEST_F(DamageTest, AFlippedBitIsNeitherServedNorKept) {
  Run(/*at_once=*/true, {FlipInTheMiddle, FlipInTheMiddle, FlipInTheMiddle},
      kCut);
}

// Older segments were flushed long ago: a start does not read them again. What
// has gone bad there is found when it is read. The parameter: which byte of the
// batch.
class OldSegmentTest : public DamageTest,
                       public testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(
    Bytes, OldSegmentTest, testing::Values(0, 9, 16, 80),
    [](const testing::TestParamInfo<int>& info) {
      return "Byte" + std::to_string(info.param);
    });

TEST_P(OldSegmentTest, ABitThatFlipsIsNeverServed) {
  tools::DevClusterSpec spec;
  spec.broker_sets = {"log.flush.offset.checkpoint.interval.ms=200"};
  StartCluster(spec);
  if (HasFatalFailure()) return;
  CreateTopic(kTopic, 1, 3,
              {{"min.insync.replicas", "2"}, {"segment.bytes", "100000"}});
  client::ProducerConfig small = ProducerConfig();
  small.batch_size = 16'384;  // a batch has to fit into a segment
  Load load(small, kTopic, 12);
  ASSERT_TRUE(Eventually(60, [&] { return load.acknowledged() >= 5000; }));
  load.Stop();
  ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
  tools::DevNode node = Node("broker-2");
  // Its first segments are flushed, and it knows.
  ASSERT_TRUE(Eventually(30, [&] {
    std::string points =
        ReadWholeFile(node.data_path() + "/recovery-point-offset-checkpoint");
    size_t at = points.find("orders 0 ");
    return at != std::string::npos && std::stoi(points.substr(at + 9)) > 1000;
  }));
  Kill(node.name());
  // Back before the cluster has seen it go, it would be thought in sync when it
  // is not.
  ASSERT_TRUE(Eventually(30, [&] { return !FullyReplicated(kTopic); }));
  std::string oldest =
      node.data_path() + "/orders-0/00000000000000000000.log";
  ASSERT_NE(ActiveSegment(node, 0), oldest);
  FlipBit(oldest, BatchInTheMiddle(oldest) + GetParam());
  size_t before = LogOf(node).size();
  StartAgain(node.name());
  ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
  // A start looks at some of it: what it finds, it fetches anew.
  bool replaced = LogOf(node, before).find(
                      "the log is damaged, fetching it anew") !=
                  std::string::npos;

  // The others go, so that it leads.
  for (const char* other : {"broker-1", "broker-3"}) {
    ASSERT_TRUE(cluster_->SignalNode(Node(other), SIGTERM).ok());
    ASSERT_TRUE(cluster_->AwaitExit(Node(other), 30).ok());
  }
  ASSERT_TRUE(Eventually(30, [&] { return LeaderOf(kTopic, 0) == 2; }));
  auto stub = v1::Broker::NewStub(rpc::NewChannel(node.grpc_address()));
  std::set<std::string> expected;
  for (const auto& [key, numbers] : load.Acknowledged()) {
    for (int64_t number : numbers) {
      expected.insert(fmt::format("{}:{:0100}", key, number));
    }
  }
  // Record by record, from a broker that does the decoding: each one is right,
  // and the bad batch, if it is still there, an error.
  bool refused = false;
  int64_t offset = 0;
  int64_t served = 0;
  while (!refused) {
    v1::FetchRequest fetch;
    fetch.set_plain_records(true);
    auto* part = fetch.add_partitions();
    part->set_topic(kTopic);
    part->set_fetch_offset(offset);
    part->set_max_bytes(1000);
    grpc::ClientContext context;
    v1::FetchResponse response;
    ASSERT_TRUE(stub->Fetch(&context, fetch, &response).ok());
    const auto& result = response.partitions(0);
    if (result.error_code() != v1::NONE) {
      EXPECT_EQ(v1::ErrorCode_Name(result.error_code()), "CORRUPT_MESSAGE")
          << result.error_message();
      std::cout << served << " records served, then: "
                << result.error_message() << std::endl;
      EXPECT_EQ(result.plain_size(), 0);
      refused = true;
      break;
    }
    if (result.plain().empty()) break;
    for (const v1::Record& record : result.plain()) {
      ASSERT_TRUE(expected.contains(record.value())) << record.value();
      offset = record.offset() + 1;
      ++served;
    }
  }
  EXPECT_EQ(refused, !replaced) << served << " records served";
  if (replaced) {
    EXPECT_EQ(served, static_cast<int64_t>(expected.size()));
    std::cout << "found at the start, and fetched anew" << std::endl;
  }
  // A consumer that gets whole batches finds it by the CRC.
  client::ConsumerConfig config = ConsumerConfig("");
  auto consumer = *client::Consumer::Create(config);
  ASSERT_TRUE(consumer->Assign({{kTopic, 0}}).ok());
  ASSERT_TRUE(consumer->SeekToBeginning({{kTopic, 0}}).ok());
  int64_t consumed = 0;
  bool told = Eventually(30, [&] {
    auto records = consumer->Poll(absl::Milliseconds(200));
    if (!records.ok()) {
      std::cout << "consumer: " << records.status() << std::endl;
      return true;
    }
    for (const client::ConsumerRecord& record : *records) {
      EXPECT_TRUE(expected.contains(std::string(record.value.value_or(""))));
      ++consumed;
    }
    return replaced && consumed == static_cast<int64_t>(expected.size());
  });
  EXPECT_TRUE(told) << "the consumer was not told";

  // The others have it all.
  StartAgain("broker-1");
  StartAgain("broker-3");
  ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
  ASSERT_TRUE(cluster_->SignalNode(node, SIGTERM).ok());
  ASSERT_TRUE(cluster_->AwaitExit(node, 30).ok());
  ASSERT_TRUE(Eventually(30, [&] {
    int leader = LeaderOf(kTopic, 0);
    return leader > 0 && leader != 2;
  }));
  EXPECT_EQ(Missing(load.Acknowledged(), Values(kTopic)), 0u);
}

}  // namespace
}  // namespace sillok::cluster_test
