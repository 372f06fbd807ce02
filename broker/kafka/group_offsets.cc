// OffsetCommit (8), OffsetFetch (9), OffsetDelete (47).
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/kafka/families.h"
#include "broker/kafka/gather.h"
#include "broker/kafka/text.h"
#include "proto/kafka/group_offsets.h"

namespace sillok::kafka_door {
namespace {

using kafka::OffsetCommitRequest;
using kafka::OffsetCommitResponse;
using kafka::OffsetDeleteRequest;
using kafka::OffsetDeleteResponse;
using kafka::OffsetFetchRequest;
using kafka::OffsetFetchResponse;

// ---- OffsetCommit

void HandleOffsetCommit(const Call& call, OffsetCommitRequest request,
                        api::Done<OffsetCommitResponse> done) {
  v1::OffsetCommitRequest wanted;
  wanted.set_group_id(std::move(request.group_id));
  wanted.set_generation_id(request.generation_id_or_member_epoch);
  wanted.set_member_id(std::move(request.member_id));
  wanted.set_group_instance_id(request.group_instance_id.value_or(""));
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      v1::CommittedOffset* out = wanted.add_offsets();
      out->set_topic(topic.name);
      out->set_partition(partition.partition_index);
      out->set_offset(partition.committed_offset);
      out->set_leader_epoch(partition.committed_leader_epoch);
      out->set_metadata(partition.committed_metadata.value_or(""));
    }
  }
  call.broker->groups->Commit(
      std::move(wanted),
      [topics = std::move(request.topics),
       done = std::move(done)](v1::OffsetCommitResponse answer) {
        OffsetCommitResponse response;
        int next = 0;
        for (const auto& topic : topics) {
          auto& out = response.topics.emplace_back();
          out.name = topic.name;
          for (const auto& partition : topic.partitions) {
            // An error of the whole has no place but each partition.
            int16_t error = Number(answer.error_code());
            if (error == 0 && next < answer.offsets_size()) {
              error = Number(answer.offsets(next).error_code());
            }
            ++next;
            out.partitions.push_back({partition.partition_index, error});
          }
        }
        done(std::move(response));
      },
      request.retention_time_ms);
}

// ---- OffsetFetch

constexpr int16_t kFirstFetchWithError = 2;
constexpr int16_t kFirstBatchedFetch = 8;

using WantedTopics =
    std::optional<std::vector<OffsetFetchRequest::OffsetFetchRequestTopic>>;

// v8's groups have a type of their own with the same fields.
struct WantedGroup {
  std::string group_id;
  WantedTopics topics;  // null = all
};

std::vector<WantedGroup> WantedGroups(OffsetFetchRequest request,
                                      int16_t version) {
  std::vector<WantedGroup> groups;
  if (version < kFirstBatchedFetch) {
    groups.push_back({std::move(request.group_id), std::move(request.topics)});
    return groups;
  }
  for (auto& group : request.groups) {
    WantedGroup& out = groups.emplace_back();
    out.group_id = std::move(group.group_id);
    if (!group.topics.has_value()) continue;
    out.topics.emplace();
    for (auto& topic : *group.topics) {
      out.topics->push_back(
          {std::move(topic.name), std::move(topic.partition_indexes)});
    }
  }
  return groups;
}

v1::OffsetFetchRequest Translate(const WantedGroup& group,
                                 bool require_stable) {
  v1::OffsetFetchRequest out;
  out.set_group_id(group.group_id);
  out.set_require_stable(require_stable);
  out.set_all_partitions(!group.topics.has_value());
  if (!group.topics.has_value()) return out;
  for (const auto& topic : *group.topics) {
    for (int32_t partition : topic.partition_indexes) {
      v1::PartitionRef* wanted = out.add_partitions();
      wanted->set_topic(topic.name);
      wanted->set_partition(partition);
    }
  }
  return out;
}

// By topic, in the order in which topics first come.
template <typename Topic>
std::vector<Topic> ByTopic(const v1::OffsetFetchResponse& answer) {
  std::vector<Topic> topics;
  std::map<std::string, size_t> places;
  for (const v1::CommittedOffset& offset : answer.offsets()) {
    auto [place, is_new] = places.emplace(offset.topic(), topics.size());
    if (is_new) topics.emplace_back().name = offset.topic();
    auto& out = topics[place->second].partitions.emplace_back();
    out.partition_index = offset.partition();
    out.committed_offset = offset.offset();
    out.committed_leader_epoch =
        offset.offset() < 0 ? -1 : offset.leader_epoch();
    out.metadata = offset.metadata();
    out.error_code = Number(offset.error_code());
  }
  return topics;
}

