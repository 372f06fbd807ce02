// The sessions of the ensemble: the part of the replicated state that is not
// znodes. Pure; owned by ZnodeTree, which changes it when a Txn is applied.
#ifndef SILLOK_COORDINATOR_TREE_SESSION_TABLE_H_
#define SILLOK_COORDINATOR_TREE_SESSION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace sillok {

struct SessionInfo {
  std::string password;    // 16 random bytes; proves who may re-attach
  int64_t timeout_ms = 0;  // negotiated
};

class SessionTable {
 public:
  // Null when there is no such session. Valid until the next change.
  const SessionInfo* Find(SessionId id) const {
    auto it = sessions_.find(id);
    return it == sessions_.end() ? nullptr : &it->second;
  }
  bool Contains(SessionId id) const { return sessions_.count(id) != 0; }
  // The session exists and this is its password (compared in constant time).
  bool Authenticate(SessionId id, const std::string& password) const;
  size_t size() const { return sessions_.size(); }
  // In no order.
  const std::unordered_map<SessionId, SessionInfo>& all() const {
    return sessions_;
  }

  // Adds or replaces.
  void Put(SessionId id, SessionInfo info) {
    sessions_[id] = std::move(info);
  }
  // False when there is none.
  bool Remove(SessionId id) { return sessions_.erase(id) != 0; }
  void Clear() { sessions_.clear(); }

 private:
  std::unordered_map<SessionId, SessionInfo> sessions_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_SESSION_TABLE_H_
