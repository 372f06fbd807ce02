// One client connection of ZooKeeper's protocol, without its socket: frames in,
// requests for the member out; the member's messages in, bytes out.
//
// Pure; one owner. Keeps what the protocol asks of a connection beyond the
// member's own order: the connect request comes first, an answer carries the
// number of its request, and what is refused here is answered in its turn,
// behind what was asked before it.
#ifndef SILLOK_COORDINATOR_ZOOKEEPER_WIRE_SESSION_H_
#define SILLOK_COORDINATOR_ZOOKEEPER_WIRE_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "coordinator/zookeeper/request_reader.h"
#include "proto/coordinator.pb.h"

namespace sillok::coord {

class WireSession {
 public:
  // `max_unanswered`: requests at which no more frames are wanted.
  explicit WireSession(size_t max_unanswered)
      : max_unanswered_(max_unanswered) {}

  // A frame without its length. What the member is to be given for it; nothing
  // when it was malformed, is refused, or comes after the end.
  std::optional<v1::SessionRequest> OnFrame(std::string_view frame);
  // A frame whose length is out of bounds, and the bytes it begins with: a
  // request gets an error with its number, and the connection ends behind it.
  void OnOversizeFrame(std::string_view beginning);

  // What the member sends, in order. `message` of another connection, or for
  // nothing that was asked, is a bug and ends the connection.
  void OnMessage(const v1::SessionResponse& message);
  // The member has ended the stream. What it sent before still goes out.
  void OnEnd() { ended_ = true; }

  bool WantsFrame() const {
    return !ended_ && !closes_ && unanswered_.size() < max_unanswered_ &&
           auth_xids_.size() < max_unanswered_;
  }
  // A message of the member is still to come.
  bool awaits_message() const {
    return connect_asked_ != connected_ || !unanswered_.empty();
  }
  // The connection is to be closed when the bytes are out. `why` is for the log:
  // empty when it ends in good order.
  bool ended() const { return ended_; }
  const std::string& why() const { return why_; }
  bool has_bytes() const { return !bytes_.empty(); }
  // Whole frames with their lengths.
  std::string TakeBytes() { return std::exchange(bytes_, {}); }

 private:
  struct Unanswered {
    int32_t xid = 0;
    AskedFor asked;
    std::optional<Refusal> refusal;  // answered here
  };

  std::optional<v1::SessionRequest> OnConnectRequest(std::string_view frame);
  void OnAnswer(const v1::SessionResponse& message);
  void AnswerRefused();
  void Refuse(int32_t xid, Refusal refusal);
  void Fail(std::string why);
  std::optional<Unanswered> TakeFirst();

  size_t max_unanswered_;
  bool connect_asked_ = false;
  bool connected_ = false;  // or told that it is not
  bool with_read_only_ = true;
  bool closes_ = false;  // the last of unanswered_ ends the connection
  bool ended_ = false;
  std::string why_;
  // In the order asked. Pings are not among them, nor are auth packets: the
  // member answers those at once.
  std::deque<Unanswered> unanswered_;
  std::deque<int32_t> auth_xids_;
  int64_t last_zxid_ = 0;  // that the member has answered with
  std::string bytes_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_ZOOKEEPER_WIRE_SESSION_H_
