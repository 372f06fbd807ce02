#include "proto/record/record_batch.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "proto/record/crc.h"
#include "proto/record/record_walker.h"
#include "proto/record/varint.h"

namespace sillok::record {
namespace {

std::string Batch(const std::vector<std::string>& values,
                  BatchOptions options = {}) {
  BatchBuilder builder(options);
  int64_t timestamp = 1'000;
  for (const std::string& value : values) {
    builder.Append(timestamp++, "k", value);
  }
  return *builder.Build();
}

// Puts `header` in front of the batch's payload, with a CRC that is right.
std::string WithHeader(BatchHeader header, std::string batch) {
  EncodeBatchHeader(header, batch.data());
  header.crc = BatchCrc(batch);
  EncodeBatchHeader(header, batch.data());
  return batch;
}

absl::Status Walk(const std::string& batch) {
  const Bytes bytes = Bytes::FromString(batch);
  RecordWalker walker(ParseBatchHeader(batch.data()), bytes);
  RecordMeta meta;
  while (walker.Next(&meta)) {
  }
  return walker.status();
}

TEST(VarintTest, RoundTripsAtEveryLength) {
  const int64_t values[] = {0, -1, 1, 63, 64, -64, -65, 8191, 8192, 1 << 20,
                            std::numeric_limits<int32_t>::max(),
                            std::numeric_limits<int32_t>::min(),
                            std::numeric_limits<int64_t>::max(),
                            std::numeric_limits<int64_t>::min()};
  for (const int64_t value : values) {
    std::string bytes;
    PutVarint(&bytes, value);
    EXPECT_EQ(bytes.size(), VarintSize(value));
    int64_t read = 0;
    const char* const end = bytes.data() + bytes.size();
    EXPECT_EQ(ReadVarint64(bytes.data(), end, &read), end);
    EXPECT_EQ(read, value);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      EXPECT_EQ(ReadVarint64(bytes.data(), bytes.data() + cut, &read), nullptr);
    }
    int32_t narrow = 0;
    const bool fits = value == static_cast<int32_t>(value);
    EXPECT_EQ(ReadVarint32(bytes.data(), end, &narrow) != nullptr, fits);
  }
}

TEST(VarintTest, RefusesWhatIsTooLong) {
  const std::string eleven(11, '\x80');
  const std::string ten = std::string(9, '\xff') + "\x02";
  int64_t value = 0;
  EXPECT_EQ(ReadVarint64(eleven.data(), eleven.data() + 11, &value), nullptr);
  EXPECT_EQ(ReadVarint64(ten.data(), ten.data() + 10, &value), nullptr);
}

TEST(CrcTest, CombineEqualsTheChecksumOfTheWhole) {
  std::mt19937 random(7);
  std::string data(5'000, '\0');
  for (char& c : data) c = static_cast<char>(random());
  for (const size_t cut : {0, 1, 39, 4096, 5'000}) {
    const std::string_view whole = data;
    EXPECT_EQ(Crc32cCombine(Crc32c(whole.substr(0, cut)),
                            Crc32c(whole.substr(cut)), data.size() - cut),
              Crc32c(whole));
  }
}

TEST(BatchHeaderTest, SequenceWrapsToZero) {
  BatchHeader header;
  header.base_sequence = std::numeric_limits<int32_t>::max();
  header.last_offset_delta = 1;
  EXPECT_EQ(header.last_sequence(), 0);
}

TEST(BatchHeaderTest, NewTimestampsKeepTheCrcRightWithoutThePayload) {
  const std::string batch = Batch({"one", std::string(10'000, 'x')});
  BatchHeader header = ParseBatchHeader(batch.data());
  SetTimestamps(TimestampType::kLogAppendTime, 123'456'789, &header);
  std::string changed = batch;
  EncodeBatchHeader(header, changed.data());
  auto reader = BatchReader::Open(changed);
  ASSERT_TRUE(reader.ok()) << reader.status();
  RecordView record;
  ASSERT_TRUE(reader->Next(&record));
  EXPECT_EQ(record.timestamp_ms, 123'456'789);
  SetTimestamps(TimestampType::kCreateTime, 1'001, &header);
  EncodeBatchHeader(header, changed.data());
  EXPECT_EQ(changed, batch);
}

TEST(BatchHeaderTest, OffsetAndEpochAreOutsideTheCrc) {
  std::string batch = Batch({"v"});
  PokeOffsetAndEpoch(batch.data(), Offset(1234), LeaderEpoch(7));
  auto reader = BatchReader::Open(batch);
  ASSERT_TRUE(reader.ok()) << reader.status();
  RecordView record;
  ASSERT_TRUE(reader->Next(&record));
  EXPECT_EQ(record.offset, Offset(1234));
  EXPECT_EQ(reader->header().leader_epoch(), LeaderEpoch(7));
}

TEST(BatchReaderTest, EveryFlippedBitOfABatchIsNoticed) {
  const std::string batch = Batch({"value one", "value two"});
  for (size_t bit = 16 * 8; bit < batch.size() * 8; ++bit) {
    std::string damaged = batch;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(BatchReader::Open(damaged).ok()) << "bit " << bit;
  }
}

TEST(BatchReaderTest, NoCutIsReadAsAWholeBatch) {
  const std::string batch = Batch({"value one", "value two"});
  for (size_t size = 0; size < batch.size(); ++size) {
    EXPECT_FALSE(BatchReader::Open(batch.substr(0, size)).ok());
  }
}

TEST(BatchReaderTest, EmptyBatchOfAnyCodecHasNoRecords) {
  for (const Codec codec : {Codec::kNone, Codec::kGzip, Codec::kZstd}) {
    BatchOptions options;
    options.codec = codec;
    const std::string batch = *BatchBuilder(options).Build();
    auto reader = BatchReader::Open(batch);
    ASSERT_TRUE(reader.ok());
    RecordView record;
    EXPECT_FALSE(reader->Next(&record));
    EXPECT_TRUE(reader->status().ok());
    EXPECT_TRUE(Walk(batch).ok()) << Walk(batch);
  }
}

TEST(RecordWalkerTest, CountThatDiffersFromTheRecordsIsInvalid) {
  const std::string batch = Batch({"a", "b"});
  for (const int count : {1, 3}) {
    BatchHeader header = ParseBatchHeader(batch.data());
    header.records_count = count;
    const std::string changed = WithHeader(header, batch);
    EXPECT_EQ(ErrorCodeOf(Walk(changed)), ErrorCode::INVALID_RECORD);
    auto reader = BatchReader::Open(changed);
    ASSERT_TRUE(reader.ok());
    RecordView record;
    while (reader->Next(&record)) {
    }
    EXPECT_FALSE(reader->status().ok());
  }
}

// `bytes` in pieces of `piece`, each in memory of just its size, so that a
// sanitizer sees whoever reads beyond it.
Bytes InPieces(const std::string& bytes, size_t piece) {
  Bytes made;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const size_t size = std::min(piece, bytes.size() - at);
    auto own = std::make_shared<std::vector<char>>(
        bytes.data() + at, bytes.data() + at + size);
    made.Append({own->data(), size, own});
  }
  return made;
}

// What Summarize must find, from walking record by record.
RecordSummary SummaryByNext(const BatchHeader& header, const Bytes& bytes,
                            bool* good) {
  RecordWalker walker(header, bytes);
  RecordSummary summary;
  RecordMeta meta;
  while (walker.Next(&meta)) {
    summary.Add(meta.index, meta.offset_delta,
                static_cast<int64_t>(
                    static_cast<uint64_t>(header.base_timestamp) +
                    static_cast<uint64_t>(meta.timestamp_delta)),
                meta.has_key);
  }
  *good = walker.status().ok();
  return summary;
}

// Damaged or not, in pieces of any size: the fast walk sees what the slow one
// sees (also under a sanitizer).
TEST(RecordWalkerTest, TheSummaryAgreesWithTheRecordsOneByOne) {
  std::mt19937 random(7);
  int refused = 0;
  int accepted = 0;
  int out_of_order = 0;
  for (int round = 0; round < 5'000; ++round) {
    BatchBuilder builder;
    const size_t count = 1 + random() % 100;
    for (size_t i = 0; i < count; ++i) {
      const std::string text(random() % 8 == 0 ? random() % 20'000
                                               : random() % 150, 'v');
      const bool far = random() % 16 == 0;
      builder.Append(
          far ? static_cast<int64_t>(random()) << 10 : 1'700'000'000'000 + i,
          random() % 3 == 0 ? std::nullopt
                            : std::optional<std::string_view>("key"),
          random() % 9 == 0 ? std::nullopt
                            : std::optional<std::string_view>(text),
          random() % 5 == 0
              ? std::vector<RecordHeader>{{"h", "1"}, {"h2", std::nullopt}}
              : std::vector<RecordHeader>());
    }
    std::string batch = *builder.Build();
    for (uint32_t hits = random() % 6; hits > 0; --hits) {
      // Mostly near records' heads, or all hits would land in values.
      const size_t at =
          kBatchHeaderBytes +
          random() % std::min<size_t>(batch.size() - kBatchHeaderBytes, 400);
      batch[at] = static_cast<char>(random() % 2 == 0 ? random() : 0x80);
    }
    const BatchHeader header = ParseBatchHeader(batch.data());
    const Bytes bytes =
        InPieces(batch, random() % 2 == 0 ? batch.size() : 1 + random() % 3000);
    bool good = false;
    const RecordSummary expected = SummaryByNext(header, bytes, &good);
    RecordWalker walker(header, bytes);
    RecordSummary found;
    ASSERT_EQ(walker.Summarize(&found), good) << "round " << round;
    ASSERT_EQ(walker.status().ok(), good) << "round " << round;
    (good ? accepted : refused) += 1;
    if (!good) continue;
    out_of_order += expected.offsets_in_order ? 0 : 1;
    ASSERT_EQ(found.offsets_in_order, expected.offsets_in_order);
    ASSERT_EQ(found.all_have_keys, expected.all_have_keys);
    ASSERT_EQ(found.latest_timestamp, expected.latest_timestamp);
    ASSERT_EQ(found.earliest_timestamp, expected.earliest_timestamp);
  }
  EXPECT_GT(refused, 500);
  EXPECT_GT(accepted, 1'000);
  EXPECT_GT(out_of_order, 5);
}

TEST(RecordWalkerTest, RecordsOutOfOrderAndWithoutKeysShowInTheSummary) {
  BatchBuilder builder;
  builder.Append(5, "k", "a");
  builder.Append(-1, "k", "b");
  builder.Append(9, std::nullopt, "c");
  std::string batch = *builder.Build();
  const BatchHeader header = ParseBatchHeader(batch.data());
  const Bytes bytes = InPieces(batch, batch.size());
  RecordSummary summary;
  ASSERT_TRUE(RecordWalker(header, bytes).Summarize(&summary));
  EXPECT_TRUE(summary.offsets_in_order);
  EXPECT_FALSE(summary.all_have_keys);
  EXPECT_EQ(summary.latest_timestamp, 9);
  EXPECT_EQ(summary.earliest_timestamp, 5);  // "no time" is none

  // Length, attributes, time, then the offset delta of the first record.
  batch[kBatchHeaderBytes + 3] = 2;
  const Bytes changed = InPieces(batch, batch.size());
  RecordSummary damaged;
  ASSERT_TRUE(RecordWalker(header, changed).Summarize(&damaged));
  EXPECT_FALSE(damaged.offsets_in_order);
}

// Whatever the payload is, walker and reader agree whether it can be read, and
// the walker does so for pieces of every size (also under a sanitizer).
TEST(RecordWalkerTest, AgreesWithTheReaderOnDamagedPayloads) {
  std::mt19937 random(20);
  BatchBuilder builder;
  builder.Append(1, "key", "value", {{"h", "1"}, {"h2", std::nullopt}});
  builder.Append(2, std::nullopt, std::nullopt);
  builder.Append(3, "", std::string(300, 'x'));
  const std::string batch = *builder.Build();
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = batch;
    const size_t at =
        kBatchHeaderBytes + random() % (batch.size() - kBatchHeaderBytes);
    damaged[at] = static_cast<char>(random());
    auto reader = BatchReader::Open(damaged, /*check_crc=*/false);
    ASSERT_TRUE(reader.ok());
    RecordView record;
    while (reader->Next(&record)) {
    }
    const BatchHeader header = ParseBatchHeader(damaged.data());
    Bytes bytes;
    const size_t piece = 1 + random() % 80;
    for (size_t i = 0; i < damaged.size(); i += piece) {
      bytes.Append(
          {damaged.data() + i, std::min(piece, damaged.size() - i), nullptr});
    }
    RecordWalker walker(header, bytes);
    RecordMeta meta;
    while (walker.Next(&meta)) {
    }
    ASSERT_EQ(reader->status().ok(), walker.status().ok())
        << "round " << round << " byte " << at << ": " << reader->status()
        << " / " << walker.status();
    refused += walker.status().ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 1'000);
}

TEST(BatchWalkerTest, StopsAtACutOrForeignBytesAndSaysHowFarItCame) {
  const std::string one = Batch({"a"});
  const std::string two = Batch({"b", "c"});
  for (size_t piece : {size_t{1}, size_t{7}, size_t{1000}}) {
    const std::string flat = one + two + one.substr(0, 40);
    Bytes bytes;
    for (size_t at = 0; at < flat.size(); at += piece) {
      bytes.Append(
          {flat.data() + at, std::min(piece, flat.size() - at), nullptr});
    }
    BatchWalker walker(bytes);
    ASSERT_TRUE(walker.Next());
    EXPECT_EQ(walker.position(), 0u);
    ASSERT_TRUE(walker.Next());
    EXPECT_EQ(walker.position(), one.size());
    EXPECT_EQ(walker.batch().ToString(), two);
    EXPECT_FALSE(walker.Next());
    EXPECT_EQ(walker.walked(), one.size() + two.size());
    EXPECT_TRUE(walker.status().ok());
  }
  const Bytes foreign = Bytes::FromString(one + std::string(100, '\0'));
  BatchWalker walker(foreign);
  EXPECT_TRUE(walker.Next());
  EXPECT_FALSE(walker.Next());
  EXPECT_EQ(walker.walked(), one.size());
  EXPECT_FALSE(walker.status().ok());
}

TEST(BatchBuilderTest, IsReusableAndKnowsItsSize) {
  BatchBuilder builder;
  EXPECT_TRUE(builder.empty());
  const size_t before = builder.size_bytes();
  builder.Append(5, "key", "value", {{"h", "v"}});
  EXPECT_LE(builder.size_bytes() - before,
            BatchBuilder::RecordSizeBound("key", "value", {{"h", "v"}}));
  const size_t size = builder.size_bytes();
  const std::string batch = *builder.Build();
  EXPECT_EQ(batch.size(), size);
  EXPECT_TRUE(builder.empty());
  builder.Append(5, "key", "value", {{"h", "v"}});
  EXPECT_EQ(*builder.Build(), batch);
}

TEST(BatchBuilderTest, ProducerMayBeSetLate) {
  BatchBuilder builder;
  builder.Append(5, "key", "value");
  builder.SetProducer(ProducerId(77), ProducerEpoch(3), 1000, true);
  const std::string batch = *builder.Build();
  const BatchHeader header = ParseBatchHeader(batch.data());
  EXPECT_EQ(header.producer_id, 77);
  EXPECT_EQ(header.producer_epoch, 3);
  EXPECT_EQ(header.base_sequence, 1000);
  EXPECT_TRUE(header.is_transactional());
  EXPECT_TRUE(BatchReader::Open(batch).ok());
}

}  // namespace
}  // namespace sillok::record
