#include "test/fuzz/jute_frames.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "coordinator/zookeeper/wire_session.h"
#include "glog/logging.h"
#include "proto/jute/records.h"
#include "test/coordinator/server/fake_ensemble.h"
#include "test/coordinator/zookeeper/wire_fixture.h"

namespace sillok::coord {
namespace {

// A member of its own, and a client of it.
class FuzzedMember {
 public:
  FuzzedMember() : ensemble_(OneMember()) {
    ensemble_.Elect();
    client_ = ensemble_.Open(1);
    Give(jute::ConnectFrame());
    CHECK(!wire_.ended());
    wire_.TakeBytes();
  }

  bool Give(std::string_view frame) {
    std::optional<v1::SessionRequest> request = wire_.OnFrame(frame);
    if (!request.has_value()) return false;
    CheckTravels(*request);
    ensemble_.SendRaw(client_, *std::move(request));
    ensemble_.Run();
    for (; taken_ < client_->received.size(); ++taken_) {
      wire_.OnMessage(client_->received[taken_]);
    }
    if (client_->end.has_value()) wire_.OnEnd();
    return true;
  }

  WireSession& wire() { return wire_; }
  uint64_t applied() {
    return ensemble_.member(1).tree().applied().counter();
  }

  void CheckState() {
    const ZnodeTree& tree = ensemble_.member(1).tree();
    absl::Status sound = tree.CheckInvariants();
    CHECK(sound.ok()) << sound;
    const uint64_t digest = tree.digest();
    const Zxid applied = tree.applied();
    ensemble_.Crash(1);
    ensemble_.Start(1);
    ensemble_.Elect();
    CHECK_GE(ensemble_.member(1).tree().applied(), applied);
    CHECK_EQ(ensemble_.member(1).tree().digest(), digest);
  }

 private:
  static FakeEnsemble::Options OneMember() {
    FakeEnsemble::Options options;
    options.members = 1;
    return options;
  }

  // Between members it goes as bytes, and text that is not UTF-8 would not
  // arrive.
  static void CheckTravels(const v1::SessionRequest& request) {
    std::string bytes, again;
    CHECK(request.SerializeToString(&bytes));
    v1::SessionRequest arrived;
    CHECK(arrived.ParseFromString(bytes));
    CHECK(arrived.SerializeToString(&again));
    CHECK(bytes == again);
  }

  FakeEnsemble ensemble_;
  FakeClient* client_ = nullptr;
  size_t taken_ = 0;
  WireSession wire_{1'000};
};

// The number of a reply that is counted: not of an event, a ping or auth.
std::optional<int32_t> NumberOf(std::string_view frame) {
  jute::ReplyHeader header;
  CHECK(jute::Decode(frame, &header)) << "a reply without a header";
  if (header.xid == jute::kNotificationXid) return std::nullopt;
  return header.xid;
}

size_t CheckReplies(std::string_view bytes, int32_t xid) {
  size_t replies = 0;
  while (!bytes.empty()) {
    jute::Decoder decoder(bytes);
    int32_t length = 0;
    decoder(length);
    CHECK(decoder.ok() && length >= 16 &&
          static_cast<size_t>(length) <= decoder.rest().size())
        << "no whole frame";
    auto number = NumberOf(decoder.rest().substr(0, length));
    if (number.has_value()) {
      ++replies;
      CHECK(*number == xid || *number == jute::kPingXid) << "out of order";
    }
    bytes = decoder.rest().substr(static_cast<size_t>(length));
  }
  return replies;
}

}  // namespace

JuteFuzzResult FuzzJuteFrames(const uint8_t* data, size_t size) {
  FuzzedMember member;
  JuteFuzzResult result;
  const uint64_t before = member.applied();
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (rest.size() >= 2 && !result.ended) {
    size_t length = static_cast<size_t>(static_cast<unsigned char>(rest[0])) << 8 |
                    static_cast<unsigned char>(rest[1]);
    std::string_view frame = rest.substr(2, length);
    rest.remove_prefix(std::min(rest.size(), 2 + length));
    result.asked += member.Give(frame);
    jute::RequestHeader header;
    jute::Decode(frame, &header);
    const size_t replies =
        CheckReplies(member.wire().TakeBytes(), header.xid);
    result.ended = member.wire().ended();
    // Who numbers a request like an event cannot tell the answer from one.
    const bool counted = header.xid != jute::kNotificationXid;
    CHECK(result.ended || !counted ? replies <= 1 : replies == 1)
        << "a frame of " << frame.size() << " bytes, type " << header.type
        << ", got " << replies << " replies";
    result.answered += replies;
  }
  result.written = member.applied() - before;
  member.CheckState();
  return result;
}

std::string JoinForFuzz(const std::vector<std::string>& frames) {
  std::string data;
  for (const std::string& frame : frames) {
    data.push_back(static_cast<char>(frame.size() >> 8));
    data.push_back(static_cast<char>(frame.size() & 0xff));
    data += frame;
  }
  return data;
}

void FuzzConnectFrame(const uint8_t* data, size_t size) {
  WireSession wire(10);
  auto request =
      wire.OnFrame({reinterpret_cast<const char*>(data), size});
  CHECK(request.has_value() != wire.ended());
  CHECK(!wire.has_bytes());
  if (!request.has_value()) return;
  CHECK(request->has_connect());
  v1::SessionResponse refused;
  refused.mutable_connect()->set_code(v1::SESSION_EXPIRED);
  wire.OnMessage(refused);
  const size_t answer = wire.TakeBytes().size();
  CHECK(answer == 4 + 36 || answer == 4 + 37);
}

}  // namespace sillok::coord
