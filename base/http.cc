#include "base/http.h"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "httplib.h"

namespace sillok {

struct HttpEndpoint::Impl {
  httplib::Server server;
  std::mutex mutex;
  std::map<std::string, std::function<std::string()>> json;  // under mutex
  int port = 0;
  std::thread thread;
};

HttpEndpoint::HttpEndpoint(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(
    const std::string& address, const MetricsRegistry* metrics,
    std::function<absl::Status()> health) {
  size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError("http address '" + address +
                                      "' is not host:port");
  }
  std::string host = address.substr(0, colon);
  int port = std::atoi(address.c_str() + colon + 1);
  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(2); };
  server.set_tcp_nodelay(true);
  server.set_keep_alive_max_count(1000);
  server.set_read_timeout(10, 0);
  server.set_write_timeout(10, 0);
  server.set_payload_max_length(64 * 1024);
  // httplib would share a port with whoever else asks for SO_REUSEPORT.
  server.set_socket_options([](socket_t fd) {
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  server.Get("/metrics", [metrics](const httplib::Request&,
                                   httplib::Response& response) {
    response.set_content(metrics->Text(),
                         "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/healthz", [health = std::move(health)](
                             const httplib::Request&,
                             httplib::Response& response) {
    absl::Status status = health();
    response.status = status.ok() ? 200 : 503;
    response.set_content(
        status.ok() ? "ok\n" : std::string(status.message()) + "\n",
        "text/plain");
  });
  // Paths are added while requests come in, which httplib does not allow for.
  server.Get("/.*", [impl = impl.get()](const httplib::Request& request,
                                        httplib::Response& response) {
    std::function<std::string()> body;
    {
      std::lock_guard lock(impl->mutex);
      auto it = impl->json.find(request.path);
      if (it != impl->json.end()) body = it->second;
    }
    if (body == nullptr) {
      response.status = 404;
    } else {
      response.set_content(body(), "application/json");
    }
  });
  impl->port = port == 0 ? server.bind_to_any_port(host.c_str())
                         : (server.bind_to_port(host.c_str(), port) ? port : -1);
  if (impl->port <= 0) {
    return absl::UnavailableError("cannot listen on " + address +
                                  " for HTTP: the port is taken or the address "
                                  "is not of this machine");
  }
  auto ended = std::make_shared<std::atomic<bool>>(false);
  impl->thread = std::thread([server = &impl->server, ended] {
    // The port is bound and listening already; a return before the first request
    // means that no thread could be had.
    if (!server->listen_after_bind()) *ended = true;
  });
  // stop() is lost on a server that does not run yet, so wait for it here.
  while (!server.is_running() && !*ended) std::this_thread::yield();
  return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(impl)));
}

HttpEndpoint::~HttpEndpoint() {
  impl_->server.stop();
  impl_->thread.join();
}

void HttpEndpoint::AddJson(const std::string& path,
                           std::function<std::string()> body) {
  std::lock_guard lock(impl_->mutex);
  impl_->json[path] = std::move(body);
}

int HttpEndpoint::port() const { return impl_->port; }

}  // namespace sillok
