// Quotas on subtrees, as ZooKeeper keeps them: in znodes below /zookeeper/quota.
// For a quota on /a/b the znode /zookeeper/quota/a/b/zookeeper_limits has the
// limits and .../zookeeper_stats what is used. Pure functions.
#ifndef SILLOK_COORDINATOR_TREE_QUOTA_H_
#define SILLOK_COORDINATOR_TREE_QUOTA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sillok {

inline constexpr std::string_view kQuotaLimitsName = "zookeeper_limits";
inline constexpr std::string_view kQuotaStatsName = "zookeeper_stats";

// Of a subtree, its root included.
struct QuotaUse {
  int64_t count = 0;  // znodes
  int64_t bytes = 0;  // of data

  QuotaUse& operator+=(const QuotaUse& other) {
    count += other.count;
    bytes += other.bytes;
    return *this;
  }
  QuotaUse operator-() const { return {-count, -bytes}; }
  bool operator==(const QuotaUse&) const = default;
};

// -1 = no limit. A hard limit takes the place of the soft one.
struct QuotaLimits {
  int64_t count = -1;
  int64_t bytes = -1;
  int64_t hard_count = -1;
  int64_t hard_bytes = -1;

  bool operator==(const QuotaLimits&) const = default;
};

enum class QuotaVerdict { kWithin, kOverSoftLimit, kOverHardLimit };

// "count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=10" and older forms. What
// is not a number counts as no limit, or as nothing used.
QuotaLimits ParseQuotaLimits(std::string_view text);
// As ZooKeeper writes them: the hard limits only when there is one.
std::string FormatQuotaLimits(const QuotaLimits& limits);
QuotaUse ParseQuotaUse(std::string_view text);
std::string FormatQuotaUse(const QuotaUse& use);

// `used` is what the subtree holds, `more` what a write adds. What does not grow
// passes, also above the limit.
QuotaVerdict CheckQuota(const QuotaLimits& limits, const QuotaUse& used,
                        const QuotaUse& more);

std::string QuotaLimitsPath(std::string_view path);
std::string QuotaStatsPath(std::string_view path);
// The path whose limits (or statistics) these are; none for another path.
std::optional<std::string_view> PathOfQuotaLimits(std::string_view path);
std::optional<std::string_view> PathOfQuotaStats(std::string_view path);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_QUOTA_H_
