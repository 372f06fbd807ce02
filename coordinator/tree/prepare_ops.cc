// The operations of Preparer. Each checks in ZooKeeper's order, then changes the
// layer.
#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "coordinator/tree/ensemble_change.h"
#include "coordinator/tree/ensemble_text.h"
#include "coordinator/tree/path.h"
#include "coordinator/tree/prepare.h"

namespace sillok {
namespace {

// ZooKeeper keeps a TTL in 40 bits.
constexpr int64_t kMaxTtlMs = (int64_t{1} << 40) - 1;
constexpr int32_t kAnyVersion = -1;

bool IsEphemeral(v1::CreateMode mode) {
  return mode == v1::EPHEMERAL || mode == v1::EPHEMERAL_SEQUENTIAL;
}

bool IsSequential(v1::CreateMode mode) {
  return mode == v1::PERSISTENT_SEQUENTIAL ||
         mode == v1::EPHEMERAL_SEQUENTIAL ||
         mode == v1::PERSISTENT_SEQUENTIAL_WITH_TTL;
}

bool HasTtl(v1::CreateMode mode) {
  return mode == v1::PERSISTENT_WITH_TTL ||
         mode == v1::PERSISTENT_SEQUENTIAL_WITH_TTL;
}

// After 2^31 - 1 versions go on from the negative end, and leave out -1, which
// would match as "any" (ZOOKEEPER-4743).
int32_t NextVersion(int32_t version) {
  if (version == std::numeric_limits<int32_t>::max()) {
    return std::numeric_limits<int32_t>::min();
  }
  return version + 1 == kAnyVersion ? 0 : version + 1;
}

bool VersionMatches(int32_t wanted, int32_t version) {
  return wanted == kAnyVersion || wanted == version;
}

// Create and delete look at the parent before they look at the whole path.
bool HasParent(std::string_view path) {
  return path.find('/') != std::string_view::npos &&
         path.find('\0') == std::string_view::npos;
}

// Null when everybody may do everything.
AclRef Share(const AclList& acl) {
  if (acl.empty()) return nullptr;
  return std::make_shared<const AclList>(acl);
}

}  // namespace

bool Preparer::Allowed(std::string_view path, const ZnodeFacts& node,
                       uint32_t permission) const {
  if (options_.faults.check_applied_acls) {
    return IsAllowed(tree_.AclOf(path), permission, requester_);
  }
  return IsAllowed(node.acl, permission, requester_);
}

v1::CoordCode Preparer::Use(std::string_view path, const QuotaUse& more) {
  const std::string_view found = tree_.FindQuota(path);
  if (found.empty()) return v1::OK;
  const std::string prefix(found);
  if (const auto quota = tree_.ReadQuota(prefix)) {
    QuotaUse used = quota->second;
    const auto pending = quota_pending_.find(prefix);
    if (pending != quota_pending_.end() &&
        !options_.faults.forget_pending_use) {
      used += pending->second;
    }
    if (options_.faults.quota_off_by_one) --used.count;
    const QuotaVerdict verdict = CheckQuota(quota->first, used, more);
    if (verdict == QuotaVerdict::kOverHardLimit && options_.enforce_quota) {
      return v1::QUOTA_EXCEEDED;
    }
    if (verdict != QuotaVerdict::kWithin) ++quota_overruns_;
  }
  Charge(prefix, more);
  open_->quota.emplace_back(prefix, more);
  return v1::OK;
}

v1::CoordCode Preparer::DoOp(const v1::WriteOp& op, v1::TxnOp* out) {
  if (op.has_create()) {
    const v1::CoordCode code = CheckMode(op.create());
    if (code != v1::OK) return code;
  }
  if (!SessionAlive(requester_.session)) return v1::SESSION_EXPIRED;
  switch (op.op_case()) {
    case v1::WriteOp::kCreate:
      return DoCreate(op.create(), out->mutable_create());
    case v1::WriteOp::kDelete:
      return DoDelete(op.delete_(), out->mutable_delete_());
    case v1::WriteOp::kSetData:
      return DoSetData(op.set_data(), out->mutable_set_data());
    case v1::WriteOp::kSetAcl:
      return DoSetAcl(op.set_acl(), out->mutable_set_acl());
    case v1::WriteOp::kCheck:
      return DoCheck(op.check(), out->mutable_check());
    case v1::WriteOp::OP_NOT_SET:
      break;
  }
  return v1::MARSHALLING_ERROR;
}

v1::CoordCode Preparer::CheckMode(const v1::CreateOp& op) const {
  if (!v1::CreateMode_IsValid(op.mode())) return v1::BAD_ARGUMENTS;
  if (!HasTtl(op.mode())) {
    return op.ttl_ms() == 0 ? v1::OK : v1::BAD_ARGUMENTS;
  }
  if (!options_.ttl_enabled) return v1::UNIMPLEMENTED;
  return op.ttl_ms() >= 1 && op.ttl_ms() <= kMaxTtlMs ? v1::OK
                                                      : v1::BAD_ARGUMENTS;
}

v1::CoordCode Preparer::ResolveCreateAcl(const v1::CreateOp& op,
                                         AclList* acl) const {
  if (op.acl().empty() && !op.acl_required()) return v1::OK;
  return ResolveAcl(op.acl(), requester_, acl);
}

v1::CoordCode Preparer::DoCreate(const v1::CreateOp& op,
                                 v1::CreateTxnOp* out) {
  if (!HasParent(op.path())) return v1::BAD_ARGUMENTS;
  AclList acl;
  const v1::CoordCode resolved = ResolveCreateAcl(op, &acl);
  const std::string parent_path(ParentPath(op.path()));
  if (resolved != v1::OK) {
    const bool hidden =
        options_.faults.parent_before_acl && !Find(parent_path);
    return hidden ? v1::NO_NODE : resolved;
  }
  std::optional<ZnodeFacts> parent = Find(parent_path);
  if (!parent) return v1::NO_NODE;
  if (!Allowed(parent_path, *parent, kCreatePermission)) return v1::NO_AUTH;
  std::string path = op.path();
  if (IsSequential(op.mode())) path += SequenceSuffix(parent->creates);
  if (static_cast<int64_t>(path.size()) > options_.max_path_bytes ||
      BaseName(path).size() > NodeTable::kMaxNameBytes || !IsValidPath(path)) {
    return v1::BAD_ARGUMENTS;
  }
  if (Find(path)) return v1::NODE_EXISTS;
  if (parent->ephemeral_owner != 0) return v1::NO_CHILDREN_FOR_EPHEMERALS;
  const auto data_bytes = static_cast<int64_t>(op.data().size());
  if (data_bytes > options_.max_data_bytes ||
      AclBytes(acl) > options_.max_data_bytes) {
    return v1::QUOTA_EXCEEDED;
  }
  const v1::CoordCode used = Use(path, {1, data_bytes});
  if (used != v1::OK) return used;

  ++parent->creates;
  ++parent->num_children;
  ZnodeFacts node;
  node.data_bytes = data_bytes;
  node.acl = Share(acl);
  if (IsEphemeral(op.mode())) {
    node.ephemeral_owner = requester_.session.value();
  }
  Change(parent_path, true, *parent);
  Change(path, true, node);
  out->set_path(std::move(path));
  out->set_data(op.data());
  out->set_ephemeral_owner(node.ephemeral_owner);
  out->set_parent_creates(parent->creates);
  out->set_container(op.mode() == v1::CONTAINER);
  out->set_ttl_ms(op.ttl_ms());
  out->set_null_data(op.null_data() && data_bytes == 0);
  *out->mutable_acl() = std::move(acl);
  return v1::OK;
}

// The right to delete is one on the parent.
v1::CoordCode Preparer::DoDelete(const v1::DeleteOp& op,
                                 v1::DeleteTxnOp* out) {
  if (!HasParent(op.path()) || IsReservedPath(op.path())) {
    return v1::BAD_ARGUMENTS;
  }
  const std::string_view parent_path = ParentPath(op.path());
  const std::optional<ZnodeFacts> parent = Find(parent_path);
  if (!parent) return v1::NO_NODE;
  if (!Allowed(parent_path, *parent, kDeletePermission)) return v1::NO_AUTH;
  const std::optional<ZnodeFacts> node = Find(op.path());
  if (!node) return v1::NO_NODE;
  if (!VersionMatches(op.version(), node->version)) return v1::BAD_VERSION;
  if (node->num_children != 0) return v1::NOT_EMPTY;
  RemoveNode(op.path());
  out->set_path(op.path());
  return v1::OK;
}

void Preparer::RemoveNode(std::string_view path) {
  const std::string parent_path(ParentPath(path));
  const ZnodeFacts node = Find(path).value();
  ZnodeFacts parent = Find(parent_path).value();
  --parent.num_children;
  Change(parent_path, true, parent);
  Change(path, false, ZnodeFacts{});
  Use(path, {-1, -node.data_bytes});  // less is always allowed
}

v1::CoordCode Preparer::DoSetData(const v1::SetDataOp& op,
                                  v1::SetDataTxnOp* out) {
  if (!IsValidPath(op.path())) return v1::BAD_ARGUMENTS;
  std::optional<ZnodeFacts> node = Find(op.path());
  if (!node) return v1::NO_NODE;
  // The ensemble's own: also its ACL gives nobody the right.
  if (op.path() == kSystemConfigPath) return v1::NO_AUTH;
  if (!Allowed(op.path(), *node, kWritePermission)) return v1::NO_AUTH;
  const auto data_bytes = static_cast<int64_t>(op.data().size());
  if (data_bytes > options_.max_data_bytes) return v1::QUOTA_EXCEEDED;
  const v1::CoordCode used =
      Use(op.path(), {0, data_bytes - node->data_bytes});
  if (used != v1::OK) return used;
  if (!VersionMatches(op.version(), node->version)) return v1::BAD_VERSION;
  node->version = NextVersion(node->version);
  node->data_bytes = data_bytes;
  Change(op.path(), true, *node);
  out->set_path(op.path());
  out->set_data(op.data());
  out->set_version(node->version);
  out->set_null_data(op.null_data() && data_bytes == 0);
  return v1::OK;
}

v1::CoordCode Preparer::DoSetAcl(const v1::SetAclOp& op,
                                 v1::SetAclTxnOp* out) {
  if (!IsValidPath(op.path())) return v1::BAD_ARGUMENTS;
  AclList acl;
  const v1::CoordCode resolved = ResolveAcl(op.acl(), requester_, &acl);
  if (resolved != v1::OK) return resolved;
  std::optional<ZnodeFacts> node = Find(op.path());
  if (!node) return v1::NO_NODE;
  if (!Allowed(op.path(), *node, kAdminPermission)) return v1::NO_AUTH;
  if (AclBytes(acl) > options_.max_data_bytes) return v1::QUOTA_EXCEEDED;
  if (!VersionMatches(op.version(), node->aversion)) return v1::BAD_VERSION;
  node->aversion = NextVersion(node->aversion);
  node->acl = Share(acl);
  Change(op.path(), true, *node);
  out->set_path(op.path());
  out->set_version(node->aversion);
  *out->mutable_acl() = std::move(acl);
  return v1::OK;
}

v1::CoordCode Preparer::DoReconfig(
    const v1::ReconfigOp& change, const JudgeEnsemble& judge,
    std::vector<v1::EnsembleMember>* next) const {
  if (!options_.reconfig_enabled) return v1::RECONFIG_DISABLED;
  if (!SessionAlive(requester_.session)) return v1::SESSION_EXPIRED;
  const Ensemble& present = tree_.ensemble();
  const std::optional<ZnodeFacts> node = Find(kSystemConfigPath);
  if (present.members.empty() || !node) return v1::UNIMPLEMENTED;
  if (std::any_of(pending_.begin(), pending_.end(),
                  [](const PendingTxn& txn) { return txn.reconfig; })) {
    return v1::RECONFIG_IN_PROGRESS;
  }
  if (change.from_version() != -1 &&
      static_cast<uint64_t>(change.from_version()) != present.version.value()) {
    return v1::BAD_VERSION;
  }
  v1::CoordCode code = ChangeEnsemble(present, change, next);
  if (code == v1::OK) code = judge(*next);
  if (code != v1::OK) return code;
  if (!Allowed(kSystemConfigPath, *node, kWritePermission)) {
    return v1::NO_AUTH;
  }
  // Last, because ZooKeeper does not mind: whoever has no right hears of that.
  return next->back().id() <= kMaxMemberId ? v1::OK : v1::BAD_ARGUMENTS;
}

v1::CoordCode Preparer::DoCheck(const v1::CheckVersionOp& op,
                                v1::CheckTxnOp* out) {
  if (!IsValidPath(op.path())) return v1::BAD_ARGUMENTS;
  const std::optional<ZnodeFacts> node = Find(op.path());
  if (!node) return v1::NO_NODE;
  if (!Allowed(op.path(), *node, kReadPermission)) return v1::NO_AUTH;
  if (!VersionMatches(op.version(), node->version)) return v1::BAD_VERSION;
  out->set_path(op.path());
  return v1::OK;
}

}  // namespace sillok
