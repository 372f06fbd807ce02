#include "coordinator/client/recipes/witness.h"

#include "coordinator/client/recipes/protected_name.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {

Witness::~Witness() {
  if (!path_.empty()) DeleteSurely(*session_, path_, nullptr);
}

Witness::Outcome Witness::Commit(const std::vector<v1::WriteOp>& ops,
                                 TimePoint deadline) {
  Outcome outcome;
  outcome.code = MakeZnode(deadline);
  if (outcome.code != v1::OK) return outcome;
  bool unknown = false;
  Outcome refusal;  // of a try after one whose outcome is unknown
  while (true) {
    bool done_before = false;
    // Refused by what it does, not by the witness: the lost one has not happened
    // yet. Once the witness has moved on it never will.
    const bool settle = unknown && refusal.code != v1::OK;
    outcome = CommitOnce(settle ? std::vector<v1::WriteOp>() : ops,
                         &done_before);
    if (done_before && !unknown) {
      // The znode is not as we left it: somebody has touched or deleted it.
      path_.clear();
      outcome.code = MakeZnode(deadline);
      if (outcome.code != v1::OK) return outcome;
      continue;
    }
    if (done_before) return Outcome{v1::OK, {}};
    if (outcome.code == v1::OK) return settle ? refusal : outcome;
    if (outcome.code == v1::SESSION_EXPIRED) return outcome;
    if (!IsLinkTrouble(outcome.code)) {
      if (!unknown) return outcome;
      refusal = outcome;
      continue;
    }
    unknown = unknown || outcome.code == v1::CONNECTION_LOSS;
    if (HasPassed(deadline)) {
      outcome.code = unknown ? v1::CONNECTION_LOSS : v1::OPERATION_TIMEOUT;
      // Its znode may be at either version.
      if (unknown) {
        DeleteSurely(*session_, path_, nullptr);
        path_.clear();
      }
      return outcome;
    }
    AwaitLink(*session_, deadline);
  }
}

// `done_before`: the witness is not at the version that it was left at.
Witness::Outcome Witness::CommitOnce(const std::vector<v1::WriteOp>& ops,
                                     bool* done_before) {
  std::vector<v1::WriteOp> all = {SetDataOp(path_, "", version_)};
  all.insert(all.end(), ops.begin(), ops.end());
  MultiResult result = session_->Multi(std::move(all));
  if (result.code == v1::OK) ++version_;
  if (!result.results.empty()) {
    v1::CoordCode witness = result.results[0].code();
    *done_before = result.code != v1::OK &&
                   (witness == v1::BAD_VERSION || witness == v1::NO_NODE);
    if (*done_before) ++version_;
    result.results.erase(result.results.begin());
  }
  return {result.code, std::move(result.results)};
}

v1::CoordCode Witness::MakeZnode(TimePoint deadline) {
  uint64_t now = session_->session().session_id();
  if (!path_.empty() && path_session_ == now) return v1::OK;
  const std::string guid = MakeGuid();
  absl::StatusOr<CreateResult> made =
      CreateProtected(*session_, parent_, guid, "witness",
                      {"", v1::EPHEMERAL}, deadline);
  if (!made.ok()) {
    if (absl::IsUnavailable(made.status())) return v1::OPERATION_TIMEOUT;
    if (absl::IsPermissionDenied(made.status())) return v1::NO_AUTH;
    if (absl::IsAborted(made.status())) return v1::SESSION_EXPIRED;
    return v1::BAD_ARGUMENTS;
  }
  path_ = made->path;
  path_session_ = made->stat.ephemeral_owner();
  version_ = made->stat.version();
  return v1::OK;
}

}  // namespace sillok::coord
