#include "coordinator/tree/reaper.h"

#include <algorithm>
#include <optional>

namespace sillok {
namespace {

constexpr double kMinuteMs = 60'000;
// How much allowance may gather, of a minute's: what comes at once stays small.
constexpr double kBurst = 1.0 / 60;

}  // namespace

void Reaper::Start(int64_t monotonic_ms) {
  last_ms_ = monotonic_ms;
  steps_ = 0;
  allowance_ = 0;
  cursor_ = 0;
}

std::vector<std::string> Reaper::Due(const ZnodeTree& tree,
                                     int64_t monotonic_ms, int64_t wall_ms) {
  std::vector<std::string> due;
  const auto count = static_cast<double>(tree.timed_znodes());
  const auto passed_ms = static_cast<double>(monotonic_ms - last_ms_);
  last_ms_ = monotonic_ms;
  const auto interval_ms =
      static_cast<double>(std::max<int64_t>(options_.check_interval_ms, 1));
  const auto per_minute = static_cast<double>(options_.max_per_minute);
  steps_ = std::min(steps_ + count * passed_ms / interval_ms, count);
  allowance_ = std::min(allowance_ + per_minute * passed_ms / kMinuteMs,
                        std::max(per_minute * kBurst, 1.0));
  for (; steps_ >= 1 && allowance_ >= 1; --steps_) {
    cursor_ = (cursor_ + 1) % tree.timed_znodes();
    std::optional<std::string> path =
        tree.OverduePath(cursor_, wall_ms, options_.max_never_used_ms);
    if (!path) continue;
    due.push_back(*std::move(path));
    --allowance_;
  }
  return due;
}

}  // namespace sillok
