#include "broker/log/producer_states.h"

#include <gtest/gtest.h>

#include <limits>

namespace sillok {
namespace {

record::BatchHeader Sent(int64_t id, int16_t epoch, int32_t sequence, int count,
                         int64_t offset = 0) {
  record::BatchHeader header;
  header.producer_id = id;
  header.producer_epoch = epoch;
  header.base_sequence = sequence;
  header.last_offset_delta = count - 1;
  header.records_count = count;
  header.base_offset = offset;
  header.max_timestamp = 1000 + offset;
  return header;
}

// Batches of one record, sequences 0..count-1, offsets 100 on.
ProducerStates After(int count, int16_t epoch = 0) {
  ProducerStates states;
  for (int i = 0; i < count; ++i) states.Append(Sent(1, epoch, i, 1, 100 + i), 0);
  return states;
}

TEST(ProducerStatesTest, OfTheLastFiveBatchesEachIsKnownAgain) {
  const ProducerStates states = After(9);
  for (int sequence = 4; sequence < 9; ++sequence) {
    const auto verdict = states.Check(Sent(1, 0, sequence, 1));
    ASSERT_TRUE(verdict.duplicate.has_value()) << sequence;
    EXPECT_EQ(verdict.duplicate->base_offset(), Offset(100 + sequence));
    EXPECT_EQ(verdict.duplicate->timestamp_ms, 1100 + sequence);
  }
  const auto older = states.Check(Sent(1, 0, 3, 1));
  EXPECT_FALSE(older.duplicate.has_value());
  EXPECT_EQ(older.error, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
}

TEST(ProducerStatesTest, ABatchThatOnlyOverlapsIsNoRetry) {
  ProducerStates states;
  states.Append(Sent(1, 0, 0, 4, 100), 0);
  for (const auto& [first, count] :
       {std::pair{0, 3}, std::pair{0, 5}, std::pair{1, 3}, std::pair{2, 4},
        std::pair{3, 1}}) {
    const auto verdict = states.Check(Sent(1, 0, first, count));
    EXPECT_FALSE(verdict.duplicate.has_value()) << first << "+" << count;
    EXPECT_EQ(verdict.error, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
  }
  EXPECT_TRUE(states.Check(Sent(1, 0, 0, 4)).duplicate.has_value());
}

TEST(ProducerStatesTest, ANewEpochBeginsAtZeroAndFencesTheOld) {
  ProducerStates states = After(3);
  EXPECT_EQ(states.Check(Sent(1, 1, 3, 1)).error,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
  EXPECT_EQ(states.Check(Sent(1, 1, 0, 1)).error, ErrorCode::NONE);
  // Sequence 0 was in the old epoch's window: a new epoch is no retry of it.
  EXPECT_FALSE(states.Check(Sent(1, 1, 0, 1)).duplicate.has_value());
  states.Append(Sent(1, 1, 0, 1, 103), 0);
  EXPECT_EQ(states.Check(Sent(1, 0, 3, 1)).error,
            ErrorCode::INVALID_PRODUCER_EPOCH);
  EXPECT_EQ(states.Check(Sent(1, 0, 2, 1)).error,
            ErrorCode::INVALID_PRODUCER_EPOCH);
  EXPECT_EQ(states.Check(Sent(1, 1, 1, 1)).error, ErrorCode::NONE);
}

TEST(ProducerStatesTest, WhoIsNotKnownMayBeginAnywhere) {
  const ProducerStates states = After(3);
  EXPECT_EQ(states.Check(Sent(2, 0, 17, 1)).error, ErrorCode::NONE);
  EXPECT_EQ(states.Check(Sent(-1, -1, -1, 1)).error, ErrorCode::NONE);
}

TEST(ProducerStatesTest, AGapSaysWhatCameAndWhatIsThere) {
  const auto verdict = After(3).Check(Sent(1, 0, 5, 1));
  EXPECT_EQ(verdict.error, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
  EXPECT_EQ(verdict.message, "producer 1: sequence 5 after 2");
}

TEST(ProducerStatesTest, WhatTheBrokerItselfWritesHasNoSequence) {
  ProducerStates states = After(3, 2);
  EXPECT_EQ(states.CheckFromCoordinator(Sent(1, 2, -1, 1)).error,
            ErrorCode::NONE);
  EXPECT_EQ(states.CheckFromCoordinator(Sent(1, 3, -1, 1)).error,
            ErrorCode::NONE);
  EXPECT_EQ(states.CheckFromCoordinator(Sent(1, 1, -1, 1)).error,
            ErrorCode::INVALID_PRODUCER_EPOCH);
  EXPECT_EQ(states.CheckFromCoordinator(Sent(9, 0, -1, 1)).error,
            ErrorCode::NONE);
}

TEST(ProducerStatesTest, ASnapshotKeepsTheWholeWindow) {
  constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
  ProducerStates states = After(7, 3);
  states.Append(Sent(5, 0, 9, 2, 300), 0);          // one batch only
  states.Append(Sent(6, 0, kMax - 1, 4, 400), 0);   // wraps
  states.Append(Sent(6, 0, 2, 1, 404), 0);
  const auto again = ProducerStates::Decode(states.Encode(), 77);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->size(), 3u);
  for (int sequence = 2; sequence < 7; ++sequence) {
    const auto verdict = again->Check(Sent(1, 3, sequence, 1));
    ASSERT_TRUE(verdict.duplicate.has_value()) << sequence;
    EXPECT_EQ(verdict.duplicate->base_offset(), Offset(100 + sequence));
    EXPECT_EQ(verdict.duplicate->timestamp_ms, 1100 + sequence);
  }
  EXPECT_FALSE(again->Check(Sent(1, 3, 1, 1)).duplicate.has_value());
  EXPECT_EQ(again->Check(Sent(1, 3, 7, 1)).error, ErrorCode::NONE);
  EXPECT_TRUE(again->Check(Sent(5, 0, 9, 2)).duplicate.has_value());
  EXPECT_EQ(again->Check(Sent(6, 0, kMax - 1, 4)).duplicate->base_offset(),
            Offset(400));
  EXPECT_EQ(again->producers().at(1).seen_ms, 77);
  EXPECT_EQ(again->Encode(), states.Encode());
}

TEST(ProducerStatesTest, TheWindowsAreBehindWhatKafkaReads) {
  constexpr size_t kHeader = 10, kEntry = 46, kWindow = 8 + 9 + 4 * 24;
  EXPECT_EQ(After(1).Encode().size(), kHeader + kEntry);
  const std::string bytes = After(5).Encode();
  EXPECT_EQ(bytes.size(), kHeader + kEntry + kWindow);
  // A reader that stops after the entries sees the last batch.
  EXPECT_EQ(bytes.substr(kHeader + 10, 4), std::string("\0\0\0\4", 4));
  EXPECT_EQ(ProducerStates().Encode().size(), kHeader);
}

TEST(ProducerStatesTest, ADamagedSnapshotIsRefusedWhereverTheDamageIs) {
  ProducerStates states = After(5);
  states.Append(Sent(2, 0, 0, 1, 105), 0);
  const std::string good = states.Encode();
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(ProducerStates::Decode(bad, 0).ok()) << i;
    EXPECT_FALSE(ProducerStates::Decode(good.substr(0, i), 0).ok()) << i;
  }
  EXPECT_FALSE(ProducerStates::Decode(good + '\0', 0).ok());
}

TEST(ProducerStatesTest, TheLimitSparesOpenTransactions) {
  ProducerStates states;
  for (int i = 0; i < 20; ++i) {
    record::BatchHeader batch = Sent(i, 0, 0, 1, i);
    if (i < 5) batch.attributes = record::kTransactionalBit;
    states.Append(batch, i);
  }
  states.Limit(10);
  EXPECT_LE(states.size(), 10u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(states.producers().count(i), 1u) << i;
  EXPECT_EQ(states.producers().count(19), 1u);
}

}  // namespace
}  // namespace sillok
