// librdkafka by its C API: the library below kcat, confluent-kafka and most
// clients that are not Java.

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "test/compat/compat_cluster.h"

namespace sillok::compat_test {
namespace {

using Settings = std::map<std::string, std::string>;
using Offsets = std::map<int, int64_t>;  // by partition

constexpr int kAdminTimeoutMs = 30'000;

struct Destroy {
  void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
  void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
  void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
  void operator()(rd_kafka_message_t* p) const { rd_kafka_message_destroy(p); }
  void operator()(rd_kafka_topic_partition_list_t* p) const {
    rd_kafka_topic_partition_list_destroy(p);
  }
};
template <typename T>
using Owned = std::unique_ptr<T, Destroy>;

std::string Text(const void* data, size_t size) {
  return data == nullptr ? "(null)"
                         : std::string(static_cast<const char*>(data), size);
}

Owned<rd_kafka_topic_partition_list_t> Partitions(const std::string& topic,
                                                  const Offsets& offsets) {
  Owned<rd_kafka_topic_partition_list_t> list(
      rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (auto [partition, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)
        ->offset = offset;
  }
  return list;
}

// Partition -> offset; a partition with an error of its own fails the test.
Offsets OffsetsOf(const rd_kafka_topic_partition_list_t* list) {
  Offsets offsets;
  for (int i = 0; i < list->cnt; ++i) {
    EXPECT_EQ(list->elems[i].err, RD_KAFKA_RESP_ERR_NO_ERROR)
        << rd_kafka_err2str(list->elems[i].err);
    offsets[list->elems[i].partition] = list->elems[i].offset;
  }
  return offsets;
}

// A producer, and what the delivery reports said. The reports come on the
// thread that polls.
class Producer {
 public:
  Producer(const std::string& bootstrap, const Settings& settings) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    Settings all = settings;
    all["bootstrap.servers"] = bootstrap;
    char error[512];
    for (const auto& [key, value] : all) {
      EXPECT_EQ(rd_kafka_conf_set(conf, key.c_str(), value.c_str(), error,
                                  sizeof(error)),
                RD_KAFKA_CONF_OK)
          << error;
    }
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, &Producer::Report);
    client_.reset(
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error)));
    EXPECT_NE(client_, nullptr) << error;
  }

  void Send(const std::string& topic, int partition, const std::string& value,
            const std::string& key = "") {
    for (;;) {
      rd_kafka_resp_err_t error = rd_kafka_producev(
          client_.get(), RD_KAFKA_V_TOPIC(topic.c_str()),
          RD_KAFKA_V_PARTITION(partition),
          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
          RD_KAFKA_V_KEY(key.empty() ? nullptr : key.data(), key.size()),
          RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
          RD_KAFKA_V_END);
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        EXPECT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR)
            << rd_kafka_err2str(error);
        return;
      }
      rd_kafka_poll(client_.get(), 100);
    }
  }
  void Poll(int timeout_ms) { rd_kafka_poll(client_.get(), timeout_ms); }
  // Every record has been answered.
  void Flush() {
    EXPECT_EQ(rd_kafka_flush(client_.get(), 60'000),
              RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  std::vector<Delivered> acked() const {
    std::lock_guard lock(mutex_);
    return acked_;
  }
  std::vector<std::string> failures() const {
    std::lock_guard lock(mutex_);
    return failures_;
  }
  rd_kafka_t* client() { return client_.get(); }

 private:
  static void Report(rd_kafka_t*, const rd_kafka_message_t* message,
                     void* opaque) {
    auto* self = static_cast<Producer*>(opaque);
    std::lock_guard lock(self->mutex_);
    std::string value = Text(message->payload, message->len);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      self->failures_.push_back(value + ": " + rd_kafka_err2str(message->err));
      return;
    }
    self->acked_.push_back({rd_kafka_topic_name(message->rkt),
                            message->partition, message->offset, value});
  }

  Owned<rd_kafka_t> client_;
  mutable std::mutex mutex_;
  std::vector<Delivered> acked_;
  std::vector<std::string> failures_;
};

class Consumer {
 public:
  Consumer(const std::string& bootstrap, const std::string& group,
           const Settings& settings = {}) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    Settings all = {{"bootstrap.servers", bootstrap},
                    {"group.id", group},
                    {"auto.offset.reset", "earliest"},
                    {"enable.auto.commit", "false"},
                    {"session.timeout.ms", "6000"},
                    {"heartbeat.interval.ms", "500"},
                    // A broker may hear of a new topic later than another.
                    {"topic.metadata.refresh.interval.ms", "1000"}};
    for (const auto& [key, value] : settings) all[key] = value;
    char error[512];
    for (const auto& [key, value] : all) {
      EXPECT_EQ(rd_kafka_conf_set(conf, key.c_str(), value.c_str(), error,
                                  sizeof(error)),
                RD_KAFKA_CONF_OK)
          << error;
    }
    client_.reset(
        rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error)));
    EXPECT_NE(client_, nullptr) << error;
    rd_kafka_poll_set_consumer(client_.get());
  }
  ~Consumer() { Close(); }

  void Subscribe(const std::string& topic) {
    auto list = Partitions(topic, {{RD_KAFKA_PARTITION_UA, 0}});
    EXPECT_EQ(rd_kafka_subscribe(client_.get(), list.get()),
              RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void Assign(const std::string& topic, const Offsets& from) {
    rd_kafka_assign(client_.get(), Partitions(topic, from).get());
  }
  // The next record; null when none came or it was an event.
  Owned<rd_kafka_message_t> Poll(int timeout_ms = 100) {
    Owned<rd_kafka_message_t> message(
        rd_kafka_consumer_poll(client_.get(), timeout_ms));
    if (message != nullptr && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      message.reset();
    }
    return message;
  }
  std::set<int> Assignment() {
    rd_kafka_topic_partition_list_t* list = nullptr;
    std::set<int> partitions;
    if (rd_kafka_assignment(client_.get(), &list) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
      return partitions;
    }
    Owned<rd_kafka_topic_partition_list_t> owned(list);
    for (int i = 0; i < list->cnt; ++i) {
      partitions.insert(list->elems[i].partition);
    }
    return partitions;
  }
  void Commit(const std::string& topic, const Offsets& offsets) {
    auto list = Partitions(topic, offsets);
    rd_kafka_resp_err_t error = rd_kafka_commit(client_.get(), list.get(), 0);
    EXPECT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_err2str(error);
  }
  Offsets Committed(const std::string& topic, const Offsets& partitions) {
    auto list = Partitions(topic, partitions);
    rd_kafka_resp_err_t error =
        rd_kafka_committed(client_.get(), list.get(), 20'000);
    EXPECT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_err2str(error);
    return OffsetsOf(list.get());
  }
  std::string MemberId() {
    char* id = rd_kafka_memberid(client_.get());
    std::string copy = id == nullptr ? "" : id;
    if (id != nullptr) rd_kafka_mem_free(client_.get(), id);
    return copy;
  }
  // Leaves the group, unless it is a static member.
  void Close() {
    if (client_ != nullptr) rd_kafka_consumer_close(client_.get());
    client_.reset();
  }
  rd_kafka_t* client() { return client_.get(); }

 private:
  Owned<rd_kafka_t> client_;
};

class LibrdkafkaTest : public CompatTest {
 protected:
  // Sends an admin request and waits; an error of the whole request fails.
  static Owned<rd_kafka_event_t> Ask(
      const std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>& request) {
    static Producer* client = new Producer(Bootstrap(), {});
    Owned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client->client()));
    request(client->client(), queue.get());
    Owned<rd_kafka_event_t> event(
        rd_kafka_queue_poll(queue.get(), kAdminTimeoutMs));
    EXPECT_NE(event, nullptr) << "no answer";
    if (event != nullptr) {
      EXPECT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR)
          << rd_kafka_event_error_string(event.get());
    }
    return event;
  }
  static Offsets CommittedOf(const std::string& group);
  // Of partitions 1 and up; none while there are not `partitions`.
  static std::vector<int> Leaders(const std::string& topic, int partitions);
};

