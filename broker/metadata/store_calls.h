// The coordinator requests that broker code makes, as one-liners.
#ifndef SILLOK_BROKER_METADATA_STORE_CALLS_H_
#define SILLOK_BROKER_METADATA_STORE_CALLS_H_

#include <string>
#include <utility>

#include "proto/coordinator.pb.h"

namespace sillok {

inline v1::CoordRequest GetRequest(std::string path, bool watch) {
  v1::CoordRequest request;
  request.mutable_get_data()->set_path(std::move(path));
  request.mutable_get_data()->set_watch(watch);
  return request;
}

inline v1::CoordRequest ExistsRequest(std::string path, bool watch) {
  v1::CoordRequest request;
  request.mutable_exists()->set_path(std::move(path));
  request.mutable_exists()->set_watch(watch);
  return request;
}

inline v1::CoordRequest ChildrenRequest(std::string path, bool watch) {
  v1::CoordRequest request;
  request.mutable_get_children()->set_path(std::move(path));
  request.mutable_get_children()->set_watch(watch);
  return request;
}

inline v1::CoordRequest CreateRequest(std::string path, std::string data,
                                      v1::CreateMode mode = v1::PERSISTENT) {
  v1::CoordRequest request;
  v1::CreateOp* op = request.mutable_write()->mutable_create();
  op->set_path(std::move(path));
  op->set_data(std::move(data));
  op->set_mode(mode);
  return request;
}

inline v1::CoordRequest DeleteRequest(std::string path, int32_t version = -1) {
  v1::CoordRequest request;
  v1::DeleteOp* op = request.mutable_write()->mutable_delete_();
  op->set_path(std::move(path));
  op->set_version(version);
  return request;
}

// The operations of a multi, in the order added.
inline void AddCreate(v1::CoordRequest* request, std::string path,
                      std::string data, v1::CreateMode mode) {
  *request->mutable_multi()->add_ops() =
      CreateRequest(std::move(path), std::move(data), mode).write();
}
inline void AddDelete(v1::CoordRequest* request, std::string path) {
  *request->mutable_multi()->add_ops() =
      DeleteRequest(std::move(path)).write();
}
inline void AddSet(v1::CoordRequest* request, std::string path,
                   std::string data, int32_t version) {
  v1::SetDataOp* op =
      request->mutable_multi()->add_ops()->mutable_set_data();
  op->set_path(std::move(path));
  op->set_data(std::move(data));
  op->set_version(version);
}
inline void AddCheck(v1::CoordRequest* request, std::string path,
                     int32_t version) {
  v1::CheckVersionOp* op =
      request->mutable_multi()->add_ops()->mutable_check();
  op->set_path(std::move(path));
  op->set_version(version);
}

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_STORE_CALLS_H_
