// Controllers of several brokers over one ensemble in memory, with real threads
// and real gRPC between broker and controller.
#include "broker/controller/controller.h"

#include <gtest/gtest.h>

#include <future>
#include <mutex>

#include "base/rpc/server.h"
#include "broker/controller/cluster_stream.h"
#include "broker/controller/controller_channel.h"
#include "broker/controller/controller_finder.h"
#include "broker/controller/controller_service.h"
#include "broker/metadata/broker_registration.h"
#include "broker/metadata/cluster_view_holder.h"
#include "broker/metadata/store_calls.h"
#include "broker/metadata/znodes.h"
#include "test/broker/controller/fake_ensemble.h"
#include "test/broker/controller/waiting.h"

namespace sillok {
namespace {

// What a broker has of all this, without the rest of a broker.
class Node {
 public:
  Node(FakeEnsemble* ensemble, int32_t id, Executor* executor, Timer* timer)
      : id_(id), store(ensemble, executor), executor_(executor), timer_(timer) {
    Open();
  }
  ~Node() { Close(); }

  void Open() {
    controller = std::make_unique<Controller>(
        ControllerOptions{.broker_id = BrokerId(id_),
                          .max_multi_bytes = 64 * 1024,
                          .retry_ms = 10,
                          .random_seed = 42},
        &store, executor_, timer_, &Clock::Real());
    service_ = std::make_unique<ControllerService>(controller.get());
    server_ = *rpc::RpcServer::Start({"127.0.0.1:0"}, {service_.get()});
    finder = std::make_unique<ControllerFinder>(&store, executor_, timer_);
    stream = std::make_unique<ClusterStream>(
        ClusterStreamOptions{.broker_id = BrokerId(id_),
                             .reconnect_backoff_ms = 5,
                             .reconnect_backoff_max_ms = 50},
        finder.get(), executor_, timer_,
        [this](const v1::ClusterUpdate& update, ClusterStream::Applied done) {
          const bool ok =
              view.Apply(update) == ClusterViewHolder::Outcome::kApplied;
          done(ok);
        });
    channel = std::make_unique<ControllerChannel>(
        ControllerChannelOptions{.retry_backoff_ms = 5}, finder.get(), timer_);
    registration = std::make_unique<BrokerRegistration>(
        BrokerRegistrationOptions{
            .broker_id = BrokerId(id_),
            .endpoints = {{"GRPC", "PLAINTEXT", "127.0.0.1", server_->port()}},
            .rack = "",
            .retry_ms = 5,
            .new_cluster_id = "AAAAAAAAAAAAAAAAAAAAAA"},
        &store, executor_, timer_, &Clock::Real(),
        BrokerRegistration::Callbacks{
            .registered =
                [this](BrokerEpoch epoch, const std::string&) {
                  broker_epoch = epoch.value();
                  view.SetBrokerEpoch(epoch);
                  stream->SetBrokerEpoch(epoch);
                  controller->Start();
                },
            .lost = [this] { stream->ClearBrokerEpoch(); },
            .failed = nullptr});
    registration->Start();
  }

  void Close() {
    if (!registration) return;
    std::promise<void> stopped;
    registration->Stop([&] { stopped.set_value(); });
    stopped.get_future().wait();
    std::promise<void> resigned;
    controller->Stop([&] { resigned.set_value(); });
    resigned.get_future().wait();
    stream->Stop();
    channel.reset();
    server_->Shutdown(0);
    registration.reset();
    stream.reset();
    finder.reset();
    controller.reset();
    server_.reset();
    service_.reset();
  }

  std::shared_ptr<const TopicInfo> Topic(const std::string& name) {
    return view.Get()->FindTopic(name);
  }
  int32_t Leader(const std::string& topic, int32_t partition) {
    auto now = view.Get();
    const PartitionInfo* info = now->FindPartition(topic, partition);
    return info == nullptr ? -2 : info->leader.value();
  }

