// Frames of ZooKeeper's protocol as a client makes and reads them.
#ifndef SILLOK_TEST_COORDINATOR_ZOOKEEPER_WIRE_FIXTURE_H_
#define SILLOK_TEST_COORDINATOR_ZOOKEEPER_WIRE_FIXTURE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "proto/jute/codec.h"
#include "proto/jute/records.h"

namespace sillok::jute {

// A request without its length.
template <typename... Fields>
std::string Request(int32_t xid, Op op, const Fields&... fields) {
  return Encode(RequestHeader{xid, static_cast<int32_t>(op)}, fields...);
}

inline std::string ConnectFrame(int64_t session_id = 0,
                                std::string password = std::string(16, '\0'),
                                int64_t last_zxid = 0,
                                int32_t timeout_ms = 30'000) {
  ConnectRequest request;
  request.last_zxid_seen = last_zxid;
  request.timeout_ms = timeout_ms;
  request.session_id = session_id;
  request.password.bytes = password;
  std::string frame;
  AppendConnectRequest(request, &frame);
  return frame;
}

inline CreateRequest OpenCreate(std::string_view path, std::string_view data,
                                int32_t flags = 0) {
  return {path, {data, false}, {{31, "world", "anyone"}}, flags};
}

inline std::string WithLength(const std::string& frame) {
  return Encode(static_cast<int32_t>(frame.size())) + frame;
}

// Cuts "length frame length frame" up; what is left over fails the test.
inline std::vector<std::string> SplitFrames(std::string_view bytes) {
  std::vector<std::string> frames;
  while (!bytes.empty()) {
    Decoder decoder(bytes);
    int32_t length = 0;
    decoder(length);
    if (!decoder.ok() || length < 0 ||
        static_cast<size_t>(length) > decoder.rest().size()) {
      ADD_FAILURE() << "no whole frame";
      return frames;
    }
    frames.emplace_back(decoder.rest().substr(0, static_cast<size_t>(length)));
    bytes = decoder.rest().substr(static_cast<size_t>(length));
  }
  return frames;
}

inline ReplyHeader HeaderOf(std::string_view frame) {
  ReplyHeader header;
  EXPECT_TRUE(Decode(frame, &header));
  return header;
}

inline std::string_view BodyOf(std::string_view frame) {
  return frame.substr(16);
}

// One request of every kind a client may send, well-formed. `xid` counts on.
inline std::vector<std::string> EveryRequest(int32_t xid) {
  std::vector<std::string> frames;
  auto add = [&](Op op, const auto&... fields) {
    frames.push_back(Request(xid++, op, fields...));
  };
  auto part = [](Op op) {
    return MultiHeader{static_cast<int32_t>(op), false, -1};
  };
  add(Op::kCreate, OpenCreate("/every", "data"));
  add(Op::kCreate2, OpenCreate("/every/2", "data", 1));
  add(Op::kCreateContainer, OpenCreate("/every/c", "", 4));
  add(Op::kCreateTtl, CreateTtlRequest{OpenCreate("/every/t", "x", 5), 60'000});
  add(Op::kExists, PathWatch{"/every", true});
  add(Op::kGetData, PathWatch{"/every", true});
  add(Op::kSetData, SetDataRequest{"/every", {"more", false}, -1});
  add(Op::kGetAcl, PathOnly{"/every"});
  add(Op::kSetAcl, SetAclRequest{"/every", {{31, "world", "anyone"}}, -1});
  add(Op::kGetChildren, PathWatch{"/every", true});
  add(Op::kGetChildren2, PathWatch{"/every", false});
  add(Op::kSync, PathOnly{"/every"});
  add(Op::kMulti, part(Op::kCheck), PathVersion{"/every", -1},
      part(Op::kCreate), OpenCreate("/every/m", ""), part(Op::kSetData),
      SetDataRequest{"/every/m", {"", true}, 0}, part(Op::kDelete),
      PathVersion{"/every/m", 1}, part(Op::kCreate2),
      OpenCreate("/every/m2", "y"), kMultiEnd);
  add(Op::kMultiRead, part(Op::kGetData), PathWatch{"/every", false},
      part(Op::kGetChildren), PathWatch{"/none", false}, kMultiEnd);
  add(Op::kReconfig, ReconfigRequest{"", "", "", -1});
  add(Op::kCheckWatches, PathType{"/every", 3});
  add(Op::kAddWatch, PathType{"/every", 1});
  add(Op::kRemoveWatches, PathType{"/every", 3});
  add(Op::kGetEphemerals, PathOnly{"/"});
  add(Op::kGetAllChildrenNumber, PathOnly{"/"});
  add(Op::kWhoAmI);
  frames.push_back(Request(kSetWatchesXid, Op::kSetWatches,
                           SetWatchesRequest{1, {"/every"}, {"/n"}, {"/"}}));
  frames.push_back(Request(
      kSetWatchesXid, Op::kSetWatches2,
      SetWatches2Request{{1, {"/every"}, {}, {}}, {"/p"}, {"/r"}}));
  frames.push_back(Request(kAuthXid, Op::kAuth,
                           AuthPacket{0, "digest", {"user:password", false}}));
  frames.push_back(Request(kPingXid, Op::kPing));
  add(Op::kDelete, PathVersion{"/every/t", -1});
  return frames;
}

}  // namespace sillok::jute

#endif  // SILLOK_TEST_COORDINATOR_ZOOKEEPER_WIRE_FIXTURE_H_
