// What ZnodeTree keeps of the ensemble: its members, and their text in
// /zookeeper/config.
#include <utility>

#include "base/status_macros.h"
#include "coordinator/tree/ensemble_text.h"
#include "coordinator/tree/membership.h"
#include "coordinator/tree/path.h"
#include "coordinator/tree/row_format.h"
#include "coordinator/tree/tree_internal.h"
#include "coordinator/tree/znode_tree.h"
#include "fmt/core.h"

namespace sillok {
namespace {

// By id, each once, and somebody votes.
bool AreMembers(const v1::ReconfigTxn& reconfig) {
  int last = 0;
  bool any_votes = false;
  for (const v1::EnsembleMember& member : reconfig.members()) {
    if (member.id() <= last) return false;
    last = member.id();
    any_votes |= !member.observer();
  }
  return any_votes;
}

}  // namespace

void ZnodeTree::SetFileEnsemble(std::vector<v1::EnsembleMember> members) {
  if (ensemble_.version != Zxid()) return;
  ensemble_.members = std::move(members);
  file_node_ = Lookup(kSystemConfigPath);
  file_text_ = ensemble_.members.empty() ? "" : FormatEnsemble(ensemble_);
}

// ZooKeeper leaves the version of the data at -1.
absl::Status ZnodeTree::ApplyReconfig(Zxid zxid, int64_t time_ms,
                                      const v1::ReconfigTxn& reconfig,
                                      ApplyResult* result) {
  if (!AreMembers(reconfig)) {
    return absl::InternalError(fmt::format(
        "txn {}.{} names no members as they can be", zxid.epoch(),
        zxid.counter()));
  }
  ensemble_.version = zxid;
  ensemble_.members.assign(reconfig.members().begin(),
                           reconfig.members().end());
  ensemble_dirty_ = true;
  file_node_ = kNoNode;
  v1::SetDataTxnOp op;
  op.set_path(std::string(kSystemConfigPath));
  op.set_data(FormatEnsemble(ensemble_));
  op.set_version(-1);
  v1::WriteResult written;
  RETURN_IF_ERROR(ApplySetData(zxid, time_ms, op, result, &written));
  result->response.set_data(op.data());
  *result->response.mutable_stat() = written.stat();
  return absl::OkStatus();
}

TreeRow ZnodeTree::EnsembleRow() const {
  v1::ReconfigTxn members;
  for (const v1::EnsembleMember& member : ensemble_.members) {
    *members.add_members() = member;
  }
  const std::string bytes = members.SerializeAsString();
  return {EnsembleKey(), EncodeEnsemble({ensemble_.version.value(), bytes})};
}

absl::Status ZnodeTree::LoadEnsemble(std::string_view value) {
  ASSIGN_OR_RETURN(load_->ensemble, coord::ReadEnsembleRow(value));
  return absl::OkStatus();
}

}  // namespace sillok
