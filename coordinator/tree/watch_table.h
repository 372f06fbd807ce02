// The watches of the connections of one member. Pure.
#ifndef SILLOK_COORDINATOR_TREE_WATCH_TABLE_H_
#define SILLOK_COORDINATOR_TREE_WATCH_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "coordinator/tree/acl.h"
#include "coordinator/tree/path.h"
#include "coordinator/tree/tree_faults.h"
#include "coordinator/tree/znode_tree.h"
#include "proto/coordinator.pb.h"

namespace sillok {

// A client's stream at this member; numbers are never used again.
using ConnectionId = StrongId<struct ConnectionIdTag, uint64_t>;

struct WatchNotice {
  ConnectionId connection;
  v1::WatchEvent event;
  // Only a client that may read by it is told.
  AclRef acl;
};

// One-time watches (kData, kChildren) fire once and are gone; kPersistent and
// kRecursive ones stay. Each is one per connection, path and kind however often
// it is set; the kinds do not know of each other. exists() and get_data() set
// the same kind.
//
//   kData        created, deleted, data changed; of the path
//   kChildren    children changed, deleted; of the path
//   kPersistent  all of these
//   kRecursive   created, deleted, data changed; of the path and all below it
//
// The caller keeps ZooKeeper's order by doing, in one thread: apply a txn, Trigger
// with its changes, send what comes back, and only then answer anything that
// shows the new state. Setting a watch belongs to the same step as the read.
class WatchTable {
 public:
  enum class Kind { kData, kChildren, kPersistent, kRecursive };

  void Add(ConnectionId connection, std::string_view path, Kind kind);
  // Sets what a read asks for, given how it ended: exists() arms also when the
  // node is missing, the others only when they succeeded.
  void AddForRead(ConnectionId connection, const v1::CoordRequest& request,
                  v1::CoordCode result);
  // BAD_ARGUMENTS for what is no mode.
  v1::CoordCode AddWatch(ConnectionId connection, const v1::AddWatchOp& op);
  // NO_WATCHER when the connection has none of the type on the path,
  // BAD_ARGUMENTS for what is no type.
  v1::CoordCode Remove(ConnectionId connection, const v1::RemoveWatchesOp& op);

  // What the changes of one txn fire, in the order of the changes; those of one
  // change to several connections in no order. One change gives a connection one
  // event, however many of its watches it fires. Costs the depth of the paths
  // and what fires.
  std::vector<WatchNotice> Trigger(Zxid zxid,
                                   const std::vector<TreeChange>& changes);

  // Re-arms after a reconnect: returns the events missed since
  // `request.last_zxid_seen()`, to be sent before the answer, and arms the rest.
  // Events carry the zxid that `tree` has applied; those of znodes that the
  // client may not read are among them, because nothing is armed in their place.
  // Persistent watches are just set again.
  std::vector<v1::WatchEvent> SetWatches(ConnectionId connection,
                                         const v1::SetWatchesRequest& request,
                                         const ZnodeTree& tree);

  void RemoveConnection(ConnectionId connection);

  // Who watches what, in whatever way; for operators.
  std::map<std::string, std::vector<ConnectionId>> WatchersByPath() const;
  size_t paths() const { return by_path_.size(); }
  // Of a connection.
  size_t size_of(ConnectionId connection) const;

  // For tests of the tests.
  void Plant(const TreeFaults& faults) { faults_ = faults; }

  // Armed watches.
  size_t size() const { return size_; }
  size_t connections() const { return armed_.size(); }

 private:
  static constexpr size_t kKinds = 4;
  // By kind.
  using Watchers = std::array<std::vector<ConnectionId>, kKinds>;
  using ByPath =
      std::unordered_map<std::string, Watchers, PathHash, std::equal_to<>>;
  using Entry = ByPath::value_type;
  // A set of kinds.
  using Kinds = unsigned;

  static constexpr Kinds Bit(Kind kind) {
    return 1u << static_cast<unsigned>(kind);
  }
  static std::vector<ConnectionId>& List(Entry& entry, Kind kind) {
    return entry.second[static_cast<size_t>(kind)];
  }

  void Fire(Zxid zxid, const TreeChange& change, Kinds one_time,
            std::vector<WatchNotice>* out);
  // The one-time watches of these kinds on the path are used up.
  void TakeOneTime(ByPath::iterator it, Kinds kinds);
  void CollectRecursive(std::string_view path);
  // Takes the kinds off what the connection has in `entry`; gives those that
  // it had.
  Kinds Unlink(ConnectionId connection, Entry* entry, Kinds kinds);
  void EraseFromLists(ConnectionId connection, Entry* entry, Kinds kinds);
  void EraseIfUnused(ByPath::iterator it);

  ByPath by_path_;
  // What each connection has armed, by entry of by_path_.
  std::unordered_map<ConnectionId, std::unordered_map<Entry*, Kinds>> armed_;
  size_t size_ = 0;
  size_t recursive_ = 0;  // of size_
  std::vector<ConnectionId> fired_;  // by the change at hand
  TreeFaults faults_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_WATCH_TABLE_H_
