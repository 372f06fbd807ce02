// The small HTTP endpoint of a server: /metrics and /healthz.
#ifndef SILLOK_BASE_HTTP_H_
#define SILLOK_BASE_HTTP_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/metrics.h"

namespace sillok {

// Answers on two threads of its own; not for bulk.
class HttpEndpoint {
 public:
  // `address` is host:port (port 0: the kernel's choice). /healthz answers 200
  // "ok" while `health` returns OK, else 503 and the reason. Both callbacks run
  // on HTTP threads until the endpoint ends.
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(
      const std::string& address, const MetricsRegistry* metrics,
      std::function<absl::Status()> health);
  ~HttpEndpoint();

  // GET `path` answers what `body` returns, as application/json.
  void AddJson(const std::string& path, std::function<std::string()> body);
  int port() const;

 private:
  struct Impl;
  explicit HttpEndpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BASE_HTTP_H_
