// What Kafka answered to 74 produce requests, and what our log answers.
#include <gtest/gtest.h>

#include <map>

#include "test/broker/log/log_fixture.h"
#include "test/golden/golden.h"

namespace sillok {
namespace {

using nlohmann::json;

// Rows that are decided before or beside the log, by name of the handler's
// own tests: the topic is not there, acks are wrong, the transactional id is
// checked, or nothing at all was sent.
const std::map<std::string, std::string> kNotTheLogs = {
    {"unknown topic", "routing"},
    {"partition 7 of 1", "routing"},
    {"partition -1", "routing"},
    {"invalid topic name", "routing"},
    {"empty topic name", "routing"},
    {"acks 2", "request"},
    {"acks -2", "request"},
    {"transactional flag, no producer id, no transactional id", "request"},
    {"transactional batch, unknown transactional id", "verification"},
    {"transactional batch, no transactional id in the request", "request"},
};

// Where Kafka's answer is plainly bad, ours.
const std::map<std::string, ErrorCode> kBetter = {
    {"batchLength max int", ErrorCode::CORRUPT_MESSAGE},
    {"unknown codec 7", ErrorCode::UNSUPPORTED_COMPRESSION_TYPE},
    {"says gzip, is plain", ErrorCode::CORRUPT_MESSAGE},
    {"says zstd, is plain", ErrorCode::CORRUPT_MESSAGE},
    {"null records", ErrorCode::INVALID_RECORD},
};

constexpr int64_t kBrokerMs = 1'795'248'487'000;

LogOptions OptionsOf(const std::string& topic) {
  LogOptions options;
  if (topic == "c") options.cleanup_compact = true;
  if (topic == "small") options.max_message_bytes = 200;
  if (topic == "lat") {
    options.timestamp_type = record::TimestampType::kLogAppendTime;
  }
  if (topic == "gz") options.compression_type = record::Codec::kGzip;
  if (topic == "past") {
    options.timestamp_before_max_ms = 1000;
    options.timestamp_after_max_ms = 1000;
  }
  return options;
}

class ProduceAnswersTest : public LogTest {
 protected:
  PartitionLog& LogOf(const std::string& topic) {
    auto& log = logs_[topic];
    if (log == nullptr) {
      PartitionLog::OpenParams params;
      params.file_system = &disk_;
      params.path = "/data/" + topic + "-0";
      params.partition = {topic, 0};
      params.options = OptionsOf(topic);
      log = *PartitionLog::Open(params);
    }
    return *log;
  }
  std::map<std::string, std::unique_ptr<PartitionLog>> logs_;
};

TEST_F(ProduceAnswersTest, EveryRowGetsKafkasAnswerOrADocumentedBetterOne) {
  int compared = 0;
  for (const json& row : golden::ReadJsonLines("produce-answers.jsonl")) {
    const std::string name = row["case"];
    SCOPED_TRACE(name);
    if (kNotTheLogs.count(name) > 0) continue;
    const std::string bytes =
        row["records"].is_null()
            ? std::string()
            : golden::FromHex(row["records"].get<std::string>());
    AppendOptions options;
    options.zstd_allowed = row["version"] >= 7;
    // In pieces, as the network delivers them.
    Bytes pieces;
    for (size_t at = 0; at < bytes.size(); at += 50) {
      pieces.Append({bytes.data() + at, std::min<size_t>(50, bytes.size() - at),
                     nullptr});
    }
    PartitionLog& log = LogOf(row["topic"]);
    const Offset before = log.end_offset();
    const AppendResult result =
        log.Append(pieces, LeaderEpoch(0), kBrokerMs, options);
    ++compared;
    if (const auto better = kBetter.find(name); better != kBetter.end()) {
      EXPECT_EQ(result.error, better->second) << result.message;
    } else {
      EXPECT_EQ(ErrorName(result.error), row["error"]) << result.message;
      EXPECT_EQ(result.base_offset.value(), row["baseOffset"]);
      ASSERT_EQ(result.record_errors.size(), row["recordErrors"].size());
      for (size_t i = 0; i < result.record_errors.size(); ++i) {
        EXPECT_EQ(result.record_errors[i].batch_index,
                  row["recordErrors"][i]["batchIndex"]);
      }
    }
    if (!result.ok()) {
      EXPECT_FALSE(result.message.empty());
      EXPECT_EQ(log.end_offset(), before);
    }
  }
  EXPECT_EQ(compared, 64);

  // What was accepted can be read, every batch with a CRC that is right.
  for (const auto& [topic, log] : logs_) {
    Offset next = log->start_offset();
    while (next < log->end_offset()) {
      ReadOptions options;
      options.max_bytes = 1;
      auto read = log->view()->ReadBytes(next, options);
      ASSERT_TRUE(read.ok()) << read.status();
      std::string flat = read->batches.ToString();
      auto reader = record::BatchReader::Open(flat);
      ASSERT_TRUE(reader.ok()) << reader.status();
      record::RecordView record;
      while (reader->Next(&record)) {
        EXPECT_EQ(record.offset, next);
        if (topic == "lat") {
          EXPECT_EQ(record.timestamp_ms, kBrokerMs);
        }
        next += 1;
      }
      EXPECT_TRUE(reader->status().ok()) << reader->status();
      if (topic == "gz") {
        EXPECT_EQ(reader->header().codec(), record::Codec::kGzip);
      }
      if (topic == "t") {
        EXPECT_EQ(reader->header().timestamp_type(),
                  record::TimestampType::kCreateTime);
      }
    }
  }
}

}  // namespace
}  // namespace sillok
