// Who votes, and how many of them decide.
#ifndef SILLOK_COORDINATOR_ZAB_QUORUM_H_
#define SILLOK_COORDINATOR_ZAB_QUORUM_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace sillok::zab {

// Members in order, each once.
class MemberSet {
 public:
  explicit MemberSet(std::vector<MemberId> members)
      : members_(std::move(members)) {
    std::sort(members_.begin(), members_.end());
    members_.erase(std::unique(members_.begin(), members_.end()),
                   members_.end());
  }

  const std::vector<MemberId>& members() const { return members_; }
  size_t size() const { return members_.size(); }
  bool Contains(MemberId id) const {
    return std::binary_search(members_.begin(), members_.end(), id);
  }

 protected:
  std::vector<MemberId> members_;
};

// The voting members. A value: to change the ensemble is to replace it.
class VoterSet : public MemberSet {
 public:
  using MemberSet::MemberSet;

  // Any two sets of this size have a member in common.
  size_t quorum_size() const { return members_.size() / 2 + 1; }
  bool IsQuorum(size_t count) const { return count >= quorum_size(); }

  // What at least a quorum has reached. `positions` has one value per voter.
  template <typename T>
  T ReachedByQuorum(std::vector<T> positions) const {
    auto nth = positions.begin() + static_cast<ptrdiff_t>(quorum_size() - 1);
    std::nth_element(positions.begin(), nth, positions.end(),
                     std::greater<T>());
    return *nth;
  }
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_QUORUM_H_
