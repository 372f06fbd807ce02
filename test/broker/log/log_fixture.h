// What the tests of the log share: batches, and a log on a fake disk.
#ifndef SILLOK_TEST_BROKER_LOG_LOG_FIXTURE_H_
#define SILLOK_TEST_BROKER_LOG_LOG_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "broker/log/partition_log.h"
#include "proto/record/record_batch.h"
#include "test/broker/log/fake_file_system.h"

namespace sillok {

inline constexpr int64_t kNowMs = 1'700'000'000'000;

// A batch of `count` records "v<first+i>", as a producer sends it.
inline std::string MakeBatch(int count, int first = 0,
                             record::BatchOptions options = {},
                             size_t padding = 0,
                             int64_t timestamp_ms = kNowMs) {
  record::BatchBuilder builder(options);
  for (int i = 0; i < count; ++i) {
    builder.Append(timestamp_ms + i, "k" + std::to_string(first + i),
                   "v" + std::to_string(first + i) + std::string(padding, '.'));
  }
  return *builder.Build();
}

// A batch as a leader would have stored it.
inline std::string StoredBatch(Offset base, LeaderEpoch epoch, int count,
                               size_t padding = 0,
                               record::BatchOptions options = {}) {
  std::string batch = MakeBatch(count, static_cast<int>(base.value()), options,
                                padding);
  record::PokeOffsetAndEpoch(batch.data(), base, epoch);
  return batch;
}

class LogTest : public testing::Test {
 protected:
  static constexpr char kPath[] = "/data/t-0";

  absl::StatusOr<std::unique_ptr<PartitionLog>> TryOpen(
      bool clean = false, Offset recovery_point = Offset(0),
      Offset log_start = Offset(0)) {
    PartitionLog::OpenParams params;
    params.file_system = &disk_;
    params.path = kPath;
    params.partition = {"t", 0};
    params.options = options_;
    params.clean = clean;
    params.recovery_point = recovery_point;
    params.log_start = log_start;
    params.now_ms = kNowMs;
    params.lower_recovery_point = [this](Offset offset) {
      lowered_to_.push_back(offset);
      return absl::OkStatus();
    };
    return PartitionLog::Open(params);
  }
  void Open(bool clean = false, Offset recovery_point = Offset(0)) {
    log_.reset();
    auto opened = TryOpen(clean, recovery_point);
    ASSERT_TRUE(opened.ok()) << opened.status();
    log_ = *std::move(opened);
  }
  AppendResult Append(const std::string& batch, LeaderEpoch epoch = {},
                      int64_t now_ms = kNowMs) {
    return log_->Append(Bytes::FromString(batch), epoch, now_ms);
  }
  AppendResult Replicate(const std::string& batches, LeaderEpoch epoch) {
    return log_->AppendReplicated(Bytes::FromString(batches), epoch, kNowMs);
  }
  // All values from `from` on, read batch by batch through ReadBytes.
  std::vector<std::string> Values(Offset from = Offset(0),
                                  int64_t max_bytes = 100) {
    std::vector<std::string> values;
    const auto view = log_->view();
    while (from < view->end_offset()) {
      ReadOptions options;
      options.max_bytes = max_bytes;
      auto read = view->ReadBytes(from, options);
      EXPECT_TRUE(read.ok()) << read.status();
      if (!read.ok()) break;
      EXPECT_EQ(read->error, ErrorCode::NONE);
      record::BatchWalker walker(read->batches);
      Offset next = from;
      while (walker.Next()) {
        std::string scratch;
        const Bytes batch = walker.batch();
        auto reader = record::BatchReader::Open(batch.Flat(&scratch));
        EXPECT_TRUE(reader.ok()) << reader.status();
        if (!reader.ok()) return values;
        record::RecordView record;
        while (reader->Next(&record)) {
          if (record.offset >= from) values.emplace_back(*record.value);
        }
        next = walker.header().next_offset();
      }
      EXPECT_EQ(walker.walked(), read->batches.size());
      if (next == from) break;
      from = next;
    }
    return values;
  }

  FakeFileSystem disk_;
  LogOptions options_;
  std::vector<Offset> lowered_to_;
  std::unique_ptr<PartitionLog> log_;
};

}  // namespace sillok

#endif  // SILLOK_TEST_BROKER_LOG_LOG_FIXTURE_H_
