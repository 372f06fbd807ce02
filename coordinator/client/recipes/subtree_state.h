// What a cached subtree holds, and what changed in it. Pure.
//
// Fed with what was read and what events said, in the order in which the session
// gave them. After a time without a stream a pass over the whole tree is made:
// what it does not meet is gone.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_SUBTREE_STATE_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_SUBTREE_STATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proto/coordinator.pb.h"

namespace sillok::coord {

struct CachedNode {
  std::string data;
  v1::Stat stat;
};
using CachedNodes = std::map<std::string, std::shared_ptr<const CachedNode>>;

struct SubtreeChange {
  enum class Kind {
    kAdded,
    kChanged,   // its data was written
    kRemoved,
    kInSync,    // the cache has all that there was when it last asked; no path
    kOutOfSync, // changes may be missing until the next kInSync; no path
  };
  Kind kind;
  std::string path;
  std::shared_ptr<const CachedNode> node;  // kAdded, kChanged
};

class SubtreeState {
 public:
  using Changes = std::vector<SubtreeChange>;

  Changes OnRead(const std::string& path, std::string data,
                 const v1::Stat& stat);
  // `path` and what is below it, the deepest first.
  Changes OnGone(const std::string& path);
  // False when the znode with this stat is the one that is held already, data
  // and all: it need not be read. Takes over the rest of the stat.
  bool NeedsRead(const std::string& path, const v1::Stat& stat);

  void BeginPass();
  // Nothing more to be met: what was not is gone.
  Changes EndPass();
  bool in_pass() const { return in_pass_; }

  const CachedNodes& nodes() const { return nodes_; }

 private:
  CachedNodes nodes_;
  bool in_pass_ = false;
  std::set<std::string> met_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_SUBTREE_STATE_H_
