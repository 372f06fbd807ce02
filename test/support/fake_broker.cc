#include "test/support/fake_broker.h"

#include <memory>
#include <string>
#include <utility>

#include "base/rpc/server.h"
#include "glog/logging.h"
#include "proto/record/record_batch.h"
#include "test/support/fake_broker_service.h"
#include "test/support/fake_broker_state.h"

namespace sillok::test {

FakeCluster::FakeCluster(
    int brokers) : state_(std::make_unique<FakeClusterState>()) {
  for (int i = 0; i < brokers; ++i) {
    state_->services.push_back(
        std::make_unique<FakeBrokerService>(state_.get(), i + 1));
    state_->up.push_back(true);
    state_->ports.push_back(0);
    state_->servers.push_back(nullptr);
  }
  for (int i = 0; i < brokers; ++i) StartBroker(i + 1);
}

FakeCluster::~FakeCluster() {
  {
    Lock lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
  }
  for (auto& server : state_->servers) {
    if (server != nullptr) server->Shutdown(0);
  }
}

std::vector<std::string> FakeCluster::addresses() const {
  std::vector<std::string> list;
  for (int port : state_->ports) {
    list.push_back("127.0.0.1:" + std::to_string(port));
  }
  return list;
}

std::string FakeCluster::bootstrap() const {
  std::string text;
  for (const std::string& address : addresses()) {
    text += (text.empty() ? "" : ",") + address;
  }
  return text;
}

void FakeCluster::StartBroker(int broker) {
  size_t i = static_cast<size_t>(broker - 1);
  auto server = rpc::RpcServer::Start(
      {"127.0.0.1:" + std::to_string(state_->ports[i])},
      {state_->services[i].get()});
  CHECK(server.ok()) << server.status().ToString();
  Lock lock(state_->mutex);
  state_->ports[i] = (*server)->port();
  state_->servers[i] = std::move(*server);
  state_->up[i] = true;
  state_->changed.notify_all();
}

void FakeCluster::StopBroker(int broker) {
  size_t i = static_cast<size_t>(broker - 1);
  std::unique_ptr<rpc::RpcServer> server;
  {
    Lock lock(state_->mutex);
    state_->up[i] = false;
    server = std::move(state_->servers[i]);
    state_->changed.notify_all();
  }
  if (server != nullptr) server->Shutdown(0);
}

void FakeCluster::AddTopic(const std::string& name, int partitions) {
  Lock lock(state_->mutex);
  state_->AddTopicLocked(name, partitions);
}

bool FakeCluster::HasTopic(const std::string& name) const {
  Lock lock(state_->mutex);
  return state_->topics.count(name) != 0;
}

void FakeCluster::SetAutoCreate(bool on) {
  Lock lock(state_->mutex);
  state_->auto_create = on;
}

void FakeCluster::SetLeader(const TopicPartition& partition, int broker) {
  Lock lock(state_->mutex);
  FakePartition* found = CHECK_NOTNULL(state_->Find(partition));
  found->leader = broker;
  ++found->epoch;
  state_->changed.notify_all();
}

int FakeCluster::Leader(const TopicPartition& partition) const {
  Lock lock(state_->mutex);
  return CHECK_NOTNULL(state_->Find(partition))->leader;
}

void FakeCluster::FailProduce(const TopicPartition& partition, ErrorCode code,
                              int times) {
  Lock lock(state_->mutex);
  auto& faults = CHECK_NOTNULL(state_->Find(partition))->produce_faults;
  faults.insert(faults.end(), static_cast<size_t>(times), code);
}

void FakeCluster::FailFetch(const TopicPartition& partition, ErrorCode code,
                            int times) {
  Lock lock(state_->mutex);
  auto& faults = CHECK_NOTNULL(state_->Find(partition))->fetch_faults;
  faults.insert(faults.end(), static_cast<size_t>(times), code);
  state_->changed.notify_all();
}

void FakeCluster::LoseProduceAnswers(int times) {
  Lock lock(state_->mutex);
  state_->lose_answers = times;
}

void FakeCluster::FailProducerIds(ErrorCode code, int times) {
  Lock lock(state_->mutex);
  auto& faults = state_->producer_id_faults;
  faults.insert(faults.end(), static_cast<size_t>(times), code);
}

void FakeCluster::SetMaxMessageBytes(int64_t bytes) {
  Lock lock(state_->mutex);
  state_->max_message_bytes = bytes;
}

void FakeCluster::FailGroup(const std::string& group, ErrorCode code,
                            int times) {
  Lock lock(state_->mutex);
  auto& faults = state_->groups[group].faults;
  faults.insert(faults.end(), static_cast<size_t>(times), code);
}

void FakeCluster::Corrupt(const TopicPartition& partition) {
  Lock lock(state_->mutex);
  state_->Find(partition)->batches.back().back() ^= 1;
}

void FakeCluster::ElectUnclean(const TopicPartition& partition, int broker,
                               int64_t end) {
  Lock lock(state_->mutex);
  FakePartition* found = state_->Find(partition);
  while (!found->batches.empty() && found->end > end) {
    found->end =
        record::ParseBatchHeader(found->batches.back().data()).base_offset;
    found->batches.pop_back();
  }
  found->leader = broker;
  ++found->epoch;
  state_->changed.notify_all();
}

void FakeCluster::TrimTo(const TopicPartition& partition, int64_t offset) {
  Lock lock(state_->mutex);
  state_->Find(partition)->start = offset;
}

void FakeCluster::HoldProduce(bool hold) {
  Lock lock(state_->mutex);
  state_->hold_produce = hold;
  state_->changed.notify_all();
}

std::vector<std::string> FakeCluster::Values(
    const TopicPartition& partition) const {
  Lock lock(state_->mutex);
  std::vector<std::string> values;
  for (const std::string& batch : state_->Find(partition)->batches) {
    auto reader = record::BatchReader::Open(batch);
    CHECK(reader.ok());
    record::RecordView view;
    while (reader->Next(&view)) {
      values.emplace_back(view.value.value_or(""));
    }
  }
  return values;
}

int64_t FakeCluster::EndOffset(const TopicPartition& partition) const {
  Lock lock(state_->mutex);
  return state_->Find(partition)->end;
}

void FakeCluster::Append(const TopicPartition& partition,
                         const std::vector<std::string>& values) {
  record::BatchBuilder builder;
  for (const std::string& value : values) {
    builder.Append(1'700'000'000'000, std::nullopt, value);
  }
  AppendBatch(partition, builder.Build().value());
}

void FakeCluster::AppendBatch(const TopicPartition& partition,
                              std::string batch) {
  Lock lock(state_->mutex);
  state_->AppendLocked(state_->Find(partition), std::move(batch));
}

int64_t FakeCluster::Committed(const std::string& group,
                               const TopicPartition& partition) const {
  Lock lock(state_->mutex);
  auto found = state_->groups[group].offsets.find(partition);
  return found == state_->groups[group].offsets.end() ? -1 : found->second;
}

int FakeCluster::Members(const std::string& group) const {
  Lock lock(state_->mutex);
  return static_cast<int>(state_->groups[group].members.size());
}

void FakeCluster::ExpireMembers(const std::string& group) {
  Lock lock(state_->mutex);
  state_->groups[group].members.clear();
  state_->groups[group].state = "Empty";
  ++state_->groups[group].generation;
  state_->changed.notify_all();
}

void FakeCluster::MoveCoordinator(int broker) {
  Lock lock(state_->mutex);
  state_->coordinator = broker;
}

int FakeCluster::ProduceRequests() const {
  Lock lock(state_->mutex);
  return state_->produce_requests;
}

}  // namespace sillok::test
