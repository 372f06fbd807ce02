#include "coordinator/client/recipes/witness.h"

#include "coordinator/client/recipes/protected_name.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {
namespace {

// What the witness says of the write that it moved on with.
constexpr char kDone[] = "done";
constexpr char kNever[] = "never";

}  // namespace

Witness::~Witness() {
  if (!path_.empty()) DeleteSurely(*session_, path_, nullptr);
}

Witness::Outcome Witness::Commit(const std::vector<v1::WriteOp>& ops,
                                 TimePoint deadline) {
  bool unknown = false;
  Outcome refusal;  // of a try after one whose outcome is unknown
  while (true) {
    // Once some outcome is unknown, only the same znode can tell.
    v1::CoordCode ready = unknown ? v1::OK : MakeZnode(deadline);
    if (ready != v1::OK) return {ready, {}};
    // Refused by what it does, not by the witness: the lost one has not happened
    // yet. Once the witness has moved on without it, it never will.
    const bool settle = unknown && refusal.code != v1::OK;
    Try tried = settle ? Send({}, kNever) : Send(ops, kDone);
    if (tried.witness != Found::kAsLeft && !unknown) {
      path_.clear();  // somebody has touched or deleted it
      continue;
    }
    if (tried.witness == Found::kGone) return {v1::SESSION_EXPIRED, {}};
    if (tried.witness == Found::kMovedOn) {
      if (!settle) return {v1::OK, {}};
      // By the lost one, or by a settling one that was lost too: it says which.
      tried.outcome.code = WhichHappened(refusal.code);
      if (tried.outcome.code == v1::OK) return {v1::OK, {}};
      if (tried.outcome.code == refusal.code) return refusal;
      if (IsLinkTrouble(tried.outcome.code)) --version_;  // the same again
    }
    v1::CoordCode code = tried.outcome.code;
    if (code == v1::OK) return settle ? refusal : tried.outcome;
    if (code == v1::SESSION_EXPIRED) return tried.outcome;
    if (!IsLinkTrouble(code)) {
      if (!unknown) return tried.outcome;
      refusal = tried.outcome;
      continue;
    }
    unknown = unknown || code == v1::CONNECTION_LOSS;
    if (HasPassed(deadline)) return OutOfTime(unknown);
    AwaitLink(*session_, deadline);
  }
}

Witness::Outcome Witness::OutOfTime(bool unknown) {
  if (!unknown) return {v1::OPERATION_TIMEOUT, {}};
  // The znode may be at either version: the next write has a new one.
  DeleteSurely(*session_, path_, nullptr);
  path_.clear();
  return {v1::CONNECTION_LOSS, {}};
}

Witness::Try Witness::Send(const std::vector<v1::WriteOp>& ops,
                           const char* mark) {
  std::vector<v1::WriteOp> all = {SetDataOp(path_, mark, version_)};
  all.insert(all.end(), ops.begin(), ops.end());
  MultiResult result = session_->Multi(std::move(all));
  Try tried;
  if (result.code != v1::OK && !result.results.empty()) {
    v1::CoordCode first = result.results[0].code();
    if (first == v1::BAD_VERSION) tried.witness = Found::kMovedOn;
    if (first == v1::NO_NODE) tried.witness = Found::kGone;
  }
  if (result.code == v1::OK || tried.witness == Found::kMovedOn) ++version_;
  if (!result.results.empty()) result.results.erase(result.results.begin());
  tried.outcome = {result.code, std::move(result.results)};
  return tried;
}

v1::CoordCode Witness::WhichHappened(v1::CoordCode refusal) {
  v1::CoordCode code = session_->Sync(path_);
  if (code != v1::OK) return code;
  GetResult got = session_->Get(path_);
  if (got.code == v1::NO_NODE) return v1::SESSION_EXPIRED;
  if (got.code != v1::OK) return got.code;
  return got.data == kNever ? refusal : v1::OK;
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
