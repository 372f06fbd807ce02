// Topics of fake brokers: metadata, and what administrators do.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "test/support/fake_broker_service.h"
#include "test/support/fake_broker_state.h"

namespace sillok::test {

grpc::Status FakeBrokerService::Metadata(Context*,
                                         const v1::MetadataRequest* request,
                                         v1::MetadataResponse* response) {
  Lock lock(state_.mutex);
  state_.FillMetadata(*request, response);
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::CreateTopics(
    Context*, const v1::CreateTopicsRequest* request,
    v1::CreateTopicsResponse* response) {
  Lock lock(state_.mutex);
  for (const auto& topic : request->topics()) {
    auto* result = response->add_topics();
    result->set_name(topic.name());
    if (state_.topics.count(topic.name()) != 0) {
      result->set_error_code(v1::TOPIC_ALREADY_EXISTS);
      result->set_error_message("topic '" + topic.name() + "' exists");
      continue;
    }
    if (topic.replication_factor() > static_cast<int>(state_.ports.size())) {
      result->set_error_code(v1::INVALID_REPLICATION_FACTOR);
      result->set_error_message("more replicas than brokers");
      continue;
    }
    int partitions = topic.partitions() == 0 ? 1 : topic.partitions();
    result->set_partitions(partitions);
    result->set_replication_factor(std::max(1, topic.replication_factor()));
    if (!request->validate_only()) {
      state_.AddTopicLocked(topic.name(), partitions);
    }
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::DeleteTopics(
    Context*, const v1::DeleteTopicsRequest* request,
    v1::DeleteTopicsResponse* response) {
  Lock lock(state_.mutex);
  for (const std::string& name : request->names()) {
    auto* result = response->add_topics();
    result->set_name(name);
    if (state_.topics.erase(name) == 0) {
      result->set_error_code(v1::UNKNOWN_TOPIC_OR_PARTITION);
      result->set_error_message("topic '" + name + "' does not exist");
    }
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::DescribeConfigs(
    Context*, const v1::DescribeConfigsRequest* request,
    v1::DescribeConfigsResponse* response) {
  for (const auto& resource : request->resources()) {
    auto* result = response->add_results();
    *result->mutable_resource() = resource;
    auto* entry = result->add_entries();
    entry->set_name("retention.ms");
    entry->set_value("604800000");
    entry->set_source("DEFAULT");
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::DescribeLogDirs(
    Context*, const v1::DescribeLogDirsRequest*,
    v1::DescribeLogDirsResponse* response) {
  Lock lock(state_.mutex);
  for (const auto& [name, partitions] : state_.topics) {
    for (size_t p = 0; p < partitions.size(); ++p) {
      if (partitions[p].leader != id_) continue;
      auto* replica = response->add_replicas();
      replica->set_topic(name);
      replica->set_partition(static_cast<int32_t>(p));
      int64_t size = 0;
      for (const std::string& batch : partitions[p].batches) {
        size += static_cast<int64_t>(batch.size());
      }
      replica->set_size_bytes(size);
      replica->set_log_end_offset(partitions[p].end);
      replica->set_high_watermark(partitions[p].end);
      replica->set_leader(true);
      replica->set_log_dir("/data");
    }
  }
  return grpc::Status::OK;
}

void FakeClusterState::FillMetadata(const v1::MetadataRequest& request,
                                    v1::MetadataResponse* response) {
  for (size_t i = 0; i < ports.size(); ++i) {
    if (!up[i]) continue;
    auto* broker = response->add_brokers();
    broker->set_broker_id(static_cast<int32_t>(i + 1));
    broker->set_host("127.0.0.1");
    broker->set_port(ports[i]);
  }
  response->set_cluster_id("fake");
  response->set_controller_id(1);
  std::vector<std::string> names(request.topics().begin(),
                                 request.topics().end());
  if (request.all_topics()) {
    for (const auto& [name, partitions] : topics) names.push_back(name);
  }
  for (const std::string& name : names) {
    auto* topic = response->add_topics();
    topic->set_name(name);
    if (topics.count(name) == 0 && auto_create &&
        request.allow_auto_topic_creation()) {
      AddTopicLocked(name, 1);
    }
    if (topics.count(name) == 0) {
      topic->set_error_code(v1::UNKNOWN_TOPIC_OR_PARTITION);
      topic->set_error_message("topic '" + name + "' does not exist");
      continue;
    }
    topic->set_topic_id("id-" + name);
    const auto& partitions = topics[name];
    for (size_t p = 0; p < partitions.size(); ++p) {
      auto* out = topic->add_partitions();
      out->set_partition(static_cast<int32_t>(p));
      int leader = partitions[p].leader;
      bool leads = leader > 0 && up[static_cast<size_t>(leader - 1)];
      out->set_leader_id(leads ? leader : -1);
      out->set_leader_epoch(partitions[p].epoch);
      out->add_replicas(leader);
      if (leads) out->add_isr(leader);
    }
  }
}

}  // namespace sillok::test
