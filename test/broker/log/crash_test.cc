// Seeded histories of appends, flushes, truncations and power cuts on a disk
// that loses what was not synced. What a log promises must hold after each: it
// opens, it is a prefix of what was written, all that was flushed is there, and
// a retry of what is there is known as one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "test/broker/log/log_fixture.h"

namespace sillok {
namespace {

struct Written {
  Offset base;
  int count = 0;
  int32_t sequence = 0;
  std::string bytes;  // as the producer sent it
};

class CrashTest : public LogTest {
 protected:
  void OpenAfter(bool clean) {
    log_.reset();
    PartitionLog::OpenParams params;
    params.file_system = &disk_;
    params.path = kPath;
    params.partition = {"t", 0};
    params.options = options_;
    params.clean = clean;
    params.recovery_point = checkpoint_;
    params.now_ms = kNowMs;
    params.lower_recovery_point = [this](Offset offset) {
      checkpoint_ = std::min(checkpoint_, offset);
      return absl::OkStatus();
    };
    auto opened = PartitionLog::Open(params);
    ASSERT_TRUE(opened.ok()) << opened.status();
    log_ = *std::move(opened);
  }

  Offset End() const {
    return history_.empty() ? Offset(0)
                            : history_.back().base + history_.back().count;
  }

  void AppendOne() {
    record::BatchOptions options;
    options.producer_id = ProducerId(9);
    options.producer_epoch = ProducerEpoch(0);
    const int count = 1 + static_cast<int>(random_() % 4);
    options.base_sequence =
        history_.empty() ? 0
                         : history_.back().sequence + history_.back().count;
    if (random_() % 8 == 0) options.codec = record::Codec::kLz4;
    Written written{End(), count, options.base_sequence,
                    MakeBatch(count, static_cast<int>(random_() % 100000),
                              options, random_() % 700)};
    if (leader_) {
      const AppendResult result =
          log_->Append(Bytes::FromString(written.bytes), epoch_, kNowMs);
      ASSERT_TRUE(result.ok()) << result.message;
      ASSERT_EQ(result.base_offset, written.base);
    } else {
      std::string stored = written.bytes;
      record::PokeOffsetAndEpoch(stored.data(), written.base, epoch_);
      const AppendResult result =
          log_->AppendReplicated(Bytes::FromString(stored), epoch_, kNowMs);
      ASSERT_TRUE(result.ok()) << result.message;
    }
    history_.push_back(std::move(written));
  }

  void Truncate() {
    const size_t keep =
        history_.size() - std::min(history_.size(), random_() % 6);
    history_.resize(keep);
    ASSERT_TRUE(log_->TruncateTo(End()).ok());
    ASSERT_EQ(log_->end_offset(), End());
    epoch_ = LeaderEpoch(epoch_.value() + 1);
  }

  void Crash() {
    const Offset flushed = log_->recovery_point();
    const auto loss = static_cast<FakeFileSystem::Loss>(random_() % 3);
    log_.reset();
    disk_.Crash(loss, &random_);
    ASSERT_NO_FATAL_FAILURE(OpenAfter(false));
    const Offset end = log_->end_offset();
    ASSERT_GE(end, flushed) << "flushed records are gone";
    ASSERT_LE(end, End()) << "records nobody wrote";
    while (!history_.empty() && End() > end) history_.pop_back();
    ASSERT_EQ(End(), end) << "half a batch";
    epoch_ = LeaderEpoch(epoch_.value() + 1);
    ASSERT_NO_FATAL_FAILURE(Check());
    if (!history_.empty()) {
      const AppendResult again = log_->Append(
          Bytes::FromString(history_.back().bytes), epoch_, kNowMs);
      ASSERT_TRUE(again.ok()) << again.message;
      ASSERT_TRUE(again.duplicate);
      ASSERT_EQ(again.base_offset, history_.back().base);
    }
  }

  // The log is the history, byte for byte but for offset and epoch.
  void Check() {
    const auto view = log_->view();
    size_t i = 0;
    Offset next(0);
    while (next < view->end_offset()) {
      auto read = view->ReadBytes(next, {.max_bytes = 1500});
      ASSERT_TRUE(read.ok()) << read.status();
      ASSERT_FALSE(read->batches.empty()) << "a hole at " << next;
      record::BatchWalker walker(read->batches);
      while (walker.Next()) {
        ASSERT_LT(i, history_.size());
        ASSERT_EQ(walker.header().first_offset(), history_[i].base);
        std::string stored = walker.batch().ToString();
        ASSERT_EQ(record::BatchCrc(stored), walker.header().crc);
        record::PokeOffsetAndEpoch(stored.data(), Offset(0), kNoLeaderEpoch);
        ASSERT_EQ(stored, history_[i].bytes);
        next = walker.header().next_offset();
        ++i;
      }
    }
    ASSERT_EQ(i, history_.size());
  }

  void Run(uint64_t seed) {
    random_.seed(seed);
    options_.segment_bytes = 3500 + static_cast<int64_t>(random_() % 4000);
    options_.index_interval_bytes = 300;
    ASSERT_NO_FATAL_FAILURE(OpenAfter(false));
    for (int step = 0; step < 120; ++step) {
      const uint64_t dice = random_() % 100;
      if (dice < 70) {
        ASSERT_NO_FATAL_FAILURE(AppendOne());
      } else if (dice < 78) {
        ASSERT_TRUE((dice & 1 ? log_->Flush() : log_->FlushRolled()).ok());
      } else if (dice < 84) {
        checkpoint_ = log_->recovery_point();
      } else if (dice < 88) {
        ASSERT_NO_FATAL_FAILURE(Truncate());
      } else if (dice < 90) {
        leader_ = !leader_;
      } else if (dice < 92) {
        ASSERT_TRUE(log_->Close().ok());
        checkpoint_ = log_->recovery_point();
        ASSERT_NO_FATAL_FAILURE(OpenAfter(true));
        ASSERT_NO_FATAL_FAILURE(Check());
      } else if (dice < 94) {  // the process dies, the page cache stays
        ASSERT_NO_FATAL_FAILURE(OpenAfter(false));
        ASSERT_EQ(log_->end_offset(), End());
        ASSERT_NO_FATAL_FAILURE(Check());
      } else if (dice < 98) {
        ASSERT_NO_FATAL_FAILURE(Crash());
      } else {
        ASSERT_TRUE(log_->Roll(kNowMs).ok());
      }
    }
    ASSERT_NO_FATAL_FAILURE(Check());
  }

  std::mt19937_64 random_;
  Offset checkpoint_;
  LeaderEpoch epoch_{1};
  bool leader_ = true;
  std::vector<Written> history_;
};

TEST_F(CrashTest, NoPowerCutLosesWhatWasFlushed) {
  const char* const only = std::getenv("SILLOK_SEED");
  const uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const uint64_t last = only != nullptr ? first : 400;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("SILLOK_SEED=" + std::to_string(seed));
    disk_.RemoveDirectory(kPath).IgnoreError();
    history_.clear();
    checkpoint_ = Offset(0);
    epoch_ = LeaderEpoch(1);
    leader_ = true;
    Run(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sillok
