#include "coordinator/store/segment_log.h"

#include <algorithm>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/store/log_lives.h"

namespace sillok {
namespace {

TEST(SegmentLogTest, NothingAcknowledgedIsLostInAnyOfManyLives) {
  uint64_t recycled = 0;
  uint64_t torn = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    LogLives lives(seed, LogFaults());
    ASSERT_TRUE(lives.Go(8)) << "seed " << seed << ": " << lives.broken();
    recycled += lives.recycled();
    torn += lives.torn();
  }
  // The run met what it is about.
  EXPECT_GT(recycled, 500u);
  EXPECT_GT(torn, 50u);
}

// --- Planted bugs ---

struct Planted {
  const char* name;
  bool LogFaults::*flag;
};
std::ostream& operator<<(std::ostream& out, const Planted& planted) {
  return out << planted.name;
}

constexpr Planted kPlanted[] = {
    {"ack_before_sync", &LogFaults::ack_before_sync},
    {"stale_frames_pass", &LogFaults::stale_frames_pass},
    {"folder_not_synced", &LogFaults::folder_not_synced},
    {"header_not_synced", &LogFaults::header_not_synced},
    {"recycle_unsynced", &LogFaults::recycle_unsynced},
    {"recovery_not_synced", &LogFaults::recovery_not_synced},
    {"damage_is_tail", &LogFaults::damage_is_tail},
    {"sealed_end_unchecked", &LogFaults::sealed_end_unchecked},
    {"checksums_unchecked", &LogFaults::checksums_unchecked},
    {"truncation_not_logged", &LogFaults::truncation_not_logged},
    {"newest_drops_first", &LogFaults::newest_drops_first},
};

class PlantedLogBugs : public testing::TestWithParam<Planted> {};

TEST_P(PlantedLogBugs, AreFound) {
  LogFaults faults;
  faults.*GetParam().flag = true;
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    LogLives lives(seed, faults);
    if (lives.Go(8)) continue;
    RecordProperty("seed", static_cast<int>(seed));
    RecordProperty("broken", lives.broken());
    LogLives healthy(seed, LogFaults());
    EXPECT_TRUE(healthy.Go(8)) << healthy.broken();
    return;
  }
  FAIL() << "not found";
}

INSTANTIATE_TEST_SUITE_P(SegmentLog, PlantedLogBugs,
                         testing::ValuesIn(kPlanted), [](const auto& info) {
                           return std::string(info.param.name);
                         });

// --- Files ---

std::unique_ptr<SegmentLog> MakeLog(SimDisk* disk) {
  SegmentLogOptions options;
  options.first_segment_bytes = 2 * kLogPageBytes;
  options.segment_bytes = 4 * kLogPageBytes;
  return *SegmentLog::Create(disk->Open(), options, 1);
}
// Of bytes that cannot be packed.
zab::Persist Entry(uint64_t counter, size_t bytes = 100) {
  std::mt19937 random(static_cast<uint32_t>(counter));
  std::string txn(bytes, '\0');
  for (char& c : txn) c = static_cast<char>(random());
  zab::Persist persist;
  persist.entries.push_back(zab::MakeEntry(Zxid(1, counter), std::move(txn)));
  return persist;
}
absl::Status OpenAgain(SimDisk* disk, LogTail* tail, uint64_t log_id = 1) {
  tail->Reset(Zxid());
  return SegmentLog::Open(disk->Open(), SegmentLogOptions(), log_id, tail)
      .status();
}
void ExpectRefused(const absl::Status& status, const std::string& words) {
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_NE(std::string(status.message()).find(words), std::string::npos)
      << status;
}