std::vector<int> LibrdkafkaTest::Leaders(const std::string& topic,
                                         int partitions) {
  Producer producer(Bootstrap(), {});
  rd_kafka_topic_t* handle =
      rd_kafka_topic_new(producer.client(), topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  std::vector<int> leaders;
  if (rd_kafka_metadata(producer.client(), 0, handle, &metadata, 5000) ==
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    const rd_kafka_metadata_topic& found = metadata->topics[0];
    for (int i = 1; i < found.partition_cnt; ++i) {
      if (found.partition_cnt == partitions) {
        leaders.push_back(found.partitions[i].leader);
      }
    }
    rd_kafka_metadata_destroy(metadata);
  }
  rd_kafka_topic_destroy(handle);
  return leaders;
}

TEST_F(LibrdkafkaTest, KeysValuesHeadersAndTimestampsComeBack) {
  CreateTopic("rd-records", 1);
  Producer producer(Bootstrap(), {});
  ASSERT_EQ(rd_kafka_producev(
                producer.client(), RD_KAFKA_V_TOPIC("rd-records"),
                RD_KAFKA_V_KEY("k", 1),
                RD_KAFKA_V_VALUE(const_cast<char*>("v"), 1),
                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                RD_KAFKA_V_TIMESTAMP(1'700'000'000'123),
                RD_KAFKA_V_HEADER("a", "1", 1), RD_KAFKA_V_HEADER("a", "2", 1),
                RD_KAFKA_V_HEADER("null", nullptr, 0), RD_KAFKA_V_END),
            RD_KAFKA_RESP_ERR_NO_ERROR);
  producer.Send("rd-records", 0, "no key");
  producer.Flush();
  EXPECT_EQ(producer.failures(), std::vector<std::string>());

  Consumer consumer(Bootstrap(), "rd-records-reader");
  consumer.Assign("rd-records", {{0, 0}});
  Owned<rd_kafka_message_t> first;
  ASSERT_TRUE(Eventually(
      20, [&] { return (first = consumer.Poll()) != nullptr; }));
  EXPECT_EQ(Text(first->key, first->key_len), "k");
  EXPECT_EQ(Text(first->payload, first->len), "v");
  EXPECT_EQ(first->offset, 0);
  rd_kafka_timestamp_type_t kind;
  EXPECT_EQ(rd_kafka_message_timestamp(first.get(), &kind),
            1'700'000'000'123);
  EXPECT_EQ(kind, RD_KAFKA_TIMESTAMP_CREATE_TIME);
  rd_kafka_headers_t* headers = nullptr;
  ASSERT_EQ(rd_kafka_message_headers(first.get(), &headers),
            RD_KAFKA_RESP_ERR_NO_ERROR);
  std::vector<std::string> seen;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value,
                                             &size) ==
                     RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    seen.push_back(std::string(name) + "=" + Text(value, size));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a=1", "a=2", "null=(null)"}));
}

