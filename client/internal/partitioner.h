// The partitioners that are built in. Pure.
#ifndef SILLOK_CLIENT_INTERNAL_PARTITIONER_H_
#define SILLOK_CLIENT_INTERNAL_PARTITIONER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/partitioner.h"

namespace sillok::client {

// How records with a key are placed; those without one stay together until
// their batch is full (sticky). Each name's clients agree on the keys.
enum class PartitionerKind {
  kMurmur2,       // Kafka's Java clients
  kConsistent,    // librdkafka's default: CRC-32
  kFnv1a,         // sarama's default
  kRoundRobin,    // keys do not count, every record to the next partition
  kRandomSticky,  // keys do not count, all sticky
};
// Of ProducerConfig::partitioner, which was checked.
PartitionerKind PartitionerFromName(const std::string& name);

class BuiltinPartitioner final : public Partitioner {
 public:
  // `seed`: any number; it decides the order in which keyless batches wander.
  BuiltinPartitioner(PartitionerKind kind, uint64_t seed)
      : kind_(kind), random_(seed | 1) {}

  int32_t Choose(const ProducerRecord& record, int32_t partitions,
                 const std::vector<int32_t>& with_leader) override {
    return ChooseFor(record.key, partitions, with_leader);
  }
  // `partitions` > 0. Keyless records prefer partitions with a leader.
  int32_t ChooseFor(const std::optional<std::string_view>& key,
                    int32_t partitions,
                    const std::vector<int32_t>& with_leader);
  // The batch of the sticky partition was closed: the next keyless record
  // opens one elsewhere.
  void OnBatchClosed(int32_t partition) override;
  bool MovesOnBatchClosed() const override {
    return kind_ != PartitionerKind::kRoundRobin;
  }

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