// v1 has no error of its own: each partition asked for gets it.
OffsetFetchResponse RefuseEach(const WantedGroup& group, int16_t error) {
  OffsetFetchResponse response;
  if (!group.topics.has_value()) return response;
  for (const auto& topic : *group.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    for (int32_t partition : topic.partition_indexes) {
      out.partitions.push_back({partition, -1, -1, "", error});
    }
  }
  return response;
}

OffsetFetchResponse Translate(
    const std::vector<WantedGroup>& groups,
    const std::vector<v1::OffsetFetchResponse>& answers, int16_t version) {
  OffsetFetchResponse response;
  for (size_t i = 0; i < groups.size(); ++i) {
    const int16_t error = Number(answers[i].error_code());
    if (version >= kFirstBatchedFetch) {
      auto& out = response.groups.emplace_back();
      out.group_id = groups[i].group_id;
      out.error_code = error;
      if (error == 0) {
        out.topics =
            ByTopic<OffsetFetchResponse::OffsetFetchResponseGroup::
                        OffsetFetchResponseTopics>(answers[i]);
      }
    } else if (error != 0 && version < kFirstFetchWithError) {
      return RefuseEach(groups[i], error);
    } else {
      response.error_code = error;
      if (error != 0) return response;
      response.topics =
          ByTopic<OffsetFetchResponse::OffsetFetchResponseTopic>(answers[i]);
    }
  }
  return response;
}

void HandleOffsetFetch(const Call& call, OffsetFetchRequest request,
                       api::Done<OffsetFetchResponse> done) {
  const bool require_stable = request.require_stable;
  std::vector<WantedGroup> groups =
      WantedGroups(std::move(request), call.version);
  const size_t count = groups.size();
  Gather<v1::OffsetFetchResponse>(
      count,
      [&call, &groups, require_stable](size_t i, auto fetched) {
        call.broker->groups->FetchOffsets(Translate(groups[i], require_stable),
                                          std::move(fetched));
      },
      [groups, version = call.version, done = std::move(done)](
          std::vector<v1::OffsetFetchResponse> answers) {
        done(Translate(groups, answers, version));
      });
}

// ---- OffsetDelete

void HandleOffsetDelete(const Call& call, OffsetDeleteRequest request,
                        api::Done<OffsetDeleteResponse> done) {
  v1::OffsetDeleteRequest wanted;
  wanted.set_group_id(std::move(request.group_id));
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      v1::PartitionRef* out = wanted.add_partitions();
      out->set_topic(topic.name);
      out->set_partition(partition.partition_index);
    }
  }
  call.broker->groups->DeleteOffsets(
      std::move(wanted),
      [topics = std::move(request.topics),
       done = std::move(done)](v1::OffsetDeleteResponse answer) {
        OffsetDeleteResponse response;
        response.error_code = Number(answer.error_code());
        // As Kafka: an error of the whole comes alone.
        if (response.error_code != 0) return done(std::move(response));
        int next = 0;
        for (const auto& topic : topics) {
          auto& out = response.topics.emplace_back();
          out.name = topic.name;
          for (const auto& partition : topic.partitions) {
            out.partitions.push_back(
                {partition.partition_index,
                 Number(answer.partitions(next++).error_code())});
          }
        }
        done(std::move(response));
      });
}

}  // namespace

ApiHandlers GroupOffsetsHandlers() {
  return {{OffsetCommitRequest::kInfo.api_key,
           Answered<OffsetCommitRequest, OffsetCommitResponse,
                    HandleOffsetCommit>},
          {OffsetFetchRequest::kInfo.api_key,
           Answered<OffsetFetchRequest, OffsetFetchResponse,
                    HandleOffsetFetch>},
          {OffsetDeleteRequest::kInfo.api_key,
           Answered<OffsetDeleteRequest, OffsetDeleteResponse,
                    HandleOffsetDelete>}};
}

}  // namespace sillok::kafka_door
