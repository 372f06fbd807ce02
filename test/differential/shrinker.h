// Makes a script that shows a difference short.
#ifndef SILLOK_TEST_DIFFERENTIAL_SHRINKER_H_
#define SILLOK_TEST_DIFFERENTIAL_SHRINKER_H_

#include <functional>

#include "test/differential/script.h"

namespace sillok::differential {

// Leaves out steps, then requests of steps, then parts of multis, as long as
// `shows` says that what is left still shows it; asks `attempts` times at most.
Script Shrink(Script script, const std::function<bool(const Script&)>& shows,
              int attempts);

}  // namespace sillok::differential

#endif  // SILLOK_TEST_DIFFERENTIAL_SHRINKER_H_
