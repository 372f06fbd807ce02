// The typed calls: a request of the protocol each, and what its answer holds.
#include <algorithm>
#include <utility>

#include "coordinator/client/session.h"

namespace sillok::coord {

void Session::Create(std::string path, std::string data, v1::CreateMode mode,
                     Callback<CreateResult> done) {
  Create(std::move(path), NewZnode{std::move(data), mode}, std::move(done));
}

void Session::Create(std::string path, NewZnode znode,
                     Callback<CreateResult> done) {
  v1::CoordRequest request;
  *request.mutable_write() = CreateOp(std::move(path), std::move(znode));
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                done({response.code(), response.write().path(),
                      response.write().stat()});
              });
}

void Session::Delete(std::string path, int32_t version,
                     std::function<void(v1::CoordCode)> done) {
  v1::CoordRequest request;
  *request.mutable_write() = DeleteOp(std::move(path), version);
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                done(response.code());
              });
}

void Session::SetData(std::string path, std::string data, int32_t version,
                      Callback<StatResult> done) {
  v1::CoordRequest request;
  *request.mutable_write() =
      SetDataOp(std::move(path), std::move(data), version);
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                done({response.code(), response.write().stat()});
              });
}

void Session::Get(std::string path, Watcher watcher,
                  Callback<GetResult> done) {
  v1::CoordRequest request;
  request.mutable_get_data()->set_path(std::move(path));
  request.mutable_get_data()->set_watch(watcher != nullptr);
  Call(std::move(request), std::move(watcher),
              [done = std::move(done)](const v1::CoordResponse& response) {
                done({response.code(), response.data(), response.stat(),
                      response.null_data()});
              });
}

void Session::Exists(std::string path, Watcher watcher,
                     Callback<StatResult> done) {
  v1::CoordRequest request;
  request.mutable_exists()->set_path(std::move(path));
  request.mutable_exists()->set_watch(watcher != nullptr);
  Call(std::move(request), std::move(watcher),
              [done = std::move(done)](const v1::CoordResponse& response) {
                done({response.code(), response.stat()});
              });
}

void Session::GetChildren(std::string path, Watcher watcher,
                          Callback<ChildrenResult> done) {
  v1::CoordRequest request;
  request.mutable_get_children()->set_path(std::move(path));
  request.mutable_get_children()->set_watch(watcher != nullptr);
  Call(std::move(request), std::move(watcher),
              [done = std::move(done)](const v1::CoordResponse& response) {
                done({response.code(),
                      {response.children().begin(), response.children().end()},
                      response.stat()});
              });
}

void Session::Multi(std::vector<v1::WriteOp> ops,
                    Callback<MultiResult> done) {
  v1::CoordRequest request;
  v1::MultiOp* multi = request.mutable_multi();
  for (v1::WriteOp& op : ops) *multi->add_ops() = std::move(op);
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                done({response.code(),
                      {response.multi().begin(), response.multi().end()}});
              });
}

void Session::Sync(std::string path, std::function<void(v1::CoordCode)> done) {
  v1::CoordRequest request;
  request.mutable_sync()->set_path(std::move(path));
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                done(response.code());
              });
}

void Session::Write(v1::WriteOp op, Callback<v1::WriteResult> done) {
  v1::CoordRequest request;
  *request.mutable_write() = std::move(op);
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                v1::WriteResult result = response.write();
                result.set_code(response.code());
                done(result);
              });
}

void Session::SetAcl(std::string path, std::vector<v1::Acl> acl,
                     int32_t version, Callback<StatResult> done) {
  Write(SetAclOp(std::move(path), std::move(acl), version),
        [done = std::move(done)](const v1::WriteResult& result) {
          done({result.code(), result.stat()});
        });
}

void Session::GetAcl(std::string path, Callback<AclResult> done) {
  v1::CoordRequest request;
  request.mutable_get_acl()->set_path(std::move(path));
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                done({response.code(),
                      {response.acl().begin(), response.acl().end()},
                      response.stat()});
              });
}

