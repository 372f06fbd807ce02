#include "test/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "gtest/gtest.h"

namespace sillok {
namespace {

constexpr size_t kMaxWaiting = 1 << 20;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

void SendSmallPiecesAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

TcpProxy::TcpProxy(int target_port) : target_port_(target_port) {
  listen_fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listen_fd_, 128), 0);
  getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  stopping_ = true;
  WakeUp();
  thread_.join();
  close(listen_fd_);
  close(wake_fd_);
}

void TcpProxy::Restore() {
  cut_ = false;
  WakeUp();
}

void TcpProxy::Break() {
  break_ = true;
  WakeUp();
}

void TcpProxy::WakeUp() {
  const uint64_t one = 1;
  (void)!write(wake_fd_, &one, sizeof(one));
}

void TcpProxy::Run() {
  while (!stopping_) {
    // While cut, only the listener is looked at; Restore wakes the thread.
    const bool cut = cut_;
    std::vector<pollfd> polled = {{listen_fd_, POLLIN, 0},
                                  {wake_fd_, POLLIN, 0}};
    for (const auto& pair : pairs_) {
      auto wanted = [&](const Side& side, const Side& other) {
        short events = 0;
        if (cut) return events;
        if (!side.read_ended && other.waiting.size() < kMaxWaiting) {
          events |= POLLIN;
        }
        if (!side.waiting.empty()) events |= POLLOUT;
        return events;
      };
      // A negative descriptor is not looked at, not even for a hang-up.
      auto add = [&](const Side& side, const Side& other) {
        const short events = wanted(side, other);
        polled.push_back({events == 0 ? -1 : side.fd, events, 0});
      };
      add(pair->client, pair->server);
      add(pair->server, pair->client);
    }
    // A cut that begins while the thread waits counts from the next byte on.
    if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) break;
    uint64_t ignored;
    (void)!read(wake_fd_, &ignored, sizeof(ignored));
    if (break_.exchange(false)) {
      for (auto& pair : pairs_) Close(pair.get(), true);
      pairs_.clear();
      continue;
    }
    const size_t known = pairs_.size();
    if (!cut_) {
      for (size_t i = 0; i < known; ++i) {
        Pair& pair = *pairs_[i];
        const short client = polled[2 + 2 * i].revents;
        const short server = polled[3 + 2 * i].revents;
        if (!Move(&pair.client, &pair.server, client, server) ||
            !Move(&pair.server, &pair.client, server, client)) {
          Close(&pair, true);
        } else if (pair.client.write_ended && pair.server.write_ended) {
          Close(&pair, false);
        }
      }
      std::erase_if(pairs_,
                    [](const auto& pair) { return pair->client.fd < 0; });
    }
    if (polled[0].revents != 0) Accept();
  }
  for (auto& pair : pairs_) Close(pair.get(), false);
}

void TcpProxy::Accept() {
  while (true) {
    const int fd = accept4(listen_fd_, nullptr, nullptr,
                           SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    ++accepted_;
    const int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(target_port_);
    if (connect(out, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) != 0) {
      close(out);
      close(fd);
      continue;
    }
    // Loopback answers a connect at once; the rest must not wait.
    int on = 1;
    ioctl(out, FIONBIO, &on);
    SendSmallPiecesAtOnce(fd);
    SendSmallPiecesAtOnce(out);
    auto pair = std::make_unique<Pair>();
    pair->client.fd = fd;
    pair->server.fd = out;
    pairs_.push_back(std::move(pair));
  }
}

// False when the connection is broken.
bool TcpProxy::Move(Side* from, Side* to, short from_events, short to_events) {
  if ((from_events & (POLLIN | POLLHUP | POLLERR)) != 0 && !from->read_ended) {
    char buffer[64 << 10];
    const ssize_t n = recv(from->fd, buffer, sizeof(buffer), 0);
    if (n > 0) {
      to->waiting.append(buffer, static_cast<size_t>(n));
      to_events |= POLLOUT;
    } else if (n == 0) {
      from->read_ended = true;
    } else if (errno != EAGAIN && errno != EINTR) {
      return false;
    }
  }
  if ((to_events & POLLOUT) != 0 && !to->waiting.empty()) {
    const ssize_t n =
        send(to->fd, to->waiting.data(), to->waiting.size(), MSG_NOSIGNAL);
    if (n > 0) {
      to->waiting.erase(0, static_cast<size_t>(n));
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
      return false;
    }
  }
  if (from->read_ended && to->waiting.empty() && !to->write_ended) {
    shutdown(to->fd, SHUT_WR);
    to->write_ended = true;
  }
  return true;
}

void TcpProxy::Close(Pair* pair, bool reset) {
  for (Side* side : {&pair->client, &pair->server}) {
    if (side->fd < 0) continue;
    if (reset) {
      const linger at_once = {1, 0};
      setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    close(side->fd);
    side->fd = -1;
  }
}

}  // namespace sillok
