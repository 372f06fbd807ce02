// Chance and time of a simulation, both from its seed.
#ifndef SILLOK_TEST_BROKER_GROUP_SIMULATION_AGENDA_H_
#define SILLOK_TEST_BROKER_GROUP_SIMULATION_AGENDA_H_

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <utility>

namespace sillok::group_sim {

inline constexpr int kPartitions = 12;
inline constexpr char kGroup[] = "g";
inline constexpr int64_t kSessionMs = 6'000;
inline constexpr int64_t kRebalanceMs = 9'000;
// How long the journal lets an answer wait for the log.
inline constexpr int64_t kCommitTimeoutMs = 2'000;
inline constexpr int64_t kRetentionMs = 60'000;

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t Below(int64_t n) {
    return std::uniform_int_distribution<int64_t>(0, n - 1)(engine_);
  }
  bool Chance(int percent) { return Below(100) < percent; }

 private:
  std::mt19937 engine_;
};

// Things to come, in the order of time.
class Agenda {
 public:
  int64_t now_ms() const { return now_ms_; }
  void After(int64_t delay_ms, std::function<void()> act) {
    events_.emplace(std::make_pair(now_ms_ + delay_ms, next_++),
                    std::move(act));
  }
  void RunUntil(int64_t end_ms) {
    while (!events_.empty() && events_.begin()->first.first <= end_ms) {
      auto node = events_.extract(events_.begin());
      now_ms_ = node.key().first;
      node.mapped()();
    }
    now_ms_ = end_ms;
  }

 private:
  int64_t now_ms_ = 1'000;
  uint64_t next_ = 0;
  std::map<std::pair<int64_t, uint64_t>, std::function<void()>> events_;
};

}  // namespace sillok::group_sim

#endif  // SILLOK_TEST_BROKER_GROUP_SIMULATION_AGENDA_H_