TEST(SegmentLogTest, AWriteThatDoesNotFitASegmentGetsOneOfItsOwnSize) {
  SimDisk disk(1);
  auto log = MakeLog(&disk);
  uint64_t next = 1;
  for (const size_t bytes : {100, 50'000, 100}) {
    const zab::Persist entry = Entry(next++, bytes);
    ASSERT_TRUE(log->Append({&entry}).ok());
  }
  LogTail tail(0);
  ASSERT_TRUE(OpenAgain(&disk, &tail).ok());
  EXPECT_EQ(tail.last(), Zxid(1, 3));
}

TEST(SegmentLogTest, WritesGivenTogetherAreOneWriteUnlessOneTakesBack) {
  SimDisk disk(1);
  auto log = MakeLog(&disk);
  const zab::Persist first = Entry(1), second = Entry(2);
  zab::Persist other = Entry(2, 7);
  other.truncate_after = Zxid(1, 1);
  ASSERT_TRUE(log->Append({&first, &second, &other}).ok());
  std::vector<zab::Entry> entries;
  Zxid at;
  size_t bytes = 0;
  // The zxid was given twice; the later one counts.
  ASSERT_TRUE(log->Read(&at, Zxid(1, 2), 1 << 20, &bytes, &entries).ok());
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].txn->size(), 7u);
}

TEST(SegmentLogTest, WhatCanBePackedIsAndReadsAsItWas) {
  SimDisk disk(1);
  auto log = MakeLog(&disk);
  for (uint64_t i = 1; i <= 40; ++i) {
    zab::Persist entry;
    entry.entries.push_back(zab::MakeEntry(
        Zxid(1, i), std::string(1500, static_cast<char>('a' + i % 26))));
    ASSERT_TRUE(log->Append({&entry}).ok());
  }
  EXPECT_EQ(disk.Names().size(), 1u);
  const auto expect_all = [&] {
    Zxid at;
    size_t bytes = 0;
    std::vector<zab::Entry> entries;
    ASSERT_TRUE(log->Read(&at, Zxid(1, 40), 1 << 20, &bytes, &entries).ok());
    ASSERT_EQ(entries.size(), 40u);
    for (uint64_t i = 1; i <= 40; ++i) {
      EXPECT_EQ(*entries[i - 1].txn,
                std::string(1500, static_cast<char>('a' + i % 26)));
    }
    EXPECT_EQ(log->LastAtOrBefore(Zxid(1, 7)).value(), Zxid(1, 7));
  };
  expect_all();
  LogTail tail(0);
  log = *SegmentLog::Open(disk.Open(), SegmentLogOptions(), 1, &tail);
  EXPECT_EQ(tail.last(), Zxid(1, 40));
  expect_all();
}

// As a version left it that knew no packed frames: it can go back to that
// version until there is a new segment.
TEST(SegmentLogTest, ASegmentOfTheFormerFormatGoesOnUnpacked) {
  SimDisk disk(1);
  MakeLog(&disk).reset();
  std::string& content = disk.Content(SegmentName(1));
  SegmentHeader header = DecodeSegmentHeader(content).value();
  header.format = kUnpackedSegmentFormat;
  const std::string page = EncodeSegmentHeader(header);
  std::copy(page.begin(), page.end(), content.begin());
  LogTail tail(0);
  SegmentLogOptions options;
  options.first_segment_bytes = options.segment_bytes = 2 * kLogPageBytes;
  auto log = *SegmentLog::Open(disk.Open(), options, 1, &tail);
  for (uint64_t i = 1; i <= 10; ++i) {
    zab::Persist entry;
    entry.entries.push_back(
        zab::MakeEntry(Zxid(1, i), std::string(1500, 'x')));
    ASSERT_TRUE(log->Append({&entry}).ok());
  }
  EXPECT_NE(disk.Content(SegmentName(1)).find(std::string(1500, 'x')),
            std::string::npos);
  // Two of them fill the first segment; unpacked, the others would fill four.
  EXPECT_EQ(disk.Names(),
            (std::vector<std::string>{SegmentName(1), SegmentName(2)}));
  Zxid at;
  size_t bytes = 0;
  std::vector<zab::Entry> entries;
  ASSERT_TRUE(log->Read(&at, Zxid(1, 10), 1 << 20, &bytes, &entries).ok());
  ASSERT_EQ(entries.size(), 10u);
  EXPECT_EQ(*entries[9].txn, std::string(1500, 'x'));
}

