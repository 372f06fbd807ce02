#include "broker/txn/producer_id_block.h"

#include <gtest/gtest.h>

#include <set>

#include "test/golden/golden.h"

namespace sillok {
namespace {

TEST(ProducerIdBlockTest, ReadsAndWritesKafkasZnodeByteForByte) {
  bool found = false;
  for (const auto& row : golden::ReadJsonLines("znodes.jsonl")) {
    if (row["path"] != kProducerIdBlockPath) continue;
    found = true;
    const std::string data = row["data"];
    const auto block = DecodeProducerIdBlock(data);
    ASSERT_TRUE(block.ok()) << block.status();
    EXPECT_EQ(*block, (ProducerIdBlock{1, 0, 999}));
    EXPECT_EQ(EncodeProducerIdBlock(*block), data);
    EXPECT_EQ(*ProducerIdBlockAfter(data, 7), (ProducerIdBlock{7, 1000, 1999}));
  }
  EXPECT_TRUE(found);
}

TEST(ProducerIdBlockTest, AnEmptyZnodeBeginsWithIdZero) {
  EXPECT_EQ(*ProducerIdBlockAfter("", 3), (ProducerIdBlock{3, 0, 999}));
}

TEST(ProducerIdBlockTest, DamageIsToldAndNeverTakenForAnEmptyZnode) {
  for (const char* const bad :
       {"{}", "[]", "x", "{\"version\":1,\"broker\":1}",
        "{\"version\":1,\"broker\":1,\"block_start\":0,\"block_end\":999}",
        "{\"version\":1,\"broker\":1,\"block_start\":\"9\",\"block_end\":\"8\"}",
        "{\"version\":1,\"broker\":1,\"block_start\":\"-9\",\"block_end\":\"8\"}",
        "{\"version\":1,\"broker\":1,\"block_start\":\"1 \",\"block_end\":\"8\"}",
        " "}) {
    EXPECT_TRUE(absl::IsDataLoss(ProducerIdBlockAfter(bad, 1).status()))
        << bad;
  }
}

TEST(ProducerIdBlockTest, TheLastIdsOfAllAreNotOverrun) {
  const std::string near =
      EncodeProducerIdBlock({1, 9223372036854774000, 9223372036854774807});
  EXPECT_EQ(ProducerIdBlockAfter(near, 1)->last, 9223372036854775807);
  const std::string end =
      EncodeProducerIdBlock({1, 9223372036854774808, 9223372036854775807});
  EXPECT_TRUE(absl::IsResourceExhausted(ProducerIdBlockAfter(end, 1).status()));
}

TEST(ProducerIdSupplyTest, AsksForTheNextBlockWhenATenthIsLeft) {
  ProducerIdSupply supply;
  EXPECT_TRUE(supply.WantsBlock());
  EXPECT_EQ(supply.Take(), std::nullopt);
  supply.Add({1, 5000, 5999});
  std::set<int64_t> given;
  for (int i = 0; i < 899; ++i) {
    ASSERT_TRUE(given.insert(*supply.Take()).second);
    ASSERT_FALSE(supply.WantsBlock()) << i;
  }
  ASSERT_TRUE(given.insert(*supply.Take()).second);
  EXPECT_TRUE(supply.WantsBlock());
  supply.Add({1, 9000, 9999});
  EXPECT_FALSE(supply.WantsBlock());
  for (int i = 900; i < 2000; ++i) {
    ASSERT_TRUE(given.insert(*supply.Take()).second);
  }
  EXPECT_EQ(*given.begin(), 5000);
  EXPECT_EQ(*given.rbegin(), 9999);
  EXPECT_EQ(supply.Take(), std::nullopt);
}

}  // namespace
}  // namespace sillok
