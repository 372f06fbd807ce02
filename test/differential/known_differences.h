// Where Sillok answers otherwise than ZooKeeper 3.8 by choice. Each has its
// line in docs/compatibility-zookeeper.md.
#ifndef SILLOK_TEST_DIFFERENTIAL_KNOWN_DIFFERENCES_H_
#define SILLOK_TEST_DIFFERENTIAL_KNOWN_DIFFERENCES_H_

#include <optional>
#include <string>

#include "test/differential/transcript.h"

namespace sillok::differential {

// The name of the choice that explains this difference; nullopt: none does, so
// it is a bug.
std::optional<std::string> ExplainDifference(const Line& theirs,
                                             const Line& ours);

}  // namespace sillok::differential

#endif  // SILLOK_TEST_DIFFERENTIAL_KNOWN_DIFFERENCES_H_
