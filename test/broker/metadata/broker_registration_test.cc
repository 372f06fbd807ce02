#include "broker/metadata/broker_registration.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>

#include "base/error.h"
#include "broker/metadata/store_calls.h"
#include "broker/metadata/znodes.h"
#include "test/broker/controller/fake_ensemble.h"
#include "test/broker/controller/waiting.h"

namespace sillok {
namespace {

struct Seen {
  std::mutex mutex;
  std::vector<int64_t> epochs;
  std::string cluster_id;
  std::atomic<int> lost{0};
  absl::Status failed;

  BrokerRegistration::Callbacks Callbacks() {
    return {.registered =
                [this](BrokerEpoch epoch, const std::string& id) {
                  std::lock_guard<std::mutex> lock(mutex);
                  epochs.push_back(epoch.value());
                  cluster_id = id;
                },
            .lost =
                [this] {
                  std::lock_guard<std::mutex> lock(mutex);
                  ++lost;
                },
            .failed =
                [this](const absl::Status& status) {
                  std::lock_guard<std::mutex> lock(mutex);
                  failed = status;
                }};
  }
  size_t Registrations() {
    std::lock_guard<std::mutex> lock(mutex);
    return epochs.size();
  }
  bool Failed() {
    std::lock_guard<std::mutex> lock(mutex);
    return !failed.ok();
  }
};

class BrokerRegistrationTest : public testing::Test {
 protected:
  std::unique_ptr<BrokerRegistration> Make(FakeStore* store, Seen* seen,
                                           int64_t wait_ms = 60'000) {
    return std::make_unique<BrokerRegistration>(
        BrokerRegistrationOptions{
            .broker_id = BrokerId(1),
            .endpoints = {{"PLAINTEXT", "PLAINTEXT", "h", 9092},
                          {"GRPC", "PLAINTEXT", "h", 9094}},
            .rack = "",
            .wait_for_old_session_ms = wait_ms,
            .retry_ms = 5,
            .new_cluster_id = "AAAAAAAAAAAAAAAAAAAAAA"},
        store, &executor_, &timer_, &Clock::Real(), seen->Callbacks());
  }
  int64_t Czxid() {
    return static_cast<int64_t>(
        ensemble_.Snapshot()["/brokers/ids/1"].stat.czxid());
  }

  Executor executor_{"test", 2};
  Timer timer_;
  FakeEnsemble ensemble_;
};

TEST_F(BrokerRegistrationTest, FirstBrokerMakesTheClusterAndRegisters) {
  FakeStore store(&ensemble_, &executor_);
  Seen seen;
  auto registration = Make(&store, &seen);
  registration->Start();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 1; }));
  EXPECT_EQ(seen.epochs[0], Czxid());
  EXPECT_EQ(seen.cluster_id, "AAAAAAAAAAAAAAAAAAAAAA");
  for (const std::string& path : znode_path::Base()) {
    EXPECT_TRUE(ensemble_.Has(path)) << path;
  }
  EXPECT_EQ(DecodeBroker(ensemble_.Data("/brokers/ids/1"))->Grpc()->port, 9094);
}

TEST_F(BrokerRegistrationTest, JoinsTheClusterThatIsThere) {
  ensemble_.Bootstrap();
  FakeStore store(&ensemble_, &executor_);
  Seen seen;
  auto registration = Make(&store, &seen);
  registration->Start();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 1; }));
  EXPECT_EQ(seen.cluster_id, "HwkMMWBkTRK9t2xV16NIHQ");
}

TEST_F(BrokerRegistrationTest, RenewsItselfUnderAnotherEpoch) {
  FakeStore store(&ensemble_, &executor_);
  Seen seen;
  auto registration = Make(&store, &seen);
  registration->Renew();  // there is nothing to renew yet
  registration->Start();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 1; }));
  registration->Renew();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 2; }));
  EXPECT_EQ(seen.lost, 1);
  EXPECT_GT(seen.epochs[1], seen.epochs[0]);
  EXPECT_EQ(seen.epochs[1], Czxid());
}

