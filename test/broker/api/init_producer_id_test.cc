#include "broker/api/init_producer_id.h"

#include <gtest/gtest.h>

#include <future>

#include "base/error.h"
#include "broker/txn/producer_ids.h"
#include "test/broker/controller/fake_ensemble.h"

namespace sillok::api {
namespace {

class InitProducerIdTest : public testing::Test {
 protected:
  InitProducerIdTest() { context_.producer_ids = &ids_; }

  v1::InitProducerIdResponse Ask(const v1::InitProducerIdRequest& request) {
    auto answer = std::make_shared<std::promise<v1::InitProducerIdResponse>>();
    InitProducerId(context_, {}, request,
                   [answer](v1::InitProducerIdResponse response) {
                     answer->set_value(std::move(response));
                   });
    return answer->get_future().get();
  }

  FakeEnsemble ensemble_;
  Executor executor_{"test", 2};
  FakeStore store_{&ensemble_, &executor_};
  ProducerIds ids_{BrokerId(1), &store_, &executor_};
  BrokerContext context_;
};

TEST_F(InitProducerIdTest, EveryoneGetsAnIdOfTheirOwnWithEpochZero) {
  for (int64_t i = 0; i < 3; ++i) {
    const auto response = Ask({});
    EXPECT_EQ(response.error_code(), v1::NONE);
    EXPECT_EQ(response.producer_id(), i);
    EXPECT_EQ(response.producer_epoch(), 0);
  }
}

TEST_F(InitProducerIdTest, WhoHasAnIdGetsAnotherOne) {
  v1::InitProducerIdRequest request;
  request.set_producer_id_plus_one(78);
  request.set_producer_epoch_plus_one(4);
  const auto response = Ask(request);
  EXPECT_EQ(response.error_code(), v1::NONE);
  EXPECT_EQ(response.producer_id(), 0);
  EXPECT_EQ(response.producer_epoch(), 0);
}

TEST_F(InitProducerIdTest, HalfAnIdentityIsRefused) {
  v1::InitProducerIdRequest request;
  request.set_producer_id_plus_one(78);
  const auto response = Ask(request);
  EXPECT_EQ(response.error_code(), v1::INVALID_REQUEST);
  EXPECT_EQ(response.producer_id(), -1);
  EXPECT_EQ(response.producer_epoch(), -1);
}

TEST_F(InitProducerIdTest, ATransactionalIdIsRefusedByName) {
  v1::InitProducerIdRequest request;
  request.set_transactional_id("mover");
  const auto response = Ask(request);
  EXPECT_EQ(response.error_code(), v1::UNSUPPORTED_VERSION);
  EXPECT_EQ(response.error_message(),
            "transactional.id 'mover': this broker has no transactions");
}

TEST_F(InitProducerIdTest, WithoutACoordinatorTheAnswerIsToComeAgain) {
  store_.Disconnect();
  EXPECT_EQ(Ask({}).error_code(), v1::COORDINATOR_LOAD_IN_PROGRESS);
}

}  // namespace
}  // namespace sillok::api
