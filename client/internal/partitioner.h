// Which partition a record goes to. Pure.
#ifndef SILLOK_CLIENT_INTERNAL_PARTITIONER_H_
#define SILLOK_CLIENT_INTERNAL_PARTITIONER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sillok::client {

enum class PartitionerKind { kMurmur2, kRoundRobin, kRandomSticky };
// Of ProducerConfig::partitioner, which was checked.
PartitionerKind PartitionerFromName(const std::string& name);

// One topic's choice. Not thread-safe.
class Partitioner {
 public:
  // `seed`: any number; it decides the order in which keyless batches wander.
  Partitioner(PartitionerKind kind, uint64_t seed)
      : kind_(kind), random_(seed | 1) {}

  // `partitions` > 0. `with_leader` holds the partitions that can be written
  // now; keyless records prefer those (empty: all alike).
  int32_t Choose(const std::optional<std::string_view>& key,
                 int32_t partitions, const std::vector<int32_t>& with_leader);
  // The batch of the sticky partition was closed: the next keyless record
  // opens one elsewhere.
  void OnBatchClosed(int32_t partition);

 private:
  int32_t Next(int32_t partitions, const std::vector<int32_t>& with_leader);

  PartitionerKind kind_;
  uint64_t random_;
  int32_t sticky_ = -1;
  int32_t previous_ = -1;
  uint32_t round_ = 0;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_PARTITIONER_H_
