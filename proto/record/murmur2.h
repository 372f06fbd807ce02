// The hash by which Kafka's producers place a keyed record.
#ifndef SILLOK_PROTO_RECORD_MURMUR2_H_
#define SILLOK_PROTO_RECORD_MURMUR2_H_

#include <cstdint>
#include <string_view>

namespace sillok::record {

// Kafka's 32-bit murmur2 (seed 0x9747b28c), as Java's signed int.
int32_t Murmur2(std::string_view data);

// The partition a record with this key goes to: every Kafka client agrees.
// `partitions` > 0.
inline int32_t PartitionForKey(std::string_view key, int32_t partitions) {
  return (Murmur2(key) & 0x7fffffff) % partitions;
}

}  // namespace sillok::record

#endif  // SILLOK_PROTO_RECORD_MURMUR2_H_
