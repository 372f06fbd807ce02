// Lets one log line a minute through for each host, however many hosts there
// are: bad clients must not fill the disk.
#ifndef SILLOK_BROKER_KAFKA_LOG_THROTTLE_H_
#define SILLOK_BROKER_KAFKA_LOG_THROTTLE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace sillok::kafka_door {

// Not thread-safe.
class LogThrottle {
 public:
  static constexpr int64_t kIntervalMs = 60'000;
  // Hosts remembered; beyond it all others share one line.
  static constexpr size_t kMaxHosts = 256;

  // Empty: say nothing. Else how many lines of this host were not said since
  // the last one that was.
  std::optional<int64_t> Ask(const std::string& host, int64_t now_ms) {
    auto place = lines_.find(host);
    if (place == lines_.end() && lines_.size() >= kMaxHosts) {
      std::erase_if(lines_, [now_ms](const auto& line) {
        return now_ms - line.second.said_ms >= kIntervalMs;
      });
      if (lines_.size() >= kMaxHosts) place = lines_.find("");
    }
    if (place == lines_.end()) {
      // "" is the line of all hosts for which there is no room.
      lines_[lines_.size() >= kMaxHosts ? "" : host] = {now_ms, 0};
      return 0;
    }
    Line& line = place->second;
    if (now_ms - line.said_ms < kIntervalMs) {
      ++line.unsaid;
      return std::nullopt;
    }
    const int64_t unsaid = line.unsaid;
    line = {now_ms, 0};
    return unsaid;
  }

 private:
  struct Line {
    int64_t said_ms = 0;
    int64_t unsaid = 0;
  };
  std::map<std::string, Line> lines_;
};

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_LOG_THROTTLE_H_
