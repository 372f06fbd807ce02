// Writes whose outcome is known, also when their answer was lost.
//
// Beside what it is to do, each write puts a new number into an ephemeral znode
// of its writer, the witness, in one multi. When the answer is lost the writer
// reads its witness on the next stream and knows. It costs one more small write
// in the same transaction, and nothing else while all goes well.
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
  // Whether number `serial_` is in the znode; the code is that of the reads.
  v1::CoordCode WasDone(bool* done);

  BlockingSession* const session_;
  const std::string parent_;
  std::string path_;
  uint64_t path_session_ = 0;  // whose znode it is
  int64_t serial_ = 0;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_WITNESS_H_
