#include "coordinator/tree/acl_table.h"

#include <utility>

namespace sillok {

void AclTable::Clear() {
  by_bytes_.clear();
  free_.clear();
  entries_.assign(1, Entry{});  // kOpen
}

std::optional<AclTable::Id> AclTable::Acquire(std::string_view bytes) {
  if (bytes.empty()) return kOpen;
  std::string key(bytes);
  const auto known = by_bytes_.find(key);
  if (known != by_bytes_.end()) {
    ++entries_[known->second].references;
    return known->second;
  }
  auto acl = std::make_shared<AclList>();
  if (!DecodeAcl(bytes, acl.get())) return std::nullopt;
  Id id = static_cast<Id>(entries_.size());
  if (free_.empty()) {
    entries_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  const auto added = by_bytes_.emplace(std::move(key), id).first;
  entries_[id] = {std::move(acl), added->first, 1};
  return id;
}

void AclTable::Release(Id id) {
  if (id == kOpen || --entries_[id].references > 0) return;
  by_bytes_.erase(by_bytes_.find(std::string(entries_[id].bytes)));
  entries_[id] = Entry{};
  free_.push_back(id);
}

}  // namespace sillok
