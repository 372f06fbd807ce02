#include "coordinator/client/recipes/witness.h"

#include "coordinator/client/recipes/protected_name.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {

Witness::~Witness() {
  if (!path_.empty()) DeleteSurely(*session_, path_, nullptr);
}

Witness::Outcome Witness::Commit(const std::vector<v1::WriteOp>& ops,
                                 TimePoint deadline) {
  ++serial_;
  bool unknown = false;
  while (true) {
    Outcome outcome;
    if (unknown) {
      bool done = false;
      outcome.code = WasDone(&done);
      if (outcome.code == v1::OK && done) return outcome;
      // The session that could tell is over.
      if (outcome.code == v1::NO_NODE) outcome.code = v1::SESSION_EXPIRED;
      if (outcome.code == v1::OK) unknown = false;
    } else {
      outcome.code = MakeZnode(deadline);
      if (outcome.code != v1::OK) return outcome;
      std::vector<v1::WriteOp> all = ops;
      all.push_back(SetDataOp(path_, std::to_string(serial_)));
      MultiResult result = session_->Multi(std::move(all));
      outcome.code = result.code;
      outcome.results = std::move(result.results);
      bool witness_gone = result.code == v1::NO_NODE &&
                          outcome.results.size() == ops.size() + 1 &&
                          outcome.results.back().code() == v1::NO_NODE;
      if (witness_gone) {  // somebody deleted it
        path_.clear();
        if (!HasPassed(deadline)) continue;
      }
      if (outcome.results.size() > ops.size()) {
        outcome.results.resize(ops.size());
      }
      unknown = result.code == v1::CONNECTION_LOSS;
      if (result.code == v1::OK) return outcome;
    }
    if (outcome.code == v1::OK) continue;
    if (!IsLinkTrouble(outcome.code)) return outcome;
    if (HasPassed(deadline)) {
      outcome.code = unknown ? v1::CONNECTION_LOSS : v1::OPERATION_TIMEOUT;
      return outcome;
    }
    AwaitLink(*session_, deadline);
  }
}

v1::CoordCode Witness::MakeZnode(TimePoint deadline) {
  uint64_t now = session_->session().session_id();
  if (!path_.empty() && path_session_ == now) return v1::OK;
  const std::string guid = MakeGuid();
  absl::StatusOr<CreateResult> made =
      CreateProtected(*session_, parent_, guid, "witness",
                      {"0", v1::EPHEMERAL}, deadline);
  if (!made.ok()) {
    if (absl::IsUnavailable(made.status())) return v1::OPERATION_TIMEOUT;
    if (absl::IsPermissionDenied(made.status())) return v1::NO_AUTH;
    if (absl::IsAborted(made.status())) return v1::SESSION_EXPIRED;
    return v1::BAD_ARGUMENTS;
  }
  path_ = made->path;
  path_session_ = made->stat.ephemeral_owner();
  return v1::OK;
}

v1::CoordCode Witness::WasDone(bool* done) {
  v1::CoordCode code = session_->Sync(path_);
  if (code != v1::OK) return code;
  GetResult read = session_->Get(path_);
  *done = read.code == v1::OK && read.data == std::to_string(serial_);
  return read.code;
}

}  // namespace sillok::coord
