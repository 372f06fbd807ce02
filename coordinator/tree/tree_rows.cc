// The persistent side of ZnodeTree: rows out, rows in.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "coordinator/tree/path.h"
#include "coordinator/tree/row_format.h"
#include "coordinator/tree/tree_internal.h"
#include "coordinator/tree/znode_tree.h"
#include "fmt/core.h"

namespace sillok {

NodeFields ZnodeTree::FieldsOf(NodeId id) const {
  const Node& node = nodes_[id];
  NodeFields fields;
  fields.czxid = node.czxid;
  fields.mzxid = node.mzxid;
  fields.pzxid = node.pzxid;
  fields.ctime_ms = node.ctime_ms;
  fields.mtime_ms = node.mtime_ms;
  fields.version = node.version;
  fields.creates = node.ephemeral ? 0 : node.creates;
  fields.num_children = node.num_children;
  fields.ephemeral_owner = node.ephemeral ? node.owner : 0;
  fields.container = node.container;
  fields.null_data = node.null_data;
  if (node.has_ttl) fields.ttl_ms = timed_.at(id).ttl_ms;
  fields.aversion = AversionOf(id);
  fields.acl = acls_.bytes(AclIdOf(id));
  fields.data = node.data();
  return fields;
}

namespace {

absl::Status Damaged(std::string_view key, const char* what) {
  return absl::DataLossError("row " + DescribeKey(key) + ": " + what);
}

absl::Status Broken(const std::string& what) {
  return absl::InternalError("tree: " + what);
}

void Add(TreeRow row, TreeRows* rows) {
  rows->bytes += row.key.size() + (row.value ? row.value->size() : 0);
  rows->rows.push_back(std::move(row));
}

}  // namespace

bool ZnodeTree::has_rows() const { return meta_dirty_; }

TreeRows ZnodeTree::TakeRows() {
  TreeRows rows;
  rows.applied = applied_;
  if (!meta_dirty_) return rows;
  rows.rows.reserve(deleted_paths_.size() + dirty_.size() +
                    dirty_sessions_.size() + 1);
  for (const std::string& path : deleted_paths_) {
    Add({NodeKey(path), std::nullopt}, &rows);
  }
  for (const NodeId id : dirty_) {
    if (!nodes_[id].dirty) continue;
    nodes_[id].dirty = 0;
    std::string key = NodeKey(PathOf(id));
    std::string value = EncodeNode(key, FieldsOf(id));
    Add({std::move(key), std::move(value)}, &rows);
  }
  for (const SessionId id : dirty_sessions_) {
    std::string key = SessionKey(id);
    std::optional<std::string> value;
    if (const SessionInfo* session = sessions_.Find(id)) {
      value = EncodeSession(key, {session->password, session->timeout_ms});
    }
    Add({std::move(key), std::move(value)}, &rows);
  }
  if (std::exchange(ensemble_dirty_, false)) Add(EnsembleRow(), &rows);
  Add({MetaKey(),
       EncodeMeta({applied_.value(), nodes_.size(), sessions_.size(), digest_})},
      &rows);
  deleted_paths_.clear();
  dirty_.clear();
  dirty_sessions_.clear();
  meta_dirty_ = false;
  return rows;
}

void ZnodeTree::Clear() {
  nodes_.Clear();
  sessions_.Clear();
  acls_.Clear();
  changed_acls_.clear();
  timed_.clear();
  timed_list_.clear();
  quotas_.clear();
  ephemerals_.clear();
  ephemeral_count_ = 0;
  ensemble_ = Ensemble();
  file_node_ = kNoNode;
  ensemble_dirty_ = false;
  data_bytes_ = 0;
  applied_ = Zxid();
  digest_ = 0;
  dirty_.clear();
  deleted_paths_.clear();
  dirty_sessions_.clear();
  meta_dirty_ = false;
  load_ = std::make_unique<LoadState>();
}

absl::Status ZnodeTree::LoadRow(std::string_view key, std::string_view value) {
  if (load_ == nullptr) return Broken("LoadRow without Clear");
  switch (key.empty() ? '\0' : key[0]) {
    case kMetaRow: {
      ASSIGN_OR_RETURN(load_->meta, DecodeMeta(value));
      return absl::OkStatus();
    }
    case kEnsembleRow:
      if (key != EnsembleKey()) break;
      return LoadEnsemble(value);
    case kNodeRow:
      return LoadNode(key, value);
    case kSessionRow:
      return LoadSession(key, value);
    default:
      break;
  }
  return Damaged(key, "of no known kind");
}

absl::Status ZnodeTree::LoadNode(std::string_view key,
                                 std::string_view value) {
  ASSIGN_OR_RETURN(const NodeFields fields, DecodeNode(key, value));
  const std::string_view path = key.substr(1);
  NodeId id = NodeTable::kRoot;
  if (path == kRootPath) {
    if (load_->root_seen) return Damaged(key, "is there twice");
    load_->root_seen = true;
    nodes_.SetData(id, fields.data);
  } else {
    if (path.empty() || path[0] != '/') return Damaged(key, "is no path");
    const std::string_view parent_path = ParentPath(path);
    const std::string_view name = BaseName(path);
    if (path <= load_->last_path) load_->ascending = false;
    NodeId parent = load_->last_parent;
    if (parent == kNoNode || ParentPath(load_->last_path) != parent_path) {
      parent = load_->root_seen ? Lookup(parent_path) : kNoNode;
    }
    if (parent == kNoNode) return Damaged(key, "has no parent");
    if (nodes_[parent].ephemeral) return Damaged(key, "of an ephemeral parent");
    if (name.empty() || (!load_->ascending &&
                         nodes_.FindChild(parent, name) != kNoNode)) {
      return Damaged(key, "is there twice");
    }
    load_->last_path = path;
    load_->last_parent = parent;
    if (name.size() > NodeTable::kMaxNameBytes) {
      return Damaged(key, "has too long a name");
    }
    id = nodes_.Add(parent, name, fields.data);
  }
  Node& node = nodes_[id];
  node.czxid = fields.czxid;
  node.mzxid = fields.mzxid;
  node.pzxid = fields.pzxid;
  node.ctime_ms = fields.ctime_ms;
  node.mtime_ms = fields.mtime_ms;
  node.version = fields.version;
  node.null_data = fields.null_data && !faults_.null_data_reloads_as_empty;
  const std::optional<AclTable::Id> acl = acls_.Acquire(fields.acl);
  if (!acl) return Damaged(key, "has an ACL that cannot be read");
  PutAcl(id, *acl, fields.aversion);
  const bool timed = fields.container || fields.ttl_ms != 0;
  if (timed) {
    if (id == NodeTable::kRoot || (fields.container && fields.ttl_ms != 0)) {
      return Damaged(key, "has a lifetime it cannot have");
    }
    AddTimed(id, fields.ttl_ms);
  }
  if (fields.ephemeral_owner != 0) {
    if (id == NodeTable::kRoot || fields.num_children != 0 || timed) {
      return Damaged(key, "is an ephemeral that cannot be one");
    }
    AddEphemeral(id, fields.ephemeral_owner);
  } else {
    node.creates = fields.creates;
  }
  if (fields.num_children != 0) {
    load_->expected_children[id] = fields.num_children;
  }
  data_bytes_ += node.name_size + int64_t{node.data_size};
  digest_ += NodeDigest(path, fields);
  return absl::OkStatus();
}

absl::Status ZnodeTree::LoadSession(std::string_view key,
                                    std::string_view value) {
  ASSIGN_OR_RETURN(const SessionId id, DecodeSessionKey(key));
  ASSIGN_OR_RETURN(const SessionFields fields, DecodeSession(key, value));
  if (sessions_.Contains(id)) return Damaged(key, "is there twice");
  sessions_.Put(id, {std::string(fields.password), fields.timeout_ms});
  digest_ += SessionDigest(id, fields);
  return absl::OkStatus();
}

absl::Status ZnodeTree::FinishLoad(Zxid applied) {
  if (load_ == nullptr) return Broken("FinishLoad without Clear");
  const bool nothing = !load_->meta && !load_->root_seen &&
                       sessions_.size() == 0;
  if (nothing && applied == Zxid()) {
    load_.reset();
    AddBuiltIns();
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckLoaded(applied));
  applied_ = applied;
  if (load_->ensemble) ensemble_ = *std::move(load_->ensemble);
  load_.reset();
  FindQuotas();
  if (Lookup(kSystemConfigPath) != kNoNode) ProtectConfig();
  return absl::OkStatus();
}

absl::Status ZnodeTree::CheckLoaded(Zxid applied) const {
  if (!load_->meta || !load_->root_seen) {
    return absl::DataLossError("the tree's image has no meta row or no root");
  }
  const MetaFields& meta = *load_->meta;
  if (meta.applied != applied.value()) {
    return absl::DataLossError(fmt::format(
        "the tree's image belongs to zxid {:#x}, not to {:#x}", meta.applied,
        applied.value()));
  }
  if (load_->ensemble && load_->ensemble->version > applied) {
    return absl::DataLossError(
        "the tree's image is older than the ensemble it names");
  }
  uint64_t children = 0;
  for (const auto& [id, expected] : load_->expected_children) {
    children += expected;
    if (nodes_[id].num_children != expected) {
      return absl::DataLossError(
          fmt::format("{} has {} children instead of {}", PathOf(id),
                      nodes_[id].num_children, expected));
    }
  }
  if (children + 1 != nodes_.size()) {
    return absl::DataLossError("a znode has children its row does not count");
  }
  if (meta.znodes != nodes_.size() || meta.sessions != sessions_.size() ||
      meta.digest != digest_) {
    return absl::DataLossError(fmt::format(
        "the tree's image has {} znodes, {} sessions and digest {:#x} instead "
        "of {}, {} and {:#x}",
        nodes_.size(), sessions_.size(), digest_, meta.znodes, meta.sessions,
        meta.digest));
  }
  for (const auto& [owner, list] : ephemerals_) {
    if (!sessions_.Contains(SessionId(owner))) {
      return absl::DataLossError(
          fmt::format("{} belongs to session {:#x}, which does not exist",
                      PathOf(list.front()), owner));
    }
  }
  return absl::OkStatus();
}

}  // namespace sillok
