// What one simulated coordinator member has on stable storage, tree included.
#ifndef SILLOK_TEST_SIM_MEMBER_IMAGE_H_
#define SILLOK_TEST_SIM_MEMBER_IMAGE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/ids.h"
#include "coordinator/tree/znode_tree.h"
#include "test/sim/zab_image.h"

namespace sillok::sim {

using Rows = std::map<std::string, std::string>;

// Rows of a tree and the zxid they belong to.
struct RowSnapshot {
  Zxid zxid;
  Rows rows;
};

// One element of a member's storage queue: a Persist, rows or a trim.
struct MemberWrite {
  ZabWrite zab;
  TreeRows rows;  // kApplied
  // What a Persist with install_snapshot installs.
  std::shared_ptr<const RowSnapshot> staged;
};

class MemberImage : public ZabImage {
 public:
  void Apply(const MemberWrite& write) {
    if (write.staged != nullptr) rows_ = write.staged->rows;
    for (const TreeRow& row : write.rows.rows) {
      if (row.value.has_value()) {
        rows_[row.key] = *row.value;
      } else {
        rows_.erase(row.key);
      }
    }
    ZabImage::Apply(write.zab);
  }
  // Rows and an installation go whole or not at all.
  void ApplyPartly(const MemberWrite& write, uint64_t random) {
    if (write.staged == nullptr) ZabImage::ApplyPartly(write.zab, random);
  }

  const Rows& rows() const { return rows_; }
  std::shared_ptr<const RowSnapshot> Snapshot() const {
    return std::make_shared<RowSnapshot>(RowSnapshot{applied(), rows_});
  }
  // As the node does it. An error is a broken promise.
  absl::StatusOr<std::unique_ptr<ZnodeTree>> LoadTree() const {
    auto tree = std::make_unique<ZnodeTree>();
    tree->Clear();
    for (const auto& [key, value] : rows_) {
      absl::Status status = tree->LoadRow(key, value);
      if (!status.ok()) return status;
    }
    absl::Status status = tree->FinishLoad(applied());
    if (!status.ok()) return status;
    return tree;
  }

 private:
  Rows rows_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_MEMBER_IMAGE_H_
