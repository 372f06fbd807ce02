// A connection that carries frames, for a thread that may wait.
#ifndef SILLOK_BASE_NET_BLOCKING_LINK_H_
#define SILLOK_BASE_NET_BLOCKING_LINK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sillok::net {

// One thread uses it; ShutDown is for any other. All errors are UNAVAILABLE.
class BlockingLink {
 public:
  struct Options {
    std::string host;  // name or address
    int port = 0;
    std::string tcp_congestion;  // "" leaves the system's
    int64_t connect_timeout_ms = 2'000;
    // Without any progress.
    int64_t write_timeout_ms = 60'000;
    int64_t read_timeout_ms = 120'000;
  };

  static absl::StatusOr<std::unique_ptr<BlockingLink>> Dial(Options options);
  ~BlockingLink();
  BlockingLink(const BlockingLink&) = delete;
  BlockingLink& operator=(const BlockingLink&) = delete;

  // Returns once the kernel has all of the frame.
  absl::Status Write(std::string_view payload);
  // The next frame, of `max_bytes` at most.
  absl::StatusOr<std::string> Read(int32_t max_bytes);
  // What waits, and what comes after, fails.
  void ShutDown();

 private:
  BlockingLink(Options options, int socket);
  absl::Status ReadAll(char* out, size_t size);
  absl::Status Error(std::string_view what) const;  // with errno

  const Options options_;
  const int socket_;
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_BLOCKING_LINK_H_
