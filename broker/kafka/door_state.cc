#include "broker/kafka/door_state.h"

#include <random>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok::kafka_door {
namespace {

std::function<uint32_t()> RandomIds() {
  return [engine = std::make_shared<std::mt19937>(std::random_device{}())] {
    return static_cast<uint32_t>((*engine)());
  };
}

}  // namespace

DoorState::DoorState(const api::BrokerContext& broker,
                     const FetchSessionOptions& sessions,
                     MetricsRegistry* metrics)
    : broker_(broker), metrics_(metrics), sessions_(sessions, RandomIds()) {}

FetchPlan DoorState::BeginFetch(FetchSessionRequest request) {
  const int64_t now_ms = broker_.clock->MonotonicMs();
  std::lock_guard lock(sessions_mutex_);
  FetchPlan plan = sessions_.Begin(std::move(request), now_ms);
  UpdateSessionMetrics();
  return plan;
}

FetchTelling DoorState::EndFetch(const FetchPlan& plan,
                                 const std::vector<FetchedItem>& results) {
  if (plan.kind == FetchPlan::Kind::kNoSession) {
    return {0, std::vector<bool>(plan.items.size(), true)};
  }
  const int64_t now_ms = broker_.clock->MonotonicMs();
  std::lock_guard lock(sessions_mutex_);
  FetchTelling telling = sessions_.End(plan, results, now_ms);
  UpdateSessionMetrics();
  return telling;
}

void DoorState::UpdateSessionMetrics() {
  metrics_.SetFetchSessions(sessions_.session_count(),
                            sessions_.partition_count(),
                            sessions_.evictions());
}

void DoorState::LogRefusal(const std::string& host, const std::string& what) {
  std::optional<int64_t> unsaid;
  {
    const int64_t now_ms = broker_.clock->MonotonicMs();
    std::lock_guard lock(throttle_mutex_);
    unsaid = throttle_.Ask(host, now_ms);
  }
  if (!unsaid.has_value()) return;
  LOG(WARNING) << what
               << (*unsaid > 0 ? fmt::format(" ({} more like it in the last "
                                             "minute were not logged)",
                                             *unsaid)
                               : "");
}

}  // namespace sillok::kafka_door
