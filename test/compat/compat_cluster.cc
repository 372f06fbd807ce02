#include "test/compat/compat_cluster.h"

#include <librdkafka/rdkafka.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "fmt/format.h"
#include "tools/dev_cluster.h"

namespace sillok::compat_test {
namespace {

constexpr int kBrokers = 3;

// The cluster of this process: ours, or the one outside that was named.
std::optional<tools::DevCluster> own_cluster;
std::string bootstrap;

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

tools::DevNode Broker(int id) {
  return *own_cluster->FindNode(fmt::format("broker-{}", id));
}

using ClientPtr = std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)>;

ClientPtr NewClient(rd_kafka_type_t type,
                    const std::map<std::string, std::string>& settings = {}) {
  char error[512] = "";
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap.c_str(), nullptr, 0);
  for (const auto& [key, value] : settings) {
    if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), error,
                          sizeof(error)) != RD_KAFKA_CONF_OK) {
      ADD_FAILURE() << error;
    }
  }
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof(error));
  EXPECT_NE(client, nullptr) << error;
  return {client, &rd_kafka_destroy};
}

// Runs `work` with what the broker at `address` (a list: any of them) knows of
// the topic; false if there was no answer.
bool WithMetadata(
    const std::string& address, const std::string& topic,
    const std::function<bool(const rd_kafka_metadata_topic&)>& work) {
  ClientPtr client =
      NewClient(RD_KAFKA_PRODUCER, {{"bootstrap.servers", address}});
  // Only this topic: one that is looked up is not created by that.
  rd_kafka_topic_t* handle =
      rd_kafka_topic_new(client.get(), topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  bool done = rd_kafka_metadata(client.get(), 0, handle, &metadata, 5000) ==
                  RD_KAFKA_RESP_ERR_NO_ERROR &&
              metadata->topic_cnt == 1 && work(metadata->topics[0]);
  if (metadata != nullptr) rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(handle);
  return done;
}

std::map<int, int64_t> EndOffsets(const std::vector<Delivered>& records) {
  std::map<int, int64_t> ends;
  for (const Delivered& record : records) {
    int64_t& end = ends[record.partition];
    end = std::max(end, record.offset + 1);
  }
  return ends;
}

std::map<int, int> Counts(const std::vector<Delivered>& records) {
  std::map<int, int> counts;
  for (const Delivered& record : records) ++counts[record.partition];
  return counts;
}

// How many more of every partition show that it works.
constexpr int kSigns = 10;

// Every partition is acknowledged and read again, counted from now.
void AwaitProgress(const LiveClient& client, int partitions,
                   const std::string& when) {
  std::map<int, int> acked_before = Counts(client.acked());
  std::map<int, int64_t> read_before = EndOffsets(client.followed());
  std::string behind;
  bool well = Eventually(60, [&] {
    std::map<int, int> acked = Counts(client.acked());
    std::map<int, int64_t> read = EndOffsets(client.followed());
    behind.clear();
    for (int p = 0; p < partitions; ++p) {
      if (acked[p] < acked_before[p] + kSigns) {
        behind += fmt::format(" {} is not acknowledged ({} then, {} now)", p,
                              acked_before[p], acked[p]);
      }
      if (read[p] < read_before[p] + kSigns) {
        behind += fmt::format(" {} is not read ({} then, {} now)", p,
                              read_before[p], read[p]);
      }
    }
    return behind.empty();
  });
  ASSERT_TRUE(well) << when << ": partition" << behind << client.tail();
}

}  // namespace

bool Eventually(int seconds, const std::function<bool()>& done) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return true;
}

void CompatTest::SetUpTestSuite() {
  bootstrap = Environment("SILLOK_COMPAT_BOOTSTRAP");
  if (!bootstrap.empty()) return;
  tools::DevClusterSpec spec;
  spec.dir = testing::TempDir() + "/cluster";
  spec.base_port = 0;
  spec.coordinators = 1;  // what dies here are brokers
  spec.brokers = kBrokers;
  std::filesystem::remove_all(spec.dir);
  auto made = tools::DevCluster::Create(spec);
  ASSERT_TRUE(made.ok()) << made.status();
  own_cluster.emplace(*std::move(made));
  absl::Status up = own_cluster->Up([](const std::string&) {});
  ASSERT_TRUE(up.ok()) << up;
  bootstrap = own_cluster->KafkaAddresses();
}

