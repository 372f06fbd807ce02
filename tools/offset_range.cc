#include "tools/offset_range.h"

#include <charconv>
#include <ctime>

#include "base/error.h"
#include "base/status_macros.h"

namespace sillok::tools {
namespace {

std::optional<int64_t> Number(const std::string& text) {
  int64_t value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<int64_t> Time(const std::string& text, int64_t now_ms) {
  bool digits = !text.empty() &&
                text.find_first_not_of("0123456789") == std::string::npos;
  if (digits && text.size() == 13) return Number(text);
  if (digits && text.size() == 10) return *Number(text) * 1000;
  std::tm parts{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) rest = strptime(text.c_str(), "%Y-%m-%d", &parts);
  if (rest != nullptr && (*rest == '\0' || std::string(rest) == "Z")) {
    return static_cast<int64_t>(timegm(&parts)) * 1000;
  }
  // -1h, 30m: so long ago.
  if (text.size() < 2) return std::nullopt;
  std::string count = text.substr(text[0] == '-' ? 1 : 0);
  char unit = count.back();
  count.pop_back();
  auto number = Number(count);
  int64_t ms = unit == 's' ? 1'000 : unit == 'm' ? 60'000
               : unit == 'h' ? 3'600'000 : unit == 'd' ? 86'400'000 : 0;
  if (!number || *number < 0 || ms == 0) return std::nullopt;
  return now_ms - *number * ms;
}

absl::StatusOr<OffsetPoint> Point(const std::string& text, int64_t now_ms) {
  if (text == "start" || text == "beginning") {
    return OffsetPoint{OffsetPoint::kStart, 0};
  }
  if (text == "end") return OffsetPoint{OffsetPoint::kEnd, 0};
  if (text == "stored") return OffsetPoint{OffsetPoint::kStored, 0};
  // from_chars takes no plus sign.
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') {
    auto number = Number(text.substr(1));
    if (number) return OffsetPoint{OffsetPoint::kStart, *number};
  }
  auto number = Number(text);
  if (number && *number < 0) return OffsetPoint{OffsetPoint::kEnd, *number};
  if (number) return OffsetPoint{OffsetPoint::kOffset, *number};
  (void)now_ms;
  return ErrorStatus(ErrorCode::INVALID_CONFIG,
                     "offset '" + text +
                         "'; it takes start, end, n, +n, -n, a:b or @time");
}

absl::StatusOr<OffsetPoint> TimePoint(const std::string& text, int64_t now_ms) {
  if (text == "end") return OffsetPoint{OffsetPoint::kEnd, 0};
  auto time = Time(text, now_ms);
  if (time) return OffsetPoint{OffsetPoint::kTime, *time};
  return ErrorStatus(ErrorCode::INVALID_CONFIG,
                     "time '" + text +
                         "'; it takes Unix ms or s, 2026-11-21, "
                         "2026-11-21T10:00:00Z, or -1h, 30m");
}

}  // namespace

absl::StatusOr<OffsetRange> ParseOffsetRange(const std::string& text,
                                             int64_t now_ms) {
  OffsetRange range;
  bool by_time = !text.empty() && text[0] == '@';
  std::string rest = by_time ? text.substr(1) : text;
  auto parse = by_time ? TimePoint : Point;
  // The colon that separates, not one of 10:00:00.
  size_t colon = rest.find(':');
  while (colon != std::string::npos && by_time && colon >= 3 &&
         rest.find('T') != std::string::npos && rest[colon - 3] != 'Z' &&
         (rest[colon - 3] == 'T' || rest[colon - 3] == ':')) {
    colon = rest.find(':', colon + 1);
  }
  if (colon == std::string::npos) {
    ASSIGN_OR_RETURN(range.from, parse(rest, now_ms));
    return range;
  }
  std::string from = rest.substr(0, colon);
  std::string until = rest.substr(colon + 1);
  range.from = {OffsetPoint::kStart, 0};
  if (!from.empty()) {
    ASSIGN_OR_RETURN(range.from, parse(from, now_ms));
  }
  if (!until.empty()) {
    ASSIGN_OR_RETURN(range.until, parse(until, now_ms));
  }
  return range;
}

}  // namespace sillok::tools
