#include "coordinator/store/snapshot_stream.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sillok {
namespace {

std::vector<std::string> ThreeChunks() {
  SnapshotEncoder encoder(Zxid(3, 5));
  encoder.AddRow("a", "1");
  encoder.AddRow("b", "");
  std::vector<std::string> chunks{encoder.TakeChunk(false)};
  encoder.AddRow("c", std::string(1000, 'x'));
  chunks.push_back(encoder.TakeChunk(false));
  chunks.push_back(encoder.TakeChunk(true));
  return chunks;
}

TEST(SnapshotStreamTest, RowsComeBackInOrder) {
  SnapshotDecoder decoder;
  std::string keys;
  for (const std::string& chunk : ThreeChunks()) {
    EXPECT_FALSE(decoder.complete());
    const auto rows = decoder.Decode(chunk);
    ASSERT_TRUE(rows.ok()) << rows.status();
    for (const auto& [key, value] : *rows) {
      keys += std::string(key) + std::to_string(value.size());
    }
  }
  EXPECT_TRUE(decoder.complete());
  EXPECT_EQ(decoder.zxid(), Zxid(3, 5));
  EXPECT_EQ(keys, "a1b0c1000");
  EXPECT_FALSE(decoder.Decode(ThreeChunks()[2]).ok());
}

TEST(SnapshotStreamTest, AMissingRepeatedOrSwappedChunkIsRefused) {
  const std::vector<std::string> chunks = ThreeChunks();
  for (const std::vector<int>& order : std::vector<std::vector<int>>{
           {1}, {2}, {0, 0}, {0, 2}, {0, 1, 1}}) {
    SnapshotDecoder decoder;
    for (size_t i = 0; i + 1 < order.size(); ++i) {
      ASSERT_TRUE(decoder.Decode(chunks[order[i]]).ok());
    }
    EXPECT_EQ(decoder.Decode(chunks[order.back()]).status().code(),
              absl::StatusCode::kDataLoss);
    EXPECT_FALSE(decoder.complete());
  }
}

TEST(SnapshotStreamTest, EveryFlippedBitAndEveryCutIsNoticed) {
  const std::string chunk = ThreeChunks()[0];
  for (size_t bit = 0; bit < 8 * chunk.size(); ++bit) {
    std::string damaged = chunk;
    damaged[bit / 8] ^= 1 << (bit % 8);
    SnapshotDecoder decoder;
    EXPECT_FALSE(decoder.Decode(damaged).ok()) << bit;
  }
  for (size_t size = 0; size < chunk.size(); ++size) {
    SnapshotDecoder decoder;
    EXPECT_FALSE(decoder.Decode(chunk.substr(0, size)).ok());
  }
}

TEST(SnapshotStreamTest, ChunksOfTwoSnapshotsDoNotMix) {
  SnapshotEncoder other(Zxid(3, 6));
  other.AddRow("a", "1");
  other.TakeChunk(false);
  other.AddRow("c", "x");
  const std::string second = other.TakeChunk(true);
  SnapshotDecoder decoder;
  ASSERT_TRUE(decoder.Decode(ThreeChunks()[0]).ok());
  EXPECT_FALSE(decoder.Decode(second).ok());
}

}  // namespace
}  // namespace sillok
