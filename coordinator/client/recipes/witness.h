// Writes whose outcome is known, also when their answer was lost.
//
// Each write is one multi with another operation before it: a set of an ephemeral
// znode of its writer, the witness, under a check of its version. When the answer
// is lost the same multi is sent again. If the first one happened, the witness has
// moved on, and the second one is refused for it; if it is still under way, only
// one of the two can happen. Nothing rests on when a lost request arrives.
//
// It knows as long as the session lives. When the session ends while a write is
// under way its outcome is unknown (SESSION_EXPIRED): the witness went with it.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_WITNESS_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_WITNESS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/signal.h"

namespace sillok::coord {

// For one thread at a time. The session must outlive it.
class Witness {
 public:
  // Its znode is made below `parent` (with the first write; parents that are
  // missing as containers).
  Witness(BlockingSession* session, std::string parent)
      : session_(session), parent_(std::move(parent)) {}
  // Takes its znode away.
  ~Witness();
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  struct Outcome {
    // OK: all of it happened, once. CONNECTION_LOSS: no connection until the
    // deadline, unknown. SESSION_EXPIRED: unknown. Any other: none of it.
    v1::CoordCode code = v1::OK;
    // One for each operation; empty when the answer was lost.
    std::vector<v1::WriteResult> results;
  };
  Outcome Commit(const std::vector<v1::WriteOp>& ops, TimePoint deadline);

 private:
  v1::CoordCode MakeZnode(TimePoint deadline);
  enum class Found {
    kAsLeft,
    kMovedOn,  // to the next version
    kGone,
  };
  struct Try {
    Found witness = Found::kAsLeft;
    Outcome outcome;
  };
  // `mark` becomes the witness's data.
  Try Send(const std::vector<v1::WriteOp>& ops, const char* mark);
  Outcome OutOfTime(bool unknown);
  // After a settling one that found the witness moved on: OK (the write), or
  // `refusal`; or why that could not be read.
  v1::CoordCode WhichHappened(v1::CoordCode refusal);

  BlockingSession* const session_;
  const std::string parent_;
  std::string path_;
  uint64_t path_session_ = 0;  // whose znode it is
  int32_t version_ = 0;        // of the znode, with all that happened
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_WITNESS_H_
