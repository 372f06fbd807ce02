// Waiting for what other threads do, without guessing how long.
#ifndef SILLOK_TEST_BROKER_CONTROLLER_WAITING_H_
#define SILLOK_TEST_BROKER_CONTROLLER_WAITING_H_

#include <chrono>
#include <functional>
#include <thread>

namespace sillok {

// True as soon as `condition` holds; false when it does not within a minute,
// which is for a test that fails only.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace sillok

#endif  // SILLOK_TEST_BROKER_CONTROLLER_WAITING_H_
