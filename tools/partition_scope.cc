#include "tools/partition_scope.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "absl/time/time.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace sillok::tools {
namespace {

template <typename Int>
std::optional<Int> ReadInt(std::string_view text) {
  Int value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// Digits and a letter at a time: "1H30M" -> ms. 0 parts are none.
std::optional<int64_t> ReadIsoParts(std::string_view text, bool date) {
  int64_t sum_ms = 0;
  bool any = false;
  while (!text.empty()) {
    size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
      ++digits;
    }
    auto number = ReadInt<int32_t>(text.substr(0, digits));
    if (!number || digits == text.size()) return std::nullopt;
    int64_t unit_ms = 0;
    switch (text[digits]) {
      case 'W':
        unit_ms = date ? 7 * 86'400'000 : 0;
        break;
      case 'D':
        unit_ms = date ? 86'400'000 : 0;
        break;
      case 'H':
        unit_ms = date ? 0 : 3'600'000;
        break;
      case 'M':
        unit_ms = date ? 0 : 60'000;  // months have no length
        break;
      case 'S':
        unit_ms = date ? 0 : 1'000;
        break;
    }
    if (unit_ms == 0) return std::nullopt;
    sum_ms += *number * unit_ms;
    any = true;
    text.remove_prefix(digits + 1);
  }
  return any ? std::optional<int64_t>(sum_ms) : std::nullopt;
}

std::optional<int64_t> ReadIsoDuration(std::string_view text) {
  text.remove_prefix(1);  // P
  size_t t = text.find('T');
  std::string_view date = text.substr(0, t);
  std::string_view time =
      t == std::string_view::npos ? "" : text.substr(t + 1);
  if (t != std::string_view::npos && time.empty()) return std::nullopt;
  auto days = date.empty() ? 0 : ReadIsoParts(date, /*date=*/true);
  auto rest = time.empty() ? 0 : ReadIsoParts(time, /*date=*/false);
  if (!days || !rest || (date.empty() && time.empty())) return std::nullopt;
  return *days + *rest;
}

}  // namespace

bool TopicScope::Has(int32_t partition) const {
  return partitions.empty() || std::count(partitions.begin(), partitions.end(),
                                          partition) != 0;
}

absl::StatusOr<std::vector<int32_t>> ParseNumbers(const std::string& text) {
  std::vector<int32_t> numbers;
  std::string_view rest = text;
  while (true) {
    size_t comma = rest.find(',');
    auto number = ReadInt<int32_t>(rest.substr(0, comma));
    if (!number || *number < 0) {
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         "'" + text + "' is no list of partitions like 0,1,5");
    }
    numbers.push_back(*number);
    if (comma == std::string_view::npos) return numbers;
    rest.remove_prefix(comma + 1);
  }
}

absl::StatusOr<TopicScope> ParseTopicScope(const std::string& text) {
  size_t colon = text.find(':');
  TopicScope scope;
  scope.topic = text.substr(0, colon);
  if (scope.topic.empty()) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       "'" + text + "' names no topic; it takes T or T:0,1,5");
  }
  if (colon == std::string::npos) return scope;
  ASSIGN_OR_RETURN(scope.partitions, ParseNumbers(text.substr(colon + 1)));
  return scope;
}

absl::StatusOr<int64_t> ParseTime(const std::string& text) {
  if (auto ms = ReadInt<int64_t>(text); ms && *ms >= 0) return *ms;
  absl::Time time;
  std::string why;
  for (const char* format :
       {"%Y-%m-%dT%H:%M:%E*S%Ez", "%Y-%m-%dT%H:%M%Ez", "%Y-%m-%dT%H:%M:%E*S",
        "%Y-%m-%dT%H:%M", "%Y-%m-%d"}) {
    if (absl::ParseTime(format, text, &time, &why)) {
      return absl::ToUnixMillis(time);
    }
  }
  return ErrorStatus(
      ErrorCode::INVALID_CONFIG,
      "'" + text +
          "' is no time; it takes 2026-11-19, 2026-11-19T12:30:00Z or Unix ms");
}

absl::StatusOr<int64_t> ParseDurationMs(const std::string& text) {
  std::optional<int64_t> ms;
  if (!text.empty() && text[0] == 'P') {
    ms = ReadIsoDuration(text);
  } else {
    absl::Duration duration;
    if (absl::ParseDuration(text, &duration)) {
      ms = absl::ToInt64Milliseconds(duration);
    }
  }
  if (ms && *ms >= 0) return *ms;
  return ErrorStatus(ErrorCode::INVALID_CONFIG,
                     "'" + text +
                         "' is no duration; it takes PT1H30M, P2DT6H or 1h30m");
}

}  // namespace sillok::tools
