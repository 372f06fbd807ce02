// Is there an order of one key's operations that a single znode could have
// seen? The search of Wing and Gong, with Lowe's memory of what was tried.
#ifndef SILLOK_TEST_COORDINATOR_LINEARIZABILITY_SEARCH_H_
#define SILLOK_TEST_COORDINATOR_LINEARIZABILITY_SEARCH_H_

#include "test/coordinator/linearizability/history.h"

namespace sillok::linearizability {

enum class Verdict { kLinearizable, kViolation, kUndecided };

// All writes, refused ones too, and the sync+reads; plain reads may be old and
// are left out. A few hundred operations at most: the search may try `budget`
// steps before it gives up.
Verdict SearchOrder(const History& of_one_key, int64_t budget = 3'000'000);

}  // namespace sillok::linearizability

#endif  // SILLOK_TEST_COORDINATOR_LINEARIZABILITY_SEARCH_H_
