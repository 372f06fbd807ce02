#include "test/cluster/cluster_fixture.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "base/clock.h"
#include "base/rpc/channel.h"
#include "fmt/format.h"
#include "proto/coordinator.grpc.pb.h"

namespace sillok::cluster_test {
namespace {

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

int64_t NowMs() { return Clock::Real().MonotonicMs(); }

}  // namespace

bool Eventually(int seconds, const std::function<bool()>& done) {
  int64_t end = NowMs() + seconds * 1000;
  while (!done()) {
    if (NowMs() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

void ClusterTest::StartCluster(tools::DevClusterSpec spec,
                               const std::function<void()>& before_start) {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  spec.dir = testing::TempDir() + "/" + info->name();
  // Of a parametrized test: Name/Byte4.
  std::replace(spec.dir.end() - static_cast<ptrdiff_t>(
                   std::string(info->name()).size()),
               spec.dir.end(), '/', '-');
  spec.base_port = 0;
  std::filesystem::remove_all(spec.dir);
  auto made = tools::DevCluster::Create(spec);
  ASSERT_TRUE(made.ok()) << made.status();
  cluster_.emplace(*std::move(made));
  if (before_start) before_start();
  absl::Status up = cluster_->Up([](const std::string&) {});
  ASSERT_TRUE(up.ok()) << up;
}

void ClusterTest::TearDown() {
  if (!cluster_.has_value()) return;
  // Whatever the test did to them, nothing stays behind.
  for (const tools::DevNode& node : cluster_->nodes()) {
    if (cluster_->Pid(node).has_value()) {
      (void)cluster_->SignalNode(node, SIGKILL);
    }
  }
  for (const tools::DevNode& node : cluster_->nodes()) {
    EXPECT_TRUE(cluster_->AwaitExit(node, 10).ok());
  }
  if (!HasFailure()) std::filesystem::remove_all(cluster_->dir());
}

void ClusterTest::Kill(const std::string& name) {
  ASSERT_TRUE(cluster_->SignalNode(Node(name), SIGKILL).ok());
  ASSERT_TRUE(cluster_->AwaitExit(Node(name), 10).ok());
}

void ClusterTest::StartAgain(const std::string& name) {
  ASSERT_TRUE(cluster_->StartNode(Node(name)).ok());
  absl::Status well = cluster_->AwaitHealthy(Node(name), 60);
  ASSERT_TRUE(well.ok()) << well;
}

std::string ClusterTest::CoordinatorLeader() {
  for (const tools::DevNode& node : cluster_->nodes()) {
    if (node.kind != tools::DevNode::Kind::kCoordinator ||
        !cluster_->Pid(node).has_value()) {
      continue;
    }
    auto stub =
        v1::Coordinator::NewStub(rpc::NewChannel(node.grpc_address()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(2));
    v1::MemberStatusResponse status;
    if (stub->MemberStatus(&context, {}, &status).ok() &&
        status.role() == "leading") {
      return node.name();
    }
  }
  return "";
}

std::unique_ptr<client::Admin> ClusterTest::NewAdmin() {
  client::AdminConfig config;
  config.bootstrap_servers = Split(cluster_->BrokerAddresses());
  config.default_api_timeout_ms = 20'000;
  return *client::Admin::Create(config);
}

client::ProducerConfig ClusterTest::ProducerConfig() {
  client::ProducerConfig config;
  config.bootstrap_servers = Split(cluster_->BrokerAddresses());
  return config;
}

client::ConsumerConfig ClusterTest::ConsumerConfig(const std::string& group) {
  client::ConsumerConfig config;
  config.bootstrap_servers = Split(cluster_->BrokerAddresses());
  config.group_id = group;
  config.auto_offset_reset = client::OffsetReset::kEarliest;
  config.session_timeout_ms = 10'000;
  config.heartbeat_interval_ms = 500;
  return config;
}

void ClusterTest::CreateTopic(const std::string& name, int partitions,
                              int replicas,
                              std::map<std::string, std::string> configs) {
  client::TopicSpec spec;
  spec.name = name;
  spec.partitions = partitions;
  spec.replication_factor = replicas;
  spec.configs = std::move(configs);
  auto made = NewAdmin()->CreateTopics({spec});
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_TRUE((*made)[0].status.ok()) << (*made)[0].status;
}

int ClusterTest::LeaderOf(const std::string& topic, int partition) {
  auto topics = NewAdmin()->DescribeTopics({topic});
  if (!topics.ok() || !(*topics)[0].status.ok()) return -1;
  for (const client::PartitionInfo& info : (*topics)[0].partitions) {
    if (info.partition == partition) return info.leader;
  }
  return -1;
}

bool ClusterTest::FullyReplicated(const std::string& topic) {
  auto topics = NewAdmin()->DescribeTopics({topic});
  if (!topics.ok() || !(*topics)[0].status.ok()) return false;
  for (const client::PartitionInfo& info : (*topics)[0].partitions) {
    if (info.leader < 0 || info.isr.size() != info.replicas.size()) {
      return false;
    }
  }
  return true;
}

std::vector<std::pair<std::string, std::string>> ClusterTest::ReadAll(
    const std::string& topic) {
  std::vector<std::pair<std::string, std::string>> all;
  client::ConsumerConfig config = ConsumerConfig("");
  config.max_poll_records = 10'000;
  auto consumer = *client::Consumer::Create(config);
  auto partitions = consumer->Partitions(topic);
  EXPECT_TRUE(partitions.ok()) << partitions.status();
  if (!partitions.ok()) return all;
  std::map<int32_t, int64_t> read;
  std::vector<TopicPartition> assigned;
  std::map<TopicPartition, int64_t> ends;
  for (int32_t partition : *partitions) {
    assigned.push_back({topic, partition});
    ends[{topic, partition}] = client::kLatestTimestamp;
  }
  auto end_offsets = consumer->OffsetsForTimes(ends);
  for (auto& [partition, time] : ends) time = client::kEarliestTimestamp;
  auto start_offsets = consumer->OffsetsForTimes(ends);
  EXPECT_TRUE(start_offsets.ok()) << start_offsets.status();
  EXPECT_TRUE(end_offsets.ok()) << end_offsets.status();
  EXPECT_TRUE(consumer->Assign(assigned).ok());
  EXPECT_TRUE(consumer->SeekToBeginning(assigned).ok());
  bool whole = end_offsets.ok() && Eventually(60, [&] {
    auto records = consumer->Poll(absl::Milliseconds(200));
    EXPECT_TRUE(records.ok()) << records.status();
    if (!records.ok()) return true;
    for (const client::ConsumerRecord& record : *records) {
      all.emplace_back(record.key.value_or(""), record.value.value_or(""));
      ++read[record.partition];
    }
    for (const TopicPartition& partition : assigned) {
      auto position = consumer->Position(partition);
      if (!position.ok() ||
          *position < end_offsets->at(partition).offset) {
        return false;
      }
    }
    return true;
  });
  for (const TopicPartition& partition : assigned) {
    if (!end_offsets.ok() || !start_offsets.ok()) break;
    // Every record is there: nothing is compacted in these tests.
    EXPECT_GE(read[partition.partition],
              end_offsets->at(partition).offset -
                  start_offsets->at(partition).offset)
        << topic << "-" << partition.partition;
    EXPECT_GE(end_offsets->at(partition).offset, 0);
  }
  EXPECT_TRUE(whole) << "the end of " << topic << " was not reached";
  return all;
}

Load::Load(client::ProducerConfig config, std::string topic, int keys)
    : topic_(std::move(topic)), keys_(keys), last_ack_ms_(NowMs()) {
  config.acks = -1;
  config.max_in_flight = 1;
  config.linger_ms = 2;
  config.delivery_timeout_ms = 60'000;
  config.request_timeout_ms = 5'000;
  producer_ = *client::Producer::Create(config);
  thread_ = std::thread([this] { Run(); });
}

Load::~Load() { Stop(); }

void Load::Run() {
  for (int64_t number = 0; !stopping_; ++number) {
    for (int key = 0; key < keys_; ++key) {
      std::string key_text = std::to_string(key);
      std::string value = fmt::format("{}:{:0100}", key, number);
      client::ProducerRecord record;
      record.topic = topic_;
      record.key = key_text;
      record.value = value;
      (void)producer_->Send(
          record, [this, key, number](const absl::Status& status,
                                      const client::RecordMetadata&) {
            if (!status.ok()) {
              ++failed_;
              std::cerr << "load: " << status << std::endl;
              return;
            }
            ++acknowledged_;
            int64_t now = NowMs();
            std::lock_guard lock(mutex_);
            numbers_[key].insert(number);
            longest_pause_ms_ =
                std::max(longest_pause_ms_, now - last_ack_ms_);
            last_ack_ms_ = now;
          });
    }
    // A steady load, not the most there can be: some 2,000 records a second.
    std::this_thread::sleep_for(std::chrono::milliseconds(keys_ / 2));
  }
}

void Load::Stop() {
  if (stopping_.exchange(true)) return;
  thread_.join();
  absl::Status flushed = producer_->Flush(absl::Seconds(60));
  EXPECT_TRUE(flushed.ok()) << flushed;
  (void)producer_->Close(absl::Seconds(5));
}

std::map<int, std::set<int64_t>> Load::Acknowledged() const {
  std::lock_guard lock(mutex_);
  return numbers_;
}

int64_t Load::TakeLongestPauseMs() {
  std::lock_guard lock(mutex_);
  return std::exchange(longest_pause_ms_, 0);
}

Reader::Reader(client::ConsumerConfig config, std::string topic)
    : topic_(std::move(topic)) {
  config.enable_auto_commit = false;
  consumer_ = *client::Consumer::Create(config);
  thread_ = std::thread([this] { Run(); });
}

Reader::~Reader() { Stop(); }

void Reader::Run() {
  class Listener final : public client::RebalanceListener {
   public:
    explicit Listener(Reader* reader) : reader_(reader) {}
    void OnAssigned(const std::vector<TopicPartition>& partitions) override {
      // A new assignment begins at the committed offsets, which may be earlier.
      std::lock_guard lock(reader_->mutex_);
      for (const auto& p : partitions) reader_->next_offset_.erase(p.partition);
    }

   private:
    Reader* reader_;
  } listener(this);
  (void)consumer_->Subscribe({topic_}, &listener);
  int64_t last_commit = NowMs();
  while (!stopping_) {
    auto records = consumer_->Poll(absl::Milliseconds(100));
    if (!records.ok()) {
      std::lock_guard lock(mutex_);
      violations_.push_back("poll: " + records.status().ToString());
      return;
    }
    for (const client::ConsumerRecord& record : *records) Check(record);
    records_ += records->size();
    if (NowMs() - last_commit < 200) continue;
    last_commit = NowMs();
    client::PartitionOffsets offsets;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [partition, next] : next_offset_) {
        offsets[{topic_, partition}].offset = next;
      }
    }
    if (offsets.empty() || !consumer_->CommitSync(offsets).ok()) continue;
    std::lock_guard lock(mutex_);
    for (const auto& [partition, offset] : offsets) {
      committed_[partition.partition] = offset.offset;
    }
  }
  (void)consumer_->Close(absl::Seconds(5));
}

void Reader::Check(const client::ConsumerRecord& record) {
  std::string value(record.value.value_or(""));
  size_t colon = value.find(':');
  int key = std::stoi(value.substr(0, colon));
  int64_t number = std::stoll(value.substr(colon + 1));
  std::lock_guard lock(mutex_);
  auto violate = [&](const std::string& what) {
    if (violations_.size() < 20) {
      violations_.push_back(fmt::format("{} at partition {} offset {}", what,
                                        record.partition, record.offset));
    }
  };
  auto next = next_offset_.find(record.partition);
  if (next != next_offset_.end() && record.offset != next->second) {
    violate(fmt::format("offset expected {}", next->second));
  }
  next_offset_[record.partition] = record.offset + 1;
  auto [known, fresh] =
      by_offset_.try_emplace({record.partition, record.offset}, value);
  if (!fresh && known->second != value) {
    violate("the record changed: first " + known->second + ", now " + value);
  }
  // A retry may repeat a number, but no number may come for the first time
  // after a later one of its key.
  std::set<int64_t>& numbers = seen_[key];
  if (fresh && !numbers.contains(number) && !numbers.empty() &&
      number < *numbers.rbegin()) {
    violate(fmt::format("key {}: number {} after {}", key, number,
                        *numbers.rbegin()));
  }
  numbers.insert(number);
}

void Reader::Stop() {
  if (stopping_.exchange(true)) return;
  thread_.join();
}

std::map<int, std::set<int64_t>> Reader::Seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}
std::map<int, int64_t> Reader::Committed() const {
  std::lock_guard lock(mutex_);
  return committed_;
}
std::vector<std::string> Reader::Violations() const {
  std::lock_guard lock(mutex_);
  return violations_;
}

}  // namespace sillok::cluster_test
