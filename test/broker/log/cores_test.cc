// The log's pure parts: leader epochs, producers, retention, indexes,
// checkpoints.
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <thread>

#include "broker/log/checkpoint_file.h"
#include "broker/log/leader_epochs.h"
#include "broker/log/offset_index.h"
#include "broker/log/producer_states.h"
#include "broker/log/retention.h"
#include "broker/log/time_index.h"

namespace sillok {
namespace {

LeaderEpochs Epochs(std::initializer_list<std::pair<int, int>> entries) {
  LeaderEpochs epochs;
  for (const auto& [epoch, start] : entries) {
    epochs.Assign(LeaderEpoch(epoch), Offset(start));
  }
  return epochs;
}

EpochEndOffset End(int epoch, int offset) {
  return {LeaderEpoch(epoch), Offset(offset)};
}

TEST(LeaderEpochsTest, EndOfAnEpochIsWhereTheNextOneBegins) {
  const LeaderEpochs epochs = Epochs({{2, 10}, {5, 30}, {7, 40}});
  EXPECT_EQ(epochs.EndOffsetFor(LeaderEpoch(7), Offset(55)), End(7, 55));
  EXPECT_EQ(epochs.EndOffsetFor(LeaderEpoch(8), Offset(55)), End(-1, -1));
  EXPECT_EQ(epochs.EndOffsetFor(LeaderEpoch(5), Offset(55)), End(5, 40));
  EXPECT_EQ(epochs.EndOffsetFor(LeaderEpoch(6), Offset(55)), End(5, 40));
  EXPECT_EQ(epochs.EndOffsetFor(LeaderEpoch(2), Offset(55)), End(2, 30));
  EXPECT_EQ(epochs.EndOffsetFor(LeaderEpoch(1), Offset(55)), End(1, 10));
  EXPECT_EQ(epochs.EndOffsetFor(LeaderEpoch(-1), Offset(55)), End(-1, -1));
  EXPECT_EQ(LeaderEpochs().EndOffsetFor(LeaderEpoch(0), Offset(5)),
            End(-1, -1));
}

TEST(LeaderEpochsTest, ANewEpochAtTheSamePlaceReplacesTheEmptyOne) {
  LeaderEpochs epochs = Epochs({{1, 0}, {2, 10}});
  EXPECT_TRUE(epochs.Assign(LeaderEpoch(3), Offset(10)));
  EXPECT_EQ(epochs.entries(), (std::vector<EpochEntry>{
                                  {LeaderEpoch(1), Offset(0)},
                                  {LeaderEpoch(3), Offset(10)}}));
  EXPECT_FALSE(epochs.Assign(LeaderEpoch(3), Offset(12)));
  EXPECT_FALSE(epochs.Assign(LeaderEpoch(2), Offset(12)));
  // What contradicts a batch that is there goes.
  EXPECT_TRUE(epochs.Assign(LeaderEpoch(2), Offset(5)));
  EXPECT_EQ(epochs.entries().back(),
            (EpochEntry{LeaderEpoch(2), Offset(5)}));
}

TEST(LeaderEpochsTest, TruncationAtBothEndsKeepsTheEpochOfTheStart) {
  LeaderEpochs epochs = Epochs({{1, 0}, {2, 10}, {3, 20}});
  EXPECT_TRUE(epochs.TruncateFromEnd(Offset(20)));
  EXPECT_FALSE(epochs.TruncateFromEnd(Offset(20)));
  EXPECT_TRUE(epochs.TruncateFromStart(Offset(15)));
  EXPECT_FALSE(epochs.TruncateFromStart(Offset(15)));
  EXPECT_EQ(epochs.entries(),
            (std::vector<EpochEntry>{{LeaderEpoch(2), Offset(15)}}));
  EXPECT_EQ(epochs.EpochOf(Offset(16)), LeaderEpoch(2));
  EXPECT_EQ(epochs.EpochOf(Offset(3)), std::nullopt);
}

TEST(LeaderEpochsTest, CheckpointRoundTripsAndRefusesDamage) {
  const LeaderEpochs epochs = Epochs({{0, 0}, {4, 77}});
  EXPECT_EQ(epochs.Encode(), "0\n2\n0 0\n4 77\n");
  EXPECT_EQ(LeaderEpochs::Decode(epochs.Encode())->entries(),
            epochs.entries());
  for (const char* const bad :
       {"", "0", "1\n0\n", "0\n2\n0 0\n", "0\n2\n4 0\n3 9\n", "0\n1\nx y\n"}) {
    EXPECT_FALSE(LeaderEpochs::Decode(bad).ok()) << bad;
  }
}

record::BatchHeader Sent(int64_t id, int16_t epoch, int32_t sequence, int count,
                         int64_t offset = 0, bool transactional = false) {
  record::BatchHeader header;
  header.producer_id = id;
  header.producer_epoch = epoch;
  header.base_sequence = sequence;
  header.last_offset_delta = count - 1;
  header.records_count = count;
  header.base_offset = offset;
  header.max_timestamp = 1000 + offset;
  if (transactional) header.attributes = record::kTransactionalBit;
  return header;
}

TEST(ProducerStatesTest, SequencesWrapAndRetriesOfWrappedOnesAreKnown) {
  ProducerStates states;
  constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
  states.Append(Sent(1, 0, kMax - 1, 4, 100), 0);  // ends with sequence 1
  EXPECT_EQ(states.Check(Sent(1, 0, 2, 1)).error, ErrorCode::NONE);
  EXPECT_EQ(states.Check(Sent(1, 0, 3, 1)).error,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
  const auto again = states.Check(Sent(1, 0, kMax - 1, 4));
  ASSERT_TRUE(again.duplicate.has_value());
  EXPECT_EQ(again.duplicate->base_offset(), Offset(100));
  states.Append(Sent(2, 0, kMax, 1, 104), 0);
  EXPECT_EQ(states.Check(Sent(2, 0, 0, 1)).error, ErrorCode::NONE);
}

TEST(ProducerStatesTest, MarkersEndTransactionsAndRaiseTheEpoch) {
  ProducerStates states;
  states.Append(Sent(1, 0, 0, 2, 10, true), 0);
  states.Append(Sent(2, 0, 0, 1, 12, true), 0);
  EXPECT_EQ(states.first_open_transaction(), Offset(10));
  EXPECT_EQ(states.Check(Sent(1, 0, 2, 1)).error, ErrorCode::INVALID_TXN_STATE);
  record::BatchHeader marker = Sent(1, 1, -1, 1, 13, true);
  const auto ended =
      states.AppendMarker(marker, {record::ControlType::kAbort, 5}, 0);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->first_offset, Offset(10));
  EXPECT_TRUE(ended->aborted);
  EXPECT_EQ(states.first_open_transaction(), Offset(12));
  // The marker's epoch fences the producer that was aborted.
  EXPECT_EQ(states.Check(Sent(1, 0, 2, 1)).error,
            ErrorCode::INVALID_PRODUCER_EPOCH);
  EXPECT_EQ(states.Check(Sent(1, 1, 2, 1)).error,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
  EXPECT_EQ(states.Check(Sent(1, 1, 0, 1)).error, ErrorCode::NONE);
  EXPECT_EQ(
      states.CheckMarker(marker, {record::ControlType::kCommit, 4}).error,
      ErrorCode::TRANSACTION_COORDINATOR_FENCED);
}

TEST(ProducerStatesTest, ExpiryGoesByTheBrokersTimeAndSparesOpenOnes) {
  ProducerStates states;
  states.Append(Sent(1, 0, 0, 1, 0), 5'000);  // records from long ago
  states.Append(Sent(2, 0, 0, 1, 1, true), 0);
  states.Expire(5'500, 1'000);
  EXPECT_EQ(states.size(), 2u);
  states.Expire(6'000, 1'000);
  EXPECT_EQ(states.size(), 1u);
  EXPECT_EQ(states.producers().count(2), 1u);
}

TEST(ProducerStatesTest, TooManyProducersPushOutTheLongestIdle) {
  ProducerStates states;
  for (int i = 0; i < 1000; ++i) {
    states.Append(Sent(i, 0, 0, 1, i), i);
    states.Limit(100);
    ASSERT_LE(states.size(), 100u);
  }
  EXPECT_EQ(states.producers().count(999), 1u);
  EXPECT_EQ(states.producers().count(0), 0u);
}

TEST(ProducerStatesTest, SnapshotRefusesEveryFlippedByte) {
  ProducerStates states;
  states.Append(Sent(1, 0, 0, 2, 10, true), 0);
  const std::string good = states.Encode();
  ASSERT_TRUE(ProducerStates::Decode(good, 0).ok());
  EXPECT_EQ(ProducerStates::Decode(good, 0)->first_open_transaction(),
            Offset(10));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_FALSE(ProducerStates::Decode(bad, 0).ok()) << i;
  }
}

std::vector<SegmentFacts> FourSegments() {
  return {{Offset(0), Offset(10), 100, 1000, 9000},
          {Offset(10), Offset(20), 100, 2000, 9000},
          {Offset(20), Offset(30), 100, 3000, 9000},
          {Offset(30), Offset(35), 50, 4000, 9000}};
}

TEST(RetentionTest, SizeKeepsAtLeastTheBytesAskedFor) {
  LogOptions options;
  options.retention_ms = -1;
  const std::pair<int64_t, size_t> cases[] = {
      {-1, 0}, {400, 0}, {350, 0}, {251, 0}, {250, 1}, {150, 2}, {50, 3}};
  for (const auto& [bytes, want] : cases) {
    options.retention_bytes = bytes;
    EXPECT_EQ(SegmentsToDelete(FourSegments(), options, Offset(0), Offset(35),
                               9000),
              want)
        << bytes;
  }
}

TEST(RetentionTest, TimeStopsAtTheFirstSegmentThatIsYoungEnough) {
  LogOptions options;
  options.retention_ms = 1000;
  const std::pair<int64_t, size_t> cases[] = {
      {2000, 0}, {2001, 1}, {3001, 2}, {4001, 3}, {5001, 4}};
  for (const auto& [now, want] : cases) {
    EXPECT_EQ(SegmentsToDelete(FourSegments(), options, Offset(0), Offset(35),
                               now),
              want)
        << now;
  }
  EXPECT_EQ(SegmentsToDelete(FourSegments(), options, Offset(0), Offset(19),
                             9000),
            1u);
}

TEST(RetentionTest, CompactedTopicsLoseOnlyWhatIsBelowTheStart) {
  LogOptions options;
  options.retention_ms = 1;
  options.retention_bytes = 1;
  options.cleanup_delete = false;
  EXPECT_EQ(SegmentsToDelete(FourSegments(), options, Offset(0), Offset(35),
                             99'000),
            0u);
  EXPECT_EQ(SegmentsToDelete(FourSegments(), options, Offset(25), Offset(35),
                             99'000),
            2u);
}

TEST(OffsetIndexTest, LookupsEqualALinearSearch) {
  std::mt19937 random(5);
  OffsetIndex index(Offset(1000));
  std::vector<std::pair<int64_t, int64_t>> entries;
  int64_t offset = 1000;
  int64_t position = 0;
  for (int i = 0; i < 500; ++i) {
    offset += 1 + static_cast<int64_t>(random() % 20);
    position += 61 + static_cast<int64_t>(random() % 5000);
    index.Append(Offset(offset), position);
    entries.emplace_back(offset, position);
  }
  for (int64_t o = 990; o < offset + 10; ++o) {
    int64_t before = 0;
    int64_t after = -1;
    for (const auto& [at, where] : entries) {
      if (at <= o) before = where;
      if (at >= o && after < 0) after = where;
    }
    EXPECT_EQ(index.PositionBefore(Offset(o)), before);
    EXPECT_EQ(index.PositionAtOrAfter(Offset(o), -1), after);
  }
  OffsetIndex loaded(Offset(1000));
  ASSERT_TRUE(loaded.Load(index.Encode(), position + 1).ok());
  EXPECT_EQ(loaded.Encode(), index.Encode());
  // Kafka preallocates: zeros at the end are nothing.
  OffsetIndex padded(Offset(1000));
  ASSERT_TRUE(
      padded.Load(index.Encode() + std::string(80, '\0'), position + 1).ok());
  EXPECT_EQ(padded.size(), index.size());
  OffsetIndex outside(Offset(1000));
  EXPECT_FALSE(outside.Load(index.Encode(), position).ok());
  OffsetIndex half(Offset(1000));
  EXPECT_FALSE(half.Load(index.Encode().substr(3), position + 1).ok());
}

TEST(AppendOnlyVectorTest, ReadersSeeEveryElementBelowTheSizeTheySaw) {
  AppendOnlyVector<size_t> vector;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    size_t seen = 0;
    while (!done || seen < vector.size()) {
      for (const size_t size = vector.size(); seen < size; ++seen) {
        ASSERT_EQ(vector[seen], seen * 3);
      }
    }
  });
  for (size_t i = 0; i < 200'000; ++i) vector.push_back(i * 3);
  done = true;
  reader.join();
  EXPECT_EQ(vector.PartitionPoint(200'000, [](size_t x) { return x < 300; }),
            100u);
}

TEST(CheckpointFileTest, RoundTripsAndRefusesDamage) {
  const OffsetMap offsets = {{{"a.b", 0}, Offset(5)}, {{"c", 12}, Offset(0)}};
  EXPECT_EQ(EncodeOffsetCheckpoint(offsets), "0\n2\na.b 0 5\nc 12 0\n");
  EXPECT_EQ(*DecodeOffsetCheckpoint(EncodeOffsetCheckpoint(offsets)), offsets);
  for (const char* const bad :
       {"", "1\n0\n", "0\n1\n", "0\n1\nt x 5\n", "0\n1\nt 0 -5\n"}) {
    EXPECT_FALSE(DecodeOffsetCheckpoint(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace sillok