TEST_F(LibrdkafkaTest, IdempotenceWritesManySmallBatchesOnceAndInOrder) {
  CreateTopic("rd-idempotent", 2);
  Producer producer(Bootstrap(), {{"enable.idempotence", "true"},
                                  {"linger.ms", "1"},
                                  {"batch.num.messages", "7"},
                                  {"compression.type", "snappy"}});
  for (int i = 0; i < 4000; ++i) {
    producer.Send("rd-idempotent", i % 2, fmt::format("rd-{:06}", i));
    if (i % 100 == 0) producer.Poll(0);
  }
  producer.Flush();
  EXPECT_EQ(producer.failures(), std::vector<std::string>());
  EXPECT_EQ(producer.acked().size(), 4000u);
  EXPECT_EQ(CheckDelivery(producer.acked(), ReadWhole("rd-idempotent"),
                          {.once_and_in_order = true}),
            std::vector<std::string>());
}

TEST_F(LibrdkafkaTest, ARecordAboveTheTopicsLimitIsRefusedByItself) {
  CreateTopic("rd-too-large", 1, {{"max.message.bytes", "1000"}});
  Producer producer(Bootstrap(), {});
  producer.Send("rd-too-large", 0, std::string(5000, 'x'));
  producer.Flush();
  producer.Send("rd-too-large", 0, "small");
  producer.Flush();
  ASSERT_EQ(producer.failures().size(), 1u);
  EXPECT_NE(producer.failures()[0].find("Message size too large"),
            std::string::npos)
      << producer.failures()[0].substr(4990);
  EXPECT_EQ(producer.acked().size(), 1u);
}

