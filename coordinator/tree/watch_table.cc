#include "coordinator/tree/watch_table.h"

#include <algorithm>
#include <utility>

namespace sillok {
namespace {

constexpr unsigned kDataBit = 1;
constexpr unsigned kChildrenBit = 2;

void Erase(std::vector<ConnectionId>* list, ConnectionId connection) {
  *std::find(list->begin(), list->end(), connection) = list->back();
  list->pop_back();
}

v1::WatchEvent MakeEvent(Zxid zxid, const std::string& path,
                         v1::WatchEventType type) {
  v1::WatchEvent event;
  event.set_type(type);
  event.set_path(path);
  event.set_zxid(zxid.value());
  return event;
}

}  // namespace

void WatchTable::Add(ConnectionId connection, std::string_view path,
                     Kind kind) {
  Entry& entry = *by_path_.try_emplace(std::string(path)).first;
  const unsigned bit = kind == Kind::kData ? kDataBit : kChildrenBit;
  unsigned& armed = armed_[connection][&entry];
  if (armed & bit) return;
  armed |= bit;
  (kind == Kind::kData ? entry.second.data : entry.second.children)
      .push_back(connection);
  ++size_;
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

std::vector<WatchNotice> WatchTable::Trigger(
    Zxid zxid, const std::vector<TreeChange>& changes) {
  std::vector<WatchNotice> notices;
  if (by_path_.empty()) return notices;
  for (const TreeChange& change : changes) {
    switch (change.type) {
      case v1::NODE_CREATED:
      case v1::NODE_DATA_CHANGED:
        Fire(zxid, change, true, false, &notices);
        break;
      case v1::NODE_DELETED:
        Fire(zxid, change, true, true, &notices);
        break;
      case v1::NODE_CHILDREN_CHANGED:
        Fire(zxid, change, false, true, &notices);
        break;
      default:
        break;
    }
  }
  return notices;
}

void WatchTable::Fire(Zxid zxid, const TreeChange& change, bool data,
                      bool children, std::vector<WatchNotice>* out) {
  const auto it = by_path_.find(change.path);
  if (it == by_path_.end()) return;
  std::vector<ConnectionId> fired;
  if (data) fired.swap(it->second.data);
  size_ -= fired.size();
  if (children) {
    std::vector<ConnectionId> watchers;
    watchers.swap(it->second.children);
    size_ -= watchers.size();
    fired.insert(fired.end(), watchers.begin(), watchers.end());
    // With both kinds on a deleted node there is one event.
    std::sort(fired.begin(), fired.end());
    fired.erase(std::unique(fired.begin(), fired.end()), fired.end());
  }
  for (const ConnectionId connection : fired) {
    out->push_back({connection, MakeEvent(zxid, change.path, change.type)});
    Unlink(connection, &*it,
           (data ? kDataBit : 0) | (children ? kChildrenBit : 0));
  }
  EraseIfUnused(it);
}

void WatchTable::Unlink(ConnectionId connection, Entry* entry,
                        unsigned kinds) {
  const auto it = armed_.find(connection);
  const auto armed = it->second.find(entry);
  armed->second &= ~kinds;
  if (armed->second != 0) return;
  it->second.erase(armed);
  if (it->second.empty()) armed_.erase(it);
}

void WatchTable::EraseIfUnused(ByPath::iterator it) {
  if (it->second.data.empty() && it->second.children.empty()) {
    by_path_.erase(it);
  }
}

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
  return missed;
}

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
  return it == armed_.end() ? 0 : it->second.size();
}

void WatchTable::RemoveConnection(ConnectionId connection) {
  const auto node = armed_.extract(connection);
  if (node.empty()) return;
  for (const auto& [entry, kinds] : node.mapped()) {
    if (kinds & kDataBit) {
      Erase(&entry->second.data, connection);
      --size_;
    }
    if (kinds & kChildrenBit) {
      Erase(&entry->second.children, connection);
      --size_;
    }
    EraseIfUnused(by_path_.find(entry->first));
  }
}

}  // namespace sillok
