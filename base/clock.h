// Time as an input. Shells read a Clock; cores are given the time.
#ifndef SILLOK_BASE_CLOCK_H_
#define SILLOK_BASE_CLOCK_H_

#include <cstdint>

namespace sillok {

// Thread-safe. MonotonicMs never goes back and is what timeouts use; WallMs is
// Unix time in milliseconds, for timestamps that people and records see.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t MonotonicMs() const = 0;
  virtual int64_t WallMs() const = 0;

  // The system's clocks. Lives for ever.
  static const Clock& Real();
};

// A clock that stands still until told otherwise, for tests and simulators.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(int64_t wall_ms = 1'700'000'000'000)
      : wall_ms_(wall_ms) {}
  int64_t MonotonicMs() const override { return monotonic_ms_; }
  int64_t WallMs() const override { return wall_ms_; }
  void Advance(int64_t ms) {
    monotonic_ms_ += ms;
    wall_ms_ += ms;
  }

 private:
  int64_t monotonic_ms_ = 1'000'000;
  int64_t wall_ms_;
};

}  // namespace sillok

#endif  // SILLOK_BASE_CLOCK_H_