// What members of a group live through, by the assignor's way.
class LibrdkafkaGroupTest : public LibrdkafkaTest,
                            public testing::WithParamInterface<const char*> {};

TEST_P(LibrdkafkaGroupTest, MembersShareCommitLeaveAndGoOn) {
  std::string topic = std::string("rd-group-") + GetParam();
  std::string group = topic + "-members";
  CreateTopic(topic, 4);
  Producer producer(Bootstrap(), {});
  for (int i = 0; i < 40; ++i) {
    producer.Send(topic, i % 4, fmt::format("rd-{:06}", i));
  }
  producer.Flush();
  Settings settings = {{"partition.assignment.strategy", GetParam()}};
  Consumer one(Bootstrap(), group, settings);
  Consumer two(Bootstrap(), group, settings);
  std::set<std::pair<int, int64_t>> seen;
  auto poll = [&](Consumer& consumer) {
    while (auto message = consumer.Poll(20)) {
      seen.emplace(message->partition, message->offset);
    }
    return consumer.Assignment().size();
  };
  one.Subscribe(topic);
  ASSERT_TRUE(Eventually(40, [&] { return poll(one) == 4; }));
  two.Subscribe(topic);
  ASSERT_TRUE(Eventually(40, [&] {
    size_t first = poll(one);
    return poll(two) == 2 && first == 2;
  }));
  ASSERT_TRUE(Eventually(20, [&] {
    poll(one);
    poll(two);
    return seen.size() == 40;
  }));
  Offsets ends;
  for (int partition : one.Assignment()) ends[partition] = 10;
  one.Commit(topic, ends);
  two.Close();
  ASSERT_TRUE(Eventually(40, [&] { return poll(one) == 4; }));
  one.Commit(topic, {{0, 10}, {1, 10}, {2, 10}, {3, 10}});
  one.Close();

  producer.Send(topic, 3, "after");
  producer.Flush();
  Consumer three(Bootstrap(), group, settings);
  three.Subscribe(topic);
  Owned<rd_kafka_message_t> message;
  ASSERT_TRUE(Eventually(
      40, [&] { return (message = three.Poll()) != nullptr; }));
  EXPECT_EQ(Text(message->payload, message->len), "after");
  EXPECT_EQ(three.Committed(topic, {{0, 0}, {3, 0}}),
            (Offsets{{0, 10}, {3, 10}}));
}

INSTANTIATE_TEST_SUITE_P(Assignors, LibrdkafkaGroupTest,
                         testing::Values("range", "roundrobin",
                                         "cooperative-sticky"),
                         [](const auto& info) {
                           std::string name = info.param;
                           name.erase(std::remove(name.begin(), name.end(),
                                                  '-'),
                                      name.end());
                           return name;
                         });

TEST_F(LibrdkafkaTest, AStaticMemberComesBackWithoutARebalance) {
  CreateTopic("rd-static", 2);
  auto settings = [](const char* instance) {
    return Settings{{"group.instance.id", instance},
                    {"session.timeout.ms", "30000"}};
  };
  auto one = std::make_unique<Consumer>(Bootstrap(), "rd-static-group",
                                        settings("one"));
  Consumer two(Bootstrap(), "rd-static-group", settings("two"));
  one->Subscribe("rd-static");
  two.Subscribe("rd-static");
  ASSERT_TRUE(Eventually(60, [&] {
    one->Poll(20);
    two.Poll(20);
    return one->Assignment().size() == 1 && two.Assignment().size() == 1;
  }));
  std::set<int> ones = one->Assignment();
  std::string member = two.MemberId();
  one.reset();  // a static member does not leave
  one = std::make_unique<Consumer>(Bootstrap(), "rd-static-group",
                                   settings("one"));
  one->Subscribe("rd-static");
  ASSERT_TRUE(Eventually(20, [&] {
    one->Poll(20);
    two.Poll(20);
    EXPECT_EQ(two.Assignment().size(), 1u) << "two was rebalanced";
    return one->Assignment() == ones;
  }));
  EXPECT_EQ(two.MemberId(), member);
}

