// Producers that repeat, skip and overtake, against a log that is rolled, cut,
// cleaned, closed, killed and power-cycled. A model that looks at nothing but
// the batches that are in the log says what each append must answer.
#include <glog/logging.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "broker/log/producer_states.h"
#include "test/broker/log/log_fixture.h"

namespace sillok {
namespace {

struct Batch {
  int64_t producer = 0;
  int16_t epoch = 0;
  int32_t first = 0;  // sequence
  int count = 0;
  Offset base = kNoOffset;

  int32_t last() const { return After(first, count - 1); }
  static int32_t After(int32_t sequence, int64_t steps) {
    return static_cast<int32_t>((sequence + steps) & 0x7fffffff);
  }
};

struct Expected {
  ErrorCode error = ErrorCode::NONE;
  const Batch* duplicate = nullptr;
};

class ProducerRecoveryTest : public LogTest {
 protected:
  static constexpr int kProducers = 4;

  // Kafka's rules, from the history alone.
  Expected Judge(const Batch& batch) const {
    std::vector<const Batch*> known;
    for (const Batch& old : history_) {
      if (old.producer != batch.producer) continue;
      if (!known.empty() && known.back()->epoch != old.epoch) known.clear();
      known.push_back(&old);
    }
    if (known.empty()) return {};
    const Batch& latest = *known.back();
    if (batch.epoch < latest.epoch) return {ErrorCode::INVALID_PRODUCER_EPOCH};
    if (batch.epoch > latest.epoch) {
      return {batch.first == 0 ? ErrorCode::NONE
                               : ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER};
    }
    const size_t window = std::min<size_t>(known.size(), 5);
    for (size_t i = known.size() - window; i < known.size(); ++i) {
      if (known[i]->first == batch.first && known[i]->count == batch.count) {
        return {ErrorCode::NONE, known[i]};
      }
    }
    return {batch.first == Batch::After(latest.last(), 1)
                ? ErrorCode::NONE
                : ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER};
  }

  std::string BytesOf(const Batch& batch) {
    record::BatchOptions options;
    options.producer_id = ProducerId(batch.producer);
    options.producer_epoch = ProducerEpoch(batch.epoch);
    options.base_sequence = batch.first;
    return MakeBatch(batch.count, batch.first % 1000, options, random_() % 500);
  }

  const Batch* Latest(int64_t producer) const {
    for (auto at = history_.rbegin(); at != history_.rend(); ++at) {
      if (at->producer == producer) return &*at;
    }
    return nullptr;
  }

  // What a producer in trouble may send: the next batch, one again, one too
  // early, one of another epoch.
  Batch Invent() {
    Batch batch;
    batch.producer = 1 + static_cast<int64_t>(random_() % kProducers);
    batch.count = 1 + static_cast<int>(random_() % 4);
    const Batch* latest = Latest(batch.producer);
    if (latest == nullptr) {
      // Some begin where their sequences wrap.
      batch.first = random_() % 2 == 0 ? 0 : 0x7fffffff - 40;
      return batch;
    }
    batch.epoch = latest->epoch;
    batch.first = Batch::After(latest->last(), 1);
    const uint64_t dice = random_() % 100;
    if (dice < 45) return batch;
    if (dice < 75) return Again(batch.producer);
    if (dice < 85) {
      batch.first = Batch::After(batch.first, 1 + random_() % 3);
    } else if (dice < 90) {
      batch.epoch = static_cast<int16_t>(batch.epoch - 1);
      if (batch.epoch < 0) batch.epoch = 0;
    } else if (dice < 95) {
      batch.epoch = static_cast<int16_t>(batch.epoch + 1);
      batch.first = random_() % 3 == 0 ? 7 : 0;
    } else {
      batch.first = Batch::After(batch.first, -2);  // half of one again
    }
    return batch;
  }

  // One of the last eight of this producer.
  Batch Again(int64_t producer) {
    std::vector<Batch> own;
    for (const Batch& old : history_) {
      if (old.producer == producer) own.push_back(old);
    }
    const size_t back = random_() % std::min<size_t>(own.size(), 8);
    return own[own.size() - 1 - back];
  }

