// Producer ids come in blocks: the ids of a cluster are handed to its brokers a
// thousand at a time through one znode, in Kafka's format. Pure.
#ifndef SILLOK_BROKER_TXN_PRODUCER_ID_BLOCK_H_
#define SILLOK_BROKER_TXN_PRODUCER_ID_BLOCK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sillok {

inline constexpr char kProducerIdBlockPath[] = "/latest_producer_id_block";
inline constexpr int64_t kProducerIdBlockSize = 1000;

// What the znode says: the block that was handed out last, and to whom.
struct ProducerIdBlock {
  int32_t broker_id = -1;
  int64_t first = 0;
  int64_t last = -1;  // inclusive

  friend bool operator==(const ProducerIdBlock&,
                         const ProducerIdBlock&) = default;
};

std::string EncodeProducerIdBlock(const ProducerIdBlock& block);
// DATA_LOSS when it is no such JSON or no block.
absl::StatusOr<ProducerIdBlock> DecodeProducerIdBlock(std::string_view json);

// The block to claim after what the znode holds; empty data (Kafka makes the
// znode so) begins with id 0. DATA_LOSS as above; RESOURCE_EXHAUSTED when the
// int64s are used up.
absl::StatusOr<ProducerIdBlock> ProducerIdBlockAfter(std::string_view data,
                                                     int32_t broker_id);

// The ids one broker holds: a block in use and perhaps the one after it.
// Nothing is kept over a restart; what was not given out is never used.
class ProducerIdSupply {
 public:
  // A block that was claimed. At most one while there is another in use.
  void Add(const ProducerIdBlock& block);
  // An id that nobody else gets; nullopt: a block is needed first.
  std::optional<int64_t> Take();
  // Ask for a block now: there is none after the one in use, and of that nine
  // tenths are gone.
  bool WantsBlock() const;

 private:
  ProducerIdBlock current_;
  std::optional<ProducerIdBlock> next_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_TXN_PRODUCER_ID_BLOCK_H_
