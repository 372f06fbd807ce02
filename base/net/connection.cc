#include "base/net/connection.h"

#include <utility>

#include "fmt/format.h"

namespace sillok::net {

const char* CloseReasonName(CloseReason reason) {
  switch (reason) {
    case CloseReason::kPeerClosed:
      return "peer_closed";
    case CloseReason::kSocketError:
      return "socket_error";
    case CloseReason::kHandler:
      return "handler";
    case CloseReason::kBadFrame:
      return "bad_frame";
    case CloseReason::kIdle:
      return "idle";
    case CloseReason::kStalled:
      return "stalled";
    case CloseReason::kOverflow:
      return "overflow";
    case CloseReason::kUnanswered:
      return "unanswered";
    case CloseReason::kFileChanged:
      return "file_changed";
    case CloseReason::kTooMany:
      return "too_many";
    case CloseReason::kTooManyFromIp:
      return "too_many_from_ip";
    case CloseReason::kServerStopped:
      return "server_stopped";
  }
  return "unknown";
}

void FrameHandler::OnBadLength(int32_t length, ReplyPtr reply) {
  reply->Close(fmt::format("a frame of {} bytes", length));
}

void FrameHandler::OnBadFrame(int32_t length, Bytes beginning,
                              ReplyPtr reply) {
  OnBadLength(length, std::move(reply));
}

}  // namespace sillok::net
