// The watches of the connections of one member. Pure.
#ifndef SILLOK_COORDINATOR_TREE_WATCH_TABLE_H_
#define SILLOK_COORDINATOR_TREE_WATCH_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "coordinator/tree/znode_tree.h"
#include "proto/coordinator.pb.h"

namespace sillok {

// A client's stream at this member; numbers are never used again.
using ConnectionId = StrongId<struct ConnectionIdTag, uint64_t>;

struct WatchNotice {
  ConnectionId connection;
  v1::WatchEvent event;
};

// One-time watches: each fires once, and is one per connection, path and kind
// however often it is set. exists() and get_data() set the same kind (data).
//
// The caller keeps ZooKeeper's order by doing, in one thread: apply a txn, Trigger
// with its changes, send what comes back, and only then answer anything that
// shows the new state. Setting a watch belongs to the same step as the read.
class WatchTable {
 public:
  enum class Kind { kData, kChildren };

  void Add(ConnectionId connection, std::string_view path, Kind kind);
  // Sets what a read asks for, given how it ended: exists() arms also when the
  // node is missing, the others only when they succeeded.
  void AddForRead(ConnectionId connection, const v1::CoordRequest& request,
                  v1::CoordCode result);

  // What the changes of one txn fire, in the order of the changes; those of one
  // change to several connections in no order. A deletion fires once for a
  // connection that has both kinds of watch on the node.
  std::vector<WatchNotice> Trigger(Zxid zxid,
                                   const std::vector<TreeChange>& changes);

  // Re-arms after a reconnect: returns the events missed since
  // `request.last_zxid_seen()`, to be sent before the answer, and arms the rest.
  // Events carry the zxid that `tree` has applied.
  std::vector<v1::WatchEvent> SetWatches(ConnectionId connection,
                                         const v1::SetWatchesRequest& request,
                                         const ZnodeTree& tree);

  void RemoveConnection(ConnectionId connection);

  // Who watches what, in whatever way; for operators.
  std::map<std::string, std::vector<ConnectionId>> WatchersByPath() const;
  size_t paths() const { return by_path_.size(); }
  size_t size_of(ConnectionId connection) const;

  // Armed watches.
  size_t size() const { return size_; }
  size_t connections() const { return armed_.size(); }

 private:
  struct Watchers {
    std::vector<ConnectionId> data;
    std::vector<ConnectionId> children;
  };
  using ByPath = std::unordered_map<std::string, Watchers>;
  using Entry = ByPath::value_type;

  // Fires the watches of the asked kinds on the change's path.
  void Fire(Zxid zxid, const TreeChange& change, bool data, bool children,
            std::vector<WatchNotice>* out);
  // Forgets that the connection has a watch of these kinds in `entry`.
  void Unlink(ConnectionId connection, Entry* entry, unsigned kinds);
  void EraseIfUnused(ByPath::iterator it);

  ByPath by_path_;
  // What each connection has armed: kinds (a bit set) by entry of by_path_.
  std::unordered_map<ConnectionId, std::unordered_map<Entry*, unsigned>> armed_;
  size_t size_ = 0;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_WATCH_TABLE_H_
