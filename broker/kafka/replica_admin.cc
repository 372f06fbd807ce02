// DescribeLogDirs (35), ElectLeaders (43).
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/api/record_admin.h"
#include "broker/api/topic_admin.h"
#include "broker/kafka/families.h"
#include "broker/kafka/text.h"
#include "broker/log/file_system.h"
#include "proto/kafka/replica_admin.h"

namespace sillok::kafka_door {
namespace {

using kafka::DescribeLogDirsRequest;
using kafka::DescribeLogDirsResponse;
using kafka::ElectLeadersRequest;
using kafka::ElectLeadersResponse;

// ---- DescribeLogDirs

using LogDir = DescribeLogDirsResponse::DescribeLogDirsResult;

constexpr int16_t kFirstVersionWithSpace = 4;

// One folder holds all replicas of a broker.
void HandleDescribeLogDirs(const Call& call, DescribeLogDirsRequest request,
                           api::Done<DescribeLogDirsResponse> done) {
  const bool all = !request.topics.has_value();
  std::set<std::pair<std::string, int32_t>> wanted;
  v1::DescribeLogDirsRequest names;
  if (!all) {
    for (const auto& topic : *request.topics) {
      names.add_topics(topic.topic);
      for (int32_t partition : topic.partitions) {
        wanted.emplace(topic.topic, partition);
      }
    }
  }
  LogDir dir;
  dir.log_dir = call.broker->options.log_dir;
  // An empty list is no wish at all, and v1 takes it for all.
  v1::DescribeLogDirsResponse answer;
  if (all || names.topics_size() > 0) {
    answer = api::DescribeLogDirs(*call.broker, names);
  }
  std::map<std::string, size_t> places;
  for (const v1::ReplicaLog& replica : answer.replicas()) {
    if (!all && !wanted.contains({replica.topic(), replica.partition()})) {
      continue;
    }
    auto [place, is_new] = places.emplace(replica.topic(), dir.topics.size());
    if (is_new) dir.topics.emplace_back().name = replica.topic();
    dir.topics[place->second].partitions.push_back(
        {replica.partition(), replica.size_bytes(),
         std::max<int64_t>(
             0, replica.high_watermark() - replica.log_end_offset()),
         false});
  }
  if (call.version >= kFirstVersionWithSpace) {
    auto space = RealFileSystem()->DiskSpace(dir.log_dir);
    if (space.ok()) {
      dir.total_bytes = space->total_bytes;
      dir.usable_bytes = space->free_bytes;
    }
  }
  DescribeLogDirsResponse response;
  response.results.push_back(std::move(dir));
  done(std::move(response));
}

// ---- ElectLeaders

constexpr int8_t kMaxElectionType = 1;

void HandleElectLeaders(const Call& call, ElectLeadersRequest request,
                        api::Done<ElectLeadersResponse> done) {
  if (request.election_type < 0 || request.election_type > kMaxElectionType) {
    ElectLeadersResponse refused;
    refused.error_code = Number(ErrorCode::INVALID_REQUEST);
    return done(std::move(refused));
  }
  v1::ElectLeadersRequest wanted;
  wanted.set_election_type(
      static_cast<v1::ElectionType>(request.election_type));
  wanted.set_timeout_ms(std::max(1, request.timeout_ms));
  wanted.set_all_partitions(!request.topic_partitions.has_value());
  if (request.topic_partitions.has_value()) {
    for (const auto& topic : *request.topic_partitions) {
      v1::TopicPartitions* out = wanted.add_topics();
      out->set_topic(topic.topic);
      for (int32_t partition : topic.partitions) {
        out->add_partitions(partition);
      }
    }
  }
  // v0 has no error of its own: each partition gets it.
  auto asked = call.version == 0
                   ? request.topic_partitions
                   : std::optional<std::vector<
                         ElectLeadersRequest::TopicPartitions>>();
  api::ElectLeaders(
      *call.broker, std::move(wanted),
      [asked = std::move(asked),
       done = std::move(done)](v1::ElectLeadersResponse answer) {
        ElectLeadersResponse response;
        response.error_code = Number(answer.error_code());
        if (response.error_code != 0 && asked.has_value()) {
          for (const auto& topic : *asked) {
            auto& out = response.replica_election_results.emplace_back();
            out.topic = topic.topic;
            for (int32_t partition : topic.partitions) {
              out.partition_result.push_back(
                  {partition, response.error_code,
                   MessageFor(response.error_code, answer.error_message())});
            }
          }
          return done(std::move(response));
        }
        auto& topics = response.replica_election_results;
        std::map<std::string, size_t> places;
        for (const v1::PartitionElection& election : answer.partitions()) {
          auto [place, is_new] =
              places.emplace(election.topic(), topics.size());
          if (is_new) topics.emplace_back().topic = election.topic();
          const int16_t error = Number(election.error_code());
          topics[place->second].partition_result.push_back(
              {election.partition(), error,
               MessageFor(error, election.error_message())});
        }
        done(std::move(response));
      });
}

}  // namespace

ApiHandlers ReplicaAdminHandlers() {
  return {{DescribeLogDirsRequest::kInfo.api_key,
           Answered<DescribeLogDirsRequest, DescribeLogDirsResponse,
                    HandleDescribeLogDirs>},
          {ElectLeadersRequest::kInfo.api_key,
           Answered<ElectLeadersRequest, ElectLeadersResponse,
                    HandleElectLeaders>}};
}

}  // namespace sillok::kafka_door
