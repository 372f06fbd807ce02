// A session's chroot: the part of the tree that its user takes for the whole.
#ifndef SILLOK_COORDINATOR_CLIENT_CHROOT_H_
#define SILLOK_COORDINATOR_CLIENT_CHROOT_H_

#include <string>

#include "proto/coordinator.pb.h"

namespace sillok::coord {

class Chroot {
 public:
  // "" (the tree itself) or "/a/b".
  explicit Chroot(std::string root) : root_(std::move(root)) {}

  std::string ToServer(const std::string& path) const;
  // A path outside comes back as it is.
  std::string FromServer(const std::string& path) const;
  // All paths of a request; of those inside a multi or a multi_read too.
  void AddTo(v1::CoordRequest* request) const;
  // All paths of the answer to a request of kind `op`. Names of children are no
  // paths.
  void TakeFrom(v1::CoordRequest::OpCase op, v1::CoordResponse* response) const;

 private:
  const std::string root_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_CHROOT_H_
