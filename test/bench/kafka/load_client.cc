#include "test/bench/kafka/load_client.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace sillok::bench {
namespace {

constexpr int kAdminTimeoutMs = 120'000;
constexpr int kMetadataTimeoutMs = 20'000;

using Conf = std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)>;
using Queue =
    std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)>;
using Event =
    std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)>;

void Apply(const Settings& settings, rd_kafka_conf_t* conf) {
  char error[512];
  for (const auto& [key, value] : settings) {
    if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), error,
                          sizeof error) != RD_KAFKA_CONF_OK) {
      Fail(error);
    }
  }
}

Conf BaseConf(const LoadOptions& options) {
  Conf conf(rd_kafka_conf_new(), &rd_kafka_conf_destroy);
  Apply({{"bootstrap.servers", options.brokers}, {"log_level", "3"}},
        conf.get());
  return conf;
}

Client Make(rd_kafka_type_t type, Conf conf) {
  char error[512];
  rd_kafka_t* client = rd_kafka_new(type, conf.get(), error, sizeof error);
  if (client == nullptr) Fail(error);
  conf.release();  // the client's now
  return Client(client);
}

// The answer to an admin request, once it has come.
Event Await(const Queue& queue, const char* what) {
  Event event(rd_kafka_queue_poll(queue.get(), kAdminTimeoutMs),
              &rd_kafka_event_destroy);
  if (event == nullptr) Fail(fmt::format("{}: no answer", what));
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Fail(fmt::format("{}: {}", what,
                     rd_kafka_event_error_string(event.get())));
  }
  return event;
}

void CheckTopics(const rd_kafka_topic_result_t** topics, size_t count,
                 const char* what) {
  for (size_t i = 0; i < count; ++i) {
    if (rd_kafka_topic_result_error(topics[i]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Fail(fmt::format("{}: {}", what,
                       rd_kafka_topic_result_error_string(topics[i])));
    }
  }
}

}  // namespace

void Fail(const std::string& why) {
  fmt::print(stderr, "kafka_load: {}\n", why);
  std::exit(1);
}

Client MakeProducer(const LoadOptions& options, DeliveryCallback on_delivery,
                    bool report_failures_only, void* opaque) {
  Conf conf = BaseConf(options);
  Apply({{"queue.buffering.max.messages", "2000000"},
         {"queue.buffering.max.kbytes", "262144"},
         {"delivery.report.only.error",
          report_failures_only ? "true" : "false"}},
        conf.get());
  if (on_delivery != nullptr) {
    rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);
  }
  rd_kafka_conf_set_opaque(conf.get(), opaque);
  Apply(options.producer, conf.get());
  return Make(RD_KAFKA_PRODUCER, std::move(conf));
}

Client MakeConsumer(const LoadOptions& options) {
  Conf conf = BaseConf(options);
  Apply({{"group.id", "kafka_load"},
         {"enable.auto.commit", "false"},
         {"auto.offset.reset", "error"}},
        conf.get());
  Apply(options.consumer, conf.get());
  Client consumer = Make(RD_KAFKA_CONSUMER, std::move(conf));
  rd_kafka_poll_set_consumer(consumer.get());
  return consumer;
}

int AssignAll(rd_kafka_t* consumer, const LoadOptions& options, From from) {
  rd_kafka_topic_t* topic =
      rd_kafka_topic_new(consumer, options.topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(consumer, 0, topic, &metadata, kMetadataTimeoutMs);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Fail(fmt::format("metadata: {}", rd_kafka_err2str(error)));
  }
  const int count = metadata->topics[0].partition_cnt;
  if (count == 0) Fail(fmt::format("there is no topic {}", options.topic));
  rd_kafka_topic_partition_list_t* list =
      rd_kafka_topic_partition_list_new(count);
  for (int i = 0; i < count; ++i) {
    int64_t low = 0;
    int64_t high = 0;
    const rd_kafka_resp_err_t asked = rd_kafka_query_watermark_offsets(
        consumer, options.topic.c_str(), i, &low, &high, kMetadataTimeoutMs);
    if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Fail(fmt::format("offsets of partition {}: {}", i,
                       rd_kafka_err2str(asked)));
    }
    rd_kafka_topic_partition_list_add(list, options.topic.c_str(), i)->offset =
        from == From::kBeginning ? low : high;
  }
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(topic);
  return count;
}

void CreateTopic(const LoadOptions& options) {
  Client admin = MakeProducer(options, nullptr, true, nullptr);
  Queue queue(rd_kafka_queue_new(admin.get()), &rd_kafka_queue_destroy);
  char error[512];
  rd_kafka_NewTopic_t* topic =
      rd_kafka_NewTopic_new(options.topic.c_str(), options.partitions,
                            options.replicas, error, sizeof error);
  if (topic == nullptr) Fail(error);
  rd_kafka_CreateTopics(admin.get(), &topic, 1, nullptr, queue.get());
  const Event event = Await(queue, "create");
  size_t count = 0;
  CheckTopics(rd_kafka_CreateTopics_result_topics(
                  rd_kafka_event_CreateTopics_result(event.get()), &count),
              count, "create");
  rd_kafka_NewTopic_destroy(topic);
}

void DeleteTopic(const LoadOptions& options) {
  Client admin = MakeProducer(options, nullptr, true, nullptr);
  Queue queue(rd_kafka_queue_new(admin.get()), &rd_kafka_queue_destroy);
  rd_kafka_DeleteTopic_t* topic =
      rd_kafka_DeleteTopic_new(options.topic.c_str());
  rd_kafka_DeleteTopics(admin.get(), &topic, 1, nullptr, queue.get());
  const Event event = Await(queue, "delete");
  size_t count = 0;
  CheckTopics(rd_kafka_DeleteTopics_result_topics(
                  rd_kafka_event_DeleteTopics_result(event.get()), &count),
              count, "delete");
  rd_kafka_DeleteTopic_destroy(topic);
}

}  // namespace sillok::bench
