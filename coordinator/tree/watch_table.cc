#include "coordinator/tree/watch_table.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sillok {
namespace {

using Kind = WatchTable::Kind;

v1::WatchEvent MakeEvent(Zxid zxid, const std::string& path,
                         v1::WatchEventType type) {
  v1::WatchEvent event;
  event.set_type(type);
  event.set_path(path);
  event.set_zxid(zxid.value());
  return event;
}

}  // namespace

// --- Setting and taking away ---

void WatchTable::Add(ConnectionId connection, std::string_view path,
                     Kind kind) {
  auto it = by_path_.find(path);
  if (it == by_path_.end()) {
    it = by_path_.try_emplace(std::string(path)).first;
  }
  Kinds& armed = armed_[connection][&*it];
  if (armed & Bit(kind)) return;
  armed |= Bit(kind);
  List(*it, kind).push_back(connection);
  ++size_;
  if (kind == Kind::kRecursive) ++recursive_;
}

void WatchTable::AddForRead(ConnectionId connection,
                            const v1::CoordRequest& request,
                            v1::CoordCode result) {
  const bool found = result == v1::OK;
  switch (request.op_case()) {
    case v1::CoordRequest::kExists:
      if (request.exists().watch() && (found || result == v1::NO_NODE)) {
        Add(connection, request.exists().path(), Kind::kData);
      }
      break;
    case v1::CoordRequest::kGetData:
      if (request.get_data().watch() && found) {
        Add(connection, request.get_data().path(), Kind::kData);
      }
      break;
    case v1::CoordRequest::kGetChildren:
      if (request.get_children().watch() && found) {
        Add(connection, request.get_children().path(), Kind::kChildren);
      }
      break;
    default:
      break;
  }
}

v1::CoordCode WatchTable::AddWatch(ConnectionId connection,
                                   const v1::AddWatchOp& op) {
  switch (op.mode()) {
    case v1::PERSISTENT_WATCH:
      Add(connection, op.path(), Kind::kPersistent);
      return v1::OK;
    case v1::PERSISTENT_RECURSIVE_WATCH:
      Add(connection, op.path(), Kind::kRecursive);
      return v1::OK;
    default:
      return v1::BAD_ARGUMENTS;
  }
}

v1::CoordCode WatchTable::Remove(ConnectionId connection,
                                 const v1::RemoveWatchesOp& op) {
  Kinds kinds = 0;
  switch (op.type()) {
    case v1::CHILDREN_WATCHER:
      kinds = Bit(Kind::kChildren);
      break;
    case v1::DATA_WATCHER:
      kinds = Bit(Kind::kData);
      break;
    case v1::PERSISTENT_WATCHER:
      kinds = Bit(Kind::kPersistent);
      break;
    case v1::PERSISTENT_RECURSIVE_WATCHER:
      kinds = Bit(Kind::kRecursive);
      break;
    case v1::ANY_WATCHER:
      kinds = (1u << kKinds) - 1;
      break;
    default:
      return v1::BAD_ARGUMENTS;
  }
  const auto it = by_path_.find(op.path());
  const auto armed = armed_.find(connection);
  if (it == by_path_.end() || armed == armed_.end()) return v1::NO_WATCHER;
  const auto mine = armed->second.find(&*it);
  if (mine == armed->second.end() || (mine->second & kinds) == 0) {
    return v1::NO_WATCHER;
  }
  if (op.check_only()) return v1::OK;
  EraseFromLists(connection, &*it, Unlink(connection, &*it, kinds));
  EraseIfUnused(it);
  return v1::OK;
}

WatchTable::Kinds WatchTable::Unlink(ConnectionId connection, Entry* entry,
                                     Kinds kinds) {
  const auto it = armed_.find(connection);
  const auto armed = it->second.find(entry);
  const Kinds had = armed->second & kinds;
  armed->second &= ~kinds;
  if (armed->second == 0) {
    it->second.erase(armed);
    if (it->second.empty()) armed_.erase(it);
  }
  return had;
}

void WatchTable::EraseFromLists(ConnectionId connection, Entry* entry,
                                Kinds kinds) {
  for (size_t i = 0; i < kKinds; ++i) {
    const Kind kind = static_cast<Kind>(i);
    if ((kinds & Bit(kind)) == 0) continue;
    std::vector<ConnectionId>& list = List(*entry, kind);
    *std::find(list.begin(), list.end(), connection) = list.back();
    list.pop_back();
    --size_;
    if (kind == Kind::kRecursive) --recursive_;
  }
}

void WatchTable::EraseIfUnused(ByPath::iterator it) {
  for (const std::vector<ConnectionId>& list : it->second) {
    if (!list.empty()) return;
  }
  by_path_.erase(it);
}

void WatchTable::RemoveConnection(ConnectionId connection) {
  const auto node = armed_.extract(connection);
  if (node.empty()) return;
  for (const auto& [entry, kinds] : node.mapped()) {
    EraseFromLists(connection, entry, kinds);
    EraseIfUnused(by_path_.find(entry->first));
  }
}

// --- Firing ---

