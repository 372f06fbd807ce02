// What the broker's configuration says reaches the parts it is meant for.
#include "broker/part_options.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "broker/log/producer_states.h"
#include "test/broker/log/log_fixture.h"

namespace sillok {
namespace {

class PartOptionsTest : public LogTest {
 protected:
  void OpenWith(const ConfigMap& broker) {
    options_ = SettingsOf(/*topic=*/{}, broker).log;
    Open();
  }
  void AppendOf(int64_t producer, int64_t now_ms) {
    record::BatchOptions options;
    options.producer_id = ProducerId(producer);
    options.producer_epoch = ProducerEpoch(0);
    options.base_sequence = 0;
    ASSERT_TRUE(Append(MakeBatch(1, 0, options, 0, now_ms), {}, now_ms).ok());
  }
};

TEST_F(PartOptionsTest, ALogForgetsProducersAfterTheBrokersTime) {
  OpenWith({{"producer.id.expiration.ms", "5000"}});
  AppendOf(1, kNowMs);
  AppendOf(2, kNowMs + 3'000);
  log_->ExpireProducers(kNowMs + 4'000);
  EXPECT_EQ(log_->producers().size(), 2u);
  log_->ExpireProducers(kNowMs + 6'000);
  EXPECT_EQ(log_->producers().size(), 1u);
  log_->ExpireProducers(kNowMs + 9'000);
  EXPECT_EQ(log_->producers().size(), 0u);
}

TEST_F(PartOptionsTest, ALogKeepsNoMoreProducersThanTheBrokerSays) {
  OpenWith({{"max.producer.ids.per.partition", "3"}});
  for (int64_t producer = 1; producer <= 10; ++producer) {
    AppendOf(producer, kNowMs + producer);
  }
  EXPECT_EQ(log_->producers().size(), 3u);
}

TEST_F(PartOptionsTest, WithoutAWordOfTheBrokerADayAndAHundredThousand) {
  const LogOptions log = SettingsOf({}, {}).log;
  EXPECT_EQ(log.producer_id_expiration_ms, 86'400'000);
  EXPECT_EQ(log.max_producer_ids, LogOptions().max_producer_ids);
}

}  // namespace
}  // namespace sillok