  const int32_t id_;
  FakeStore store;
  Executor* const executor_;
  Timer* const timer_;
  ClusterViewHolder view;
  std::atomic<int64_t> broker_epoch{-1};
  std::unique_ptr<Controller> controller;
  std::unique_ptr<ControllerService> service_;
  std::unique_ptr<rpc::RpcServer> server_;
  std::unique_ptr<ControllerFinder> finder;
  std::unique_ptr<ClusterStream> stream;
  std::unique_ptr<ControllerChannel> channel;
  std::unique_ptr<BrokerRegistration> registration;
};

class ControllerTest : public testing::Test {
 protected:
  ControllerTest() { ensemble_.Bootstrap(); }
  // Executor and timer outlive the nodes and what these have posted.
  ~ControllerTest() override {
    for (auto& [id, node] : nodes_) node->Close();
    nodes_.clear();
  }

  Node& Add(int32_t id) {
    auto& node = nodes_[id];
    node = std::make_unique<Node>(&ensemble_, id, &executor_, &timer_);
    return *node;
  }
  // Nodes 1..n; 1 is controller and all know each other.
  void Cluster(int32_t n) {
    Add(1);
    ASSERT_TRUE(Eventually([&] { return nodes_[1]->controller->IsActive(); }));
    for (int32_t id = 2; id <= n; ++id) Add(id);
    ASSERT_TRUE(Eventually([&] { return AllSee(n); }));
  }
  bool AllSee(size_t n) {
    for (auto& [id, node] : nodes_) {
      if (node->view.Get()->brokers().size() != n) return false;
    }
    return true;
  }
  int32_t ActiveId() {
    for (auto& [id, node] : nodes_) {
      if (node->controller && node->controller->IsActive()) return id;
    }
    return -1;
  }

  v1::TopicResult Create(Node& via, const std::string& name,
                         int32_t partitions, int32_t factor,
                         int32_t timeout_ms = 30'000) {
    v1::CreateTopicsRequest request;
    request.set_timeout_ms(timeout_ms);
    v1::NewTopic* topic = request.add_topics();
    topic->set_name(name);
    topic->set_partitions(partitions);
    topic->set_replication_factor(factor);
    std::promise<absl::StatusOr<v1::CreateTopicsResponse>> answer;
    via.channel->CreateTopics(request, [&](auto r) { answer.set_value(r); });
    auto response = answer.get_future().get();
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->topics(0) : v1::TopicResult();
  }
  v1::TopicResult Delete(Node& via, const std::string& name) {
    v1::DeleteTopicsRequest request;
    request.add_names(name);
    std::promise<absl::StatusOr<v1::DeleteTopicsResponse>> answer;
    via.channel->DeleteTopics(request, [&](auto r) { answer.set_value(r); });
    auto response = answer.get_future().get();
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->topics(0) : v1::TopicResult();
  }
  v1::AlterPartitionResponse Alter(Node& leader, const std::string& topic,
                                   const std::vector<int32_t>& isr) {
    auto view = leader.view.Get();
    const PartitionInfo* info = view->FindPartition(topic, 0);
    v1::AlterPartitionRequest request;
    request.set_broker_id(leader.id_);
    request.set_broker_epoch(leader.broker_epoch);
    v1::AlterPartition* p = request.add_partitions();
    p->set_topic_id(view->FindTopic(topic)->id);
    p->set_leader_epoch(info->leader_epoch.value());
    p->set_partition_epoch(info->partition_epoch.value());
    for (int32_t id : isr) {
      p->add_isr()->set_broker_id(id);
      p->mutable_isr(p->isr_size() - 1)->set_broker_epoch(-1);
    }
    std::promise<absl::StatusOr<v1::AlterPartitionResponse>> answer;
    leader.channel->AlterPartition(request, 10'000,
                                   [&](auto r) { answer.set_value(r); });
    auto response = answer.get_future().get();
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::AlterPartitionResponse();
  }
  PartitionStateZnode State(const std::string& topic, int32_t partition) {
    return DecodePartitionState(
               ensemble_.Data(znode_path::PartitionState(topic, partition)))
        .value_or(PartitionStateZnode{.leader = -9});
  }

