// Which partitions a command is about, as written on the command line, and times
// as people write them. Pure.
#ifndef SILLOK_TOOLS_PARTITION_SCOPE_H_
#define SILLOK_TOOLS_PARTITION_SCOPE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sillok::tools {

struct TopicScope {
  std::string topic;
  std::vector<int32_t> partitions;  // empty = all

  bool Has(int32_t partition) const;
};

// "orders" or "orders:0,3,5". INVALID_CONFIG says what is wrong.
absl::StatusOr<TopicScope> ParseTopicScope(const std::string& text);
// "0,3,5".
absl::StatusOr<std::vector<int32_t>> ParseNumbers(const std::string& text);

// Unix ms of "2026-11-19", "2026-11-19T12:30", "...:00", "...:00.250", each with
// or without "Z" or "+01:00" (without: UTC); or Unix ms in digits.
absl::StatusOr<int64_t> ParseTime(const std::string& text);
// ms of "PT1H30M", "P2DT6H" or "1h30m".
absl::StatusOr<int64_t> ParseDurationMs(const std::string& text);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_PARTITION_SCOPE_H_
