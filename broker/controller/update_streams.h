// The controller's end of the brokers' update streams: who is to get what next,
// and what each has carried out. Pure.
#ifndef SILLOK_BROKER_CONTROLLER_UPDATE_STREAMS_H_
#define SILLOK_BROKER_CONTROLLER_UPDATE_STREAMS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/controller/cluster_state.h"
#include "proto/cluster.pb.h"

namespace sillok {

// One stream for each broker: a snapshot, then every published delta in order.
// One update of a stream is under way at a time. A stream whose waiting deltas
// grow beyond `max_backlog_bytes` forgets them and gets a new snapshot.
//
// Publications are numbered from 2 (versions); a snapshot has the version of the
// last publication (1 before any), and a broker that has carried it out is as far as that.
class UpdateStreams {
 public:
  using StreamId = uint64_t;
  using Update = std::shared_ptr<v1::ClusterUpdate>;  // of one stream alone

  explicit UpdateStreams(size_t max_backlog_bytes)
      : max_backlog_bytes_(max_backlog_bytes) {}

  // A stream of this incarnation of the broker; replaces an earlier one.
  void Open(StreamId id, int32_t broker, int64_t broker_epoch);
  void Close(StreamId id);
  // The update under way has left.
  void OnSent(StreamId id);
  // The broker has carried out the update with this sequence. False when the
  // stream is closed, or never sent it.
  bool OnReport(StreamId id, uint64_t applied_sequence);

  // Queues `delta` for every stream past its snapshot; `state` is the state that
  // the delta leads to. Returns its version.
  uint64_t Publish(const ClusterState& state, const v1::ClusterUpdate& delta);
  uint64_t version() const { return version_; }
  // What the broker's current stream has carried out; 0 = nothing.
  uint64_t AppliedVersion(int32_t broker) const;
  // -1 when the stream is closed.
  int32_t BrokerOf(StreamId id) const;

  // What is to be sent now. `committed`: the state as the brokers may see it, or
  // null when it has changes that are not committed, and then snapshots wait.
  // With a state, streams of brokers that are gone or have another epoch are
  // closed; those of a broker that is not there yet wait for it.
  std::vector<std::pair<StreamId, Update>> TakeSends(
      const ClusterState* committed);
  struct Closed {
    StreamId id;
    std::string why;
  };
  std::vector<Closed> TakeClosed();
  size_t size() const { return streams_.size(); }

 private:
  struct Stream {
    int32_t broker = -1;
    int64_t broker_epoch = -1;
    bool needs_snapshot = true;
    bool sending = false;
    uint64_t next_sequence = 1;
    struct Queued {
      Update update;  // sequence not yet filled in
      uint64_t version;
      size_t bytes;
    };
    std::deque<Queued> queue;
    size_t queued_bytes = 0;
    // Sent and not yet carried out: sequence, version.
    std::deque<std::pair<uint64_t, uint64_t>> unapplied;
    uint64_t applied_version = 0;
  };

  Update NextUpdate(Stream* stream, const ClusterState* committed);
  void CloseStaleStreams(const ClusterState& committed);

  size_t max_backlog_bytes_;
  uint64_t version_ = 1;  // what a snapshot has before any publication
  std::map<StreamId, Stream> streams_;
  std::map<int32_t, StreamId> by_broker_;
  std::vector<Closed> closed_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_UPDATE_STREAMS_H_
