// What a cluster says to input that makes no sense: the right code, one clear
// line, and afterwards it is as well as before.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rpc/channel.h"
#include "fmt/format.h"
#include "grpcpp/generic/generic_stub.h"
#include "proto/broker.grpc.pb.h"
#include "proto/record/record_batch.h"
#include "test/cluster/cluster_fixture.h"
#include "test/cluster/run_command.h"

namespace sillok::cluster_test {
namespace {

constexpr int64_t kMayGrowBytes = 64 << 20;

std::unique_ptr<grpc::ClientContext> Deadline(int seconds = 10) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::seconds(seconds));
  return context;
}

std::string Name(v1::ErrorCode code) { return v1::ErrorCode_Name(code); }

bool IsOneLine(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n') == 1 && text.back() == '\n';
}

class BadInputTest : public ClusterTest {
 protected:
  void SetUp() override {
    tools::DevClusterSpec spec;
    spec.broker_sets = {"offsets.topic.num.partitions=4"};
    StartCluster(spec);
    if (HasFatalFailure()) return;
    CreateTopic("orders", 2, 3);
    CreateTopic("small", 1, 3, {{"max.message.bytes", "2000"}});
    leader_ = LeaderOf("orders", 0);
    ASSERT_GT(leader_, 0);
    stub_ = StubOf(leader_);
    // What serves for the first time grows once, and that is no leak.
    for (int i = 0; i < 200; ++i) ExpectWorks();
    before_ = Resident();
  }

  void TearDown() override {
    if (cluster_.has_value() && !HasFatalFailure()) {
      for (const tools::DevNode& node : cluster_->nodes()) {
        EXPECT_EQ(cluster_->Health(node), "ok") << node.name();
      }
      ExpectWorks();
      for (const auto& [name, bytes] : Resident()) {
        int64_t grown = bytes - before_[name];
        std::cout << name << ": resident memory grew by " << grown / 1024
                  << " KiB to " << bytes / 1024 << " KiB" << std::endl;
        EXPECT_LT(grown, kMayGrowBytes) << name;
      }
    }
    ClusterTest::TearDown();
  }

  std::unique_ptr<v1::Broker::Stub> StubOf(int broker) {
    return v1::Broker::NewStub(rpc::NewChannel(
        Node("broker-" + std::to_string(broker)).grpc_address()));
  }

  std::map<std::string, int64_t> Resident() {
    std::map<std::string, int64_t> resident;
    for (const tools::DevNode& node : cluster_->nodes()) {
      auto pid = cluster_->Pid(node);
      EXPECT_TRUE(pid.has_value()) << node.name() << " has ended";
      if (!pid.has_value()) continue;
      std::ifstream status(fmt::format("/proc/{}/statm", *pid));
      int64_t size = 0, pages = 0;
      status >> size >> pages;
      resident[node.name()] = pages * sysconf(_SC_PAGESIZE);
    }
    return resident;
  }

