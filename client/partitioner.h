// Partitioner: which partition a record goes to, for applications that choose
// themselves (ProducerConfig::make_partitioner). What is built in: config.h,
// partitioner.class.
#ifndef SILLOK_CLIENT_PARTITIONER_H_
#define SILLOK_CLIENT_PARTITIONER_H_

#include <cstdint>
#include <vector>

#include "client/producer.h"

namespace sillok::client {

// One topic's choice. The producer calls it inside Send, one call at a time; it
// must be quick, and must not call the producer.
class Partitioner {
 public:
  virtual ~Partitioner() = default;

  // A number from 0 to partitions - 1 (others fail the record with
  // UNKNOWN_TOPIC_OR_PARTITION). `with_leader` are the partitions that can be
  // written now, rising; empty while none is known.
  virtual int32_t Choose(const ProducerRecord& record, int32_t partitions,
                         const std::vector<int32_t>& with_leader) = 0;
  // A batch of `partition` takes no more records.
  virtual void OnBatchClosed(int32_t partition) {}
  // True: the record whose coming closed a batch is asked for once more after
  // OnBatchClosed, so that it may open one elsewhere.
  virtual bool MovesOnBatchClosed() const { return false; }
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_PARTITIONER_H_
