// The seam between replica fetching and the network.
#ifndef SILLOK_BROKER_REPLICATION_FETCH_CHANNEL_H_
#define SILLOK_BROKER_REPLICATION_FETCH_CHANNEL_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "proto/broker.pb.h"

namespace sillok {

// An answer to a fetch: the fields as a message, payloads beside it.
struct ReplicaFetchResponse {
  v1::FetchResponse header;    // `batches` is empty everywhere
  std::vector<Bytes> batches;  // one for each of header.partitions()
  // The callback may do the work on the thread it is called on, send the next
  // fetch and drop the channel inside it: no hop between threads for little
  // work.
  bool may_act_here = false;
};

// One ordered stream of fetches to one broker. Calls come from one strand; the
// callbacks may come on any thread, each exactly once, never inside Send.
class FetchChannel {
 public:
  using Callback = std::function<void(absl::StatusOr<ReplicaFetchResponse>)>;

  // Drops what is in flight: its callbacks get a Cancelled status, or are not
  // called at all once the destructor has returned.
  virtual ~FetchChannel() = default;
  // At most one request is in flight. An error means that the stream is broken;
  // the next Send tries to open it again.
  virtual void Send(const v1::FetchRequest& request, int64_t timeout_ms,
                    Callback done) = 0;
};

// Opens channels; thread-safe.
class FetchChannelFactory {
 public:
  virtual ~FetchChannelFactory() = default;
  // `host:port` of the source broker's gRPC door. Does not block.
  virtual std::unique_ptr<FetchChannel> Open(BrokerId source,
                                             const std::string& host,
                                             int port) = 0;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_FETCH_CHANNEL_H_
