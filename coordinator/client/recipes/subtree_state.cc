#include "coordinator/client/recipes/subtree_state.h"

#include <utility>

namespace sillok::coord {
namespace {

using Kind = SubtreeChange::Kind;

bool IsBelow(const std::string& path, const std::string& above) {
  if (above == "/") return path.size() > 1;
  return path.size() > above.size() &&
         path.compare(0, above.size(), above) == 0 &&
         path[above.size()] == '/';
}

}  // namespace

SubtreeState::Changes SubtreeState::OnRead(const std::string& path,
                                           std::string data,
                                           const v1::Stat& stat) {
  Changes changes;
  if (in_pass_) met_.insert(path);
  auto node = std::make_shared<CachedNode>();
  node->data = std::move(data);
  node->stat = stat;
  auto held = nodes_.find(path);
  if (held != nodes_.end()) {
    const v1::Stat& old = held->second->stat;
    if (old.czxid() == stat.czxid()) {
      // An answer to a question from before the last event says nothing new.
      bool written = old.mzxid() != stat.mzxid();
      held->second = node;
      if (written) changes.push_back({Kind::kChanged, path, node});
      return changes;
    }
    // Deleted and made again while nobody looked.
    nodes_.erase(held);
    changes.push_back({Kind::kRemoved, path, nullptr});
  }
  nodes_[path] = node;
  changes.push_back({Kind::kAdded, path, node});
  return changes;
}

SubtreeState::Changes SubtreeState::OnGone(const std::string& path) {
  Changes changes;
  auto it = nodes_.lower_bound(path);
  std::vector<std::string> gone;
  if (it != nodes_.end() && it->first == path) gone.push_back(path);
  // "/a/b" may have "/a-x" before it in the map's order.
  for (; it != nodes_.end() &&
         it->first.compare(0, path.size(), path) == 0;
       ++it) {
    if (IsBelow(it->first, path)) gone.push_back(it->first);
  }
  for (auto last = gone.rbegin(); last != gone.rend(); ++last) {
    nodes_.erase(*last);
    met_.erase(*last);
    changes.push_back({Kind::kRemoved, *last, nullptr});
  }
  return changes;
}

bool SubtreeState::NeedsRead(const std::string& path, const v1::Stat& stat) {
  auto held = nodes_.find(path);
  if (held == nodes_.end() || held->second->stat.czxid() != stat.czxid() ||
      held->second->stat.mzxid() != stat.mzxid()) {
    return true;
  }
  auto node = std::make_shared<CachedNode>(*held->second);
  node->stat = stat;
  held->second = std::move(node);
  if (in_pass_) met_.insert(path);
  return false;
}

void SubtreeState::BeginPass() {
  in_pass_ = true;
  met_.clear();
}

SubtreeState::Changes SubtreeState::EndPass() {
  Changes changes;
  std::vector<std::string> gone;
  for (const auto& [path, node] : nodes_) {
    if (met_.count(path) == 0) gone.push_back(path);
  }
  for (auto last = gone.rbegin(); last != gone.rend(); ++last) {
    nodes_.erase(*last);
    changes.push_back({Kind::kRemoved, *last, nullptr});
  }
  in_pass_ = false;
  met_.clear();
  return changes;
}

}  // namespace sillok::coord