  void Send() {
    Batch batch = Invent();
    const Expected expected = Judge(batch);
    const Offset end = log_->end_offset();
    const AppendResult result = log_->Append(
        Bytes::FromString(BytesOf(batch)), LeaderEpoch(epoch_), kNowMs);
    ASSERT_EQ(result.error, expected.error)
        << result.message << " producer " << batch.producer << " epoch "
        << batch.epoch << " sequence " << batch.first;
    if (!result.ok()) {
      ASSERT_EQ(log_->end_offset(), end);
      return;
    }
    ASSERT_EQ(result.duplicate, expected.duplicate != nullptr);
    if (expected.duplicate != nullptr) {
      ASSERT_EQ(result.base_offset, expected.duplicate->base);
      ASSERT_EQ(result.last_offset,
                expected.duplicate->base + (expected.duplicate->count - 1));
      ASSERT_EQ(log_->end_offset(), end);
      return;
    }
    ASSERT_EQ(result.base_offset, end);
    batch.base = end;
    history_.push_back(batch);
  }

  // The same as a follower: a few batches that a leader has accepted.
  void Follow() {
    std::string bytes;
    Offset next = log_->end_offset();
    for (int i = 0; i < 3; ++i) {
      Batch batch = Invent();
      const Expected expected = Judge(batch);
      if (expected.error != ErrorCode::NONE || expected.duplicate) continue;
      batch.base = next;
      std::string stored = BytesOf(batch);
      record::PokeOffsetAndEpoch(stored.data(), next, LeaderEpoch(epoch_));
      bytes += stored;
      next = next + batch.count;
      history_.push_back(batch);
    }
    if (bytes.empty()) return;
    const AppendResult result = Replicate(bytes, LeaderEpoch(epoch_));
    ASSERT_TRUE(result.ok()) << result.message;
    ASSERT_EQ(log_->end_offset(), next);
  }

  void ForgetFrom(Offset end) {
    std::erase_if(history_, [&](const Batch& batch) {
      return batch.base + (batch.count - 1) >= end;
    });
    ++epoch_;
  }

  void Cut() {
    const int64_t room = log_->end_offset() - log_->start_offset();
    const Offset to = log_->end_offset() -
                      static_cast<int64_t>(random_() % 25) % (room + 1);
    ASSERT_TRUE(log_->TruncateTo(to).ok());
    ASSERT_LE(log_->start_offset(), log_->end_offset());
    log_start_ = log_->start_offset();
    ForgetFrom(log_->end_offset());
  }

  // The oldest segments go; what they said of producers stays known.
  void Clean() {
    ASSERT_TRUE(log_->Flush().ok());
    checkpoint_ = log_->recovery_point();
    const Offset start = log_->start_offset();
    const int64_t room = log_->end_offset() - start;
    if (room == 0) return;
    ASSERT_TRUE(
        log_->AdvanceLogStart(start + static_cast<int64_t>(random_() % room))
            .ok());
    ASSERT_TRUE(log_->ApplyRetention(kNowMs, log_->end_offset()).ok());
    log_start_ = log_->start_offset();
  }

  void Reopen(bool clean) {
    log_.reset();
    PartitionLog::OpenParams params;
    params.file_system = &disk_;
    params.path = kPath;
    params.partition = {"t", 0};
    params.options = options_;
    params.clean = clean;
    params.recovery_point = checkpoint_;
    params.log_start = log_start_;
    params.now_ms = kNowMs;
    params.lower_recovery_point = [this](Offset offset) {
      checkpoint_ = std::min(checkpoint_, offset);
      return absl::OkStatus();
    };
    auto opened = PartitionLog::Open(params);
    ASSERT_TRUE(opened.ok()) << opened.status();
    log_ = *std::move(opened);
  }

  void PowerCut() {
    const auto loss = static_cast<FakeFileSystem::Loss>(random_() % 3);
    log_.reset();
    disk_.Crash(loss, &random_);
    ASSERT_NO_FATAL_FAILURE(Reopen(false));
    ForgetFrom(log_->end_offset());
  }

