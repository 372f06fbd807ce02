// A running coordinator member: one loop thread that owns the member, the
// store's committer behind it, streams of clients and peers around it.
//
// An input (a client's request, a peer's message, "it is on disk", a tick) goes
// into the member; after each batch of inputs its output is carried out once:
// storage, peers, clients. All that came in together is one write, one message
// to each peer and one packet to each client.
#ifndef SILLOK_COORDINATOR_SERVER_NODE_H_
#define SILLOK_COORDINATOR_SERVER_NODE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/net/loop.h"
#include "coordinator/server/client_door.h"
#include "coordinator/server/member.h"
#include "coordinator/server/peer_transport.h"
#include "coordinator/store/snapshot_keeper.h"
#include "coordinator/store/store.h"

namespace sillok::coord {

// What metrics and health ask for; a copy, at most a tick old.
struct NodeFacts {
  v1::MemberStatusResponse status;
  bool serving = false;
  size_t outstanding_requests = 0;
  size_t backlog = 0;
  uint64_t requests = 0;  // of clients
  uint64_t committed = 0;
  uint64_t elections = 0;
  uint64_t proposed = 0;
  uint64_t rejected = 0;
  uint64_t expired_sessions = 0;
  size_t synced_voters = 0;
};

// What a node gives a door it is to have. Everything is for the loop.
struct DoorContext {
  std::shared_ptr<net::Loop> loop;  // runs once all doors are made
  ClientHandler clients;
  Member* member = nullptr;
  std::function<NodeFacts()> facts;  // as of now
};
using MakeDoor =
    std::function<absl::StatusOr<std::unique_ptr<ClientDoor>>(DoorContext)>;

struct NodeOptions {
  // `seed`, `first_ticket`, `first_session_id` and `new_password` are filled in.
  MemberOptions member;
  PeerOptions peers;
  std::string client_listen = "0.0.0.0:2180";  // host:port, port 0 = any
  std::string peer_listen = "0.0.0.0:2888";
  // A further door; may be null.
  MakeDoor make_door;
  // For MemberStatus: where ZooKeeper's clients find this member, if its line of
  // the configuration does not say.
  std::string zookeeper_address;
  int64_t zab_tick_ms = 50;
  // Log entries kept behind what is applied, so that a member that was away
  // gets the difference and not a snapshot.
  size_t keep_log_entries = 100'000;  // snapCount
  SnapshotKeeperOptions snapshots;
  std::string version = "dev";
  // Called once, on any thread, when this member must not go on: the disk
  // failed, or its state differs from the ensemble's. The process should exit.
  std::function<void(absl::Status)> on_fatal;
  // Called once, on any thread, when the ensemble goes on without this member,
  // which has said so in the log. The process should end in an orderly way.
  std::function<void()> on_removed;
};

// Start and Stop from one thread; the rest is thread-safe.
class Node {
 public:
  // Loads the tree, listens, and begins to look for its peers. An error names
  // what could not be had; FAILED_PRECONDITION: this member was removed.
  static absl::StatusOr<std::unique_ptr<Node>> Start(
      NodeOptions options, std::unique_ptr<CoordinatorStore> store);
  // Stop, if it was not called.
  ~Node();

  int client_port() const;
  int peer_port() const;
  // Runs `task` on the loop and waits for it. False, and not run, once Stop has
  // ended the loop. Not on the loop.
  bool RunOnLoop(const std::function<void()>& task);
  NodeFacts facts() const;
  // OK while part of a quorum that serves.
  absl::Status health() const;

  // Gives the lead to `to`, or if that is -1 to the most up-to-date voter.
  // `done`, on any thread, gets who leads then: FAILED_PRECONDITION if this
  // member does not lead or `to` is not fit, UNAVAILABLE if a hand-over is under
  // way or this member stops, ABORTED if another one came to lead or nobody.
  using TransferDone = std::function<void(absl::StatusOr<zab::RoleState>)>;
  void TransferLeadership(MemberId to, TransferDone done);

  // An orderly end: a leader hands over, streams are closed, what was written is
  // on disk when it returns.
  void Stop();

 private:
  class Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads every row of `store` into a tree.
absl::StatusOr<std::unique_ptr<ZnodeTree>> LoadTree(CoordinatorStore* store,
                                                    Zxid applied);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_NODE_H_
