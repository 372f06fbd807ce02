#include "client/internal/partitioner.h"

#include "proto/record/murmur2.h"

namespace sillok::client {

PartitionerKind PartitionerFromName(const std::string& name) {
  if (name == "roundrobin") return PartitionerKind::kRoundRobin;
  if (name == "random-sticky") return PartitionerKind::kRandomSticky;
  return PartitionerKind::kMurmur2;
}

int32_t Partitioner::Choose(const std::optional<std::string_view>& key,
                            int32_t partitions,
                            const std::vector<int32_t>& with_leader) {
  if (kind_ == PartitionerKind::kRoundRobin) {
    if (with_leader.empty()) {
      return static_cast<int32_t>(round_++ % static_cast<uint32_t>(partitions));
    }
    return with_leader[round_++ % with_leader.size()];
  }
  if (key && kind_ == PartitionerKind::kMurmur2) {
    return record::PartitionForKey(*key, partitions);
  }
  if (sticky_ < 0 || sticky_ >= partitions) {
    sticky_ = Next(partitions, with_leader);
  }
  return sticky_;
}

void Partitioner::OnBatchClosed(int32_t partition) {
  if (partition != sticky_) return;
  previous_ = sticky_;
  sticky_ = -1;
}

int32_t Partitioner::Next(int32_t partitions,
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
