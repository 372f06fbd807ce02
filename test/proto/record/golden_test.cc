// Ours against what Kafka wrote: batches in every codec, hashes, checksums.
#include "test/golden/golden.h"

#include <gtest/gtest.h>

#include "proto/record/crc.h"
#include "proto/record/group_partition.h"
#include "proto/record/murmur2.h"
#include "proto/record/record_batch.h"
#include "proto/record/record_walker.h"

namespace sillok::record {
namespace {

using nlohmann::json;

std::optional<std::string> Nullable(const json& hex) {
  if (hex.is_null()) return std::nullopt;
  return golden::FromHex(hex.get<std::string>());
}

struct OwnedRecord {
  int32_t offset_delta = 0;
  int64_t timestamp_ms = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

void ExpectHeader(const BatchHeader& header, const json& want) {
  EXPECT_EQ(header.base_offset, want["baseOffset"]);
  EXPECT_EQ(header.last_offset().value(), want["lastOffset"]);
  EXPECT_EQ(header.size_bytes(), want["sizeInBytes"]);
  EXPECT_EQ(header.magic, want["magic"]);
  EXPECT_EQ(header.partition_leader_epoch, want["partitionLeaderEpoch"]);
  EXPECT_EQ(header.crc, want["crc"]);
  EXPECT_EQ(CodecName(header.codec()), want["compression"]);
  EXPECT_EQ(header.timestamp_type() == TimestampType::kLogAppendTime,
            want["timestampType"] == "LogAppendTime");
  EXPECT_EQ(header.max_timestamp, want["maxTimestamp"]);
  EXPECT_EQ(header.producer_id, want["producerId"]);
  EXPECT_EQ(header.producer_epoch, want["producerEpoch"]);
  EXPECT_EQ(header.base_sequence, want["baseSequence"]);
  EXPECT_EQ(header.last_sequence(), want["lastSequence"]);
  EXPECT_EQ(header.is_transactional(), want["isTransactional"]);
  EXPECT_EQ(header.is_control(), want["isControl"]);
  EXPECT_EQ(header.records_count, want["count"]);
  EXPECT_EQ(header.has_delete_horizon(), want.contains("deleteHorizonMs"));
  if (header.has_delete_horizon()) {
    EXPECT_EQ(header.base_timestamp, want["deleteHorizonMs"]);
  }
}

std::vector<OwnedRecord> ExpectRecords(BatchReader* reader, const json& want) {
  std::vector<OwnedRecord> records;
  RecordView record;
  for (const json& expected : want) {
    EXPECT_TRUE(reader->Next(&record)) << reader->status();
    OwnedRecord owned;
    owned.offset_delta = static_cast<int32_t>(
        record.offset.value() - reader->header().base_offset);
    EXPECT_EQ(record.offset.value(), expected["offset"]);
    EXPECT_EQ(record.timestamp_ms, expected["timestamp"]);
    owned.key = Nullable(expected["key"]);
    owned.value = Nullable(expected["value"]);
    EXPECT_EQ(record.key, owned.key);
    EXPECT_EQ(record.value, owned.value);
    const std::vector<RecordHeader> headers = record.headers();
    EXPECT_EQ(headers.size(), expected["headers"].size());
    for (size_t i = 0; i < headers.size(); ++i) {
      const json& pair = expected["headers"][i];
      const json& key = pair.is_array() ? pair[0] : pair["key"];
      const json& value = pair.is_array() ? pair[1] : pair["value"];
      EXPECT_EQ(headers[i].key, key.get<std::string>());
      EXPECT_EQ(headers[i].value, Nullable(value));
      owned.headers.emplace_back(headers[i].key, headers[i].value);
    }
    records.push_back(owned);
  }
  EXPECT_FALSE(reader->Next(&record));
  EXPECT_TRUE(reader->status().ok()) << reader->status();
  return records;
}

std::string Rebuild(const BatchHeader& header,
                    const std::vector<OwnedRecord>& records) {
  BatchOptions options;
  options.codec = header.codec();
  options.producer_id = ProducerId(header.producer_id);
  options.producer_epoch = ProducerEpoch(header.producer_epoch);
  options.base_sequence = header.base_sequence;
  options.transactional = header.is_transactional();
  options.control = header.is_control();
  options.base_offset = header.first_offset();
  options.leader_epoch = header.leader_epoch();
  options.timestamp_type = header.timestamp_type();
  options.log_append_time_ms = header.max_timestamp;
  if (header.has_delete_horizon()) {
    options.delete_horizon_ms = header.base_timestamp;
  }
  BatchBuilder builder(options);
  for (const OwnedRecord& record : records) {
    std::vector<RecordHeader> headers;
    for (const auto& [key, value] : record.headers) {
      headers.push_back({key, value});
    }
    builder.AppendAt(record.offset_delta, record.timestamp_ms, record.key,
                     record.value, headers);
  }
  return *builder.Build();
}

TEST(GoldenBatchesTest, EveryBatchReadsAsKafkaReadsItAndBuildsTheSame) {
  int built = 0;
  for (const json& row : golden::ReadJsonLines("batches.jsonl")) {
    SCOPED_TRACE(row["name"].get<std::string>());
    const std::string bytes = golden::FromHex(row["hex"].get<std::string>());
    ASSERT_EQ(row["batches"].size(), 1u);
    const json& want = row["batches"][0];
    auto reader = BatchReader::Open(bytes);
    ASSERT_TRUE(reader.ok()) << reader.status();
    ExpectHeader(reader->header(), want);
    auto records = ExpectRecords(&*reader, want["records"]);
    // The producer's own timestamps, which append time hides from readers.
    const Bytes pieces = Bytes::FromString(bytes);
    RecordWalker walker(reader->header(), pieces);
    RecordMeta meta;
    for (OwnedRecord& record : records) {
      ASSERT_TRUE(walker.Next(&meta)) << walker.status();
      record.timestamp_ms =
          reader->header().base_timestamp + meta.timestamp_delta;
    }

    const std::string rebuilt = Rebuild(reader->header(), records);
    if (reader->header().codec() == Codec::kNone) {
      EXPECT_EQ(golden::ToHex(rebuilt), golden::ToHex(bytes));
      ++built;
    } else {
      auto again = BatchReader::Open(rebuilt);
      ASSERT_TRUE(again.ok()) << again.status();
      ExpectRecords(&*again, want["records"]);
    }
  }
  EXPECT_GE(built, 9);
}

TEST(GoldenBatchesTest, EveryBatchWalksTheSameHoweverItIsCutIntoPieces) {
  for (const json& row : golden::ReadJsonLines("batches.jsonl")) {
    const std::string flat = golden::FromHex(row["hex"].get<std::string>());
    for (const size_t piece : {size_t{1}, size_t{3}, size_t{64}, flat.size()}) {
      SCOPED_TRACE(row["name"].get<std::string>() + " in pieces of " +
                   std::to_string(piece));
      Bytes bytes;
      for (size_t at = 0; at < flat.size(); at += piece) {
        bytes.Append(
            {flat.data() + at, std::min(piece, flat.size() - at), nullptr});
      }
      const BatchHeader header = ParseBatchHeader(flat.data());
      EXPECT_EQ(BatchCrc(bytes), header.crc);
      RecordWalker walker(header, bytes);
      RecordMeta meta;
      for (const json& record : row["batches"][0]["records"]) {
        ASSERT_TRUE(walker.Next(&meta)) << walker.status();
        EXPECT_EQ(header.base_offset + meta.offset_delta, record["offset"]);
        EXPECT_EQ(meta.has_key, !record["key"].is_null());
        if (header.timestamp_type() == TimestampType::kCreateTime) {
          EXPECT_EQ(header.base_timestamp + meta.timestamp_delta,
                    record["timestamp"]);
        }
      }
      EXPECT_FALSE(walker.Next(&meta));
      EXPECT_TRUE(walker.status().ok()) << walker.status();
    }
  }
}

TEST(GoldenBatchesTest, MarkersAreBuiltAndReadAsKafkasAre) {
  int seen = 0;
  for (const json& row : golden::ReadJsonLines("batches.jsonl")) {
    const std::string name = row["name"];
    if (name != "control/commit" && name != "control/abort") continue;
    std::string bytes = golden::FromHex(row["hex"].get<std::string>());
    auto reader = BatchReader::Open(bytes);
    ASSERT_TRUE(reader.ok());
    RecordView record;
    ASSERT_TRUE(reader->Next(&record));
    const auto marker = ParseControlRecord(record);
    ASSERT_TRUE(marker.has_value());
    EXPECT_EQ(marker->type, name == "control/commit" ? ControlType::kCommit
                                                     : ControlType::kAbort);
    std::string built = BuildControlBatch(
        *marker, ProducerId(reader->header().producer_id),
        ProducerEpoch(reader->header().producer_epoch), record.timestamp_ms);
    PokeOffsetAndEpoch(built.data(), reader->header().first_offset(),
                       reader->header().leader_epoch());
    EXPECT_EQ(golden::ToHex(built), golden::ToHex(bytes));
    ++seen;
  }
  EXPECT_EQ(seen, 2);
}

TEST(GoldenHashesTest, HashesPartitionsAndChecksumsAreKafkas) {
  for (const json& row : golden::ReadJsonLines("hashes.jsonl")) {
    const std::string bytes = golden::FromHex(row["hex"].get<std::string>());
    SCOPED_TRACE(row["hex"].get<std::string>());
    EXPECT_EQ(Murmur2(bytes), row["murmur2"]);
    EXPECT_EQ(Crc32c(bytes), row["crc32c"]);
    const int counts[] = {1, 3, 6, 12, 100};
    for (size_t i = 0; i < std::size(counts); ++i) {
      EXPECT_EQ(PartitionForKey(bytes, counts[i]),
                row["partition_of_1_3_6_12_100"][i]);
    }
    EXPECT_EQ(PartitionForGroup(bytes, 50),
              row["java_string_hash_of_utf8_group_id_mod_50"]);
  }
}

}  // namespace
}  // namespace sillok::record