  v1::ProduceResponse Produce(const v1::ProduceRequest& request,
                              v1::Broker::Stub* stub) {
    v1::ProduceResponse response;
    grpc::Status status =
        stub->Produce(Deadline().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  static v1::ProduceRequest Request(const std::string& topic, int partition,
                                    const std::string& batch) {
    v1::ProduceRequest request;
    request.set_acks(-1);
    request.set_timeout_ms(5'000);
    auto* part = request.add_partitions();
    part->set_topic(topic);
    part->set_partition(partition);
    part->set_batch(batch);
    return request;
  }

  static std::string Batch(size_t value_bytes = 10) {
    record::BatchBuilder builder;
    builder.Append(1'700'000'000'000, "key", std::string(value_bytes, 'v'));
    return *builder.Build();
  }

  // A record goes in and comes out again.
  void ExpectWorks() {
    v1::ProduceResponse sent =
        Produce(Request("orders", 0, Batch()), stub_.get());
    ASSERT_EQ(sent.partitions_size(), 1);
    ASSERT_EQ(Name(sent.partitions(0).error_code()), "NONE")
        << sent.partitions(0).error_message();
    v1::FetchRequest fetch;
    fetch.set_plain_records(true);
    auto* part = fetch.add_partitions();
    part->set_topic("orders");
    part->set_fetch_offset(sent.partitions(0).base_offset());
    v1::FetchResponse got;
    ASSERT_TRUE(stub_->Fetch(Deadline().get(), fetch, &got).ok());
    ASSERT_EQ(got.partitions(0).plain_size(), 1);
    EXPECT_EQ(got.partitions(0).plain(0).key(), "key");
  }

  void ExpectProduce(const char* what, const v1::ProduceRequest& request,
                     v1::ErrorCode code, const std::string& text,
                     v1::Broker::Stub* stub = nullptr) {
    SCOPED_TRACE(what);
    v1::ProduceResponse response =
        Produce(request, stub == nullptr ? stub_.get() : stub);
    ASSERT_EQ(response.partitions_size(), request.partitions_size());
    const auto& result =
        response.partitions(response.partitions_size() - 1);
    EXPECT_EQ(Name(result.error_code()), Name(code)) << result.error_message();
    EXPECT_EQ(result.base_offset(), -1);
    EXPECT_NE(result.error_message().find(text), std::string::npos)
        << result.error_message();
    EXPECT_EQ(result.error_message().find('\n'), std::string::npos);
  }

  int leader_ = -1;
  std::unique_ptr<v1::Broker::Stub> stub_;
  std::map<std::string, int64_t> before_;
};

TEST_F(BadInputTest, ProduceRequests) {
  std::string good = Batch();
  auto small_stub = StubOf(LeaderOf("small", 0));
  auto follower = StubOf(leader_ % 3 + 1);
  for (int round = 0; round < 50; ++round) {
    ExpectProduce("unknown topic", Request("nope", 0, good),
                  v1::UNKNOWN_TOPIC_OR_PARTITION, "'nope'");
    ExpectProduce("no topic name", Request("", 0, good),
                  v1::UNKNOWN_TOPIC_OR_PARTITION, "''");
    ExpectProduce("wrong partition", Request("orders", 7, good),
                  v1::UNKNOWN_TOPIC_OR_PARTITION, "0 to 1, not 7");
    ExpectProduce("negative partition", Request("orders", -1, good),
                  v1::UNKNOWN_TOPIC_OR_PARTITION, "0 to 1, not -1");
    ExpectProduce("not the leader", Request("orders", 0, good),
                  v1::NOT_LEADER_OR_FOLLOWER, "", follower.get());
    ExpectProduce("too large for the topic",
                  Request("small", 0, Batch(3000)), v1::MESSAGE_TOO_LARGE,
                  "max.message.bytes is 2000", small_stub.get());
    v1::ProduceRequest plain = Request("small", 0, "");
    plain.mutable_partitions(0)->add_plain()->set_value(
        std::string(3000, 'v'));
    ExpectProduce("too large, as a plain record", plain, v1::MESSAGE_TOO_LARGE,
                  "max.message.bytes is 2000", small_stub.get());
    ExpectProduce("an internal topic", Request("__consumer_offsets", 0, good),
                  v1::INVALID_TOPIC_EXCEPTION, "internal topic");

    ExpectProduce("neither records nor a batch", Request("orders", 0, ""),
                  v1::INVALID_RECORD, "neither records nor a batch");
    v1::ProduceRequest both = Request("orders", 0, good);
    both.mutable_partitions(0)->add_plain()->set_value("v");
    ExpectProduce("records and a batch", both, v1::INVALID_REQUEST, "not both");
    v1::ProduceRequest twice = Request("orders", 0, good);
    *twice.add_partitions() = twice.partitions(0);
    ExpectProduce("one partition twice", twice, v1::INVALID_REQUEST, "twice");
    for (int acks : {-2, 2, 100}) {
      v1::ProduceRequest request = Request("orders", 0, good);
      request.set_acks(acks);
      ExpectProduce("acks", request, v1::INVALID_REQUIRED_ACKS, "");
    }

    // From the magic on a flipped bit is an error of its own or the CRC's; what
    // lies before (offset, leader epoch) the leader writes anew.
    for (size_t at = 16; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] ^= 1 << (round % 8);
      v1::ProduceResponse response =
          Produce(Request("orders", 0, bad), stub_.get());
      ASSERT_NE(response.partitions(0).error_code(), v1::NONE)
          << "a bit of byte " << at << " flipped";
      if (at > 16) {
        EXPECT_EQ(Name(response.partitions(0).error_code()), "CORRUPT_MESSAGE")
            << "a bit of byte " << at << " flipped: "
            << response.partitions(0).error_message();
      }
    }
    // Less than a header is no batch; less than the header says is half of one.
    for (size_t size = 1; size < good.size(); size += 3) {
      ExpectProduce("cut short", Request("orders", 0, good.substr(0, size)),
                    size < record::kBatchHeaderBytes ? v1::CORRUPT_MESSAGE
                                                     : v1::INVALID_RECORD,
                    "");
    }
    ExpectProduce("garbage", Request("orders", 0, std::string(200, '\xa5')),
                  v1::CORRUPT_MESSAGE, "");
    ExpectProduce("zeros", Request("orders", 0, std::string(200, '\0')),
                  v1::CORRUPT_MESSAGE, "");
    std::string old_format = good;
    old_format[16] = 1;
    ExpectProduce("a batch of an older format",
                  Request("orders", 0, old_format),
                  v1::INVALID_RECORD, "(magic) 1");
    ExpectProduce("two batches", Request("orders", 0, good + good),
                  v1::INVALID_RECORD, "");
    ExpectProduce("bytes after the batch", Request("orders", 0, good + "x"),
                  v1::INVALID_RECORD, "one batch per partition");
  }
}

TEST_F(BadInputTest, FetchAndOffsetRequests) {
  auto fetch = [&](const char* what,
                   const std::function<void(v1::FetchRequest*)>& change,
                   v1::ErrorCode code) {
    SCOPED_TRACE(what);
    v1::FetchRequest request;
    auto* part = request.add_partitions();
    part->set_topic("orders");
    part->set_fetch_offset(0);
    change(&request);
    v1::FetchResponse response;
    grpc::Status status =
        stub_->Fetch(Deadline().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    const auto& result = response.partitions(0);
    EXPECT_EQ(Name(result.error_code()), Name(code)) << result.error_message();
    EXPECT_EQ(result.error_message().empty(), code == v1::NONE);
    EXPECT_EQ(result.error_message().find('\n'), std::string::npos);
    if (code != v1::NONE) {
      EXPECT_EQ(result.batches(), "");
    }
  };
  for (int round = 0; round < 50; ++round) {
    fetch("unknown topic", [](auto* r) {
      r->mutable_partitions(0)->set_topic("nope");
    }, v1::UNKNOWN_TOPIC_OR_PARTITION);
    fetch("wrong partition", [](auto* r) {
      r->mutable_partitions(0)->set_partition(2);
    }, v1::UNKNOWN_TOPIC_OR_PARTITION);
    fetch("a negative offset", [](auto* r) {
      r->mutable_partitions(0)->set_fetch_offset(-1);
    }, v1::OFFSET_OUT_OF_RANGE);
    fetch("beyond the end", [](auto* r) {
      r->mutable_partitions(0)->set_fetch_offset(1'000'000);
    }, v1::OFFSET_OUT_OF_RANGE);
    fetch("the largest offset", [](auto* r) {
      r->mutable_partitions(0)->set_fetch_offset(INT64_MAX);
    }, v1::OFFSET_OUT_OF_RANGE);
    fetch("an epoch to come", [](auto* r) {
      r->mutable_partitions(0)->set_current_leader_epoch_plus_one(1000);
    }, v1::UNKNOWN_LEADER_EPOCH);
    fetch("a negative epoch", [](auto* r) {
      r->mutable_partitions(0)->set_current_leader_epoch_plus_one(-5);
    }, v1::FENCED_LEADER_EPOCH);
    // Nonsense that has an obvious reading.
    fetch("negative sizes and times", [](auto* r) {
      r->set_max_bytes(-1);
      r->set_min_bytes(-1);
      r->set_max_wait_ms(-1);
      r->mutable_partitions(0)->set_max_bytes(-1);
    }, v1::NONE);

    auto list = [&](int64_t timestamp, const char* topic, int epoch_plus_one) {
      v1::ListOffsetsRequest request;
      auto* part = request.add_partitions();
      part->set_topic(topic);
      part->set_timestamp_ms(timestamp);
      part->set_current_leader_epoch_plus_one(epoch_plus_one);
      v1::ListOffsetsResponse response;
      EXPECT_TRUE(
          stub_->ListOffsets(Deadline().get(), request, &response).ok());
      EXPECT_LT(response.partitions(0).offset(), 1'000'000);
      return Name(response.partitions(0).error_code());
    };
    EXPECT_EQ(list(-1, "nope", 0), "UNKNOWN_TOPIC_OR_PARTITION");
    EXPECT_EQ(list(-100, "orders", 0), "INVALID_REQUEST");
    EXPECT_EQ(list(-1, "orders", 1000), "UNKNOWN_LEADER_EPOCH");
    EXPECT_EQ(list(INT64_MAX, "orders", 0), "NONE");
  }
  // One that says it is a replica, and is none.
  v1::FetchRequest stranger;
  stranger.set_replica_id_plus_one(77 + 1);
  stranger.set_replica_epoch(1);
  auto* part = stranger.add_partitions();
  part->set_topic("orders");
  part->set_fetch_offset(0);
  v1::FetchResponse response;
  ASSERT_TRUE(stub_->Fetch(Deadline().get(), stranger, &response).ok());
  EXPECT_NE(Name(response.partitions(0).error_code()), "NONE");
}

TEST_F(BadInputTest, TopicNamesCountsAndConfigs) {
  auto create = [&](v1::NewTopic topic, v1::ErrorCode code,
                    const std::string& text) {
    SCOPED_TRACE(topic.name() + " " + text);
    v1::CreateTopicsRequest request;
    *request.add_topics() = topic;
    v1::CreateTopicsResponse response;
    grpc::Status status =
        stub_->CreateTopics(Deadline().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(response.topics_size(), 1);
    const v1::TopicResult& result = response.topics(0);
    EXPECT_EQ(Name(result.error_code()), Name(code)) << result.error_message();
    EXPECT_NE(result.error_message().find(text), std::string::npos)
        << result.error_message();
    EXPECT_EQ(result.error_message().find('\n'), std::string::npos);
  };
  auto named = [](const std::string& name) {
    v1::NewTopic topic;
    topic.set_name(name);
    return topic;
  };
  CreateTopic("with.dot", 1, 1);
  for (int round = 0; round < 20; ++round) {
    for (const std::string& name :
         {std::string(), std::string("."), std::string(".."),
          std::string(250, 'x'), std::string("a/b"), std::string("../../etc"),
          std::string("a b"), std::string("a\tb"), std::string("a\nb"),
          std::string("a\0b", 3), std::string("\xc3\xa9")}) {
      v1::CreateTopicsRequest request;
      *request.add_topics() = named(name);
      v1::CreateTopicsResponse response;
      grpc::Status status =
          stub_->CreateTopics(Deadline().get(), request, &response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      EXPECT_EQ(Name(response.topics(0).error_code()),
                "INVALID_TOPIC_EXCEPTION")
          << "'" << name << "'";
    }
    create(named("with_dot"), v1::INVALID_TOPIC_EXCEPTION, "with.dot");
    create(named("orders"), v1::TOPIC_ALREADY_EXISTS, "orders");
    create(named("__consumer_offsets"), v1::INVALID_TOPIC_EXCEPTION,
           "internal topic");
    v1::NewTopic topic = named("t");
    topic.set_replication_factor(4);
    create(topic, v1::INVALID_REPLICATION_FACTOR, "available brokers: 3");
    topic.set_replication_factor(-2);
    create(topic, v1::INVALID_REPLICATION_FACTOR, "larger than 0");
    topic = named("t");
    topic.set_partitions(-2);
    create(topic, v1::INVALID_PARTITIONS, "larger than 0");
    topic.set_partitions(INT32_MAX);
    create(topic, v1::INVALID_PARTITIONS, "larger than");
    topic = named("t");
    auto* assignment = topic.add_assignments();
    assignment->add_broker_ids(9);
    create(topic, v1::INVALID_REPLICA_ASSIGNMENT, "broker 9");
    assignment->set_broker_ids(0, 1);
    assignment->add_broker_ids(1);
    create(topic, v1::INVALID_REPLICA_ASSIGNMENT, "Duplicate");
    topic = named("t");
    (*topic.mutable_configs())["nonsense"] = "1";
    create(topic, v1::INVALID_CONFIG, "nonsense");
    topic.clear_configs();
    (*topic.mutable_configs())["segment.bytes"] = "lots";
    create(topic, v1::INVALID_CONFIG, "must be a whole number");
    topic.clear_configs();
    (*topic.mutable_configs())["cleanup.policy"] = "burn";
    create(topic, v1::INVALID_CONFIG, "must be a list of: delete, compact");
  }
  // Nothing of it was made.
  auto topics = NewAdmin()->ListTopics();
  ASSERT_TRUE(topics.ok()) << topics.status();
  for (const client::TopicInfo& topic : *topics) {
    EXPECT_TRUE(topic.name == "orders" || topic.name == "small" ||
                topic.name == "with.dot" || topic.internal)
        << topic.name;
  }

  v1::DeleteTopicsRequest remove;
  remove.add_names("nope");
  remove.add_names("__consumer_offsets");
  remove.add_names("");
  v1::DeleteTopicsResponse removed;
  ASSERT_TRUE(stub_->DeleteTopics(Deadline().get(), remove, &removed).ok());
  ASSERT_EQ(removed.topics_size(), 3);
  EXPECT_EQ(removed.topics(0).name(), "nope");
  EXPECT_EQ(Name(removed.topics(0).error_code()), "UNKNOWN_TOPIC_OR_PARTITION");
  EXPECT_EQ(removed.topics(1).name(), "__consumer_offsets");
  EXPECT_EQ(Name(removed.topics(1).error_code()), "INVALID_TOPIC_EXCEPTION");
  EXPECT_NE(Name(removed.topics(2).error_code()), "NONE");
}

TEST_F(BadInputTest, GroupRequests) {
  // Finding it makes __consumer_offsets.
  v1::FindCoordinatorRequest find;
  find.set_key("readers");
  v1::FindCoordinatorResponse found;
  ASSERT_TRUE(Eventually(30, [&] {
    found.Clear();
    return stub_->FindCoordinator(Deadline().get(), find, &found).ok() &&
           found.error_code() == v1::NONE;
  })) << found.error_message();
  int home = found.coordinator().broker_id();
  auto stub = StubOf(home);
  auto elsewhere = StubOf(home % 3 + 1);

  v1::FindCoordinatorRequest wrong = find;
  wrong.set_key("");
  ASSERT_TRUE(stub->FindCoordinator(Deadline().get(), wrong, &found).ok());
  EXPECT_EQ(Name(found.error_code()), "INVALID_GROUP_ID");
  wrong.set_key("readers");
  wrong.set_key_type(7);
  ASSERT_TRUE(stub->FindCoordinator(Deadline().get(), wrong, &found).ok());
  EXPECT_EQ(Name(found.error_code()), "INVALID_REQUEST");

  v1::JoinGroupRequest good;
  good.set_group_id("readers");
  good.set_session_timeout_ms(10'000);
  good.set_rebalance_timeout_ms(10'000);
  good.set_protocol_type("consumer");
  good.add_protocols()->set_name("range");
  auto join = [&](const std::function<void(v1::JoinGroupRequest*)>& change,
                  v1::Broker::Stub* at) {
    v1::JoinGroupRequest request = good;
    change(&request);
    v1::JoinGroupResponse response;
    grpc::Status status = at->JoinGroup(Deadline().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return Name(response.error_code());
  };
  // The journal may still be loading.
  ASSERT_TRUE(Eventually(30, [&] {
    return join([](auto* r) { r->set_member_id("nobody"); }, stub.get()) ==
           "UNKNOWN_MEMBER_ID";
  }));
  for (int round = 0; round < 50; ++round) {
    EXPECT_EQ(join([](auto* r) { r->set_session_timeout_ms(1); }, stub.get()),
              "INVALID_SESSION_TIMEOUT");
    EXPECT_EQ(join([](auto* r) { r->set_session_timeout_ms(-1); }, stub.get()),
              "INVALID_SESSION_TIMEOUT");
    EXPECT_EQ(
        join([](auto* r) { r->set_session_timeout_ms(INT32_MAX); }, stub.get()),
        "INVALID_SESSION_TIMEOUT");
    EXPECT_EQ(join([](auto* r) { r->set_member_id("nobody"); }, stub.get()),
              "UNKNOWN_MEMBER_ID");
    EXPECT_EQ(join([](auto* r) { r->clear_protocols(); }, stub.get()),
              "INCONSISTENT_GROUP_PROTOCOL");
    EXPECT_EQ(join([](auto* r) {}, elsewhere.get()), "NOT_COORDINATOR");

    v1::HeartbeatRequest beat;
    beat.set_group_id("readers");
    beat.set_member_id("nobody");
    v1::HeartbeatResponse beaten;
    ASSERT_TRUE(stub->Heartbeat(Deadline().get(), beat, &beaten).ok());
    EXPECT_EQ(Name(beaten.error_code()), "UNKNOWN_MEMBER_ID");

    v1::SyncGroupRequest sync;
    sync.set_group_id("readers");
    sync.set_member_id("nobody");
    v1::SyncGroupResponse synced;
    ASSERT_TRUE(stub->SyncGroup(Deadline().get(), sync, &synced).ok());
    EXPECT_EQ(Name(synced.error_code()), "UNKNOWN_MEMBER_ID");

    v1::LeaveGroupRequest leave;
    leave.set_group_id("readers");
    leave.add_members()->set_member_id("nobody");
    v1::LeaveGroupResponse left;
    ASSERT_TRUE(stub->LeaveGroup(Deadline().get(), leave, &left).ok());
    EXPECT_TRUE(left.error_code() == v1::UNKNOWN_MEMBER_ID ||
                (left.members_size() == 1 &&
                 left.members(0) == v1::UNKNOWN_MEMBER_ID))
        << left.ShortDebugString();

    auto commit = [&](const std::function<void(v1::OffsetCommitRequest*)>&
                          change) {
      v1::OffsetCommitRequest request;
      request.set_group_id("readers");
      request.set_generation_id(-1);
      auto* offset = request.add_offsets();
      offset->set_topic("orders");
      offset->set_offset(1);
      offset->set_leader_epoch(-1);
      change(&request);
      v1::OffsetCommitResponse response;
      EXPECT_TRUE(
          stub->OffsetCommit(Deadline().get(), request, &response).ok());
      return Name(response.error_code() != v1::NONE || response.offsets().empty()
                      ? response.error_code()
                      : response.offsets(0).error_code());
    };
    EXPECT_EQ(commit([](auto* r) {
                r->mutable_offsets(0)->set_metadata(std::string(5000, 'm'));
              }),
              "OFFSET_METADATA_TOO_LARGE");
    EXPECT_EQ(commit([](auto* r) {
                r->set_generation_id(3);
                r->set_member_id("nobody");
              }),
              "UNKNOWN_MEMBER_ID");
    EXPECT_EQ(commit([](auto* r) {}), "NONE");
  }
}

// A call whose messages nobody has encoded.
class RawStream {
 public:
  RawStream(const std::shared_ptr<grpc::Channel>& channel,
            const std::string& method)
      : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(10));
    call_ = stub_.PrepareCall(&context_, method, &queue_);
    call_->StartCall(this);
    Next();
  }
  ~RawStream() {
    context_.TryCancel();
    if (!finished_) (void)Finish();
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  bool Write(const std::string& bytes) {
    grpc::Slice slice(bytes);
    call_->Write(grpc::ByteBuffer(&slice, 1), this);
    return Next();
  }
  bool Read(grpc::ByteBuffer* bytes) {
    call_->Read(bytes, this);
    return Next();
  }
  grpc::Status Finish() {
    finished_ = true;
    grpc::Status status;
    call_->Finish(&status, this);
    Next();
    return status;
  }

 private:
  bool Next() {
    void* tag;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

TEST_F(BadInputTest, MalformedMessagesEndTheirStreamOnly) {
  std::shared_ptr<grpc::Channel> channel = rpc::NewChannel(
      Node("broker-" + std::to_string(leader_)).grpc_address());
  auto stub = v1::Broker::NewStub(channel);
  auto context = Deadline(60);
  auto good = stub->ProduceStream(context.get());
  auto round_trip = [&](uint64_t id) {
    v1::ProduceRequest request = Request("orders", 0, Batch());
    request.set_correlation_id(id);
    ASSERT_TRUE(good->Write(request));
    v1::ProduceResponse response;
    ASSERT_TRUE(good->Read(&response));
    EXPECT_EQ(response.correlation_id(), id);
    EXPECT_EQ(Name(response.partitions(0).error_code()), "NONE");
  };
  round_trip(1);
  std::string request = Request("orders", 0, Batch()).SerializeAsString();
  uint64_t id = 2;
  for (int round = 0; round < 20; ++round) {
    for (const char* method :
         {"/sillok.v1.Broker/ProduceStream", "/sillok.v1.Broker/FetchStream"}) {
      for (const std::string& bytes :
           {std::string(100, '\xff'), request.substr(0, request.size() - 5),
            std::string("\x22\xff\xff\xff\xff\x0f", 6),
            std::string(1 << 20, '\x0b')}) {
        RawStream bad(channel, method);
        ASSERT_TRUE(bad.Write(bytes));
        grpc::ByteBuffer answer;
        EXPECT_FALSE(bad.Read(&answer));
        grpc::Status status = bad.Finish();
        EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
            << method << ": " << status.error_message();
        EXPECT_NE(status.error_message(), "") << method;
        // The stream beside it, on the same connection, goes on.
        round_trip(id++);
      }
    }
  }
  good->WritesDone();
  EXPECT_TRUE(good->Finish().ok());

  // Calls that are no stream, and the coordinator's door.
  std::shared_ptr<grpc::Channel> coordinator =
      rpc::NewChannel(Node("coordinator-1").grpc_address());
  for (const char* method :
       {"/sillok.v1.Broker/Produce", "/sillok.v1.Broker/Fetch",
        "/sillok.v1.Broker/Metadata", "/sillok.v1.Broker/JoinGroup",
        "/sillok.v1.Broker/NoSuchCall", "/sillok.v1.ClusterControl/ClusterState",
        "/sillok.v1.Coordinator/Session",
        "/sillok.v1.Coordinator/MemberStatus"}) {
    bool asks_coordinator = std::string(method).find("Coordinator") !=
                            std::string::npos;
    RawStream bad(asks_coordinator ? coordinator : channel, method);
    (void)bad.Write(std::string(100, '\xff'));
    grpc::ByteBuffer answer;
    EXPECT_FALSE(bad.Read(&answer)) << method;
    // A stream that gRPC itself cannot read ends as if the client had left.
    bool stream = std::string(method).find("ClusterState") !=
                      std::string::npos ||
                  std::string(method).find("Session") != std::string::npos;
    grpc::Status status = bad.Finish();
    EXPECT_TRUE(stream || !status.ok()) << method;
  }
}

TEST_F(BadInputTest, TheCommandLine) {
  std::string at = "SILLOK_BOOTSTRAP=" + cluster_->BrokerAddresses() +
                   " SILLOK_COORDINATOR=" + cluster_->CoordinatorAddresses() +
                   " tools/sillok ";
  struct Case {
    std::string arguments;
    int code;
    std::string line;  // part of what stderr says
    std::string input = "hello\n";
  };
  std::string big(3000, 'x');
  const std::vector<Case> cases = {
      // The cluster said no.
      {"topic create ''", 1, "INVALID_TOPIC_EXCEPTION"},
      {"topic create .", 1, "INVALID_TOPIC_EXCEPTION"},
      {"topic create a/b", 1, "'a/b'"},
      {"topic create 'a b'", 1, "'a b'"},
      {"topic create " + std::string(250, 'x'), 1, "allowed length 249"},
      {"topic create orders", 1, "TOPIC_ALREADY_EXISTS"},
      {"topic create x -r 4", 1, "INVALID_REPLICATION_FACTOR"},
      {"topic create x -c nonsense=1", 1, "INVALID_CONFIG: Unknown topic"},
      {"topic create x -c segment.bytes=lots", 1, "segment.bytes"},
      {"topic create x --assign 1:9", 1, "broker 9"},
      {"topic create __consumer_offsets", 1, "internal topic"},
      {"topic delete __consumer_offsets --yes", 1, "internal topic"},
      {"topic describe nope", 1, "'nope'"},
      {"topic delete nope --yes", 1, "'nope'"},
      {"produce orders -p 7", 1, "no partition 7"},
      {"produce a/b", 1, "INVALID_TOPIC_EXCEPTION"},
      {"produce small", 1, "max.message.bytes is 2000", big + "\n"},
      {"-X max.request.size=1000 produce orders", 1, "max.request.size=1000",
       big + "\n"},
      {"consume nope -e", 1, "'nope'"},
      {"consume orders -p 7 -e", 1, "no partition 7"},
      {"group describe nope", 1, "GROUP_ID_NOT_FOUND"},
      {"group describe ''", 1, "INVALID_GROUP_ID"},
      {"coord get /nope", 1, "NO_NODE: /nope"},
      {"coord get nope", 1, "BAD_ARGUMENTS: 'nope' is no path"},
      {"coord get ''", 1, "BAD_ARGUMENTS: '' is no path"},
      {"coord get //", 1, "BAD_ARGUMENTS"},
      {"coord get /a/", 1, "BAD_ARGUMENTS"},
      {"coord get /a/../b", 1, "/a/../b"},
      {"coord ls /nope", 1, "NO_NODE"},
      {"coord stat /nope", 1, "NO_NODE"},
      {"dev status --dir /nonexistent", 1, "no cluster in /nonexistent"},
      // Usage.
      {"", 2, "subcommand is required"},
      {"nonsense", 2, "nonsense"},
      {"topic nonsense", 2, "nonsense"},
      {"topic create", 2, "TOPIC is required"},
      {"topic list --nonsense", 2, "--nonsense"},
      {"topic create x -p -1", 2, "--partitions: '-1' is not allowed"},
      {"topic create x -r -1", 2, "--replicas: '-1' is not allowed"},
      {"topic create x -p many", 2, "--partitions"},
      {"topic create x -c noequals", 2, "key=value, not 'noequals'"},
      {"topic create x --assign a", 2, "--assign"},
      {"topic delete orders", 2, "--yes"},
      {"produce orders --acks 2", 2, "--acks"},
      {"produce orders -z rar", 2, "--compression"},
      {"produce orders -f '%q'", 2, "unknown verb %q"},
      {"produce orders -H novalue", 2, "key:value, not 'novalue'"},
      {"produce orders --file /nonexistent", 2, "/nonexistent"},
      {"-X max.request.size=0 produce orders", 2, "max.request.size=0"},
      {"-X nonsense.key=1 produce orders", 2, "'nonsense.key'"},
      {"-X session.timeout.ms=1 consume orders -g g", 2, "session.timeout.ms"},
      {"consume orders -o nonsense -e", 2, "'nonsense'"},
      {"consume orders -n -3", 2, "--num: '-3' is not allowed"},
      {"--timeout abc topic list", 2, "--timeout: 'abc' is not allowed"},
      {"--timeout 0 topic list", 2, "--timeout: '0' is not allowed"},
      {"-b nonsense topic list", 2, "bootstrap.servers=nonsense"},
      {"-b 127.0.0.1:99999 topic list", 2, "127.0.0.1:99999"},
      {"--coordinator nonsense coord get /", 2, "nonsense"},
      // Nobody there. Port 1 is the kernel's to refuse.
      {"-b 127.0.0.1:1 --timeout 1 topic list", 3, "cannot reach"},
      {"-b 127.0.0.1:1 --timeout 1 produce orders", 3, "cannot reach"},
      {"-b 127.0.0.1:1 --timeout 1 consume orders -e", 3, "cannot reach"},
      {"-b 127.0.0.1:1 --timeout 1 group list", 3, "cannot reach"},
      {"-b 127.0.0.1:1 --timeout 1 cluster info", 3, "cannot reach"},
      {"--coordinator 127.0.0.1:1 --timeout 1 coord get /", 3, "cannot reach"},
      {"--coordinator 127.0.0.1:1 --timeout 1 coord status", 3, "cannot reach"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.arguments.substr(0, 80));
    CommandOutcome outcome = RunCommand(at + one.arguments, one.input);
    EXPECT_EQ(outcome.code, one.code) << outcome.err;
    EXPECT_TRUE(IsOneLine(outcome.err)) << outcome.err;
    EXPECT_EQ(outcome.err.rfind("sillok: ", 0), 0u) << outcome.err;
    EXPECT_NE(outcome.err.find(one.line), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("UNKNOWN_SERVER_ERROR"), std::string::npos);
    // Data alone: a table of what was asked, or nothing.
    EXPECT_TRUE(outcome.out.empty() || outcome.out.rfind("TOPIC ", 0) == 0)
        << outcome.out;
    if (one.code != 1) {
      EXPECT_EQ(outcome.out, "");
    }
  }
}

TEST_F(BadInputTest, ServersThatCannotStart) {
  std::string dir = testing::TempDir() + "/unborn";
  std::string broker = fmt::format(
      "timeout 20 broker/sillok-broker --set broker.id=9 "
      "--set coordinator.connect={} --set log.dirs={} "
      "--set listeners=GRPC://127.0.0.1:0 --set http.listen=127.0.0.1:0",
      cluster_->CoordinatorAddresses(), dir);
  std::string coordinator = fmt::format(
      "timeout 20 coordinator/sillok-coordinator --config "
      "{}/config.properties",
      Node("coordinator-1").dir);
  struct Case {
    std::string command;
    int code;
    std::vector<std::string> words;  // of the last line
  };
  const std::vector<Case> cases = {
      {broker + " --set nonsense=1", 2, {"'nonsense'"}},
      {broker + " --set log.segment.bytes=lots", 2,
       {"log.segment.bytes=lots", "must be a whole number"}},
      {broker + " --set num.io.threads=0", 2,
       {"num.io.threads=0", "from 1 to 256"}},
      {broker + " --set noequals", 2, {"'noequals'", "key=value"}},
      {broker + " --set listeners=nonsense", 2,
       {"listeners=nonsense", "GRPC://host:port"}},
      {broker + " --set listeners=KAFKA://127.0.0.1:0", 2,
       {"listeners:", "'KAFKA'", "listener.security.protocol.map"}},
      {broker + " --set coordinator.connect=nonsense", 2,
       {"coordinator.connect=nonsense", "host:port"}},
      {broker + " --set coordinator.connect=", 2,
       {"coordinator.connect=", "host:port"}},
      {broker + " --config /nonexistent", 2, {"/nonexistent"}},
      {"broker/sillok-broker --set broker.id=9", 2,
       {"'coordinator.connect' must be set"}},
      {"SILLOK_NUM_IO_THREADS=0 " + broker, 2,
       {"SILLOK_NUM_IO_THREADS", "num.io.threads=0", "from 1 to 256"}},
      {coordinator + " --set nonsense=1", 2, {"'nonsense'"}},
      {coordinator + " --set tickTime=0", 2,
       {"tickTime=0", "from 20 to 600000"}},
      {coordinator + " --set myid=7", 2, {"7", "server.7"}},
      // Taken ports and folders.
      {broker + " --set listeners=GRPC://" + Node("broker-1").grpc_address(), 1,
       {Node("broker-1").grpc_address(), "port is taken"}},
      {broker + " --set http.listen=" + Node("broker-1").http_address(), 1,
       {Node("broker-1").http_address(), "port is taken"}},
      {coordinator + " --set dataDir=" + dir + "-c", 1,
       {Node("coordinator-1").grpc_address(), "port is taken"}},
      {broker + " --set log.dirs=" + Node("broker-1").data_path(), 1,
       {Node("broker-1").data_path(), "another process"}},
      {coordinator, 1, {Node("coordinator-1").data_path()}},
      {broker + " --set log.dirs=/proc/nope", 1, {"/proc/nope"}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.command);
    CommandOutcome outcome = RunCommand(one.command);
    EXPECT_EQ(outcome.code, one.code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    // A configuration is read before anything is logged. Later the log comes
    // first, and the reason is one line, the last.
    if (one.code == 2) {
      EXPECT_TRUE(IsOneLine(outcome.err)) << outcome.err;
    }
    size_t reason = outcome.err.rfind("sillok-");
    ASSERT_NE(reason, std::string::npos) << outcome.err;
    EXPECT_TRUE(reason == 0 || outcome.err[reason - 1] == '\n') << outcome.err;
    std::string line = outcome.err.substr(reason);
    EXPECT_TRUE(IsOneLine(line)) << line;
    for (const std::string& word : one.words) {
      EXPECT_NE(line.find(word), std::string::npos) << line;
    }
  }
}

TEST_F(BadInputTest, AnEpochThatIsOverIsFenced) {
  int old_leader = leader_;
  tools::DevNode node = Node("broker-" + std::to_string(old_leader));
  ASSERT_TRUE(cluster_->SignalNode(node, SIGTERM).ok());
  ASSERT_TRUE(cluster_->AwaitExit(node, 20).ok());
  ASSERT_TRUE(Eventually(30, [&] {
    int leader = LeaderOf("orders", 0);
    return leader > 0 && leader != old_leader;
  }));
  leader_ = LeaderOf("orders", 0);
  stub_ = StubOf(leader_);
  StartAgain(node.name());
  before_ = Resident();
  v1::FetchRequest request;
  auto* part = request.add_partitions();
  part->set_topic("orders");
  part->set_current_leader_epoch_plus_one(1);  // the first epoch, 0
  v1::FetchResponse response;
  ASSERT_TRUE(stub_->Fetch(Deadline().get(), request, &response).ok());
  EXPECT_EQ(Name(response.partitions(0).error_code()), "FENCED_LEADER_EPOCH")
      << response.partitions(0).error_message();
  v1::ListOffsetsRequest list;
  auto* listed = list.add_partitions();
  listed->set_topic("orders");
  listed->set_timestamp_ms(-1);
  listed->set_current_leader_epoch_plus_one(1);
  v1::ListOffsetsResponse offsets;
  ASSERT_TRUE(stub_->ListOffsets(Deadline().get(), list, &offsets).ok());
  EXPECT_EQ(Name(offsets.partitions(0).error_code()), "FENCED_LEADER_EPOCH");
}

}  // namespace
}  // namespace sillok::cluster_test