TEST_F(LibrdkafkaTest, TopicsAreGrownEmptiedAndDeleted) {
  CreateTopic("rd-admin", 1);
  Producer producer(Bootstrap(), {});
  for (int i = 0; i < 10; ++i) producer.Send("rd-admin", 0, "x");
  producer.Flush();

  Ask([](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    auto before = Partitions("rd-admin", {{0, 4}});
    rd_kafka_DeleteRecords_t* records = rd_kafka_DeleteRecords_new(
        before.get());
    rd_kafka_DeleteRecords(client, &records, 1, nullptr, queue);
    rd_kafka_DeleteRecords_destroy(records);
  });
  int64_t low = -1, high = -1;
  EXPECT_EQ(rd_kafka_query_watermark_offsets(producer.client(), "rd-admin", 0,
                                             &low, &high, 20'000),
            RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(low, 4);
  EXPECT_EQ(high, 10);

  auto grown = Ask([](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    char error[256];
    rd_kafka_NewPartitions_t* more =
        rd_kafka_NewPartitions_new("rd-admin", 3, error, sizeof(error));
    int32_t second[] = {3, 1, 2}, third[] = {2, 3, 1};
    rd_kafka_NewPartitions_set_replica_assignment(more, 0, second, 3, error,
                                                  sizeof(error));
    rd_kafka_NewPartitions_set_replica_assignment(more, 1, third, 3, error,
                                                  sizeof(error));
    rd_kafka_CreatePartitions(client, &more, 1, nullptr, queue);
    rd_kafka_NewPartitions_destroy(more);
  });
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreatePartitions_result_topics(
          rd_kafka_event_CreatePartitions_result(grown.get()), &count);
  ASSERT_EQ(count, 1u);
  EXPECT_EQ(rd_kafka_topic_result_error(results[0]),
            RD_KAFKA_RESP_ERR_NO_ERROR)
      << rd_kafka_topic_result_error_string(results[0]);
  EXPECT_TRUE(Eventually(20, [&] {
    return Leaders("rd-admin", 3) == (std::vector<int>{3, 2});
  })) << "the new partitions lead where they were told";

  auto deleted = Ask([](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_DeleteTopic_t* topics[] = {rd_kafka_DeleteTopic_new("rd-admin"),
                                        rd_kafka_DeleteTopic_new("rd-none")};
    rd_kafka_DeleteTopics(client, topics, 2, nullptr, queue);
    rd_kafka_DeleteTopic_destroy_array(topics, 2);
  });
  results = rd_kafka_DeleteTopics_result_topics(
      rd_kafka_event_DeleteTopics_result(deleted.get()), &count);
  ASSERT_EQ(count, 2u);
  for (size_t i = 0; i < count; ++i) {
    EXPECT_EQ(rd_kafka_topic_result_error(results[i]),
              rd_kafka_topic_result_name(results[i]) == std::string("rd-none")
                  ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                  : RD_KAFKA_RESP_ERR_NO_ERROR)
        << rd_kafka_topic_result_name(results[i]);
  }
}

TEST_F(LibrdkafkaTest, ConfigsTellTheirValueAndWhereItIsFrom) {
  CreateTopic("rd-configs", 1, {{"retention.ms", "3600000"}});
  auto event = Ask([](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_ConfigResource_t* topic =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, "rd-configs");
    rd_kafka_DescribeConfigs(client, &topic, 1, nullptr, queue);
    rd_kafka_ConfigResource_destroy(topic);
  });
  size_t count = 0;
  const rd_kafka_ConfigResource_t** resources =
      rd_kafka_DescribeConfigs_result_resources(
          rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  ASSERT_EQ(count, 1u);
  ASSERT_EQ(rd_kafka_ConfigResource_error(resources[0]),
            RD_KAFKA_RESP_ERR_NO_ERROR)
      << rd_kafka_ConfigResource_error_string(resources[0]);
  const rd_kafka_ConfigEntry_t** entries =
      rd_kafka_ConfigResource_configs(resources[0], &count);
  std::map<std::string, std::pair<std::string, rd_kafka_ConfigSource_t>> found;
  for (size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    found[rd_kafka_ConfigEntry_name(entries[i])] = {
        value == nullptr ? "" : value,
        rd_kafka_ConfigEntry_source(entries[i])};
  }
  EXPECT_EQ(found["retention.ms"].first, "3600000");
  EXPECT_EQ(found["retention.ms"].second,
            RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG);
  EXPECT_EQ(found["cleanup.policy"].first, "delete");
  EXPECT_EQ(found["cleanup.policy"].second,
            RD_KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG);
}

Offsets LibrdkafkaTest::CommittedOf(const std::string& group) {
  auto event = Ask([&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_ListConsumerGroupOffsets_t* asked =
        rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), nullptr);
    rd_kafka_ListConsumerGroupOffsets(client, &asked, 1, nullptr, queue);
    rd_kafka_ListConsumerGroupOffsets_destroy(asked);
  });
  size_t count = 0;
  const rd_kafka_group_result_t** results =
      rd_kafka_ListConsumerGroupOffsets_result_groups(
          rd_kafka_event_ListConsumerGroupOffsets_result(event.get()), &count);
  EXPECT_EQ(count, 1u);
  if (count != 1) return {};
  return OffsetsOf(rd_kafka_group_result_partitions(results[0]));
}

