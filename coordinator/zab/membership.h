// Who belongs to the ensemble, and since which transaction.
#ifndef SILLOK_COORDINATOR_ZAB_MEMBERSHIP_H_
#define SILLOK_COORDINATOR_ZAB_MEMBERSHIP_H_

#include <algorithm>
#include <string>
#include <vector>

#include "base/ids.h"

namespace sillok::zab {

struct EnsembleMember {
  MemberId id{-1};
  // If false it only listens: an observer.
  bool votes = true;
  // Where it is found. The core passes it on and never looks into it.
  std::string where;

  friend bool operator==(const EnsembleMember&,
                         const EnsembleMember&) = default;
};

// One configuration of the ensemble: that of the configuration files (version
// Zxid()), or one that an entry of the history has made (version = its zxid).
struct Membership {
  Zxid version;
  std::vector<EnsembleMember> members;  // by id, each once

  const EnsembleMember* Find(MemberId id) const {
    auto found = std::find_if(
        members.begin(), members.end(),
        [&](const EnsembleMember& member) { return member.id == id; });
    return found == members.end() ? nullptr : &*found;
  }
  bool Votes(MemberId id) const {
    const EnsembleMember* member = Find(id);
    return member != nullptr && member->votes;
  }

  friend bool operator==(const Membership&, const Membership&) = default;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_MEMBERSHIP_H_
