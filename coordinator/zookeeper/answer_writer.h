// Answers of a member in ZooKeeper's encoding.
#ifndef SILLOK_COORDINATOR_ZOOKEEPER_ANSWER_WRITER_H_
#define SILLOK_COORDINATOR_ZOOKEEPER_ANSWER_WRITER_H_

#include <cstdint>
#include <string>

#include "coordinator/zookeeper/request_reader.h"
#include "proto/coordinator.pb.h"

namespace sillok::coord {

// Each appends one frame with its length.

// A reply without a body.
void AppendHeader(int32_t xid, int64_t zxid, v1::CoordCode code,
                  std::string* out);
// The reply to what was asked: a body follows when all went well, and of a
// multi always.
void AppendAnswer(int32_t xid, int64_t zxid, const AskedFor& asked,
                  const v1::CoordResponse& response, std::string* out);
void AppendEvent(const v1::WatchEvent& event, std::string* out);
// `with_read_only`: the client knows that field.
void AppendConnected(const v1::ConnectResponse& response, bool with_read_only,
                     std::string* out);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_ZOOKEEPER_ANSWER_WRITER_H_
