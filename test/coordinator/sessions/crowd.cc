#include "test/coordinator/sessions/crowd.h"

#include <algorithm>

#include "proto/jute/records.h"

namespace sillok::zk {
namespace {

constexpr int kPatienceMs = 60'000;
// Connections begun before their answers are read: what a listener holds that
// has not accepted yet.
constexpr size_t kWave = 500;

std::string Where(size_t number, const char* what) {
  return "session " + std::to_string(number) + ": " + what;
}

}  // namespace

Crowd::Crowd(size_t size, int32_t timeout_ms)
    : timeout_ms_(timeout_ms), people_(size) {}

std::string Crowd::Connect(const Address& address) {
  for (size_t begin = 0; begin < people_.size(); begin += kWave) {
    const size_t end = std::min(people_.size(), begin + kWave);
    for (size_t i = begin; i < end; ++i) {
      Person& person = people_[i];
      jute::ConnectRequest request;
      request.last_zxid_seen = person.zxid;
      request.timeout_ms = timeout_ms_;
      request.session_id = person.session;
      request.password.bytes = person.password;
      std::string frame;
      jute::AppendConnectRequest(request, &frame);
      if (!person.socket.Dial(address, kPatienceMs)) {
        return Where(i, "nobody answers");
      }
      if (!person.socket.SendFrame(frame)) return Where(i, "no connect sent");
    }
    for (size_t i = begin; i < end; ++i) {
      Person& person = people_[i];
      std::string frame;
      if (person.socket.ReceiveFrame(kPatienceMs, &frame) !=
          Connection::Outcome::kFrame) {
        return Where(i, "no answer to connect");
      }
      jute::ConnectResponse response;
      if (!jute::DecodeConnectResponse(frame, &response)) {
        return Where(i, "connect answered with nonsense");
      }
      if (response.timeout_ms <= 0) return Where(i, "the session is lost");
      if (person.session != 0 && response.session_id != person.session) {
        return Where(i, "came back as another session");
      }
      person.session = response.session_id;
      person.password = response.password.bytes;
    }
  }
  return "";
}

std::string Crowd::ReadAnswer(size_t number, int32_t xid, int32_t error) {
  Person& person = people_[number];
  std::string frame;
  if (person.socket.ReceiveFrame(kPatienceMs, &frame) !=
      Connection::Outcome::kFrame) {
    return Where(number, "no answer");
  }
  jute::ReplyHeader header;
  if (!jute::Decode(frame, &header)) return Where(number, "no header");
  if (header.xid != xid) return Where(number, "an answer to something else");
  if (header.err != error) {
    return Where(number, "error ") + std::to_string(header.err);
  }
  if (header.zxid < person.zxid) return Where(number, "went back in time");
  person.zxid = std::max(person.zxid, header.zxid);
  return "";
}

std::string Crowd::Ask(size_t begin, size_t end, const MakeFrame& frame,
                       int32_t error) {
  const int32_t xid = next_xid_++;
  for (size_t i = begin; i < end; ++i) {
    if (!people_[i].socket.SendFrame(frame(i, xid))) {
      return Where(i, "no request sent");
    }
  }
  for (size_t i = begin; i < end; ++i) {
    std::string wrong = ReadAnswer(i, xid, error);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string Crowd::Ping(size_t begin, size_t end) {
  const std::string ping = jute::Encode(jute::RequestHeader{
      jute::kPingXid, static_cast<int32_t>(jute::Op::kPing)});
  for (size_t i = begin; i < end; ++i) {
    if (!people_[i].socket.SendFrame(ping)) return Where(i, "no ping sent");
  }
  for (size_t i = begin; i < end; ++i) {
    std::string wrong = ReadAnswer(i, jute::kPingXid, 0);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string Crowd::CloseSessions(size_t begin, size_t end) {
  std::string wrong = Ask(begin, end, [](size_t, int32_t xid) {
    return jute::Encode(jute::RequestHeader{
        xid, static_cast<int32_t>(jute::Op::kCloseSession)});
  });
  Drop(begin, end);
  return wrong;
}

void Crowd::Drop(size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) people_[i].socket.Close();
}

}  // namespace sillok::zk