void CompatTest::TearDownTestSuite() {
  if (!own_cluster.has_value()) return;
  for (const tools::DevNode& node : own_cluster->nodes()) {
    if (own_cluster->Pid(node).has_value()) {
      (void)own_cluster->SignalNode(node, SIGKILL);
    }
  }
  for (const tools::DevNode& node : own_cluster->nodes()) {
    EXPECT_TRUE(own_cluster->AwaitExit(node, 10).ok());
  }
  if (testing::UnitTest::GetInstance()->Passed()) {
    std::filesystem::remove_all(own_cluster->dir());
  }
  own_cluster.reset();
}

void CompatTest::SetUp() { ASSERT_FALSE(bootstrap.empty()); }

void CompatTest::TearDown() {
  if (!own_cluster.has_value()) return;
  for (const tools::DevNode& node : own_cluster->nodes()) {
    if (!own_cluster->Pid(node).has_value()) StartBroker(node.id);
  }
}

std::string CompatTest::Bootstrap() { return bootstrap; }

std::string CompatTest::TempPath(const std::string& name) {
  return testing::TempDir() + "/" + name;
}

void CompatTest::CreateTopic(
    const std::string& name, int partitions,
    const std::map<std::string, std::string>& configs) {
  ClientPtr client = NewClient(RD_KAFKA_PRODUCER);
  char error[512] = "";
  rd_kafka_NewTopic_t* topic =
      rd_kafka_NewTopic_new(name.c_str(), partitions, kBrokers, error,
                            sizeof(error));
  ASSERT_NE(topic, nullptr) << error;
  for (const auto& [key, value] : configs) {
    rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
  }
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client.get());
  rd_kafka_CreateTopics(client.get(), &topic, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 20'000);
  rd_kafka_NewTopic_destroy(topic);
  std::string said = "no answer in 20 s";
  if (event != nullptr) {
    said = rd_kafka_event_error_string(event);
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      size_t count = 0;
      const rd_kafka_topic_result_t** results =
          rd_kafka_CreateTopics_result_topics(
              rd_kafka_event_CreateTopics_result(event), &count);
      said = count == 1 && rd_kafka_topic_result_error(results[0]) ==
                               RD_KAFKA_RESP_ERR_NO_ERROR
                 ? ""
                 : rd_kafka_err2str(rd_kafka_topic_result_error(results[0]));
    }
    rd_kafka_event_destroy(event);
  }
  rd_kafka_queue_destroy(queue);
  ASSERT_EQ(said, "") << "creating " << name;
  ASSERT_TRUE(Eventually(20, [&] { return FullyReplicated(name); })) << name;
}

void CompatTest::KillBroker(int id) {
  if (!own_cluster.has_value()) {
    std::string command = Environment("SILLOK_COMPAT_KILL");
    ASSERT_NE(command, "") << "SILLOK_COMPAT_KILL says how to kill a broker";
    ASSERT_EQ(std::system(fmt::format("{} {}", command, id).c_str()), 0);
    return;
  }
  ASSERT_TRUE(own_cluster->SignalNode(Broker(id), SIGKILL).ok());
  ASSERT_TRUE(own_cluster->AwaitExit(Broker(id), 10).ok());
}

void CompatTest::StartBroker(int id) {
  if (!own_cluster.has_value()) {
    std::string command = Environment("SILLOK_COMPAT_START");
    ASSERT_NE(command, "") << "SILLOK_COMPAT_START says how to start a broker";
    ASSERT_EQ(std::system(fmt::format("{} {}", command, id).c_str()), 0);
    return;
  }
  ASSERT_TRUE(own_cluster->StartNode(Broker(id)).ok());
  absl::Status well = own_cluster->AwaitHealthy(Broker(id), 60);
  ASSERT_TRUE(well.ok()) << well;
}

int CompatTest::Coordinator(const std::string& group) {
  ClientPtr client = NewClient(RD_KAFKA_PRODUCER);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client.get());
  const char* groups[] = {group.c_str()};
  rd_kafka_DescribeConsumerGroups(client.get(), groups, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 20'000);
  int broker = -1;
  if (event != nullptr &&
      rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    size_t count = 0;
    const rd_kafka_ConsumerGroupDescription_t** descriptions =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(event), &count);
    const rd_kafka_Node_t* node =
        count == 1
            ? rd_kafka_ConsumerGroupDescription_coordinator(descriptions[0])
            : nullptr;
    if (node != nullptr) broker = rd_kafka_Node_id(node);
  }
  if (event != nullptr) rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  return broker;
}