TEST(SegmentLogTest, TrimmingKeepsASpareAndDropsTheRest) {
  SimDisk disk(1);
  auto log = MakeLog(&disk);
  for (uint64_t i = 1; i <= 40; ++i) {
    const zab::Persist entry = Entry(i, 1500);
    ASSERT_TRUE(log->Append({&entry}).ok());
  }
  const size_t files = disk.Names().size();
  ASSERT_GT(files, 5u);
  EXPECT_EQ(log->PlanTrim(Zxid(1, 1)), std::nullopt);
  const auto point = log->PlanTrim(Zxid(1, 35));
  ASSERT_TRUE(point.has_value());
  EXPECT_LE(*point, Zxid(1, 35));
  ASSERT_TRUE(log->Drop(Zxid(1, 35)).ok());
  const std::vector<std::string> left = disk.Names();
  EXPECT_LE(left.size(), 5u);
  EXPECT_EQ(std::count_if(left.begin(), left.end(),
                          [](const std::string& name) {
                            return name.rfind("spare.", 0) == 0;
                          }),
            1);
  Zxid at(1, 1);
  size_t bytes = 0;
  std::vector<zab::Entry> entries;
  EXPECT_TRUE(absl::IsNotFound(
      log->Read(&at, Zxid(1, 40), 1 << 20, &bytes, &entries)));
  at = *point;
  EXPECT_TRUE(log->Read(&at, Zxid(1, 40), 1 << 20, &bytes, &entries).ok());
  EXPECT_EQ(at, Zxid(1, 40));
  LogTail tail(0);
  ASSERT_TRUE(OpenAgain(&disk, &tail).ok());
  EXPECT_EQ(tail.trimmed(), *point);
}

TEST(SegmentLogTest, LostAndForeignSegmentsAreRefusedByName) {
  SimDisk disk(1);
  auto log = MakeLog(&disk);
  for (uint64_t i = 1; i <= 40; ++i) {
    const zab::Persist entry = Entry(i, 1500);
    ASSERT_TRUE(log->Append({&entry}).ok());
  }
  log.reset();
  LogTail tail(0);
  ExpectRefused(OpenAgain(&disk, &tail, 2), "another log");
  const std::string third = SegmentName(3);
  const std::string content = disk.Content(third);
  disk.Content(third) = disk.Content(SegmentName(2));
  ExpectRefused(OpenAgain(&disk, &tail), third + ": what is in it is segment 2");
  disk.Content(third) = content.substr(0, content.size() - 1);
  ExpectRefused(OpenAgain(&disk, &tail), third);
  disk.Remove(third);
  ExpectRefused(OpenAgain(&disk, &tail), third + " is missing");
  for (const std::string& name : disk.Names()) disk.Remove(name);
  ExpectRefused(OpenAgain(&disk, &tail), "no segment");
}

// Cut anywhere, the last write is gone and all before it is there.
TEST(SegmentLogTest, ATornTailAtEveryByteLeavesWhatWasBefore) {
  SimDisk disk(1);
  auto log = MakeLog(&disk);
  for (uint64_t i = 1; i <= 3; ++i) {
    const zab::Persist entry = Entry(i, 300);
    ASSERT_TRUE(log->Append({&entry}).ok());
  }
  log.reset();
  std::string& content = disk.Content(SegmentName(1));
  const std::string good = content;
  const size_t frame = FrameStride(16 + 300);
  const size_t begin = kLogPageBytes + 2 * frame;
  LogTail tail(0);
  for (size_t cut = begin; cut < begin + kFrameHeaderBytes + 316; ++cut) {
    content = good.substr(0, cut);
    content.resize(good.size(), '\0');
    ASSERT_TRUE(OpenAgain(&disk, &tail).ok()) << cut;
    ASSERT_EQ(tail.last(), Zxid(1, 2)) << cut;
  }
  // The same in the frame before it is damage: what came later is there.
  for (size_t at = begin - frame; at < begin - 4; ++at) {
    content = good;
    content[at] = static_cast<char>(content[at] ^ 1);
    ExpectRefused(OpenAgain(&disk, &tail),
                  "/log/" + SegmentName(1) + ", byte " +
                      std::to_string(begin - frame) + ":");
  }
}

}  // namespace
}  // namespace sillok
