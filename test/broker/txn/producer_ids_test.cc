#include "broker/txn/producer_ids.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "broker/metadata/store_calls.h"
#include "broker/txn/producer_id_block.h"
#include "test/broker/controller/fake_ensemble.h"

namespace sillok {
namespace {

// Collects answers; waits for as many as asked.
class Answers {
 public:
  ProducerIds::Done Take() {
    return [this](ProducerIds::Answer answer) {
      const std::lock_guard lock(mutex_);
      answers_.push_back(std::move(answer));
      came_.notify_all();
    };
  }
  std::vector<ProducerIds::Answer> Wait(size_t count) {
    std::unique_lock lock(mutex_);
    came_.wait(lock, [&] { return answers_.size() >= count; });
    return answers_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<ProducerIds::Answer> answers_;
};

class ProducerIdsTest : public testing::Test {
 protected:
  ProducerIds::Answer NextOf(ProducerIds* ids) {
    Answers answers;
    ids->Next(answers.Take());
    return answers.Wait(1)[0];
  }
  ProducerIdBlock Claimed() {
    return *DecodeProducerIdBlock(ensemble_.Data(kProducerIdBlockPath));
  }

  FakeEnsemble ensemble_;
  Executor executor_{"test", 4};
  FakeStore store_{&ensemble_, &executor_};
  FakeStore other_store_{&ensemble_, &executor_};
};

TEST_F(ProducerIdsTest, TheFirstBlockMakesTheZnodeTheNextOneFollowsIt) {
  ProducerIds ids(BrokerId(1), &store_, &executor_);
  for (int i = 0; i < 2500; ++i) {
    ASSERT_EQ(NextOf(&ids).producer_id, ProducerId(i));
  }
  EXPECT_EQ(Claimed(), (ProducerIdBlock{1, 2000, 2999}));
}

TEST_F(ProducerIdsTest, KafkasEmptyZnodeIsTakenOver) {
  ensemble_.Execute(store_.SessionId(),
                    CreateRequest(kProducerIdBlockPath, ""));
  ProducerIds ids(BrokerId(1), &store_, &executor_);
  EXPECT_EQ(NextOf(&ids).producer_id, ProducerId(0));
}

TEST_F(ProducerIdsTest, BrokersThatClaimAtOnceNeverShareAnId) {
  ProducerIds one(BrokerId(1), &store_, &executor_);
  ProducerIds two(BrokerId(2), &other_store_, &executor_);
  constexpr size_t kEach = 4000;
  Answers answers;
  const auto ask = [&](ProducerIds* ids) {
    for (size_t i = 0; i < kEach; ++i) ids->Next(answers.Take());
  };
  std::thread beside([&] { ask(&one); });
  ask(&two);
  beside.join();
  std::set<int64_t> seen;
  for (const ProducerIds::Answer& answer : answers.Wait(2 * kEach)) {
    ASSERT_EQ(answer.error, ErrorCode::NONE) << answer.message;
    ASSERT_TRUE(seen.insert(answer.producer_id.value()).second)
        << answer.producer_id;
  }
}

TEST_F(ProducerIdsTest, TheNextBlockIsThereBeforeTheLastIsUsedUp) {
  ProducerIds ids(BrokerId(1), &store_, &executor_);
  for (int i = 0; i < 950; ++i) NextOf(&ids);
  while (Claimed().first != 1000) std::this_thread::yield();
  // The claim's answer is on its way: once it is in, the coordinator may go.
  NextOf(&ids);
  store_.Disconnect();
  int got = 0;
  while (NextOf(&ids).error == ErrorCode::NONE) ++got;
  EXPECT_GE(got, 49);
  store_.Reconnect();
  EXPECT_EQ(NextOf(&ids).error, ErrorCode::NONE);
}

TEST_F(ProducerIdsTest, WhileTheCoordinatorIsAwayCallersAreToldToComeAgain) {
  ProducerIds ids(BrokerId(1), &store_, &executor_);
  store_.Disconnect();
  EXPECT_EQ(NextOf(&ids).error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
  EXPECT_TRUE(IsRetriable(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
  store_.Reconnect();
  EXPECT_EQ(NextOf(&ids).producer_id, ProducerId(0));
}

TEST_F(ProducerIdsTest, ALostAnswerCostsItsBlockNeverAnIdTwice) {
  ProducerIds ids(BrokerId(1), &store_, &executor_);
  store_.LoseAnswers(1);
  EXPECT_EQ(NextOf(&ids).error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
  EXPECT_EQ(NextOf(&ids).producer_id, ProducerId(1000));
}

TEST_F(ProducerIdsTest, AnExpiredSessionIsNoMoreThanAPause) {
  ProducerIds ids(BrokerId(1), &store_, &executor_);
  ASSERT_EQ(NextOf(&ids).producer_id, ProducerId(0));
  store_.Expire();
  for (int i = 1; i < 1500; ++i) {
    ASSERT_EQ(NextOf(&ids).producer_id, ProducerId(i));
  }
}

TEST_F(ProducerIdsTest, ADamagedZnodeIsAnErrorNotANewBeginning) {
  ensemble_.Execute(store_.SessionId(),
                    CreateRequest(kProducerIdBlockPath, "{}"));
  ProducerIds ids(BrokerId(1), &store_, &executor_);
  const ProducerIds::Answer answer = NextOf(&ids);
  EXPECT_EQ(answer.error, ErrorCode::UNKNOWN_SERVER_ERROR);
  EXPECT_NE(answer.message.find(kProducerIdBlockPath), std::string::npos);
  EXPECT_EQ(ensemble_.Data(kProducerIdBlockPath), "{}");
}

TEST_F(ProducerIdsTest, StoppingAnswersWhoWaits) {
  auto ids = std::make_unique<ProducerIds>(BrokerId(1), &store_, &executor_);
  store_.Pause();
  Answers answers;
  ids->Next(answers.Take());
  ids->Stop();
  EXPECT_EQ(answers.Wait(1)[0].error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
  EXPECT_EQ(NextOf(ids.get()).error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
  ids.reset();
  store_.Resume();
}

}  // namespace
}  // namespace sillok
