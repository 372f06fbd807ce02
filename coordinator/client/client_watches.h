// The watches that a session has armed, as the member that serves it knows them.
//
// A plain class; paths are the server's. One-time watches leave when they fire,
// persistent ones stay.
#ifndef SILLOK_COORDINATOR_CLIENT_CLIENT_WATCHES_H_
#define SILLOK_COORDINATOR_CLIENT_CLIENT_WATCHES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/coordinator.pb.h"

namespace sillok::coord {

class ClientWatches {
 public:
  using WatcherId = uint64_t;

  struct Fired {
    std::vector<WatcherId> once;     // disarmed now
    std::vector<WatcherId> lasting;  // of persistent watches
  };
  struct Persistent {
    v1::AddWatchMode mode;
    std::string path;
  };

  // What the answer to `request` arms. False: nothing.
  bool Arm(const v1::CoordRequest& request, v1::CoordCode code,
           WatcherId watcher);
  Fired Fire(const v1::WatchEvent& event);
  // Takes what a successful remove_watches has ended.
  std::vector<WatcherId> TakeRemoved(const v1::RemoveWatchesOp& removed);
  // Takes one watcher of a persistent watch; where it was.
  std::optional<Persistent> TakeWatcher(WatcherId watcher);
  bool HasPersistent(v1::AddWatchMode mode, const std::string& path) const;
  // What a new stream must be asked for, in messages of about max_bytes. Their
  // last_zxid_seen is left to the caller.
  std::vector<v1::SetWatchesRequest> ToRequests(size_t max_bytes) const;

  void Clear();
  size_t size() const;

 private:
  using Map = std::map<std::string, std::vector<WatcherId>>;

  Map& Of(v1::AddWatchMode mode) {
    return mode == v1::PERSISTENT_RECURSIVE_WATCH ? recursive_ : persistent_;
  }

  Map data_, exists_, children_, persistent_, recursive_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_CLIENT_WATCHES_H_
