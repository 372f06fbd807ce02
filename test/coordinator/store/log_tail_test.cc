#include "coordinator/store/log_tail.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sillok {
namespace {

zab::Entry Entry(uint64_t counter, size_t bytes = 100) {
  return zab::MakeEntry(Zxid(1, counter), std::string(bytes, 'x'));
}

std::vector<uint64_t> Read(const LogTail& tail, uint64_t after,
                           size_t max_bytes = 1 << 20) {
  std::vector<zab::Entry> entries;
  tail.Read(Zxid(1, after), max_bytes, 0, &entries);
  std::vector<uint64_t> counters;
  for (const zab::Entry& entry : entries) {
    counters.push_back(entry.zxid.counter());
  }
  return counters;
}

using Counters = std::vector<uint64_t>;

TEST(LogTailTest, OnlyWrittenEntriesLeaveMemory) {
  LogTail tail(500);
  tail.Reset(Zxid(1, 0));
  for (int i = 1; i <= 10; ++i) tail.Append(Entry(i));
  EXPECT_EQ(Read(tail, 0).size(), 10u);
  tail.Written(Zxid(1, 4), tail.generation());
  EXPECT_EQ(tail.base(), Zxid(1, 4));
  EXPECT_EQ(Read(tail, 4), (Counters{5, 6, 7, 8, 9, 10}));
  tail.Written(Zxid(1, 10), tail.generation());
  // 164 bytes each: three fit.
  EXPECT_EQ(tail.base(), Zxid(1, 7));
  EXPECT_EQ(tail.last(), Zxid(1, 10));
}

TEST(LogTailTest, ReadsAtLeastOneAndNotMoreThanAskedFor) {
  LogTail tail(1 << 20);
  tail.Reset(Zxid(1, 0));
  for (int i = 1; i <= 5; ++i) tail.Append(Entry(i));
  EXPECT_EQ(Read(tail, 0, 1), Counters{1});
  EXPECT_EQ(Read(tail, 0, 300), (Counters{1, 2, 3}));
  EXPECT_EQ(Read(tail, 2, 399), (Counters{3, 4, 5}));
  EXPECT_EQ(Read(tail, 5), Counters{});
}

TEST(LogTailTest, ATruncationCutsMemoryAndBase) {
  LogTail tail(300);
  tail.Reset(Zxid(1, 0));
  for (int i = 1; i <= 10; ++i) tail.Append(Entry(i));
  const uint64_t before = tail.generation();
  tail.TruncateAfter(Zxid(1, 10));
  EXPECT_EQ(tail.generation(), before);
  tail.TruncateAfter(Zxid(1, 8));
  EXPECT_EQ(tail.last(), Zxid(1, 8));
  EXPECT_EQ(Read(tail, 7), Counters{8});
  // A write of the cut-off past does not count for what comes after.
  tail.Written(Zxid(1, 10), before);
  EXPECT_EQ(tail.base(), Zxid(1, 0));
  tail.Written(Zxid(1, 8), tail.generation());
  EXPECT_EQ(tail.base(), Zxid(1, 7));
  tail.TruncateAfter(Zxid(1, 3));
  EXPECT_EQ(tail.base(), Zxid(1, 3));
  EXPECT_EQ(tail.last(), Zxid(1, 3));
  tail.Append(zab::MakeEntry(Zxid(2, 1), "x"));
  EXPECT_EQ(tail.LastAtOrBefore(Zxid(1, 50)), Zxid(1, 3));
  EXPECT_EQ(tail.LastAtOrBefore(Zxid(9, 9)), Zxid(2, 1));
}

TEST(LogTailTest, TrimPointKeepsAtLeastWhatIsAskedAndStopsAtTheLimit) {
  LogTail tail(1 << 20);
  tail.Reset(Zxid(1, 0));
  for (int i = 1; i <= 1000; ++i) tail.Append(Entry(i, 1));
  for (const size_t keep : {0, 1, 64, 100, 500, 998}) {
    for (const uint64_t limit : {2, 65, 300, 1000}) {
      const auto point = tail.TrimPoint(Zxid(1, limit), keep);
      if (!point) continue;
      EXPECT_LE(*point, Zxid(1, limit));
      EXPECT_GE(1000 - point->counter(), keep);
    }
  }
  EXPECT_EQ(tail.TrimPoint(Zxid(1, 1000), 1000), std::nullopt);
  const auto point = tail.TrimPoint(Zxid(1, 1000), 100);
  ASSERT_TRUE(point.has_value());
  EXPECT_GE(point->counter(), 1000u - 100 - 64);
  tail.TrimTo(*point);
  EXPECT_EQ(tail.trimmed(), *point);
  EXPECT_EQ(tail.base(), *point);
  EXPECT_EQ(tail.TrimPoint(Zxid(1, 1000), 100), std::nullopt);
  // After a cut the count is low, so more is kept, never less.
  tail.TruncateAfter(Zxid(1, 980));
  if (const auto next = tail.TrimPoint(Zxid(1, 980), 10)) {
    EXPECT_GE(980 - next->counter(), 10u);
  }
}

}  // namespace
}  // namespace sillok
