#include "coordinator/tree/block_pool.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sillok {
namespace {

struct Block {
  char* memory;
  std::string content;
};

bool Holds(const Block& block) {
  return std::equal(block.content.begin(), block.content.end(), block.memory);
}

TEST(BlockPoolTest, NothingIsNoBlock) {
  BlockPool pool;
  EXPECT_EQ(pool.Allocate(0), nullptr);
  pool.Free(nullptr, 0);
  EXPECT_EQ(pool.reserved_bytes(), 0u);
}

// Blocks that lay over each other would spoil what is in them.
TEST(BlockPoolTest, BlocksKeepWhatIsInThemUnderRandomChange) {
  BlockPool pool;
  std::mt19937 random(5);
  std::vector<Block> blocks;
  for (int step = 0; step < 200'000; ++step) {
    const bool add = (step / 20'000) % 2 == 0 ? random() % 10 < 7
                                              : random() % 10 < 3;
    if (add || blocks.empty()) {
      const size_t bytes = 1 + random() % (step % 50 == 0 ? 2000 : 520);
      std::string content(bytes, '\0');
      for (char& c : content) c = static_cast<char>(random());
      char* memory = pool.Allocate(bytes);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(memory) % 8, 0u);
      std::copy(content.begin(), content.end(), memory);
      blocks.push_back({memory, std::move(content)});
    } else {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      ASSERT_TRUE(Holds(blocks.back()));
      pool.Free(blocks.back().memory, blocks.back().content.size());
      blocks.pop_back();
    }
  }
  for (const Block& block : blocks) {
    ASSERT_TRUE(Holds(block));
    pool.Free(block.memory, block.content.size());
  }
}

TEST(BlockPoolTest, PagesOfOneSizeServeAnotherOnceTheyAreFree) {
  BlockPool pool;
  size_t reserved = 0;
  for (const size_t bytes : {100, 511, 8, 264}) {
    std::vector<char*> blocks;
    for (size_t sum = 0; sum < 3'000'000; sum += bytes) {
      blocks.push_back(pool.Allocate(bytes));
    }
    if (reserved == 0) reserved = pool.reserved_bytes();
    // Blocks of another size fill a page not quite as well.
    EXPECT_LE(pool.reserved_bytes(), reserved + (1 << 20));
    for (char* block : blocks) pool.Free(block, bytes);
  }
}

TEST(BlockPoolTest, ABlockTakesHardlyMoreThanItsSize) {
  BlockPool pool;
  for (int i = 0; i < 100'000; ++i) pool.Allocate(109);
  EXPECT_LE(pool.reserved_bytes(), 100'000u * 113 + (1 << 20));
}

}  // namespace
}  // namespace sillok
