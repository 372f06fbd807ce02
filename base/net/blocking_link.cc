#include "base/net/blocking_link.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fmt/format.h"

namespace sillok::net {
namespace {

void SetTimeout(int fd, int option, int64_t ms) {
  timeval time = {};
  time.tv_sec = ms / 1000;
  time.tv_usec = (ms % 1000) * 1000;
  setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time));
}

// A connected socket, or -1 and errno.
int ConnectTo(const addrinfo& address, const BlockingLink::Options& options) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (!options.tcp_congestion.empty()) {
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, options.tcp_congestion.data(),
               static_cast<socklen_t>(options.tcp_congestion.size()));
  }
  SetTimeout(fd, SO_SNDTIMEO, options.connect_timeout_ms);  // connect, too
  if (connect(fd, address.ai_addr, address.ai_addrlen) == 0) {
    SetTimeout(fd, SO_SNDTIMEO, options.write_timeout_ms);
    SetTimeout(fd, SO_RCVTIMEO, options.read_timeout_ms);
    return fd;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlockingLink>> BlockingLink::Dial(
    Options options) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int problem = getaddrinfo(options.host.c_str(),
                                  std::to_string(options.port).c_str(), &hints,
                                  &found);
  if (problem != 0) {
    return absl::UnavailableError(
        fmt::format("{}: {}", options.host, gai_strerror(problem)));
  }
  int fd = -1;
  for (const addrinfo* one = found; one != nullptr && fd < 0;
       one = one->ai_next) {
    fd = ConnectTo(*one, options);
  }
  const int error = errno;
  freeaddrinfo(found);
  if (fd < 0) {
    return absl::UnavailableError(fmt::format("{}:{}: {}", options.host,
                                              options.port, strerror(error)));
  }
  return std::unique_ptr<BlockingLink>(
      new BlockingLink(std::move(options), fd));
}

BlockingLink::BlockingLink(Options options, int socket)
    : options_(std::move(options)), socket_(socket) {}

BlockingLink::~BlockingLink() { close(socket_); }

absl::Status BlockingLink::Error(std::string_view what) const {
  const bool late = errno == EAGAIN || errno == EWOULDBLOCK;
  return absl::UnavailableError(
      fmt::format("{}:{}: {}: {}", options_.host, options_.port, what,
                  late ? "no progress" : strerror(errno)));
}

absl::Status BlockingLink::Write(std::string_view payload) {
  char length[4];
  for (int i = 0; i < 4; ++i) {
    length[i] = static_cast<char>(payload.size() >> (24 - 8 * i));
  }
  size_t done = 0;
  while (done < sizeof(length) + payload.size()) {
    const size_t of_length = std::min(done, sizeof(length));
    const size_t of_payload = done - of_length;
    iovec parts[2] = {
        {length + of_length, sizeof(length) - of_length},
        {const_cast<char*>(payload.data()) + of_payload,
         payload.size() - of_payload}};
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t n = sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error("sending");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::Status BlockingLink::ReadAll(char* out, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = recv(socket_, out + done, size - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error("receiving");
    if (n == 0) return absl::UnavailableError("the peer hung up");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> BlockingLink::Read(int32_t max_bytes) {
  unsigned char length[4];
  absl::Status status =
      ReadAll(reinterpret_cast<char*>(length), sizeof(length));
  if (!status.ok()) return status;
  const uint32_t size = uint32_t{length[0]} << 24 | uint32_t{length[1]} << 16 |
                        uint32_t{length[2]} << 8 | uint32_t{length[3]};
  if (size > static_cast<uint32_t>(max_bytes)) {
    return absl::UnavailableError(fmt::format("a frame of {} bytes", size));
  }
  std::string payload(size, '\0');
  status = ReadAll(payload.data(), payload.size());
  if (!status.ok()) return status;
  return payload;
}

void BlockingLink::ShutDown() { shutdown(socket_, SHUT_RDWR); }

}  // namespace sillok::net
