// A broker's producer ids: unique in the cluster, claimed from the coordinator
// in blocks (producer_id_block.h), the next block before the last is used up.
//
// Several brokers may claim at once: a claim is a write under the znode's
// version, and who comes second reads again. A claim whose answer is lost costs
// its block, never an id twice.
#ifndef SILLOK_BROKER_TXN_PRODUCER_IDS_H_
#define SILLOK_BROKER_TXN_PRODUCER_IDS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "base/strand.h"
#include "broker/metadata/metadata_store.h"

namespace sillok {

// Thread-safe. `executor` and `store` outlive it and its callbacks.
class ProducerIds {
 public:
  struct Answer {
    // NONE, or: COORDINATOR_LOAD_IN_PROGRESS (come again: the coordinator is
    // away or too many wait), UNKNOWN_SERVER_ERROR (the znode is damaged or the
    // ids are used up; logged).
    ErrorCode error = ErrorCode::NONE;
    std::string message;
    ProducerId producer_id{-1};
  };
  using Done = std::function<void(Answer answer)>;

  ProducerIds(BrokerId broker_id, MetadataStore* store, Executor* executor);
  ~ProducerIds();

  // An id that nobody has had. `done` runs once, at once while ids are there,
  // else when a block was claimed or could not be.
  void Next(Done done);
  // Tells who waits, and who comes later, to come again elsewhere: this broker
  // is going.
  void Stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_TXN_PRODUCER_IDS_H_