std::vector<WatchNotice> WatchTable::Trigger(
    Zxid zxid, const std::vector<TreeChange>& changes) {
  std::vector<WatchNotice> notices;
  if (by_path_.empty()) return notices;
  for (const TreeChange& change : changes) {
    switch (change.type) {
      case v1::NODE_CREATED:
      case v1::NODE_DATA_CHANGED:
        Fire(zxid, change, Bit(Kind::kData), &notices);
        break;
      case v1::NODE_DELETED:
        Fire(zxid, change, Bit(Kind::kData) | Bit(Kind::kChildren), &notices);
        break;
      case v1::NODE_CHILDREN_CHANGED:
        Fire(zxid, change, Bit(Kind::kChildren), &notices);
        break;
      default:
        break;
    }
  }
  return notices;
}

void WatchTable::Fire(Zxid zxid, const TreeChange& change, Kinds one_time,
                      std::vector<WatchNotice>* out) {
  fired_.clear();
  const auto it = by_path_.find(change.path);
  if (it != by_path_.end()) {
    const auto& persistent = List(*it, Kind::kPersistent);
    fired_.assign(persistent.begin(), persistent.end());
    TakeOneTime(it, one_time);
  }
  if (recursive_ > 0 && (change.type != v1::NODE_CHILDREN_CHANGED ||
                         faults_.recursive_hears_children)) {
    CollectRecursive(change.path);
  }
  if (fired_.empty()) return;
  // A connection with several watches that fire has one event.
  std::sort(fired_.begin(), fired_.end());
  if (!faults_.recursive_fires_twice) {
    fired_.erase(std::unique(fired_.begin(), fired_.end()), fired_.end());
  }
  for (const ConnectionId connection : fired_) {
    out->push_back({connection, MakeEvent(zxid, change.path, change.type),
                    change.acl});
  }
}

void WatchTable::TakeOneTime(ByPath::iterator it, Kinds kinds) {
  for (const Kind kind : {Kind::kData, Kind::kChildren}) {
    if ((kinds & Bit(kind)) == 0) continue;
    const std::vector<ConnectionId> taken = std::move(List(*it, kind));
    List(*it, kind).clear();
    size_ -= taken.size();
    for (const ConnectionId connection : taken) {
      Unlink(connection, &*it, Bit(kind));
      fired_.push_back(connection);
    }
  }
  EraseIfUnused(it);
}

void WatchTable::CollectRecursive(std::string_view path) {
  while (true) {
    const auto it = by_path_.find(path);
    if (it != by_path_.end()) {
      const auto& list = List(*it, Kind::kRecursive);
      fired_.insert(fired_.end(), list.begin(), list.end());
    }
    if (path == kRootPath) return;
    path = ParentPath(path);
  }
}

// --- After a reconnect ---

std::vector<v1::WatchEvent> WatchTable::SetWatches(
    ConnectionId connection, const v1::SetWatchesRequest& request,
    const ZnodeTree& tree) {
  std::vector<v1::WatchEvent> missed;
  const auto miss = [&](const std::string& path, v1::WatchEventType type) {
    missed.push_back(MakeEvent(tree.applied(), path, type));
  };
  const uint64_t seen = request.last_zxid_seen();
  v1::Stat stat;
  for (const std::string& path : request.data()) {
    if (tree.Exists(path, &stat) != v1::OK) {
      miss(path, v1::NODE_DELETED);
    } else if (stat.mzxid() > seen) {
      miss(path, v1::NODE_DATA_CHANGED);
    } else {
      Add(connection, path, Kind::kData);
    }
  }
  for (const std::string& path : request.exists()) {
    if (tree.Exists(path, nullptr) == v1::OK) {
      miss(path, v1::NODE_CREATED);
    } else {
      Add(connection, path, Kind::kData);
    }
  }
  for (const std::string& path : request.children()) {
    if (tree.Exists(path, &stat) != v1::OK) {
      miss(path, v1::NODE_DELETED);
    } else if (stat.pzxid() > seen) {
      miss(path, v1::NODE_CHILDREN_CHANGED);
    } else {
      Add(connection, path, Kind::kChildren);
    }
  }
  for (const std::string& path : request.persistent()) {
    Add(connection, path, Kind::kPersistent);
  }
  for (const std::string& path : request.persistent_recursive()) {
    Add(connection, path, Kind::kRecursive);
  }
  return missed;
}

// --- For operators ---

std::map<std::string, std::vector<ConnectionId>> WatchTable::WatchersByPath()
    const {
  std::map<std::string, std::vector<ConnectionId>> by_path;
  for (const auto& [connection, entries] : armed_) {
    for (const auto& [entry, kinds] : entries) {
      by_path[entry->first].push_back(connection);
    }
  }
  return by_path;
}

size_t WatchTable::size_of(ConnectionId connection) const {
  const auto it = armed_.find(connection);
  if (it == armed_.end()) return 0;
  size_t count = 0;
  for (const auto& [entry, kinds] : it->second) {
    count += std::popcount(kinds);
  }
  return count;
}

}  // namespace sillok
