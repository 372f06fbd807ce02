#include "tools/reset_plan.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string_view>

#include "base/error.h"

namespace sillok::tools {
namespace {

bool ReadNumber(std::string_view text, int64_t* number) {
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// Kafka's tool puts topics in quotes.
std::string_view Unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

}  // namespace

absl::StatusOr<PlannedReset> PlanReset(const ResetScenario& scenario,
                                       const PartitionState& state) {
  int64_t wish = state.log_end;
  switch (scenario.kind) {
    case ResetScenario::kEarliest:
      wish = state.log_start;
      break;
    case ResetScenario::kLatest:
      break;
    case ResetScenario::kCurrent:
      wish = state.committed.value_or(state.log_end);
      break;
    case ResetScenario::kOffset:
      wish = scenario.number;
      break;
    case ResetScenario::kTime:
      wish = state.at_time.value_or(state.log_end);
      break;
    case ResetScenario::kShift:
      if (!state.committed) {
        return ErrorStatus(ErrorCode::INVALID_REQUEST,
                           "nothing is committed that could be shifted");
      }
      wish = *state.committed + scenario.number;
      break;
    case ResetScenario::kFromPlan:
      wish = state.planned.value_or(state.log_end);
      break;
  }
  PlannedReset plan;
  plan.offset = std::clamp(wish, state.log_start,
                           std::max(state.log_start, state.log_end));
  plan.clamped = plan.offset != wish;
  return plan;
}

std::string PlanToCsv(const OffsetPlan& plan) {
  std::string text;
  for (const auto& [id, offset] : plan) {
    text += id.topic + "," + std::to_string(id.partition) + "," +
            std::to_string(offset) + "\n";
  }
  return text;
}

absl::StatusOr<OffsetPlan> PlanFromCsv(const std::string& text) {
  OffsetPlan plan;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    size_t last = line.rfind(',');
    size_t first = last == 0 ? std::string::npos : line.rfind(',', last - 1);
    int64_t partition = -1;
    int64_t offset = -1;
    std::string_view view = line;
    bool good = last != std::string::npos && first != std::string::npos &&
                first > 0 &&
                ReadNumber(view.substr(first + 1, last - first - 1),
                           &partition) &&
                ReadNumber(view.substr(last + 1), &offset) && partition >= 0 &&
                partition <= INT32_MAX && offset >= 0;
    if (!good) {
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         "line " + std::to_string(number) + " '" + line +
                             "' is not topic,partition,offset");
    }
    plan[{std::string(Unquoted(view.substr(0, first))),
          static_cast<int32_t>(partition)}] = offset;
  }
  return plan;
}

}  // namespace sillok::tools