TEST_F(LibrdkafkaTest, GroupsAreListedDescribedMovedAndDeleted) {
  CreateTopic("rd-groups", 2);
  Producer producer(Bootstrap(), {});
  for (int i = 0; i < 20; ++i) producer.Send("rd-groups", i % 2, "x");
  producer.Flush();
  const std::string group = "rd-admin-group";
  Consumer member(Bootstrap(), group, {{"client.id", "rd-member"}});
  member.Subscribe("rd-groups");
  ASSERT_TRUE(Eventually(40, [&] {
    member.Poll();
    return member.Assignment().size() == 2;
  }));
  member.Commit("rd-groups", {{0, 5}, {1, 6}});

  auto listed = Ask([](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_ListConsumerGroups(client, nullptr, queue);
  });
  size_t count = 0;
  const rd_kafka_ConsumerGroupListing_t** listings =
      rd_kafka_ListConsumerGroups_result_valid(
          rd_kafka_event_ListConsumerGroups_result(listed.get()), &count);
  bool found = false;
  for (size_t i = 0; i < count; ++i) {
    if (rd_kafka_ConsumerGroupListing_group_id(listings[i]) != group) continue;
    found = true;
    EXPECT_EQ(rd_kafka_ConsumerGroupListing_state(listings[i]),
              RD_KAFKA_CONSUMER_GROUP_STATE_STABLE);
  }
  EXPECT_TRUE(found);

  auto described = Ask([&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    const char* groups[] = {group.c_str()};
    rd_kafka_DescribeConsumerGroups(client, groups, 1, nullptr, queue);
  });
  const rd_kafka_ConsumerGroupDescription_t** descriptions =
      rd_kafka_DescribeConsumerGroups_result_groups(
          rd_kafka_event_DescribeConsumerGroups_result(described.get()),
          &count);
  ASSERT_EQ(count, 1u);
  ASSERT_EQ(rd_kafka_ConsumerGroupDescription_member_count(descriptions[0]),
            1u);
  const rd_kafka_MemberDescription_t* only =
      rd_kafka_ConsumerGroupDescription_member(descriptions[0], 0);
  EXPECT_STREQ(rd_kafka_MemberDescription_client_id(only), "rd-member");
  EXPECT_EQ(rd_kafka_MemberAssignment_partitions(
                rd_kafka_MemberDescription_assignment(only))
                ->cnt,
            2);
  EXPECT_EQ(CommittedOf(group), (Offsets{{0, 5}, {1, 6}}));
  member.Close();

  Ask([&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    auto offsets = Partitions("rd-groups", {{0, 1}, {1, 2}});
    rd_kafka_AlterConsumerGroupOffsets_t* altered =
        rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), offsets.get());
    rd_kafka_AlterConsumerGroupOffsets(client, &altered, 1, nullptr, queue);
    rd_kafka_AlterConsumerGroupOffsets_destroy(altered);
  });
  EXPECT_EQ(CommittedOf(group), (Offsets{{0, 1}, {1, 2}}));
  Ask([&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    auto partition = Partitions("rd-groups", {{0, 0}});
    rd_kafka_DeleteConsumerGroupOffsets_t* deleted =
        rd_kafka_DeleteConsumerGroupOffsets_new(group.c_str(),
                                                partition.get());
    rd_kafka_DeleteConsumerGroupOffsets(client, &deleted, 1, nullptr, queue);
    rd_kafka_DeleteConsumerGroupOffsets_destroy(deleted);
  });
  EXPECT_EQ(CommittedOf(group), (Offsets{{1, 2}}));

  auto gone = Ask([&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_DeleteGroup_t* deleted = rd_kafka_DeleteGroup_new(group.c_str());
    rd_kafka_DeleteGroups(client, &deleted, 1, nullptr, queue);
    rd_kafka_DeleteGroup_destroy(deleted);
  });
  const rd_kafka_group_result_t** results =
      rd_kafka_DeleteGroups_result_groups(
          rd_kafka_event_DeleteGroups_result(gone.get()), &count);
  ASSERT_EQ(count, 1u);
  EXPECT_EQ(rd_kafka_group_result_error(results[0]), nullptr);
  EXPECT_EQ(CommittedOf(group), Offsets());
}

