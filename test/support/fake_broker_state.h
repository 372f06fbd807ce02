// What the brokers of a FakeCluster know. Internal to fake_broker*.cc.
#ifndef SILLOK_TEST_SUPPORT_FAKE_BROKER_STATE_H_
#define SILLOK_TEST_SUPPORT_FAKE_BROKER_STATE_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/rpc/server.h"
#include "broker/log/producer_states.h"
#include "proto/broker.grpc.pb.h"
#include "proto/record/record_batch.h"

namespace sillok::test {

class FakeBrokerService;

using Lock = std::unique_lock<std::mutex>;

inline v1::ErrorCode Proto(ErrorCode code) {
  return static_cast<v1::ErrorCode>(static_cast<int>(code));
}

struct FakePartition {
  int leader = -1;
  int epoch = 0;
  std::vector<std::string> batches;
  int64_t start = 0;
  int64_t end = 0;
  ProducerStates producers;
  std::vector<ErrorCode> produce_faults;
  std::vector<ErrorCode> fetch_faults;
};

struct FakeMember {
  std::string metadata;
  std::string client_id;
  std::string assignment;
  bool joined = false;  // of the rebalance going on
};

// Kafka's classic group, as small as it can be: a rebalance ends when every
// member has joined again.
struct FakeGroup {
  int generation = 0;
  std::string state = "Empty";
  std::string leader;
  std::string protocol;
  std::map<std::string, FakeMember> members;
  std::map<TopicPartition, int64_t> offsets;
  std::vector<ErrorCode> faults;
  int next_member = 1;
};

inline ErrorCode TakeFault(std::vector<ErrorCode>* faults) {
  if (faults->empty()) return ErrorCode::NONE;
  ErrorCode code = faults->front();
  faults->erase(faults->begin());
  return code;
}

// Of the whole cluster; its mutex guards everything.
struct FakeClusterState {
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::vector<FakePartition>> topics;
  std::map<std::string, FakeGroup> groups;
  std::vector<std::unique_ptr<FakeBrokerService>> services;
  std::vector<std::unique_ptr<rpc::RpcServer>> servers;
  std::vector<int> ports;
  std::vector<bool> up;
  bool auto_create = false;
  bool hold_produce = false;
  int lose_answers = 0;
  int64_t max_message_bytes = INT64_MAX;
  int64_t next_producer_id = 4000;
  std::vector<ErrorCode> producer_id_faults;
  int coordinator = 1;
  int produce_requests = 0;
  bool stopping = false;

  FakePartition* Find(const TopicPartition& id) {
    auto topic = topics.find(id.topic);
    if (topic == topics.end() || id.partition < 0 ||
        static_cast<size_t>(id.partition) >= topic->second.size()) {
      return nullptr;
    }
    return &topic->second[static_cast<size_t>(id.partition)];
  }
  void AddTopicLocked(const std::string& name, int partitions) {
    auto& list = topics[name];
    list.resize(static_cast<size_t>(partitions));
    for (int p = 0; p < partitions; ++p) {
      list[static_cast<size_t>(p)].leader =
          1 + p % static_cast<int>(ports.size());
    }
    changed.notify_all();
  }
  void AppendLocked(FakePartition* partition, std::string batch) {
    auto header = record::ParseBatchHeader(batch.data());
    record::PokeOffsetAndEpoch(batch.data(), Offset(partition->end),
                               LeaderEpoch(partition->epoch));
    header.base_offset = partition->end;
    partition->producers.Append(header, 0);
    partition->end += header.last_offset_delta + 1;
    partition->batches.push_back(std::move(batch));
    changed.notify_all();
  }
  void FillMetadata(const v1::MetadataRequest& request,
                    v1::MetadataResponse* response);
};

}  // namespace sillok::test

#endif  // SILLOK_TEST_SUPPORT_FAKE_BROKER_STATE_H_