  // What is in the log is the history: nothing twice, nothing missing.
  void Check() {
    std::vector<Batch> left;
    for (const Batch& batch : history_) {
      if (batch.base + (batch.count - 1) >= log_->start_offset()) {
        left.push_back(batch);
      }
    }
    size_t i = 0;
    Offset next = log_->start_offset();
    while (next < log_->end_offset()) {
      auto read = log_->view()->ReadBytes(next, {.max_bytes = 4000});
      ASSERT_TRUE(read.ok()) << read.status();
      record::BatchWalker walker(read->batches);
      while (walker.Next()) {
        ASSERT_LT(i, left.size());
        ASSERT_EQ(walker.header().first_offset(), left[i].base);
        ASSERT_EQ(walker.header().producer_id, left[i].producer);
        ASSERT_EQ(walker.header().producer_epoch, left[i].epoch);
        ASSERT_EQ(walker.header().base_sequence, left[i].first);
        next = walker.header().next_offset();
        ++i;
      }
    }
    ASSERT_EQ(i, left.size());
  }

  void Run(uint64_t seed) {
    random_.seed(seed);
    options_.segment_bytes = 3000 + static_cast<int64_t>(random_() % 4000);
    options_.index_interval_bytes = 300;
    ASSERT_NO_FATAL_FAILURE(Reopen(false));
    for (int step = 0; step < 200; ++step) {
      SCOPED_TRACE(step);
      const uint64_t dice = random_() % 100;
      if (dice < 70) {
        ASSERT_NO_FATAL_FAILURE(Send());
      } else if (dice < 76) {
        ASSERT_NO_FATAL_FAILURE(Follow());
      } else if (dice < 80) {
        ASSERT_TRUE((dice & 1 ? log_->Flush() : log_->FlushRolled()).ok());
        checkpoint_ = log_->recovery_point();
      } else if (dice < 84) {
        ASSERT_NO_FATAL_FAILURE(Cut());
      } else if (dice < 87) {
        ASSERT_NO_FATAL_FAILURE(Clean());
      } else if (dice < 90) {
        ASSERT_TRUE(log_->Roll(kNowMs).ok());
      } else if (dice < 93) {
        ASSERT_TRUE(log_->Close().ok());
        checkpoint_ = log_->recovery_point();
        ASSERT_NO_FATAL_FAILURE(Reopen(true));
      } else if (dice < 96) {  // the process dies, the page cache stays
        ASSERT_NO_FATAL_FAILURE(Reopen(false));
      } else {
        ASSERT_NO_FATAL_FAILURE(PowerCut());
      }
    }
    ASSERT_NO_FATAL_FAILURE(Check());
  }

  std::mt19937_64 random_;
  Offset checkpoint_;
  Offset log_start_;
  int32_t epoch_ = 1;
  std::vector<Batch> history_;
};

TEST_F(ProducerRecoveryTest, WhateverHappensRetriesAreKnownAndGapsRefused) {
  const char* const only = std::getenv("SILLOK_SEED");
  const uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const uint64_t last = only != nullptr ? first : 400;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("SILLOK_SEED=" + std::to_string(seed));
    disk_.RemoveDirectory(kPath).IgnoreError();
    history_.clear();
    checkpoint_ = Offset(0);
    log_start_ = Offset(0);
    epoch_ = 1;
    Run(seed);
    if (HasFatalFailure()) return;
  }
}

// Counts what is logged with the word that people search for.
struct GapSink final : google::LogSink {
  GapSink() { google::AddLogSink(this); }
  ~GapSink() override { google::RemoveLogSink(this); }
  void send(google::LogSeverity, const char*, const char*, int,
            const google::LogMessageTime&, const char* message,
            size_t length) override {
    const std::string_view text(message, length);
    if (text.find("OutOfOrderSequenceException") == text.npos) return;
    ++count;
    last = std::string(text);
  }
  int count = 0;
  std::string last;
};

TEST_F(LogTest, AGapIsLoggedOnceForEachProducer) {
  Open();
  const auto send = [this](int64_t producer, int32_t sequence) {
    record::BatchOptions options;
    options.producer_id = ProducerId(producer);
    options.producer_epoch = ProducerEpoch(0);
    options.base_sequence = sequence;
    return Append(MakeBatch(1, 0, options)).error;
  };
  ASSERT_EQ(send(1, 0), ErrorCode::NONE);
  ASSERT_EQ(send(2, 0), ErrorCode::NONE);
  GapSink sink;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(send(1, 7), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
  }
  EXPECT_EQ(sink.count, 1);
  EXPECT_NE(sink.last.find("partition=t-0 end=2: producer 1: sequence 7 after "
                           "0"),
            std::string::npos)
      << sink.last;
  EXPECT_EQ(send(2, 7), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
  EXPECT_EQ(sink.count, 2);
}

}  // namespace
}  // namespace sillok