  Executor executor_{"test", 3};
  Timer timer_;
  FakeEnsemble ensemble_;
  std::map<int32_t, std::unique_ptr<Node>> nodes_;
};

TEST_F(ControllerTest, FirstBrokerIsElectedAsKafkaWritesIt) {
  Cluster(3);
  EXPECT_EQ(*DecodeController(ensemble_.Data("/controller")), 1);
  EXPECT_EQ(ensemble_.Data("/controller_epoch"), "1");
  EXPECT_EQ(nodes_[1]->controller->Epoch(), 1);
  for (auto& [id, node] : nodes_) {
    EXPECT_EQ(node->view.Get()->controller_id(), BrokerId(1));
    EXPECT_EQ(node->view.Get()->cluster_id(), "HwkMMWBkTRK9t2xV16NIHQ");
    EXPECT_EQ(node->finder->Current().broker_id, BrokerId(1));
  }
  EXPECT_FALSE(nodes_[2]->controller->IsActive());
}

TEST_F(ControllerTest, TopicIsKnownToItsLeadersWhenItsCreationIsAnswered) {
  Cluster(3);
  v1::TopicResult result = Create(*nodes_[3], "orders", 6, 3);
  EXPECT_EQ(result.error_code(), v1::NONE) << result.error_message();
  std::set<int32_t> leaders;
  for (int32_t p = 0; p < 6; ++p) {
    const PartitionStateZnode state = State("orders", p);
    EXPECT_EQ(state.isr.size(), 3u);
    EXPECT_EQ(state.controller_epoch, 1);
    EXPECT_EQ(nodes_[state.leader]->Leader("orders", p), state.leader);
    leaders.insert(state.leader);
  }
  EXPECT_EQ(leaders.size(), 3u);
  EXPECT_EQ(Create(*nodes_[2], "orders", 6, 3).error_code(),
            v1::TOPIC_ALREADY_EXISTS);
  EXPECT_EQ(Create(*nodes_[2], "wide", 1, 4).error_code(),
            v1::INVALID_REPLICATION_FACTOR);
}

TEST_F(ControllerTest, LeadersFailOverWhenABrokerDies) {
  Cluster(3);
  Create(*nodes_[1], "orders", 30, 3);
  nodes_[3]->Close();
  nodes_.erase(3);
  ASSERT_TRUE(Eventually([&] {
    for (int32_t p = 0; p < 30; ++p) {
      if (State("orders", p).leader == 3) return false;
      for (int32_t n : {1, 2}) {
        if (nodes_[n]->Leader("orders", p) != State("orders", p).leader) {
          return false;
        }
      }
    }
    return true;
  }));
  for (int32_t p = 0; p < 30; ++p) EXPECT_EQ(State("orders", p).isr.size(), 2u);
  EXPECT_EQ(nodes_[2]->view.Get()->brokers().size(), 2u);
}

TEST_F(ControllerTest, AnotherControllerTakesOverWithTheNextEpoch) {
  Cluster(3);
  Create(*nodes_[2], "orders", 10, 3);
  nodes_[1]->Close();
  nodes_.erase(1);
  ASSERT_TRUE(Eventually([&] { return ActiveId() > 1; }));
  EXPECT_EQ(ensemble_.Data("/controller_epoch"), "2");
  ASSERT_TRUE(Eventually([&] {
    for (auto& [id, node] : nodes_) {
      if (node->view.Get()->controller_epoch() != ControllerEpoch(2)) {
        return false;
      }
      for (int32_t p = 0; p < 10; ++p) {
        if (node->Leader("orders", p) < 2) return false;
      }
    }
    return true;
  }));
  EXPECT_EQ(Create(*nodes_[2], "more", 3, 2).error_code(), v1::NONE);
  EXPECT_EQ(State("more", 0).controller_epoch, 2);
}

TEST_F(ControllerTest, AlterPartitionIsAnsweredWhenItIsCommitted) {
  Cluster(3);
  Create(*nodes_[1], "orders", 1, 3);
  Node& leader = *nodes_[State("orders", 0).leader];
  std::vector<int32_t> isr{leader.id_, leader.id_ % 3 + 1};
  auto response = Alter(leader, "orders", isr);
  EXPECT_EQ(response.partitions(0).error_code(), v1::NONE);
  EXPECT_EQ(State("orders", 0).isr, isr);
  EXPECT_EQ(response.partitions(0).state().partition_epoch(), 1);
  ASSERT_TRUE(Eventually([&] {
    for (auto& [id, node] : nodes_) {
      auto view = node->view.Get();
      if (view->FindPartition("orders", 0)->isr.size() != 2) return false;
    }
    return true;
  }));
}

TEST_F(ControllerTest, ControlledShutdownMovesLeadersAway) {
  Cluster(3);
  Create(*nodes_[1], "orders", 9, 3);
  v1::ControlledShutdownRequest request;
  request.set_broker_id(2);
  request.set_broker_epoch(nodes_[2]->broker_epoch);
  std::promise<absl::StatusOr<v1::ControlledShutdownResponse>> answer;
  nodes_[2]->channel->ControlledShutdown(
      request, 10'000, [&](auto r) { answer.set_value(r); });
  auto response = answer.get_future().get();
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->remaining(), 0);
  for (int32_t p = 0; p < 9; ++p) {
    EXPECT_NE(State("orders", p).leader, 2);
    EXPECT_EQ(State("orders", p).isr.size(), 2u);
  }
}

TEST_F(ControllerTest, DeletionIsAnsweredWhenTheTopicIsGone) {
  Cluster(3);
  const std::string id = Create(*nodes_[1], "orders", 4, 3).topic_id();
  EXPECT_EQ(Delete(*nodes_[2], "orders").error_code(), v1::NONE);
  EXPECT_FALSE(ensemble_.Has("/brokers/topics/orders"));
  EXPECT_FALSE(ensemble_.Has("/config/topics/orders"));
  EXPECT_FALSE(ensemble_.Has("/admin/delete_topics/orders"));
  for (auto& [n, node] : nodes_) EXPECT_EQ(node->Topic("orders"), nullptr);
  EXPECT_EQ(Delete(*nodes_[2], "orders").error_code(),
            v1::UNKNOWN_TOPIC_OR_PARTITION);
  const std::string next = Create(*nodes_[1], "orders", 4, 3).topic_id();
  EXPECT_NE(next, id);
}

TEST_F(ControllerTest, BrokerThatWasDownIsToldOfTheDeletion) {
  Cluster(3);
  const std::string id = Create(*nodes_[1], "orders", 2, 3).topic_id();
  nodes_[3]->Close();
  nodes_.erase(3);
  ASSERT_TRUE(Eventually([&] { return AllSee(2); }));
  EXPECT_EQ(Delete(*nodes_[1], "orders").error_code(), v1::NONE);
  EXPECT_TRUE(ensemble_.Has("/admin/deleted_replicas/" + id));
  // The next controller knows of it, too.
  nodes_[1]->store.Expire();
  Add(3);
  EXPECT_TRUE(Eventually([&] {
    return !ensemble_.Has("/admin/deleted_replicas/" + id);
  }));
}

TEST_F(ControllerTest, TopicsAndMarkersOfOtherHandsAreTakenUp) {
  Cluster(2);
  ensemble_.Execute(
      99, CreateRequest("/brokers/topics/foreign",
                        EncodeTopic({.topic_id = "ABCDEFGHIJKLMNOPQRSTUQ",
                                     .partitions = {{0, {2, 1}}}})));
  ASSERT_TRUE(
      Eventually([&] { return nodes_[1]->Leader("foreign", 0) == 2; }));
  EXPECT_EQ(State("foreign", 0).isr, (std::vector<int32_t>{2, 1}));
  ensemble_.Execute(99, CreateRequest("/admin/delete_topics/foreign", ""));
  EXPECT_TRUE(
      Eventually([&] { return !ensemble_.Has("/brokers/topics/foreign"); }));
}

TEST_F(ControllerTest, ZombieControllersWritesAreRefused) {
  Cluster(3);
  Create(*nodes_[1], "orders", 3, 3);
  // The process stands still while its session ends, then goes on.
  nodes_[1]->store.Pause();
  nodes_[1]->store.Expire();
  ASSERT_TRUE(Eventually([&] { return ActiveId() != -1 &&
                                      nodes_[2]->controller->Epoch() +
                                              nodes_[3]->controller->Epoch() >
                                          0; }));
  ASSERT_TRUE(nodes_[1]->controller->IsActive());  // as far as it knows
  std::promise<v1::CreateTopicsResponse> answer;
  v1::CreateTopicsRequest request;
  request.add_topics()->set_name("zombie");
  nodes_[1]->controller->CreateTopics(
      request, [&](const auto& r) { answer.set_value(r); });
  nodes_[1]->store.Resume();
  EXPECT_NE(answer.get_future().get().topics(0).error_code(), v1::NONE);
  EXPECT_FALSE(ensemble_.Has("/brokers/topics/zombie"));
  EXPECT_TRUE(
      Eventually([&] { return !nodes_[1]->controller->IsActive(); }));
  // And it is a broker among others again.
  ASSERT_TRUE(Eventually([&] { return AllSee(3); }));
}

TEST_F(ControllerTest, LostAnswersLeadToReadingAgainNotToGuessing) {
  Cluster(3);
  nodes_[1]->store.LoseAnswers(1);
  v1::TopicResult result = Create(*nodes_[2], "orders", 3, 3);
  // It was written, but that is not known: the answer must not be a no.
  EXPECT_EQ(result.error_code(), v1::REQUEST_TIMED_OUT);
  EXPECT_TRUE(ensemble_.Has("/brokers/topics/orders"));
  ASSERT_TRUE(Eventually([&] {
    for (auto& [id, node] : nodes_) {
      if (node->Leader("orders", 0) < 0) return false;
    }
    return nodes_[1]->controller->IsActive();
  }));
  EXPECT_EQ(nodes_[1]->controller->Epoch(), 1);
  EXPECT_EQ(Create(*nodes_[3], "orders", 3, 3).error_code(),
            v1::TOPIC_ALREADY_EXISTS);
}

TEST_F(ControllerTest, SurvivesALostConnectionInOffice) {
  Cluster(2);
  nodes_[1]->store.Disconnect();
  EXPECT_EQ(Create(*nodes_[2], "one", 1, 1).error_code(),
            v1::REQUEST_TIMED_OUT);
  nodes_[1]->store.Reconnect();
  ASSERT_TRUE(Eventually([&] { return nodes_[1]->controller->IsActive(); }));
  EXPECT_EQ(nodes_[1]->controller->Epoch(), 1);
  EXPECT_EQ(Create(*nodes_[2], "two", 1, 1).error_code(), v1::NONE);
}

TEST_F(ControllerTest, ManyLeadersFailOverInFewMultis) {
  Cluster(3);
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(Create(*nodes_[1], "t" + std::to_string(i), 300, 3).error_code(),
              v1::NONE);
  }
  const size_t before = ensemble_.multis();
  nodes_[2]->Close();
  nodes_.erase(2);
  ASSERT_TRUE(Eventually([&] {
    return nodes_[3]->view.Get()->brokers().size() == 2;
  }));
  for (int i = 0; i < 10; ++i) {
    for (int32_t p = 0; p < 300; ++p) {
      const std::string topic = "t" + std::to_string(i);
      EXPECT_NE(nodes_[3]->Leader(topic, p), 2);
      EXPECT_EQ(nodes_[3]->Leader(topic, p), State(topic, p).leader);
    }
  }
  // 3000 partitions of about 150 bytes in multis of 64 KiB.
  EXPECT_LE(ensemble_.multis() - before, 12u);
  EXPECT_LE(ensemble_.largest_multi_bytes(), 65u * 1024);
  Controller::Stats stats = nodes_[1]->controller->stats();
  EXPECT_EQ(stats.partitions, 3000);
  EXPECT_EQ(stats.offline_partitions, 0);
}

TEST_F(ControllerTest, AnswersNotControllerElsewhere) {
  Cluster(2);
  std::promise<v1::CreateTopicsResponse> answer;
  v1::CreateTopicsRequest request;
  request.add_topics()->set_name("t");
  nodes_[2]->controller->CreateTopics(
      request, [&](const auto& r) { answer.set_value(r); });
  EXPECT_EQ(answer.get_future().get().topics(0).error_code(),
            v1::NOT_CONTROLLER);
}

}  // namespace
}  // namespace sillok
