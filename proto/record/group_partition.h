// Which partition of `__consumer_offsets` (or `__transaction_state`) keeps a
// group (or a transactional id).
#ifndef SILLOK_PROTO_RECORD_GROUP_PARTITION_H_
#define SILLOK_PROTO_RECORD_GROUP_PARTITION_H_

#include <cstdint>
#include <string_view>

namespace sillok::record {

// Java's String.hashCode() of the UTF-8 text `text` (it counts UTF-16 units).
// Bytes that are no UTF-8 count as U+FFFD, as Java's decoder makes them.
int32_t JavaStringHash(std::string_view text);

// abs(hash) % partitions, where abs(min int) is 0. `partitions` > 0.
int32_t PartitionForGroup(std::string_view group_id, int32_t partitions);

}  // namespace sillok::record

#endif  // SILLOK_PROTO_RECORD_GROUP_PARTITION_H_
