// A TCP proxy on loopback that a test can make fail: a network between a client
// and a member.
#ifndef SILLOK_TEST_COORDINATOR_CLIENT_RECIPES_TCP_PROXY_H_
#define SILLOK_TEST_COORDINATOR_CLIENT_RECIPES_TCP_PROXY_H_

#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace sillok::coord {

// Thread-safe. Listens on a port of the kernel's choice.
class TcpProxy {
 public:
  // `target` is host:port on 127.0.0.1.
  explicit TcpProxy(const std::string& target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::string address() const {
    return "127.0.0.1:" + std::to_string(port_);
  }

  // From now on nothing gets through and nobody is told, as when a cable is
  // pulled: what is sent waits. New connections open and are silent.
  void Cut();
  // The same for what comes from the target only: requests still arrive.
  void HoldAnswers();
  void Heal();
  // Closes all connections, what waits in them is lost. After it the network is
  // as it was (cut, held or whole).
  void BreakConnections();

 private:
  struct Direction {
    int from = -1;
    int to = -1;
    std::string waiting;  // read and not written yet
    bool answers = false;
    bool ended = false;
  };
  struct Connection {
    int client = -1;
    int server = -1;
    Direction forth, back;
  };

  void Run();
  void Accept();
  // False when the connection is over.
  bool Pump(Direction& direction, short from_events, short to_events);
  void Close(const Connection& connection);
  void Wake();
  bool Passes(const Direction& direction) const {
    return !cut_ && !(hold_answers_ && direction.answers);
  }

  int target_port_ = 0;
  int port_ = 0;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::mutex mutex_;
  bool cut_ = false;
  bool hold_answers_ = false;
  bool break_ = false;
  bool stopping_ = false;
  std::list<Connection> connections_;
  std::thread thread_;
};

}  // namespace sillok::coord

#endif  // SILLOK_TEST_COORDINATOR_CLIENT_RECIPES_TCP_PROXY_H_
