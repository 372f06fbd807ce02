#include "client/internal/partitioner.h"

#include <gtest/gtest.h>

namespace sillok::client {
namespace {

int32_t Place(PartitionerKind kind, const char* key, int32_t partitions) {
  BuiltinPartitioner partitioner(kind, 1);
  return partitioner.ChooseFor(key, partitions, {});
}

TEST(PartitionerTest, ConsistentIsTheCrcOfTheKey) {
  // CRC-32 of "123456789" is cbf43926.
  EXPECT_EQ(Place(PartitionerKind::kConsistent, "123456789", 0x7fffffff),
            static_cast<int32_t>(0xcbf43926u % 0x7fffffffu));
  EXPECT_EQ(Place(PartitionerKind::kConsistent, "123456789", 10),
            static_cast<int32_t>(0xcbf43926u % 10));
}

TEST(PartitionerTest, Fnv1aIsTakenAsASignedNumber) {
  // FNV-1a of "a" is e40c292c, of "foobar" bf9cf968: both negative as int32.
  for (const int32_t partitions : {3, 7, 100}) {
    EXPECT_EQ(Place(PartitionerKind::kFnv1a, "a", partitions),
              -(static_cast<int32_t>(0xe40c292cu) % partitions));
    EXPECT_EQ(Place(PartitionerKind::kFnv1a, "foobar", partitions),
              -(static_cast<int32_t>(0xbf9cf968u) % partitions));
  }
}

TEST(PartitionerTest, WithoutAKeyAllButRoundRobinStay) {
  for (const PartitionerKind kind :
       {PartitionerKind::kMurmur2, PartitionerKind::kConsistent,
        PartitionerKind::kFnv1a, PartitionerKind::kRandomSticky}) {
    BuiltinPartitioner partitioner(kind, 5);
    const int32_t first = partitioner.ChooseFor(std::nullopt, 8, {});
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(partitioner.ChooseFor(std::nullopt, 8, {}), first);
    }
    partitioner.OnBatchClosed(first);
    EXPECT_NE(partitioner.ChooseFor(std::nullopt, 8, {}), first);
    EXPECT_TRUE(partitioner.MovesOnBatchClosed());
  }
  EXPECT_FALSE(BuiltinPartitioner(PartitionerKind::kRoundRobin, 1)
                   .MovesOnBatchClosed());
}

TEST(PartitionerTest, NamesMeanWhatTheirClientsDo) {
  EXPECT_EQ(PartitionerFromName("murmur2"), PartitionerKind::kMurmur2);
  EXPECT_EQ(PartitionerFromName("consistent_random"),
            PartitionerKind::kConsistent);
  EXPECT_EQ(PartitionerFromName("fnv1a_random"), PartitionerKind::kFnv1a);
  EXPECT_EQ(PartitionerFromName("roundrobin"), PartitionerKind::kRoundRobin);
  EXPECT_EQ(PartitionerFromName("random-sticky"),
            PartitionerKind::kRandomSticky);
}

}  // namespace
}  // namespace sillok::client
