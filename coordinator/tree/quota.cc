#include "coordinator/tree/quota.h"

#include <algorithm>
#include <charconv>

#include "coordinator/tree/path.h"

namespace sillok {
namespace {

constexpr int64_t kLargest = int64_t{1} << 62;

// The number after "key=" among pairs that are separated by ',' and ';'.
// "bytes=7=" is 7: an old form had to end so.
std::optional<int64_t> FindNumber(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const size_t end = text.find_first_of(",;");
    std::string_view pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != key) {
      continue;
    }
    pair.remove_prefix(equals + 1);
    pair = pair.substr(0, pair.find('='));
    int64_t number;
    const auto [rest, error] =
        std::from_chars(pair.data(), pair.data() + pair.size(), number);
    if (error != std::errc() || rest != pair.data() + pair.size()) {
      return std::nullopt;
    }
    // Far from where a sum would overflow.
    return std::clamp(number, -kLargest, kLargest);
  }
  return std::nullopt;
}

std::optional<std::string_view> PathOfQuota(std::string_view path,
                                            std::string_view name) {
  if (path.size() <= kSystemQuotaPath.size() + 1 + name.size() ||
      path.substr(0, kSystemQuotaPath.size()) != kSystemQuotaPath ||
      path[kSystemQuotaPath.size()] != '/' || BaseName(path) != name) {
    return std::nullopt;
  }
  const std::string_view parent = ParentPath(path);
  return parent.substr(kSystemQuotaPath.size());
}

bool Exceeds(int64_t limit, int64_t used, int64_t more) {
  return limit > -1 && more > 0 && used + more > limit;
}

QuotaVerdict CheckOne(int64_t soft, int64_t hard, int64_t used, int64_t more) {
  if (hard > -1) {
    return Exceeds(hard, used, more) ? QuotaVerdict::kOverHardLimit
                                     : QuotaVerdict::kWithin;
  }
  return Exceeds(soft, used, more) ? QuotaVerdict::kOverSoftLimit
                                   : QuotaVerdict::kWithin;
}

}  // namespace

QuotaLimits ParseQuotaLimits(std::string_view text) {
  QuotaLimits limits;
  limits.count = FindNumber(text, "count").value_or(-1);
  limits.bytes = FindNumber(text, "bytes").value_or(-1);
  limits.hard_count = FindNumber(text, "countHardLimit").value_or(-1);
  limits.hard_bytes = FindNumber(text, "byteHardLimit").value_or(-1);
  return limits;
}

std::string FormatQuotaLimits(const QuotaLimits& limits) {
  std::string text = FormatQuotaUse({limits.count, limits.bytes});
  if (limits.hard_count < 0 && limits.hard_bytes < 0) return text;
  return text + "=;byteHardLimit=" + std::to_string(limits.hard_bytes) +
         ";countHardLimit=" + std::to_string(limits.hard_count);
}

QuotaUse ParseQuotaUse(std::string_view text) {
  return {FindNumber(text, "count").value_or(0),
          FindNumber(text, "bytes").value_or(0)};
}

std::string FormatQuotaUse(const QuotaUse& use) {
  return "count=" + std::to_string(use.count) +
         ",bytes=" + std::to_string(use.bytes);
}

QuotaVerdict CheckQuota(const QuotaLimits& limits, const QuotaUse& used,
                        const QuotaUse& more) {
  const QuotaVerdict count =
      CheckOne(limits.count, limits.hard_count, used.count, more.count);
  const QuotaVerdict bytes =
      CheckOne(limits.bytes, limits.hard_bytes, used.bytes, more.bytes);
  if (count == QuotaVerdict::kOverHardLimit) return count;
  return bytes == QuotaVerdict::kWithin ? count : bytes;
}

std::string QuotaLimitsPath(std::string_view path) {
  return std::string(kSystemQuotaPath) + std::string(path) + "/" +
         std::string(kQuotaLimitsName);
}

std::string QuotaStatsPath(std::string_view path) {
  return std::string(kSystemQuotaPath) + std::string(path) + "/" +
         std::string(kQuotaStatsName);
}

std::optional<std::string_view> PathOfQuotaLimits(std::string_view path) {
  return PathOfQuota(path, kQuotaLimitsName);
}

std::optional<std::string_view> PathOfQuotaStats(std::string_view path) {
  return PathOfQuota(path, kQuotaStatsName);
}

}  // namespace sillok
