// A client of one real server that sends what a test wants and reads what comes.
#ifndef SILLOK_TEST_COORDINATOR_ZOOKEEPER_RAW_CLIENT_H_
#define SILLOK_TEST_COORDINATOR_ZOOKEEPER_RAW_CLIENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "proto/jute/records.h"
#include "test/coordinator/zookeeper/wire_fixture.h"
#include "test/support/zookeeper/connection.h"

namespace sillok::coord {

// Waits are bounded by kPatienceMs, which only a failing test uses up.
class RawClient {
 public:
  static constexpr int kPatienceMs = 20'000;
  using Outcome = zk::Connection::Outcome;

  explicit RawClient(const zk::Address& address) {
    EXPECT_TRUE(socket_.Dial(address, kPatienceMs));
  }

  zk::Connection& socket() { return socket_; }
  int64_t session_id() const { return session_id_; }
  const std::string& password() const { return password_; }

  // A new session, or that of `session_id`.
  jute::ConnectResponse Connect(int64_t session_id = 0,
                                std::string password = std::string(16, '\0'),
                                int64_t last_zxid = 0) {
    EXPECT_TRUE(socket_.SendFrame(
        jute::ConnectFrame(session_id, std::move(password), last_zxid)));
    return ReadConnected();
  }
  jute::ConnectResponse ReadConnected() {
    jute::ConnectResponse response;
    connected_ = Frame();
    EXPECT_TRUE(jute::DecodeConnectResponse(connected_, &response));
    session_id_ = response.session_id;
    password_ = response.password.bytes;
    return response;
  }

  void Send(const std::string& frame) {
    EXPECT_TRUE(socket_.SendFrame(frame));
  }
  template <typename... Fields>
  void Ask(int32_t xid, jute::Op op, const Fields&... fields) {
    Send(jute::Request(xid, op, fields...));
  }

  // The next frame; "" and a failure when there is none.
  std::string Frame() {
    std::string frame;
    EXPECT_EQ(socket_.ReceiveFrame(kPatienceMs, &frame), Outcome::kFrame);
    return frame;
  }
  jute::ReplyHeader Header() { return jute::HeaderOf(Frame()); }
  // The next frame, or nothing when the server closes instead.
  std::optional<std::string> FrameOrClosed() {
    std::string frame;
    Outcome outcome = socket_.ReceiveFrame(kPatienceMs, &frame);
    EXPECT_NE(outcome, Outcome::kTimeout);
    if (outcome != Outcome::kFrame) return std::nullopt;
    return frame;
  }
  // The server closes without another frame.
  bool Closed() { return !FrameOrClosed().has_value(); }

 private:
  zk::Connection socket_;
  std::string connected_;
  int64_t session_id_ = 0;
  std::string password_;
};

}  // namespace sillok::coord

#endif  // SILLOK_TEST_COORDINATOR_ZOOKEEPER_RAW_CLIENT_H_
