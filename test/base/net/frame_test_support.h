// A server whose handler keeps what comes in for the test to answer, and a
// blocking client. Nothing waits for ever: kPatience ends it with a failure.
#ifndef SILLOK_TEST_BASE_NET_FRAME_TEST_SUPPORT_H_
#define SILLOK_TEST_BASE_NET_FRAME_TEST_SUPPORT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/net/frame_server.h"
#include "glog/logging.h"

namespace sillok::net {

constexpr std::chrono::seconds kPatience(20);

// Values handed from the server's threads to the test.
template <typename T>
class Mailbox {
 public:
  void Put(T value) {
    std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  // Empty when nothing came.
  std::optional<T> Take(std::chrono::milliseconds wait = kPatience) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, wait, [&] { return !values_.empty(); })) {
      return std::nullopt;
    }
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }
  size_t size() {
    std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
};

// True when `holds` came to hold.
inline bool Eventually(const std::function<bool()>& holds) {
  auto end = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

inline std::string Framed(const std::string& payload) {
  uint32_t size = htonl(static_cast<uint32_t>(payload.size()));
  return std::string(reinterpret_cast<char*>(&size), 4) + payload;
}

class Client {
 public:
  // `receive_buffer` > 0 makes a small window: a slow reader.
  explicit Client(int port, int receive_buffer = 0)
      : Client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port,
               receive_buffer) {}
  // With a socket made earlier.
  Client(int fd, int port, int receive_buffer) : fd_(fd) {
    if (receive_buffer > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                 sizeof(receive_buffer));
    }
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    PCHECK(connect(fd_, reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)) == 0);
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void ShutdownWrite() { shutdown(fd_, SHUT_WR); }

  // False: the server has closed.
  bool Write(const std::string& bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
      ssize_t n = send(fd_, bytes.data() + done, bytes.size() - done,
                       MSG_NOSIGNAL);
      if (n <= 0) return false;
      done += static_cast<size_t>(n);
    }
    return true;
  }
  bool SendFrame(const std::string& payload) { return Write(Framed(payload)); }

  // As many bytes as asked for, or what came before the end.
  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    size_t done = 0;
    while (done < size && Readable()) {
      ssize_t n = recv(fd_, bytes.data() + done, size - done, 0);
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    bytes.resize(done);
    return bytes;
  }
  // Empty: the connection ended first.
  std::optional<std::string> ReadFrame() {
    std::string length = Read(4);
    if (length.size() < 4) return std::nullopt;
    uint32_t size;
    std::memcpy(&size, length.data(), 4);
    std::string payload = Read(ntohl(size));
    if (payload.size() < ntohl(size)) return std::nullopt;
    return payload;
  }
  // True when the server ends the connection; what comes before is dropped.
  bool ReadsEnd() {
    char bytes[4096];
    while (Readable()) {
      if (recv(fd_, bytes, sizeof(bytes), 0) <= 0) return true;
    }
    return false;
  }

 private:
  bool Readable() {
    pollfd ready = {fd_, POLLIN, 0};
    auto ms = std::chrono::milliseconds(kPatience).count();
    return poll(&ready, 1, static_cast<int>(ms)) == 1;
  }

  int fd_;
};

struct Request {
  std::shared_ptr<Connection> connection;
  std::string text;
  Bytes bytes;
  ReplyPtr reply;
};

// Each frame goes to `requests`, or to `on_frame` on the loop thread when the
// test has set it.
struct TestServer {
  explicit TestServer(FrameServerOptions options = {}) {
    if (options.listeners.empty()) {
      options.listeners.push_back({"TEST", "127.0.0.1", 0});
    }
    auto started = FrameServer::Start(
        std::move(options), [this](const std::shared_ptr<Connection>& c) {
          ++handlers_alive;
          return std::make_unique<Handler>(this, c);
        });
    CHECK(started.ok()) << started.status();
    server = *std::move(started);
  }

  class Handler final : public FrameHandler {
   public:
    Handler(TestServer* test, std::shared_ptr<Connection> connection)
        : test_(test), connection_(std::move(connection)) {}
    ~Handler() override { --test_->handlers_alive; }
    void OnFrame(Bytes frame, ReplyPtr reply) override {
      if (test_->on_frame) {
        test_->on_frame(connection_, std::move(frame), std::move(reply));
        return;
      }
      std::string text = frame.ToString();
      test_->requests.Put(
          {connection_, std::move(text), std::move(frame), std::move(reply)});
    }
    void OnBadLength(int32_t length, ReplyPtr reply) override {
      if (test_->on_bad_length) {
        test_->on_bad_length(length, std::move(reply));
      } else {
        FrameHandler::OnBadLength(length, std::move(reply));
      }
    }
    void OnClose(CloseReason reason) override { test_->closes.Put(reason); }

   private:
    TestServer* const test_;
    const std::shared_ptr<Connection> connection_;
  };

  int port() const { return server->port(); }
  Request Next() {
    std::optional<Request> request = requests.Take();
    CHECK(request.has_value()) << "no request came";
    return *std::move(request);
  }

  // Set before the first connection.
  std::function<void(const std::shared_ptr<Connection>&, Bytes, ReplyPtr)>
      on_frame;
  std::function<void(int32_t, ReplyPtr)> on_bad_length;
  std::atomic<int> handlers_alive{0};
  Mailbox<Request> requests;
  Mailbox<CloseReason> closes;
  std::unique_ptr<FrameServer> server;  // ends first
};

}  // namespace sillok::net

#endif  // SILLOK_TEST_BASE_NET_FRAME_TEST_SUPPORT_H_
