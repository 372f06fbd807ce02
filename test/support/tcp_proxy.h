// A TCP port that passes connections on to another one: a NAT, a cable that can
// be pulled.
#ifndef SILLOK_TEST_SUPPORT_TCP_PROXY_H_
#define SILLOK_TEST_SUPPORT_TCP_PROXY_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace sillok {

// On 127.0.0.1, one thread of its own. Thread-safe.
class TcpProxy {
 public:
  // Listens at a port of the kernel's choice. `target_port` is on 127.0.0.1 and
  // need not listen yet.
  explicit TcpProxy(int target_port);
  // Ends all connections.
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const { return port_; }

  // From now on no byte passes in either direction, and connections stay open:
  // what a network does that loses every packet. New ones are accepted and hang.
  void Cut() { cut_ = true; }
  // What came meanwhile is delivered.
  void Restore();
  // Ends all connections that pass now, with a reset.
  void Break();

  // Connections accepted so far.
  int accepted() const { return accepted_; }

 private:
  struct Side {
    int fd = -1;
    std::string waiting;  // to be written to it
    bool read_ended = false;
    bool write_ended = false;
  };
  struct Pair {
    Side client;
    Side server;
  };

  void Run();
  void Accept();
  bool Move(Side* from, Side* to, short from_events, short to_events);
  static void Close(Pair* pair, bool reset);
  void WakeUp();

  const int target_port_;
  int listen_fd_ = -1;
  int port_ = 0;
  int wake_fd_ = -1;
  std::atomic<bool> cut_{false};
  std::atomic<bool> break_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int> accepted_{0};
  std::vector<std::unique_ptr<Pair>> pairs_;  // the thread's
  std::thread thread_;
};

}  // namespace sillok

#endif  // SILLOK_TEST_SUPPORT_TCP_PROXY_H_
