// What clients did to znodes and what they were told.
#ifndef SILLOK_TEST_COORDINATOR_LINEARIZABILITY_HISTORY_H_
#define SILLOK_TEST_COORDINATOR_LINEARIZABILITY_HISTORY_H_

#include <cstdint>
#include <string>
#include <vector>

namespace sillok::linearizability {

enum class Action : uint8_t {
  kCreate,
  kSet,
  kDelete,
  kRead,      // of what the member has: may be old
  kSyncRead,  // sync, then read: must be fresh
};

enum class Outcome : uint8_t {
  kOk,
  kNoNode,
  kNodeExists,
  kBadVersion,
  kUnknown,  // no answer: it happened, or it happens later, or never
};

inline constexpr int32_t kAnyVersion = -1;

// One operation on one key. Values are written once in a history.
struct Operation {
  int32_t client = 0;
  int32_t key = 0;
  int64_t session = 0;
  Action action = Action::kRead;
  Outcome outcome = Outcome::kUnknown;
  int32_t expected_version = kAnyVersion;  // set, delete
  int64_t value = 0;                       // written, or read
  int64_t called_ns = 0;    // of one clock for all
  int64_t returned_ns = 0;  // not of unknown ones
  int64_t reply_zxid = 0;   // of the reply's header
  // The stat, where the answer has one: successful create, set and reads.
  int64_t czxid = 0;
  int64_t mzxid = 0;
  int32_t version = 0;
};

inline bool IsWrite(const Operation& operation) {
  return operation.action != Action::kRead &&
         operation.action != Action::kSyncRead;
}

std::string Describe(const Operation& operation);

using History = std::vector<Operation>;

}  // namespace sillok::linearizability

#endif  // SILLOK_TEST_COORDINATOR_LINEARIZABILITY_HISTORY_H_
