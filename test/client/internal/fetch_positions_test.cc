#include "client/internal/fetch_positions.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proto/record/record_batch.h"

namespace sillok::client {
namespace {

const TopicPartition kPart{"t", 0};

ClusterMetadata OneBroker(int partitions) {
  v1::MetadataResponse response;
  auto* broker = response.add_brokers();
  broker->set_broker_id(1);
  broker->set_host("h");
  broker->set_port(1);
  auto* topic = response.add_topics();
  topic->set_name("t");
  topic->set_topic_id("id");
  for (int p = 0; p < partitions; ++p) {
    auto* part = topic->add_partitions();
    part->set_partition(p);
    part->set_leader_id(1);
    part->set_leader_epoch(5);
  }
  ClusterMetadata metadata;
  metadata.Update(response);
  return metadata;
}

std::string Batch(int64_t base, const std::vector<std::string>& values) {
  record::BatchOptions options;
  options.base_offset = Offset(base);
  options.leader_epoch = LeaderEpoch(5);
  record::BatchBuilder builder(options);
  for (const auto& value : values) builder.Append(1, std::nullopt, value);
  return builder.Build().value();
}

class Scene {
 public:
  explicit Scene(FetchPositionsOptions options = {})
      : positions(options), metadata(OneBroker(2)) {}
  std::vector<FetchPositions::Fetch> Take() {
    bool needs = false;
    auto all = positions.TakeFetches(
        metadata, now, [](int32_t) { return false; }, &needs);
    return all.empty() ? std::vector<FetchPositions::Fetch>{} : all.at(1);
  }
  absl::Status Answer(const FetchPositions::Fetch& fetch, ErrorCode code,
                      const std::string& bytes = "") {
    FetchPositions::FetchOutcome outcome;
    outcome.code = code;
    outcome.high_watermark = 100;
    absl::Status status;
    if (!bytes.empty()) {
      outcome.chunk = MakeChunk(fetch.id, fetch.version,
                                Bytes::FromString(bytes), &status);
    }
    return positions.OnFetched(fetch, std::move(outcome), now);
  }
  std::vector<std::string> Read() {
    std::vector<std::string> values;
    while (auto taken = positions.TakeChunk()) {
      ChunkReader reader(taken->chunk, taken->from, {});
      ConsumerRecords records;
      while (!reader.done()) {
        EXPECT_TRUE(reader.Read(1000, &records).ok());
      }
      positions.Consume(*taken->chunk, reader.position(), 5);
      for (const auto& record : records) values.emplace_back(*record.value);
    }
    return values;
  }

