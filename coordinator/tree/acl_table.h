// The ACLs in use, each kept once. Pure; owned by ZnodeTree.
#ifndef SILLOK_COORDINATOR_TREE_ACL_TABLE_H_
#define SILLOK_COORDINATOR_TREE_ACL_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "coordinator/tree/acl.h"

namespace sillok {

// Gives each different ACL a small number for as long as it is referred to. The
// numbers are this process's own: what is replicated and persisted is the ACL
// itself, so they may differ between members. One thread.
class AclTable {
 public:
  using Id = uint32_t;
  // Everybody everything; needs no reference.
  static constexpr Id kOpen = 0;

  AclTable() { Clear(); }

  // The number of the ACL with these bytes (EncodeAcl), with one reference more.
  // Nothing when they are no ACL.
  std::optional<Id> Acquire(std::string_view bytes);
  // Gives a reference back; the number is free with the last one.
  void Release(Id id);

  // Valid while referred to.
  const AclRef& acl(Id id) const { return entries_[id].acl; }
  std::string_view bytes(Id id) const { return entries_[id].bytes; }
  uint64_t references(Id id) const {
    return id < entries_.size() ? entries_[id].references : 0;
  }
  // ACLs in use, kOpen not counted.
  size_t size() const { return by_bytes_.size(); }
  void Clear();

 private:
  struct Entry {
    AclRef acl;
    std::string_view bytes;  // the key in by_bytes_
    uint64_t references = 0;
  };

  std::vector<Entry> entries_;  // by number
  std::vector<Id> free_;
  std::unordered_map<std::string, Id> by_bytes_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_ACL_TABLE_H_