TEST_F(BrokerRegistrationTest, ARenewalThatMissesTheStoreIsNotTheOldOne) {
  FakeStore store(&ensemble_, &executor_);
  Seen seen;
  auto registration = Make(&store, &seen);
  registration->Start();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 1; }));
  store.Disconnect();  // the deletion fails; the session and its znode stay
  registration->Renew();
  ASSERT_TRUE(Eventually([&] { return seen.lost == 1; }));
  store.Reconnect();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 2; }));
  EXPECT_GT(seen.epochs[1], seen.epochs[0]);
  EXPECT_EQ(seen.epochs[1], Czxid());
}

TEST_F(BrokerRegistrationTest, RegistersAnewAfterItsSessionExpired) {
  FakeStore store(&ensemble_, &executor_);
  Seen seen;
  auto registration = Make(&store, &seen);
  registration->Start();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 1; }));
  store.Expire();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 2; }));
  EXPECT_EQ(seen.lost, 1);
  EXPECT_GT(seen.epochs[1], seen.epochs[0]);
  EXPECT_EQ(seen.epochs[1], Czxid());
}

TEST_F(BrokerRegistrationTest, RegistersAnewWhenItsZnodeIsTakenAway) {
  FakeStore store(&ensemble_, &executor_);
  Seen seen;
  auto registration = Make(&store, &seen);
  registration->Start();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 1; }));
  ensemble_.Execute(99, DeleteRequest("/brokers/ids/1"));
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 2; }));
  EXPECT_EQ(seen.lost, 1);
}

TEST_F(BrokerRegistrationTest, ACreateWhoseAnswerWasLostIsItsOwn) {
  ensemble_.Bootstrap();
  FakeStore store(&ensemble_, &executor_);
  store.LoseAnswers(1);
  Seen seen;
  auto registration = Make(&store, &seen);
  registration->Start();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 1; }));
  EXPECT_EQ(seen.epochs[0], Czxid());
  EXPECT_EQ(seen.lost, 0);
}

TEST_F(BrokerRegistrationTest, WaitsForTheSessionOfItsFormerSelfToEnd) {
  ensemble_.Bootstrap();
  FakeStore old(&ensemble_, &executor_);
  Seen seen_old;
  auto former = Make(&old, &seen_old);
  former->Start();
  ASSERT_TRUE(Eventually([&] { return seen_old.Registrations() == 1; }));
  former.reset();

  FakeStore store(&ensemble_, &executor_);
  Seen seen;
  auto registration = Make(&store, &seen);
  registration->Start();
  const int64_t first = Czxid();
  std::promise<void> turn;  // let it meet the old znode
  timer_.After(20, [&] { turn.set_value(); });
  turn.get_future().wait();
  EXPECT_EQ(seen.Registrations(), 0u);
  old.Expire();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 1; }));
  EXPECT_GT(seen.epochs[0], first);
  EXPECT_FALSE(seen.Failed());
}

TEST_F(BrokerRegistrationTest, AnotherLiveBrokerKeepsItsId) {
  ensemble_.Bootstrap();
  FakeStore other(&ensemble_, &executor_);
  Seen seen_other;
  auto owner = Make(&other, &seen_other);
  owner->Start();
  ASSERT_TRUE(Eventually([&] { return seen_other.Registrations() == 1; }));
  const int64_t epoch = Czxid();

  FakeStore store(&ensemble_, &executor_);
  Seen seen;
  auto registration = Make(&store, &seen, /*wait_ms=*/20);
  registration->Start();
  ASSERT_TRUE(Eventually([&] { return seen.Failed(); }));
  EXPECT_EQ(ErrorCodeOf(seen.failed),
            ErrorCode::DUPLICATE_BROKER_REGISTRATION);
  EXPECT_EQ(Czxid(), epoch);
  EXPECT_EQ(seen_other.lost, 0);
}

TEST_F(BrokerRegistrationTest, StopTakesTheZnodeAway) {
  FakeStore store(&ensemble_, &executor_);
  Seen seen;
  auto registration = Make(&store, &seen);
  registration->Start();
  ASSERT_TRUE(Eventually([&] { return seen.Registrations() == 1; }));
  std::promise<void> stopped;
  registration->Stop([&] { stopped.set_value(); });
  stopped.get_future().wait();
  EXPECT_FALSE(ensemble_.Has("/brokers/ids/1"));
  EXPECT_EQ(seen.Registrations(), 1u);
}

}  // namespace
}  // namespace sillok
