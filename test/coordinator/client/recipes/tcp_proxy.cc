#include "test/coordinator/client/recipes/tcp_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "glog/logging.h"

namespace sillok::coord {
namespace {

constexpr size_t kBuffer = 64 << 10;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

void Prepare(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

TcpProxy::TcpProxy(const std::string& target)
    : target_port_(std::stoi(target.substr(target.rfind(':') + 1))) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  PCHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
  PCHECK(listen(listener_, 16) == 0);
  PCHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address),
                     &length) == 0);
  port_ = ntohs(address.sin_port);
  PCHECK(pipe2(wake_, O_CLOEXEC | O_NONBLOCK) == 0);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
  for (const Connection& connection : connections_) Close(connection);
  for (int fd : {listener_, wake_[0], wake_[1]}) close(fd);
}

void TcpProxy::Wake() { (void)!write(wake_[1], "x", 1); }

void TcpProxy::Cut() {
  std::lock_guard lock(mutex_);
  cut_ = true;
  Wake();
}
void TcpProxy::HoldAnswers() {
  std::lock_guard lock(mutex_);
  hold_answers_ = true;
  Wake();
}
void TcpProxy::Heal() {
  std::lock_guard lock(mutex_);
  cut_ = hold_answers_ = false;
  Wake();
}
void TcpProxy::BreakConnections() {
  std::lock_guard lock(mutex_);
  break_ = true;
  Wake();
}

void TcpProxy::Run() {
  while (true) {
    std::vector<pollfd> polled = {{listener_, POLLIN, 0},
                                  {wake_[0], POLLIN, 0}};
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      if (break_) {
        for (const Connection& connection : connections_) Close(connection);
        connections_.clear();
        break_ = false;
      }
      for (Connection& connection : connections_) {
        for (Direction* d : {&connection.forth, &connection.back}) {
          bool passes = Passes(*d);
          bool room = passes && !d->ended && d->waiting.size() < kBuffer;
          polled.push_back({room ? d->from : -1, POLLIN, 0});
          bool more = passes && !d->waiting.empty();
          polled.push_back({more ? d->to : -1, POLLOUT, 0});
        }
      }
    }
    poll(polled.data(), polled.size(), -1);
    char drained[64];
    while (read(wake_[0], drained, sizeof(drained)) > 0) {
    }
    std::lock_guard lock(mutex_);
    size_t at = 2;
    for (auto it = connections_.begin(); it != connections_.end(); at += 4) {
      bool alive =
          Pump(it->forth, polled[at].revents, polled[at + 1].revents) &&
          Pump(it->back, polled[at + 2].revents, polled[at + 3].revents);
      if (alive) {
        ++it;
        continue;
      }
      Close(*it);
      it = connections_.erase(it);
    }
    if (polled[0].revents != 0) Accept();
  }
}

void TcpProxy::Accept() {
  int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(target_port_);
  if (connect(server, reinterpret_cast<sockaddr*>(&address),
              sizeof(address)) != 0) {
    close(client);
    close(server);
    return;
  }
  Prepare(client);
  Prepare(server);
  Connection connection;
  connection.client = client;
  connection.server = server;
  connection.forth = {client, server, "", false, false};
  connection.back = {server, client, "", true, false};
  connections_.push_back(std::move(connection));
}

bool TcpProxy::Pump(Direction& direction, short from_events, short to_events) {
  if (from_events != 0) {
    char buffer[kBuffer];
    ssize_t got = read(direction.from, buffer, sizeof(buffer));
    if (got > 0) direction.waiting.append(buffer, static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EAGAIN)) direction.ended = true;
  }
  if ((from_events != 0 || to_events != 0) && !direction.waiting.empty()) {
    ssize_t put = send(direction.to, direction.waiting.data(),
                       direction.waiting.size(), MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN) return false;
    if (put > 0) direction.waiting.erase(0, static_cast<size_t>(put));
  }
  return !direction.ended || !direction.waiting.empty();
}

void TcpProxy::Close(const Connection& connection) {
  close(connection.client);
  close(connection.server);
}

}  // namespace sillok::coord
