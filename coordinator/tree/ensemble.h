// The members of the ensemble as the tree keeps them: with all their addresses.
// (What ZAB knows of them is zab::Membership.)
#ifndef SILLOK_COORDINATOR_TREE_ENSEMBLE_H_
#define SILLOK_COORDINATOR_TREE_ENSEMBLE_H_

#include <algorithm>
#include <vector>

#include "base/ids.h"
#include "proto/txn.pb.h"

namespace sillok {

struct Ensemble {
  // The zxid of the reconfiguration that made it; Zxid() = no such: the members
  // are those of the configuration file.
  Zxid version;
  std::vector<v1::EnsembleMember> members;  // by id, each once

  const v1::EnsembleMember* Find(MemberId id) const {
    auto found = std::find_if(members.begin(), members.end(),
                              [&](const v1::EnsembleMember& member) {
                                return member.id() == id.value();
                              });
    return found == members.end() ? nullptr : &*found;
  }
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_ENSEMBLE_H_
