// What ZnodeTree keeps for quotas: which paths have one, and how much is used.
#include <string>
#include <vector>

#include "coordinator/tree/path.h"
#include "coordinator/tree/tree_internal.h"
#include "coordinator/tree/znode_tree.h"

namespace sillok {

std::string_view ZnodeTree::FindQuota(std::string_view path) const {
  if (quotas_.empty()) return {};
  while (path.size() > 1) {
    const auto it = quotas_.find(path);
    if (it != quotas_.end()) return *it;
    path = ParentPath(path);
  }
  return {};
}

std::optional<std::pair<QuotaLimits, QuotaUse>> ZnodeTree::ReadQuota(
    std::string_view prefix) const {
  const NodeId limits = Lookup(QuotaLimitsPath(prefix));
  const NodeId stats = Lookup(QuotaStatsPath(prefix));
  if (limits == kNoNode || stats == kNoNode) return std::nullopt;
  return std::make_pair(ParseQuotaLimits(nodes_[limits].data()),
                        ParseQuotaUse(nodes_[stats].data()));
}

void ZnodeTree::QuotaNodeAdded(std::string_view path) {
  if (const auto limited = PathOfQuotaLimits(path)) {
    quotas_.emplace(*limited);
    return;
  }
  // Whatever its creator wrote, the statistics say what is there.
  const auto counted = PathOfQuotaStats(path);
  if (!counted) return;
  QuotaUse use;
  const NodeId top = Lookup(*counted);
  if (top != kNoNode) {
    use.bytes = nodes_[top].data_size;
    use.count = 1 + CountBelow(top, &use.bytes);
  }
  WriteUse(Lookup(path), use);
}

void ZnodeTree::QuotaNodeRemoved(std::string_view path) {
  const auto limited = PathOfQuotaLimits(path);
  if (!limited) return;
  const auto it = quotas_.find(*limited);
  if (it != quotas_.end()) quotas_.erase(it);
}

void ZnodeTree::CountUse(std::string_view path, const QuotaUse& more) {
  const std::string_view prefix = FindQuota(path);
  if (prefix.empty()) return;
  const NodeId stats = Lookup(QuotaStatsPath(prefix));
  if (stats == kNoNode) return;
  QuotaUse use = ParseQuotaUse(nodes_[stats].data());
  use += more;
  WriteUse(stats, use);
}

// As in ZooKeeper the statistics change without a version, a zxid or a watch.
void ZnodeTree::WriteUse(NodeId stats, const QuotaUse& use) {
  const std::string path = PathOf(stats);
  const std::string text = FormatQuotaUse(use);
  DigestOut(stats, path);
  data_bytes_ += static_cast<int64_t>(text.size()) - nodes_[stats].data_size;
  nodes_.SetData(stats, text);
  nodes_[stats].null_data = 0;
  DigestIn(stats, path);
  MarkDirty(stats);
}

void ZnodeTree::FindQuotas() {
  quotas_.clear();
  const NodeId top = Lookup(kSystemQuotaPath);
  if (top == kNoNode) return;
  std::vector<NodeId> todo{top};
  while (!todo.empty()) {
    const NodeId id = todo.back();
    todo.pop_back();
    if (const auto limited = PathOfQuotaLimits(PathOf(id))) {
      quotas_.emplace(*limited);
    }
    if (nodes_[id].ephemeral) continue;
    for (NodeId child = nodes_[id].first_child; child != kNoNode;
         child = nodes_[child].next) {
      todo.push_back(child);
    }
  }
}

}  // namespace sillok