void Session::GetEphemerals(std::string prefix, Callback<PathsResult> done) {
  v1::CoordRequest request;
  request.mutable_get_ephemerals()->set_prefix(std::move(prefix));
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                PathsResult result{
                    response.code(),
                    {response.children().begin(), response.children().end()}};
                std::sort(result.paths.begin(), result.paths.end());
                done(result);
              });
}

void Session::CountDescendants(std::string path, Callback<CountResult> done) {
  v1::CoordRequest request;
  request.mutable_count_descendants()->set_path(std::move(path));
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                done({response.code(), response.count()});
              });
}

void Session::WhoAmI(Callback<IdentitiesResult> done) {
  v1::CoordRequest request;
  request.mutable_who_am_i();
  Call(
      std::move(request), nullptr,
      [done = std::move(done)](const v1::CoordResponse& response) {
        done({response.code(),
              {response.identities().begin(), response.identities().end()}});
      });
}

void Session::MultiRead(std::vector<v1::CoordRequest> reads,
                        Callback<v1::CoordResponse> done) {
  v1::CoordRequest request;
  v1::MultiReadOp* multi = request.mutable_multi_read();
  for (v1::CoordRequest& read : reads) *multi->add_reads() = std::move(read);
  Call(std::move(request), nullptr, std::move(done));
}

Session::WatcherId Session::AddWatch(std::string path, v1::AddWatchMode mode,
                                     Watcher watcher,
                                     std::function<void(v1::CoordCode)> done) {
  v1::CoordRequest request;
  request.mutable_add_watch()->set_path(std::move(path));
  request.mutable_add_watch()->set_mode(mode);
  return Call(
      std::move(request), std::move(watcher),
      [done = std::move(done)](const v1::CoordResponse& response) {
        if (done != nullptr) done(response.code());
      });
}

void Session::RemoveWatches(std::string path, v1::WatcherType type,
                            std::function<void(v1::CoordCode)> done) {
  v1::CoordRequest request;
  request.mutable_remove_watches()->set_path(std::move(path));
  request.mutable_remove_watches()->set_type(type);
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                done(response.code());
              });
}

void Session::Reconfig(v1::ReconfigOp change, Callback<GetResult> done) {
  v1::CoordRequest request;
  *request.mutable_reconfig() = std::move(change);
  Call(std::move(request), nullptr,
              [done = std::move(done)](const v1::CoordResponse& response) {
                done({response.code(), response.data(), response.stat()});
              });
}

v1::WriteOp CreateOp(std::string path, NewZnode znode) {
  v1::WriteOp op;
  v1::CreateOp* create = op.mutable_create();
  create->set_path(std::move(path));
  create->set_data(std::move(znode.data));
  create->set_mode(znode.mode);
  for (v1::Acl& acl : znode.acl) *create->add_acl() = std::move(acl);
  create->set_ttl_ms(znode.ttl_ms);
  create->set_null_data(znode.null_data);
  return op;
}
v1::WriteOp CreateOp(std::string path, std::string data, v1::CreateMode mode) {
  return CreateOp(std::move(path), NewZnode{std::move(data), mode});
}
v1::WriteOp SetAclOp(std::string path, std::vector<v1::Acl> acl,
                     int32_t version) {
  v1::WriteOp op;
  op.mutable_set_acl()->set_path(std::move(path));
  for (v1::Acl& entry : acl) {
    *op.mutable_set_acl()->add_acl() = std::move(entry);
  }
  op.mutable_set_acl()->set_version(version);
  return op;
}
v1::WriteOp DeleteOp(std::string path, int32_t version) {
  v1::WriteOp op;
  op.mutable_delete_()->set_path(std::move(path));
  op.mutable_delete_()->set_version(version);
  return op;
}
v1::WriteOp SetDataOp(std::string path, std::string data, int32_t version) {
  v1::WriteOp op;
  op.mutable_set_data()->set_path(std::move(path));
  op.mutable_set_data()->set_data(std::move(data));
  op.mutable_set_data()->set_version(version);
  return op;
}
v1::WriteOp CheckOp(std::string path, int32_t version) {
  v1::WriteOp op;
  op.mutable_check()->set_path(std::move(path));
  op.mutable_check()->set_version(version);
  return op;
}

}  // namespace sillok::coord
