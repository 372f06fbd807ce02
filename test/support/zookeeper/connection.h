// A ZooKeeper client of the plainest kind: a blocking socket that carries
// frames. It does nothing by itself: no ping, no reconnect, no watch table.
#ifndef SILLOK_TEST_SUPPORT_ZOOKEEPER_CONNECTION_H_
#define SILLOK_TEST_SUPPORT_ZOOKEEPER_CONNECTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "test/support/zookeeper/wire.h"

namespace sillok::zk {

struct Address {
  std::string host = "127.0.0.1";
  int port = 0;
};

// One connection. Not thread-safe.
class Connection {
 public:
  Connection() = default;
  ~Connection() { Close(); }
  Connection(Connection&& other) noexcept { *this = std::move(other); }
  Connection& operator=(Connection&& other) noexcept;

  // False when nobody answers in time.
  bool Dial(const Address& address, int timeout_ms);
  void Close();
  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  bool SendBytes(std::string_view bytes);
  // Puts the length before it.
  bool SendFrame(std::string_view frame);

  enum class Outcome { kFrame, kClosed, kTimeout };
  // A whole frame without its length.
  Outcome ReceiveFrame(int timeout_ms, std::string* frame);
  // All until the other side closes: the answer to a four-letter word.
  std::string ReceiveAll(int timeout_ms);

  // Dials and makes or takes up a session; nullopt: no connection, or closed
  // without an answer.
  std::optional<ConnectResponse> Connect(const Address& address,
                                         const ConnectRequest& request,
                                         int timeout_ms);

 private:
  // Waits for bytes and adds them; false: closed or time over.
  Outcome Fill(int64_t deadline_ms);

  int fd_ = -1;
  std::string buffer_;
  size_t used_ = 0;
};

// What a server says to a four-letter word; "" when it says nothing.
std::string FourLetterWord(const Address& address, const std::string& word,
                           int timeout_ms = 1000);

}  // namespace sillok::zk

#endif  // SILLOK_TEST_SUPPORT_ZOOKEEPER_CONNECTION_H_