bool CompatTest::FullyReplicated(const std::string& topic) {
  auto replicated = [](const rd_kafka_metadata_topic& found) {
    if (found.partition_cnt == 0) return false;
    for (int i = 0; i < found.partition_cnt; ++i) {
      if (found.partitions[i].leader < 0 ||
          found.partitions[i].isr_cnt != kBrokers) {
        return false;
      }
    }
    return true;
  };
  // One broker hears of it later than another.
  std::stringstream addresses(bootstrap);
  for (std::string address; std::getline(addresses, address, ',');) {
    if (!WithMetadata(address, topic, replicated)) return false;
  }
  return true;
}

std::vector<Delivered> CompatTest::ReadWhole(const std::string& topic) {
  ClientPtr client = NewClient(RD_KAFKA_CONSUMER,
                               {{"group.id", "reads-whole-logs"},
                                {"enable.auto.commit", "false"},
                                {"enable.partition.eof", "true"},
                                {"check.crcs", "true"},
                                {"auto.offset.reset", "earliest"}});
  rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(3);
  auto add_all = [&](const rd_kafka_metadata_topic& found) {
    for (int i = 0; i < found.partition_cnt; ++i) {
      rd_kafka_topic_partition_list_add(all, topic.c_str(),
                                        found.partitions[i].id)
          ->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    return true;
  };
  EXPECT_TRUE(WithMetadata(bootstrap, topic, add_all));
  rd_kafka_assign(client.get(), all);
  std::set<int> ended;
  std::vector<Delivered> records;
  Eventually(60, [&] {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client.get(), 100);
    while (message != nullptr) {
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        ended.insert(message->partition);
      } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        records.push_back({topic, message->partition, message->offset,
                           std::string(static_cast<char*>(message->payload),
                                       message->len)});
      }
      rd_kafka_message_destroy(message);
      message = rd_kafka_consumer_poll(client.get(), 0);
    }
    return static_cast<int>(ended.size()) == all->cnt;
  });
  EXPECT_EQ(static_cast<int>(ended.size()), all->cnt)
      << "the end of " << topic << " was not reached";
  rd_kafka_topic_partition_list_destroy(all);
  rd_kafka_consumer_close(client.get());
  return records;
}

void CompatTest::KillAndRestartUnder(const LiveClient& client,
                                     int partitions) {
  AwaitProgress(client, partitions, "before anything was killed");
  if (HasFatalFailure()) return;
  int victim = Coordinator(client.group);
  ASSERT_GE(victim, 0) << "nobody coordinates " << client.group;
  KillBroker(victim);
  AwaitProgress(client, partitions, fmt::format("without broker {}", victim));
  if (HasFatalFailure()) return;
  StartBroker(victim);
  ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(client.topic); }))
      << "broker " << victim << " does not come into the ISR again";
  AwaitProgress(client, partitions,
                fmt::format("with broker {} again", victim));
}

void ProgramTest::ProduceAndFollowThroughAKill(const std::string& program,
                                               const std::string& topic,
                                               DeliveryRules rules) {
  constexpr int kPartitions = 3;
  CreateTopic(topic, kPartitions);
  if (HasFatalFailure()) return;
  std::string group = topic + "-followers";
  std::string stop_producing = TempPath(topic + ".stop-producing");
  std::string stop_following = TempPath(topic + ".stop-following");
  ClientProgram follower(
      topic + "-follower", fmt::format("exec {} follow {} {} {} {}", program,
                                       Bootstrap(), topic, group,
                                       stop_following));
  ClientProgram producer(topic + "-producer",
                         fmt::format("exec {} produce {} {} {}", program,
                                     Bootstrap(), topic, stop_producing));
  auto acked = [&] { return ReadDeliveries(producer.out_path()); };
  auto followed = [&] { return ReadDeliveries(follower.out_path()); };
  KillAndRestartUnder(
      {topic, group, acked, followed,
       [&] {
         return "\nproducer:" + producer.Tail() + "\nfollower:" +
                follower.Tail();
       }},
      kPartitions);
  if (HasFatalFailure()) return;

  std::ofstream(stop_producing) << "";
  ASSERT_EQ(producer.Wait(60), std::optional<int>(0)) << producer.Tail();
  std::vector<Delivered> all = acked();
  std::vector<std::string> missing;
  Eventually(60, [&] {
    missing = CheckDelivery(all, followed(), {false, false});
    return missing.empty();
  });
  EXPECT_EQ(missing, std::vector<std::string>()) << "of the group's reading";
  std::ofstream(stop_following) << "";
  EXPECT_EQ(follower.Wait(30), std::optional<int>(0)) << follower.Tail();
  EXPECT_EQ(CheckDelivery(all, ReadWhole(topic), rules),
            std::vector<std::string>());
}

}  // namespace sillok::compat_test
