// What ZAB needs to know of the members that the tree and its transactions know.
// Pure functions.
#ifndef SILLOK_COORDINATOR_TREE_MEMBERSHIP_H_
#define SILLOK_COORDINATOR_TREE_MEMBERSHIP_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "coordinator/tree/ensemble.h"
#include "coordinator/zab/membership.h"

namespace sillok::coord {

// By id; `where` is the address for peers.
std::vector<zab::EnsembleMember> ToZabMembers(
    const std::vector<v1::EnsembleMember>& members);
zab::Membership ToMembership(const Ensemble& ensemble);

// The members that the transaction with these bytes (v1::Txn) makes, if it is a
// reconfiguration. Cheap for all others: it looks at their outermost tags only.
// Nothing also for what is no transaction; applying it will say so.
std::optional<std::vector<zab::EnsembleMember>> MembershipOf(
    std::string_view txn);

// The ensemble row (row_format.h) of a tree's image. "" is no row: version
// Zxid() and no members.
absl::StatusOr<Ensemble> ReadEnsembleRow(std::string_view value);

// May the member go on with what it has on disk? `file` are the members of its
// configuration file, `stored` those of its tree. FAILED_PRECONDITION says why
// it may not: it was removed. (One that the file calls an observer may have a
// state from before it was added, and is let in.) Else a line for the log, if the
// file is out of date (which does no harm), or "".
absl::StatusOr<std::string> CheckMember(
    MemberId self, const std::vector<v1::EnsembleMember>& file,
    const Ensemble& stored);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_TREE_MEMBERSHIP_H_
