// The broker: builds its parts, connects them, starts and stops them.
#ifndef SILLOK_BROKER_BROKER_H_
#define SILLOK_BROKER_BROKER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config.h"

namespace sillok {

// Composition root. Used from main's thread.
class Broker {
 public:
  // Opens the data directory (checking it after an unclean end), listens, and
  // registers with the coordinator in the background: the broker serves once
  // the controller has told it its part. An error names what could not be had.
  static absl::StatusOr<std::unique_ptr<Broker>> Start(const Config& config);
  // As after a crash, but orderly in memory. Call Stop for a clean end.
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // Hands leaderships over, leaves the cluster, flushes and closes the logs.
  void Stop();
  // OK, or why the process ended itself (its registration was refused, its disk
  // failed). Valid after the stop signal.
  absl::Status fatal() const;

 private:
  class Impl;
  explicit Broker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_BROKER_H_
