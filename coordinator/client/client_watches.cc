#include "coordinator/client/client_watches.h"

#include <utility>

namespace sillok::coord {
namespace {

template <typename Map, typename Ids>
void CopyTo(const Map& watches, const std::string& path, Ids* ids) {
  auto it = watches.find(path);
  if (it == watches.end()) return;
  ids->insert(ids->end(), it->second.begin(), it->second.end());
}

template <typename Map, typename Ids>
void MoveTo(Map* watches, const std::string& path, Ids* ids) {
  CopyTo(*watches, path, ids);
  watches->erase(path);
}

}  // namespace

bool ClientWatches::Arm(const v1::CoordRequest& request, v1::CoordCode code,
                        WatcherId watcher) {
  bool there = code == v1::OK;
  switch (request.op_case()) {
    case v1::CoordRequest::kGetData:
      if (!there) return false;
      data_[request.get_data().path()].push_back(watcher);
      return true;
    case v1::CoordRequest::kExists:
      if (!there && code != v1::NO_NODE) return false;
      (there ? data_ : exists_)[request.exists().path()].push_back(watcher);
      return true;
    case v1::CoordRequest::kGetChildren:
      if (!there) return false;
      children_[request.get_children().path()].push_back(watcher);
      return true;
    case v1::CoordRequest::kAddWatch:
      if (!there) return false;
      Of(request.add_watch().mode())[request.add_watch().path()].push_back(
          watcher);
      return true;
    default:
      return false;
  }
}

ClientWatches::Fired ClientWatches::Fire(const v1::WatchEvent& event) {
  Fired fired;
  const std::string& path = event.path();
  switch (event.type()) {
    case v1::NODE_CREATED:
    case v1::NODE_DATA_CHANGED:
      MoveTo(&data_, path, &fired.once);
      MoveTo(&exists_, path, &fired.once);
      break;
    case v1::NODE_DELETED:
      MoveTo(&data_, path, &fired.once);
      MoveTo(&exists_, path, &fired.once);
      MoveTo(&children_, path, &fired.once);
      break;
    case v1::NODE_CHILDREN_CHANGED:
      MoveTo(&children_, path, &fired.once);
      break;
    default:
      return fired;
  }
  CopyTo(persistent_, path, &fired.lasting);
  // A recursive watch hears of the path itself and of all below it, but not that
  // children changed: their own events say so.
  if (event.type() == v1::NODE_CHILDREN_CHANGED || recursive_.empty()) {
    return fired;
  }
  for (std::string above = path; above.size() > 1;
       above.resize(above.rfind('/'))) {
    CopyTo(recursive_, above, &fired.lasting);
    if (above.find('/') == std::string::npos) return fired;  // no path at all
  }
  CopyTo(recursive_, "/", &fired.lasting);
  return fired;
}

std::vector<ClientWatches::WatcherId> ClientWatches::TakeRemoved(
    const v1::RemoveWatchesOp& removed) {
  std::vector<WatcherId> taken;
  auto take = [&](v1::WatcherType type, Map* watches) {
    if (removed.type() == type || removed.type() == v1::ANY_WATCHER) {
      MoveTo(watches, removed.path(), &taken);
    }
  };
  take(v1::CHILDREN_WATCHER, &children_);
  take(v1::DATA_WATCHER, &data_);
  take(v1::DATA_WATCHER, &exists_);
  take(v1::PERSISTENT_WATCHER, &persistent_);
  take(v1::PERSISTENT_RECURSIVE_WATCHER, &recursive_);
  return taken;
}

std::optional<ClientWatches::Persistent> ClientWatches::TakeWatcher(
    WatcherId watcher) {
  for (v1::AddWatchMode mode :
       {v1::PERSISTENT_WATCH, v1::PERSISTENT_RECURSIVE_WATCH}) {
    Map& watches = Of(mode);
    for (auto it = watches.begin(); it != watches.end(); ++it) {
      if (std::erase(it->second, watcher) == 0) continue;
      Persistent found{mode, it->first};
      if (it->second.empty()) watches.erase(it);
      return found;
    }
  }
  return std::nullopt;
}

bool ClientWatches::HasPersistent(v1::AddWatchMode mode,
                                  const std::string& path) const {
  const Map& watches =
      mode == v1::PERSISTENT_RECURSIVE_WATCH ? recursive_ : persistent_;
  return watches.count(path) != 0;
}

std::vector<v1::SetWatchesRequest> ClientWatches::ToRequests(
    size_t max_bytes) const {
  std::vector<v1::SetWatchesRequest> requests;
  size_t bytes = max_bytes;  // of the last one; none is open yet
  auto add = [&](const Map& watches,
                 void (v1::SetWatchesRequest::*append)(const std::string&)) {
    for (const auto& [path, watchers] : watches) {
      if (bytes >= max_bytes) {
        requests.emplace_back();
        bytes = 0;
      }
      (requests.back().*append)(path);
      bytes += path.size() + 8;
    }
  };
  add(data_, &v1::SetWatchesRequest::add_data);
  add(exists_, &v1::SetWatchesRequest::add_exists);
  add(children_, &v1::SetWatchesRequest::add_children);
  add(persistent_, &v1::SetWatchesRequest::add_persistent);
  add(recursive_, &v1::SetWatchesRequest::add_persistent_recursive);
  return requests;
}

void ClientWatches::Clear() {
  for (Map* map : {&data_, &exists_, &children_, &persistent_, &recursive_}) {
    map->clear();
  }
}

size_t ClientWatches::size() const {
  size_t count = 0;
  for (const Map* map :
       {&data_, &exists_, &children_, &persistent_, &recursive_}) {
    for (const auto& [path, watchers] : *map) count += watchers.size();
  }
  return count;
}

}  // namespace sillok::coord
