// ZooKeeper's requests as messages of proto/coordinator.proto.
#ifndef SILLOK_COORDINATOR_ZOOKEEPER_REQUEST_READER_H_
#define SILLOK_COORDINATOR_ZOOKEEPER_REQUEST_READER_H_

#include <optional>
#include <string>
#include <string_view>

#include "proto/coordinator.pb.h"
#include "proto/jute/records.h"

namespace sillok::coord {

// Why a request goes no further than the door.
struct Refusal {
  v1::CoordCode code = v1::OK;
  // The connection ends behind the answer.
  bool close = false;
};

// What the answer to a request needs to know of it.
struct AskedFor {
  jute::Op op = jute::Op::kError;
  // sync: the path. multi, multiRead: the jute::Op of each part, a byte each.
  std::string detail;
};

// Fills in all of `request` but its id, and `asked`. `type` and `body` are what
// follows the xid. Nothing gets through that the member could not pass on:
// text that is not UTF-8 is mended as Java does it (U+FFFD, which no path may
// have), and requests that only members make themselves are refused.
std::optional<Refusal> ReadRequest(int32_t type, std::string_view body,
                                   v1::SessionRequest* request,
                                   AskedFor* asked);

// `text`, with U+FFFD for what is not UTF-8.
std::string MendUtf8(std::string_view text);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_ZOOKEEPER_REQUEST_READER_H_