TEST_F(LibrdkafkaTest, NothingIsLostOrDoubledWhenABrokerDies) {
  const std::string topic = "rd-kill";
  CreateTopic(topic, 3);
  Producer producer(Bootstrap(), {{"enable.idempotence", "true"},
                                  {"linger.ms", "5"},
                                  {"message.timeout.ms", "60000"}});
  std::atomic<bool> stop_producing = false;
  std::thread writer([&] {
    for (int number = 0; !stop_producing; ++number) {
      producer.Send(topic, number % 3, fmt::format("rd-{:06}", number));
      producer.Poll(2);
    }
  });
  std::mutex mutex;
  std::vector<Delivered> followed;
  std::atomic<bool> stop_following = false;
  std::thread reader([&] {
    Consumer consumer(Bootstrap(), "rd-followers",
                      {{"enable.auto.commit", "true"},
                       {"auto.commit.interval.ms", "500"}});
    consumer.Subscribe(topic);
    while (!stop_following) {
      auto message = consumer.Poll(100);
      if (message == nullptr) continue;
      std::lock_guard lock(mutex);
      followed.push_back({topic, message->partition, message->offset,
                          Text(message->payload, message->len)});
    }
  });
  auto read = [&] {
    std::lock_guard lock(mutex);
    return followed;
  };
  KillAndRestartUnder({topic, "rd-followers", [&] { return producer.acked(); },
                       read, [] { return ""; }},
                      3);
  stop_producing = true;
  writer.join();
  producer.Flush();
  EXPECT_EQ(producer.failures(), std::vector<std::string>());
  std::vector<std::string> missing;
  Eventually(60, [&] {
    missing = CheckDelivery(producer.acked(), read(), {.whole_log = false});
    return missing.empty();
  });
  EXPECT_EQ(missing, std::vector<std::string>()) << "of the group's reading";
  stop_following = true;
  reader.join();
  EXPECT_EQ(CheckDelivery(producer.acked(), ReadWhole(topic),
                          {.once_and_in_order = true}),
            std::vector<std::string>());
}

}  // namespace
}  // namespace sillok::compat_test
