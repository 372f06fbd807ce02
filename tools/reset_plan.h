// Where a group's offsets shall go: Kafka's scenarios of a reset. Pure.
#ifndef SILLOK_TOOLS_RESET_PLAN_H_
#define SILLOK_TOOLS_RESET_PLAN_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace sillok::tools {

struct ResetScenario {
  enum Kind {
    kEarliest,
    kLatest,
    kCurrent,   // what is committed; the end where nothing is
    kOffset,    // `number`
    kTime,      // first record at or after Unix ms `number`; else the end
    kShift,     // by `number`
    kFromPlan,  // PartitionState::planned
  };
  Kind kind = kLatest;
  int64_t number = 0;
};

// What is known of one partition.
struct PartitionState {
  std::optional<int64_t> committed;
  int64_t log_start = 0;
  int64_t log_end = 0;
  std::optional<int64_t> at_time;  // for kTime
  std::optional<int64_t> planned;  // for kFromPlan
};

struct PlannedReset {
  int64_t offset = 0;
  bool clamped = false;  // what was wished for lies outside of the log
};

// INVALID_REQUEST: nothing is committed that could be shifted.
absl::StatusOr<PlannedReset> PlanReset(const ResetScenario& scenario,
                                       const PartitionState& state);

// A plan as text, one line "topic,partition,offset" each (Kafka's format), and
// back. INVALID_CONFIG names the line that is none.
using OffsetPlan = std::map<TopicPartition, int64_t>;
std::string PlanToCsv(const OffsetPlan& plan);
absl::StatusOr<OffsetPlan> PlanFromCsv(const std::string& text);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_RESET_PLAN_H_
