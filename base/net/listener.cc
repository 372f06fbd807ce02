#include "base/net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok::net {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr int kOutOfDescriptorsPauseMs = 100;
// With port 0 and several addresses the port that the kernel gave for the first
// may be taken on the second.
constexpr int kPortTries = 10;

struct Address {
  sockaddr_storage storage = {};
  socklen_t length = 0;
  int family() const { return storage.ss_family; }
};

absl::StatusOr<std::vector<Address>> Resolve(const std::string& host) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  // The port is set later, in the addresses.
  int code = getaddrinfo(host.empty() ? nullptr : host.c_str(), "0", &hints,
                         &found);
  if (code != 0) return absl::UnavailableError(gai_strerror(code));
  std::vector<Address> addresses;
  for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Address address;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.length = at->ai_addrlen;
    bool known = false;
    for (const Address& other : addresses) {
      known |= other.length == address.length &&
               std::memcmp(&other.storage, &address.storage, other.length) == 0;
    }
    if (!known) addresses.push_back(address);
  }
  freeaddrinfo(found);
  return addresses;
}

void SetPort(Address* address, int port) {
  auto network = htons(static_cast<uint16_t>(port));
  if (address->family() == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&address->storage)->sin6_port = network;
  } else {
    reinterpret_cast<sockaddr_in*>(&address->storage)->sin_port = network;
  }
}

int PortOf(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

std::string HostOf(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof(text));
    } else {
      inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    }
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  }
  return text;
}

void SetNumber(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof(value));
}
void SetFlag(int fd, int level, int option) {
  SetNumber(fd, level, option, 1);
}

// A listening socket on `address`, or -1 and errno.
int Listen(const Address& address, const std::string& tcp_congestion) {
  int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                  0);
  if (fd < 0) return -1;
  SetFlag(fd, SOL_SOCKET, SO_REUSEADDR);
  // The other family has a socket of its own.
  if (address.family() == AF_INET6) SetFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
  // Connections inherit it.
  if (!tcp_congestion.empty() &&
      setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, tcp_congestion.data(),
                 static_cast<socklen_t>(tcp_congestion.size())) != 0) {
    LOG(WARNING) << "the kernel refuses TCP congestion control "
                 << tcp_congestion << ": " << strerror(errno);
  }
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address.storage),
           address.length) == 0 &&
      listen(fd, SOMAXCONN) == 0) {
    return fd;
  }
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

// One socket for each address, on one port. Families that this machine does not
// have are left out. Errors are errno.
int ListenAll(std::vector<Address> addresses, int port,
              const std::string& tcp_congestion, std::vector<int>* fds,
              int* bound_port) {
  int missing = EADDRNOTAVAIL;
  for (Address& address : addresses) {
    SetPort(&address, port);
    int fd = Listen(address, tcp_congestion);
    if (fd >= 0) {
      fds->push_back(fd);
      sockaddr_storage bound = {};
      socklen_t length = sizeof(bound);
      getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length);
      port = PortOf(bound);
      continue;
    }
    bool no_family = errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL;
    if (no_family && addresses.size() > 1) {
      missing = errno;
      continue;
    }
    int error = errno;
    for (int other : *fds) close(other);
    fds->clear();
    return error;
  }
  *bound_port = port;
  return fds->empty() ? missing : 0;
}

}  // namespace

absl::StatusOr<std::shared_ptr<Listener>> Listener::Bind(
    const ListenAddress& address, const std::string& tcp_congestion,
    int keepalive_s) {
  std::string text = fmt::format("cannot listen on {}:{} (listener {}): ",
                                 address.host, address.port, address.name);
  auto addresses = Resolve(address.host);
  if (!addresses.ok()) {
    return absl::UnavailableError(
        text + std::string(addresses.status().message()));
  }
  std::shared_ptr<Listener> listener(new Listener);
  std::vector<int> fds;
  int error = 0;
  for (int i = 0; i < (address.port == 0 ? kPortTries : 1); ++i) {
    error = ListenAll(*addresses, address.port, tcp_congestion, &fds,
                      &listener->port_);
    if (error != EADDRINUSE) break;
  }
  if (error != 0) return absl::UnavailableError(text + strerror(error));
  listener->name_ = address.name;
  listener->keepalive_s_ = keepalive_s;
  for (int fd : fds) listener->sockets_.emplace_back(fd);
  listener->reserve_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return listener;
}

Listener::~Listener() {
  for (const Socket& socket : sockets_) {
    if (!closed_ && !socket.descriptor.has_value()) close(socket.fd);
  }
  if (reserve_ >= 0) close(reserve_);
}

void Listener::Start(Loop* loop, Accepted accepted) {
  loop_ = loop;
  accepted_ = std::move(accepted);
  for (size_t i = 0; i < sockets_.size(); ++i) {
    sockets_[i].descriptor.emplace(loop->io(), sockets_[i].fd);
    retries_.push_back(std::make_unique<asio::steady_timer>(loop->io()));
    Await(i);
  }
}

void Listener::Close() {
  closed_ = true;
  for (Socket& socket : sockets_) {
    if (socket.descriptor.has_value()) {
      socket.descriptor.reset();
    } else {
      close(socket.fd);
    }
  }
  retries_.clear();
  accepted_ = nullptr;
}

void Listener::Await(size_t index) {
  sockets_[index].descriptor->async_wait(
      asio::posix::stream_descriptor::wait_read,
      [self = shared_from_this(), index](const asio::error_code& error) {
        if (error) return;
        Loop::Turn turn(self->loop_);
        if (!self->closed_) self->AcceptSome(index);
      });
}

void Listener::AcceptSome(size_t index) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer = {};
    socklen_t length = sizeof(peer);
    int fd = accept4(sockets_[index].fd, reinterpret_cast<sockaddr*>(&peer),
                     &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS &&
          errno != ENOMEM) {
        continue;  // that connection's own trouble: it is gone already
      }
      LOG_EVERY_N(ERROR, 100)
          << "cannot accept a connection: listener=" << name_ << ": "
          << strerror(errno);
      RefuseOne(sockets_[index].fd);
      retries_[index]->expires_after(
          std::chrono::milliseconds(kOutOfDescriptorsPauseMs));
      retries_[index]->async_wait(
          [self = shared_from_this(), index](const asio::error_code& error) {
            if (error) return;
            Loop::Turn turn(self->loop_);
            if (!self->closed_) self->Await(index);
          });
      return;
    }
    SetFlag(fd, IPPROTO_TCP, TCP_NODELAY);
    SetFlag(fd, SOL_SOCKET, SO_KEEPALIVE);
    if (keepalive_s_ > 0) {
      SetNumber(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_s_);
      SetNumber(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_s_);
      SetNumber(fd, IPPROTO_TCP, TCP_KEEPCNT, 2);
    }
    ConnectionInfo info;
    info.listener = name_;
    info.peer_host = HostOf(peer);
    info.peer_port = PortOf(peer);
    bool v6 = info.peer_host.find(':') != std::string::npos;
    info.peer = fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"),
                            info.peer_host, info.peer_port);
    info.local_port = port_;
    accepted_(fd, std::move(info));
  }
  Await(index);
}

void Listener::RefuseOne(int socket) {
  if (reserve_ < 0) return;
  close(reserve_);
  int fd = accept(socket, nullptr, nullptr);
  if (fd >= 0) close(fd);
  reserve_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace sillok::net
