#include "coordinator/client/chroot.h"

namespace sillok::coord {
namespace {

using v1::CoordRequest;

std::string* PathOf(v1::WriteOp* write) {
  switch (write->op_case()) {
    case v1::WriteOp::kCreate:
      return write->mutable_create()->mutable_path();
    case v1::WriteOp::kDelete:
      return write->mutable_delete_()->mutable_path();
    case v1::WriteOp::kSetData:
      return write->mutable_set_data()->mutable_path();
    case v1::WriteOp::kCheck:
      return write->mutable_check()->mutable_path();
    case v1::WriteOp::kSetAcl:
      return write->mutable_set_acl()->mutable_path();
    case v1::WriteOp::OP_NOT_SET:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

std::string Chroot::ToServer(const std::string& path) const {
  if (root_.empty()) return path;
  if (path == "/") return root_;
  return root_ + path;
}

std::string Chroot::FromServer(const std::string& path) const {
  if (root_.empty() || path.compare(0, root_.size(), root_) != 0) return path;
  if (path.size() == root_.size()) return "/";
  if (path[root_.size()] != '/') return path;
  return path.substr(root_.size());
}

void Chroot::AddTo(CoordRequest* request) const {
  if (root_.empty()) return;
  auto add = [this](std::string* path) {
    if (path != nullptr) *path = ToServer(*path);
  };
  switch (request->op_case()) {
    case CoordRequest::kWrite:
      return add(PathOf(request->mutable_write()));
    case CoordRequest::kMulti:
      for (v1::WriteOp& op : *request->mutable_multi()->mutable_ops()) {
        add(PathOf(&op));
      }
      return;
    case CoordRequest::kExists:
      return add(request->mutable_exists()->mutable_path());
    case CoordRequest::kGetData:
      return add(request->mutable_get_data()->mutable_path());
    case CoordRequest::kGetChildren:
      return add(request->mutable_get_children()->mutable_path());
    case CoordRequest::kSync:
      return add(request->mutable_sync()->mutable_path());
    case CoordRequest::kGetAcl:
      return add(request->mutable_get_acl()->mutable_path());
    case CoordRequest::kGetEphemerals: {
      // The beginning of paths, not a path: "/" is what is below the root.
      std::string* prefix = request->mutable_get_ephemerals()->mutable_prefix();
      if (prefix->empty()) *prefix = "/";
      prefix->insert(0, root_);
      return;
    }
    case CoordRequest::kCountDescendants:
      return add(request->mutable_count_descendants()->mutable_path());
    case CoordRequest::kMultiRead:
      for (CoordRequest& read :
           *request->mutable_multi_read()->mutable_reads()) {
        AddTo(&read);
      }
      return;
    case CoordRequest::kAddWatch:
      return add(request->mutable_add_watch()->mutable_path());
    case CoordRequest::kRemoveWatches:
      return add(request->mutable_remove_watches()->mutable_path());
    case CoordRequest::kWhoAmI:
    case CoordRequest::kReconfig:
    case CoordRequest::OP_NOT_SET:
      return;
  }
}

void Chroot::TakeFrom(CoordRequest::OpCase op,
                      v1::CoordResponse* response) const {
  if (root_.empty()) return;
  auto strip = [this](v1::WriteResult* result) {
    if (!result->path().empty()) {
      result->set_path(FromServer(result->path()));
    }
  };
  if (response->has_write()) strip(response->mutable_write());
  for (v1::WriteResult& result : *response->mutable_multi()) strip(&result);
  if (op == CoordRequest::kGetEphemerals) {
    for (std::string& path : *response->mutable_children()) {
      path = FromServer(path);
    }
  }
}

}  // namespace sillok::coord
