// A barrier that a group enters together and leaves together.
//
// Enter waits until `count` of them are there, Leave until all of those have
// left. Those there are ephemeral znodes below the path; the path's data names
// the ones that were let in together, written once with its version by whoever
// sees that they are enough. So one that was cut off when the last one came
// still finds that it was let in, and rounds on the same path are not mixed up.
//
// What can go wrong, and what it does:
// - One dies before it is let in: it counts no more once its session has
//   expired, and another one can take its place.
// - One dies inside: Leave of the others waits for the end of its session, not
//   for ever.
// - The connection breaks: both wait on and find out later.
// - The session is over: Aborted; the others see a death.
// Everyone waiting reads the list of all at each arrival: for groups of tens.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_DOUBLE_BARRIER_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_DOUBLE_BARRIER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/signal.h"

namespace sillok::coord {

// For one thread. Can be used again after Leave. The session must outlive it.
class DoubleBarrier {
 public:
  // More than `count` may be let in when they come at the same time.
  DoubleBarrier(BlockingSession* session, std::string path, size_t count);
  // Leaves without waiting for the others.
  ~DoubleBarrier();
  DoubleBarrier(const DoubleBarrier&) = delete;
  DoubleBarrier& operator=(const DoubleBarrier&) = delete;

  // DeadlineExceeded: not enough of them; this one counts no more. Else as
  // RecipeStatus.
  absl::Status Enter(absl::Duration wait = absl::InfiniteDuration());
  // DeadlineExceeded: others are still inside; this one has left all the same.
  absl::Status Leave(absl::Duration wait = absl::InfiniteDuration());

 private:
  struct Look;  // the list and who was let in, at one time
  absl::StatusOr<Look> LookAround(TimePoint deadline);
  absl::StatusOr<bool> TryToEnter(const Look& look);
  // After the deadline: takes its znode away, unless it was let in meanwhile.
  absl::Status StepBack();

  BlockingSession* const session_;
  const std::string path_;
  const size_t count_;
  std::string guid_;  // of its znode; "" = not there
  std::vector<std::string> together_;  // let in with this one
};

// The path's data: guids, one a line.
std::vector<std::string> ParseLetIn(const std::string& data);
std::string FormatLetIn(const std::vector<std::string>& guids);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_DOUBLE_BARRIER_H_
