#include "client/internal/partitioner.h"

#include "proto/record/murmur2.h"

namespace sillok::client {

namespace {

// CRC-32 as zlib and librdkafka have it, a bit at a time: keys are short.
uint32_t Crc32(std::string_view data) {
  uint32_t crc = 0xffffffff;
  for (const char c : data) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
    }
  }
  return ~crc;
}

uint32_t Fnv1a(std::string_view data) {
  uint32_t hash = 0x811c9dc5;
  for (const char c : data) {
    hash ^= static_cast<uint8_t>(c);
    hash *= 0x01000193;
  }
  return hash;
}

// sarama takes the hash as a signed number and the remainder's absolute value.
int32_t Fnv1aPartition(std::string_view key, int32_t partitions) {
  const int32_t left = static_cast<int32_t>(Fnv1a(key)) % partitions;
  return left < 0 ? -left : left;
}

}  // namespace

PartitionerKind PartitionerFromName(const std::string& name) {
  if (name == "roundrobin") return PartitionerKind::kRoundRobin;
  if (name == "random-sticky") return PartitionerKind::kRandomSticky;
  if (name == "consistent_random") return PartitionerKind::kConsistent;
  if (name == "fnv1a_random") return PartitionerKind::kFnv1a;
  return PartitionerKind::kMurmur2;
}

int32_t BuiltinPartitioner::ChooseFor(
    const std::optional<std::string_view>& key, int32_t partitions,
    const std::vector<int32_t>& with_leader) {
  switch (kind_) {
    case PartitionerKind::kRoundRobin:
      if (with_leader.empty()) {
        return static_cast<int32_t>(round_++ %
                                    static_cast<uint32_t>(partitions));
      }
      return with_leader[round_++ % with_leader.size()];
    case PartitionerKind::kMurmur2:
      if (key) return record::PartitionForKey(*key, partitions);
      break;
    case PartitionerKind::kConsistent:
      // librdkafka takes an empty key for none.
      if (key && !key->empty()) {
        return static_cast<int32_t>(Crc32(*key) %
                                    static_cast<uint32_t>(partitions));
      }
      break;
    case PartitionerKind::kFnv1a:
      if (key) return Fnv1aPartition(*key, partitions);
      break;
    case PartitionerKind::kRandomSticky:
      break;
  }
  if (sticky_ < 0 || sticky_ >= partitions) {
    sticky_ = Next(partitions, with_leader);
  }
  return sticky_;
}

void BuiltinPartitioner::OnBatchClosed(int32_t partition) {
  if (partition != sticky_) return;
  previous_ = sticky_;
  sticky_ = -1;
}

int32_t BuiltinPartitioner::Next(int32_t partitions,
                                 const std::vector<int32_t>& with_leader) {
  // xorshift64: cheap, and good enough to spread.
  auto pick = [this](size_t count) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return static_cast<size_t>(random_ % count);
  };
  if (with_leader.empty()) {
    int32_t chosen =
        static_cast<int32_t>(pick(static_cast<size_t>(partitions)));
    return chosen == previous_ ? (chosen + 1) % partitions : chosen;
  }
  size_t index = pick(with_leader.size());
  if (with_leader[index] == previous_) {
    index = (index + 1) % with_leader.size();
  }
  return with_leader[index];
}

}  // namespace sillok::client
