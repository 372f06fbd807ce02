#include "test/support/zookeeper/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace sillok::zk {
namespace {

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// False when the time is over.
bool AwaitEvents(int fd, short events, int64_t deadline_ms) {
  while (true) {
    const int64_t left = deadline_ms - NowMs();
    pollfd one{fd, events, 0};
    const int ready = poll(&one, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (ready > 0) return true;
    if (ready == 0 && NowMs() >= deadline_ms) return false;
    if (ready < 0 && errno != EINTR) return true;  // the call that follows tells
  }
}

}  // namespace

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this == &other) return *this;
  Close();
  fd_ = std::exchange(other.fd_, -1);
  buffer_ = std::move(other.buffer_);
  used_ = std::exchange(other.used_, 0);
  return *this;
}

void Connection::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  buffer_.clear();
  used_ = 0;
}

bool Connection::Dial(const Address& address, int timeout_ms) {
  Close();
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(address.port));
  if (inet_pton(AF_INET, address.host.c_str(), &to.sin_addr) != 1) return false;
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return false;
  const int64_t deadline = NowMs() + timeout_ms;
  if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
    int error = errno;
    socklen_t size = sizeof(error);
    if (error == EINPROGRESS && AwaitEvents(fd_, POLLOUT, deadline)) {
      getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0) {
      Close();
      return false;
    }
  }
  const int one = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  return true;
}

bool Connection::SendBytes(std::string_view bytes) {
  const int64_t deadline = NowMs() + 10'000;
  while (fd_ >= 0 && !bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!AwaitEvents(fd_, POLLOUT, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return fd_ >= 0;
}

bool Connection::SendFrame(std::string_view frame) {
  return SendBytes(Writer()
                       .Int(static_cast<int32_t>(frame.size()))
                       .Raw(frame)
                       .bytes());
}

Connection::Outcome Connection::Fill(int64_t deadline_ms) {
  if (fd_ < 0) return Outcome::kClosed;
  if (used_ > 0) {
    buffer_.erase(0, used_);
    used_ = 0;
  }
  while (true) {
    char bytes[16'384];
    const ssize_t got = recv(fd_, bytes, sizeof(bytes), 0);
    if (got > 0) {
      buffer_.append(bytes, static_cast<size_t>(got));
      return Outcome::kFrame;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 || errno != EAGAIN) return Outcome::kClosed;
    if (!AwaitEvents(fd_, POLLIN, deadline_ms)) return Outcome::kTimeout;
  }
}

Connection::Outcome Connection::ReceiveFrame(int timeout_ms,
                                             std::string* frame) {
  const int64_t deadline = NowMs() + timeout_ms;
  while (true) {
    std::string_view have = std::string_view(buffer_).substr(used_);
    if (have.size() >= 4) {
      const auto size = static_cast<uint32_t>(Reader(have.substr(0, 4)).Int());
      if (have.size() - 4 >= size) {
        frame->assign(have.substr(4, size));
        used_ += 4 + size_t{size};
        return Outcome::kFrame;
      }
    }
    const Outcome outcome = Fill(deadline);
    if (outcome != Outcome::kFrame) return outcome;
  }
}

std::string Connection::ReceiveAll(int timeout_ms) {
  const int64_t deadline = NowMs() + timeout_ms;
  while (Fill(deadline) == Outcome::kFrame) {
  }
  return std::exchange(buffer_, "");
}

std::optional<ConnectResponse> Connection::Connect(
    const Address& address, const ConnectRequest& request, int timeout_ms) {
  std::string frame;
  if (!Dial(address, timeout_ms) || !SendFrame(Encode(request)) ||
      ReceiveFrame(timeout_ms, &frame) != Outcome::kFrame) {
    Close();
    return std::nullopt;
  }
  return DecodeConnectResponse(frame);
}

std::string FourLetterWord(const Address& address, const std::string& word,
                           int timeout_ms) {
  Connection connection;
  if (!connection.Dial(address, timeout_ms) || !connection.SendBytes(word)) {
    return "";
  }
  return connection.ReceiveAll(timeout_ms);
}

}  // namespace sillok::zk