  FetchPositions positions;
  ClusterMetadata metadata;
  int64_t now = 0;
};

FetchPositionsOptions Reset(OffsetReset reset, bool group = false) {
  FetchPositionsOptions options;
  options.reset = reset;
  options.has_group = group;
  return options;
}

TEST(FetchPositionsTest, WithoutAGroupThePositionIsLookedUpFirst) {
  Scene s(Reset(OffsetReset::kEarliest));
  s.positions.Assign({kPart});
  EXPECT_TRUE(s.Take().empty());
  EXPECT_EQ(s.positions.NeedLookup(0).at(kPart), kEarliestTimestamp);
  s.positions.OnLookup(kPart, ErrorCode::NOT_LEADER_OR_FOLLOWER, -1, -1, 0);
  EXPECT_TRUE(s.positions.NeedLookup(0).empty()) << "backoff";
  s.positions.OnLookup(kPart, ErrorCode::NONE, 40, -1, 0);
  EXPECT_EQ(s.positions.Position(kPart), 40);
  EXPECT_EQ(s.Take().at(0).offset, 40);
}

TEST(FetchPositionsTest, InAGroupTheCommittedOffsetComesFirst) {
  Scene s(Reset(OffsetReset::kLatest, true));
  s.positions.Assign({kPart, {"t", 1}});
  EXPECT_EQ(s.positions.NeedCommitted().size(), 2u);
  s.positions.OnCommitted(kPart, 7, 2);
  s.positions.OnCommitted({"t", 1}, -1, -1);
  EXPECT_EQ(s.positions.Position(kPart), 7);
  EXPECT_EQ(s.positions.NeedLookup(0).begin()->second, kLatestTimestamp);
  EXPECT_EQ(s.positions.Consumed().size(), 1u) << "no position, no commit";
}

TEST(FetchPositionsTest, FetchesRunAheadOfWhatIsRead) {
  Scene s(Reset(OffsetReset::kEarliest));
  s.positions.Assign({kPart});
  s.positions.Seek(kPart, 0);
  auto fetch = s.Take().at(0);
  EXPECT_EQ(fetch.leader_epoch, 5);
  EXPECT_TRUE(s.Take().empty()) << "one on its way is enough";
  ASSERT_TRUE(s.Answer(fetch, ErrorCode::NONE, Batch(0, {"a", "b"})).ok());
  EXPECT_EQ(s.positions.Position(kPart), 0) << "fetched is not yet read";
  EXPECT_EQ(s.Take().at(0).offset, 2);
  EXPECT_EQ(s.Read(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(s.positions.Position(kPart), 2);
  EXPECT_EQ(s.positions.Consumed().at(kPart).leader_epoch, 5);
  EXPECT_EQ(s.positions.buffered_bytes(), 0);
}

TEST(FetchPositionsTest, ReadingAheadIsBounded) {
  FetchPositionsOptions options = Reset(OffsetReset::kEarliest);
  options.max_partition_bytes = 100;
  Scene s(options);
  s.positions.Assign({kPart});
  s.positions.Seek(kPart, 0);
  ASSERT_TRUE(s.Answer(s.Take().at(0), ErrorCode::NONE,
                       Batch(0, {std::string(200, 'x')}))
                  .ok());
  EXPECT_TRUE(s.Take().empty());
  s.Read();
  EXPECT_EQ(s.Take().size(), 1u);
}

TEST(FetchPositionsTest, ASeekDropsWhatIsBufferedAndWhatIsOnItsWay) {
  Scene s(Reset(OffsetReset::kEarliest));
  s.positions.Assign({kPart});
  s.positions.Seek(kPart, 0);
  ASSERT_TRUE(s.Answer(s.Take().at(0), ErrorCode::NONE, Batch(0, {"a"})).ok());
  auto late = s.Take().at(0);
  s.positions.Seek(kPart, 50);
  EXPECT_EQ(s.positions.buffered_bytes(), 0);
  ASSERT_TRUE(s.Answer(late, ErrorCode::NONE, Batch(1, {"b"})).ok());
  EXPECT_TRUE(s.Read().empty());
  EXPECT_EQ(s.Take().at(0).offset, 50);
}

TEST(FetchPositionsTest, RecordsBelowThePositionAreSkipped) {
  Scene s(Reset(OffsetReset::kEarliest));
  s.positions.Assign({kPart});
  s.positions.Seek(kPart, 2);
  ASSERT_TRUE(
      s.Answer(s.Take().at(0), ErrorCode::NONE, Batch(0, {"a", "b", "c"})).ok());
  EXPECT_EQ(s.Read(), std::vector<std::string>{"c"});
}

TEST(FetchPositionsTest, APausedPartitionKeepsItsChunks) {
  Scene s(Reset(OffsetReset::kEarliest));
  s.positions.Assign({kPart});
  s.positions.Seek(kPart, 0);
  ASSERT_TRUE(s.Answer(s.Take().at(0), ErrorCode::NONE, Batch(0, {"a"})).ok());
  s.positions.SetPaused(kPart, true);
  EXPECT_TRUE(s.Read().empty());
  EXPECT_TRUE(s.Take().empty());
  s.positions.SetPaused(kPart, false);
  EXPECT_EQ(s.Read(), std::vector<std::string>{"a"});
}

TEST(FetchPositionsTest, OutOfRangeWaitsForWhatIsBufferedAndThenResets) {
  Scene s(Reset(OffsetReset::kLatest));
  s.positions.Assign({kPart});
  s.positions.Seek(kPart, 0);
  ASSERT_TRUE(s.Answer(s.Take().at(0), ErrorCode::NONE, Batch(0, {"a"})).ok());
  ASSERT_TRUE(s.Answer(s.Take().at(0), ErrorCode::OFFSET_OUT_OF_RANGE).ok());
  EXPECT_EQ(s.Read(), std::vector<std::string>{"a"});
  s.now = 1000;
  ASSERT_TRUE(s.Answer(s.Take().at(0), ErrorCode::OFFSET_OUT_OF_RANGE).ok());
  EXPECT_EQ(s.positions.NeedLookup(s.now).size(), 1u);
}

TEST(FetchPositionsTest, WithResetNoneThePartitionIsStuckUntilASeek) {
  Scene s(Reset(OffsetReset::kNone, true));
  s.positions.Assign({kPart});
  s.positions.OnCommitted(kPart, -1, -1);
  EXPECT_EQ(ErrorCodeOf(s.positions.Stuck()), ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_TRUE(s.Take().empty());
  EXPECT_TRUE(s.positions.NeedLookup(0).empty());
  s.positions.Seek(kPart, 3);
  EXPECT_TRUE(s.positions.Stuck().ok());
  EXPECT_EQ(s.Take().at(0).offset, 3);
}

TEST(FetchPositionsTest, ErrorsThatPassBackOffAndOthersAreTold) {
  Scene s(Reset(OffsetReset::kEarliest));
  s.positions.Assign({kPart});
  s.positions.Seek(kPart, 0);
  EXPECT_TRUE(s.Answer(s.Take().at(0), ErrorCode::NOT_LEADER_OR_FOLLOWER).ok());
  EXPECT_TRUE(s.Take().empty());
  EXPECT_EQ(s.positions.NextMs(0), 100);
  s.now = 100;
  auto told = s.Answer(s.Take().at(0), ErrorCode::TOPIC_AUTHORIZATION_FAILED);
  EXPECT_EQ(ErrorCodeOf(told), ErrorCode::TOPIC_AUTHORIZATION_FAILED);
  s.positions.ClearBackoff();
  EXPECT_EQ(s.Take().size(), 1u);
}

TEST(FetchPositionsTest, PartitionsThatStayKeepTheirPlace) {
  Scene s(Reset(OffsetReset::kEarliest));
  s.positions.Assign({kPart, {"t", 1}});
  s.positions.Seek(kPart, 9);
  s.positions.Assign({kPart});
  EXPECT_EQ(s.positions.Position(kPart), 9);
  EXPECT_EQ(s.positions.Assignment().size(), 1u);
}

// ---- chunks

TEST(ChunkReaderTest, ABatchThatIsCutShortIsLeftForTheNextFetch) {
  std::string bytes = Batch(0, {"a"}) + Batch(1, {"b"});
  absl::Status status;
  auto chunk = MakeChunk(kPart, 1,
                         Bytes::FromString(bytes.substr(0, bytes.size() - 1)),
                         &status);
  ASSERT_NE(chunk, nullptr);
  EXPECT_EQ(chunk->next_offset, 1);
  EXPECT_EQ(MakeChunk(kPart, 1, Bytes::FromString(bytes.substr(0, 40)),
                      &status),
            nullptr);
}

TEST(ChunkReaderTest, ReadCommittedLeavesOutAbortedRecordsAndMarkers) {
  auto transactional = [](int64_t base, int64_t producer,
                          const std::string& value) {
    record::BatchOptions options;
    options.base_offset = Offset(base);
    options.producer_id = ProducerId(producer);
    options.producer_epoch = ProducerEpoch(0);
    options.base_sequence = 0;
    options.transactional = true;
    record::BatchBuilder builder(options);
    builder.Append(1, std::nullopt, value);
    return builder.Build().value();
  };
  auto marker = [](int64_t base, int64_t producer, record::ControlType type) {
    std::string batch = record::BuildControlBatch(
        {type, 0}, ProducerId(producer), ProducerEpoch(0), 1);
    record::PokeOffsetAndEpoch(batch.data(), Offset(base), LeaderEpoch(0));
    return batch;
  };
  std::string bytes = transactional(0, 7, "aborted") +
                      transactional(1, 8, "good") + Batch(2, {"plain"}) +
                      marker(3, 7, record::ControlType::kAbort) +
                      marker(4, 8, record::ControlType::kCommit) +
                      transactional(5, 7, "later");
  for (bool committed : {true, false}) {
    absl::Status status;
    auto chunk = MakeChunk(kPart, 1, Bytes::FromString(bytes), &status);
    chunk->aborted = {{7, 0}};
    ChunkReader reader(chunk, 0, {.check_crcs = true,
                                  .read_committed = committed});
    ConsumerRecords records;
    while (!reader.done()) ASSERT_TRUE(reader.Read(100, &records).ok());
    std::vector<std::string> values;
    for (const auto& record : records) values.emplace_back(*record.value);
    EXPECT_EQ(values, committed
                          ? (std::vector<std::string>{"good", "plain", "later"})
                          : (std::vector<std::string>{"aborted", "good",
                                                      "plain", "later"}));
    EXPECT_EQ(reader.position(), 6);
  }
}

TEST(ChunkReaderTest, AFlippedBitIsSeenOnlyWhenChecked) {
  std::string bytes = Batch(0, {"abc"});
  bytes[bytes.size() - 2] ^= 1;
  for (bool check : {true, false}) {
    absl::Status status;
    auto chunk = MakeChunk(kPart, 1, Bytes::FromString(bytes), &status);
    ChunkReader reader(chunk, 0, {.check_crcs = check});
    ConsumerRecords records;
    absl::Status read = reader.Read(10, &records);
    EXPECT_EQ(read.ok(), !check);
    if (check) {
      EXPECT_EQ(ErrorCodeOf(read), ErrorCode::CORRUPT_MESSAGE);
    }
  }
}

TEST(ClusterMetadataTest, LeadersNeverGoBackToAnOlderEpoch) {
  ClusterMetadata metadata = OneBroker(1);
  v1::MetadataResponse stale;
  auto* topic = stale.add_topics();
  topic->set_name("t");
  topic->set_topic_id("id");
  auto* part = topic->add_partitions();
  part->set_leader_id(9);
  part->set_leader_epoch(4);
  metadata.Update(stale);
  EXPECT_EQ(metadata.Leader(kPart).broker_id, 1);
  topic->set_topic_id("made anew");
  metadata.Update(stale);
  EXPECT_EQ(metadata.Leader(kPart).broker_id, 9);
}

// Both partitions stand at 10, read up to there in epoch 5; now another leads.
class NewLeader : public Scene {
 public:
  explicit NewLeader(OffsetReset reset) : Scene(Reset(reset, true)) {
    positions.Assign({kPart});
    positions.OnCommitted(kPart, 10, 5);
    Lead(6);
  }
  void Lead(int32_t epoch) {
    v1::MetadataResponse response;
    auto* broker = response.add_brokers();
    broker->set_broker_id(1);
    auto* topic = response.add_topics();
    topic->set_name("t");
    topic->set_topic_id("id");
    auto* part = topic->add_partitions();
    part->set_leader_id(1);
    part->set_leader_epoch(epoch);
    metadata.Update(response);
  }
  // The one partition that is to be validated.
  FetchPositions::Validation Asked() {
    EXPECT_TRUE(Take().empty()) << "not before it is validated";
    auto asked = positions.NeedValidation(now);
    EXPECT_EQ(asked.size(), 1u);
    return asked.empty() ? FetchPositions::Validation{} : asked[0];
  }
};

TEST(PositionValidationTest, APositionThatFitsTheNewLeaderIsReadOn) {
  NewLeader s(OffsetReset::kEarliest);
  auto asked = s.Asked();
  EXPECT_EQ(asked.epoch, 5);
  EXPECT_EQ(s.positions.Position(kPart), 10) << "it has one all the time";
  EXPECT_TRUE(s.positions.OnEpochEnd(asked, {ErrorCode::NONE, 5, 10}, 0).ok());
  EXPECT_EQ(s.Take().at(0).offset, 10);
  EXPECT_EQ(s.positions.truncations(), 0u);
}

TEST(PositionValidationTest, ALogThatWasCutIsReadFromWhereItParted) {
  NewLeader s(OffsetReset::kLatest);
  auto asked = s.Asked();
  EXPECT_TRUE(s.positions.OnEpochEnd(asked, {ErrorCode::NONE, 4, 7}, 0).ok());
  EXPECT_EQ(s.positions.Position(kPart), 7);
  EXPECT_EQ(s.positions.Consumed().at(kPart).leader_epoch, 4);
  EXPECT_EQ(s.positions.truncations(), 1u);
  // The epoch of what is before 7 is known, and the leader has it.
  auto again = s.Asked();
  EXPECT_EQ(again.epoch, 4);
  EXPECT_TRUE(s.positions.OnEpochEnd(again, {ErrorCode::NONE, 4, 7}, 0).ok());
  EXPECT_EQ(s.Take().at(0).offset, 7);
}

TEST(PositionValidationTest, WithoutAResetRuleACutLogIsAnError) {
  NewLeader s(OffsetReset::kNone);
  auto asked = s.Asked();
  EXPECT_TRUE(s.positions.OnEpochEnd(asked, {ErrorCode::NONE, 4, 7}, 0).ok());
  absl::Status stuck = s.positions.Stuck();
  EXPECT_EQ(ErrorCodeOf(stuck), ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_NE(std::string(stuck.message()).find("from offset 7 on"),
            std::string::npos)
      << stuck;
  EXPECT_TRUE(s.Take().empty());
  s.positions.Seek(kPart, 7);
  EXPECT_TRUE(s.positions.Stuck().ok());
  EXPECT_EQ(s.Take().at(0).offset, 7);
}

TEST(PositionValidationTest, ALeaderThatKnowsNoEpochLeavesTheResetRule) {
  NewLeader s(OffsetReset::kEarliest);
  auto asked = s.Asked();
  EXPECT_TRUE(s.positions.OnEpochEnd(asked, {ErrorCode::NONE, -1, -1}, 0).ok());
  EXPECT_EQ(s.positions.NeedLookup(0).at(kPart), kEarliestTimestamp);
}

TEST(PositionValidationTest, TroubleIsTriedAgainAndOldBrokersAreTrusted) {
  NewLeader s(OffsetReset::kEarliest);
  auto asked = s.Asked();
  EXPECT_TRUE(
      s.positions
          .OnEpochEnd(asked, {ErrorCode::NOT_LEADER_OR_FOLLOWER, -1, -1}, 0)
          .ok());
  EXPECT_TRUE(s.positions.NeedValidation(0).empty()) << "backoff";
  s.now = 1'000;
  EXPECT_EQ(s.positions.NeedValidation(s.now).size(), 1u);
  EXPECT_FALSE(
      s.positions
          .OnEpochEnd(asked, {ErrorCode::TOPIC_AUTHORIZATION_FAILED, -1, -1}, 0)
          .ok());
  EXPECT_TRUE(
      s.positions.OnEpochEnd(asked, {ErrorCode::UNSUPPORTED_VERSION, -1, -1}, 0)
          .ok());
  EXPECT_EQ(s.Take().size(), 1u);
}

TEST(PositionValidationTest, ASeekMeanwhileMakesTheAnswerVoid) {
  NewLeader s(OffsetReset::kEarliest);
  auto asked = s.Asked();
  s.positions.Seek(kPart, 50);
  EXPECT_TRUE(s.positions.OnEpochEnd(asked, {ErrorCode::NONE, 4, 7}, 0).ok());
  EXPECT_EQ(s.positions.Position(kPart), 50);
  EXPECT_EQ(s.Take().at(0).offset, 50) << "no epoch is known, none is asked";
}

TEST(PositionValidationTest, WhatWaitsUnreadIsFetchedAgainWhenTheLogWasCut) {
  NewLeader s(OffsetReset::kEarliest);
  (void)s.positions.OnEpochEnd(s.Asked(), {ErrorCode::NONE, 5, 10}, 0);
  // 10..12 come in, of epoch 5, and wait; then somebody else leads, with 11.
  ASSERT_TRUE(s.Answer(s.Take().at(0), ErrorCode::NONE,
                       Batch(10, {"a", "b", "c"}))
                  .ok());
  s.Lead(7);
  auto asked = s.Asked();
  EXPECT_EQ(asked.epoch, 5);
  EXPECT_TRUE(s.positions.OnEpochEnd(asked, {ErrorCode::NONE, 5, 11}, 0).ok());
  EXPECT_FALSE(s.positions.HasChunk());
  EXPECT_EQ(s.positions.Position(kPart), 10);
  EXPECT_EQ(s.positions.truncations(), 0u) << "the application saw none of it";
  (void)s.positions.OnEpochEnd(s.Asked(), {ErrorCode::NONE, 5, 11}, 0);
  EXPECT_EQ(s.Take().at(0).offset, 10);
}

TEST(FetchPositionsTest, LagIsToTheEndOfWhatMayBeRead) {
  FetchPositionsOptions options = Reset(OffsetReset::kEarliest, true);
  options.read_committed = true;
  Scene s(options);
  s.positions.Assign({kPart});
  EXPECT_FALSE(s.positions.Lag(kPart).has_value());
  s.positions.OnCommitted(kPart, 30, -1);
  EXPECT_FALSE(s.positions.Lag(kPart).has_value()) << "nothing fetched yet";
  auto fetch = s.Take().at(0);
  FetchPositions::FetchOutcome outcome;
  outcome.high_watermark = 100;
  outcome.last_stable_offset = 90;
  ASSERT_TRUE(s.positions.OnFetched(fetch, std::move(outcome), 0).ok());
  EXPECT_EQ(s.positions.Lag(kPart), 60);
  EXPECT_EQ(s.positions.HighWatermark(kPart), 100);
  s.positions.Seek(kPart, 95);
  EXPECT_EQ(s.positions.Lag(kPart), 0);
}

}  // namespace
}  // namespace sillok::client
