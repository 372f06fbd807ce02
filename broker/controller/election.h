// One try to become the controller.
#ifndef SILLOK_BROKER_CONTROLLER_ELECTION_H_
#define SILLOK_BROKER_CONTROLLER_ELECTION_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "base/strand.h"
#include "broker/metadata/metadata_store.h"

namespace sillok {

struct ElectionResult {
  enum class Kind {
    kWon,     // /controller is of our session, now or already
    kOther,   // another broker has it; its going away fires a watch
    kFailed,  // not known: try again
  } kind = Kind::kFailed;
  int32_t epoch = -1;
  // Version of /controller_epoch, which every write of this term checks.
  int32_t epoch_version = -1;
};

struct ElectionOptions {
  std::shared_ptr<MetadataStore> store;
  std::shared_ptr<Strand> strand;
  int32_t broker_id = -1;
  int64_t now_ms = 0;  // Unix time, for the znode
  std::function<void(const ElectionResult&)> done;
};

// Arms a watch on /controller and, when nobody has it, takes it and raises
// /controller_epoch in one multi. `done` runs once, on the strand.
void StandForElection(ElectionOptions options);

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_ELECTION_H_
