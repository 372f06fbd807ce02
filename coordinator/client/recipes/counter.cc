#include "coordinator/client/recipes/counter.h"

#include <charconv>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {

Counter::Counter(BlockingSession* session, std::string path, int64_t initial)
    : session_(session),
      path_(std::move(path)),
      initial_(initial),
      // Beside it, not below: who lists the counter's children finds none.
      witness_(session, path_ + "-witnesses") {}

absl::StatusOr<Counter::Seen> Counter::Read(bool newest, TimePoint deadline) {
  while (true) {
    v1::CoordCode code = newest ? session_->Sync(path_) : v1::OK;
    GetResult got;
    if (code == v1::OK) {
      got = session_->Get(path_);
      code = got.code;
    }
    if (code == v1::NO_NODE) return Seen{initial_, -1};
    if (code == v1::OK) {
      Seen seen{0, got.stat.version()};
      const char* end = got.data.data() + got.data.size();
      auto parsed = std::from_chars(got.data.data(), end, seen.value);
      if (parsed.ec != std::errc() || parsed.ptr != end) {
        return absl::DataLossError("'" + got.data + "' is no number: " + path_);
      }
      return seen;
    }
    if (!IsLinkTrouble(code) || HasPassed(deadline)) {
      return RecipeStatus(code, path_);
    }
    AwaitLink(*session_, deadline);
  }
}

absl::StatusOr<bool> Counter::Replace(const Seen& seen, int64_t value,
                                      TimePoint deadline) {
  v1::WriteOp write =
      seen.version < 0 ? CreateOp(path_, std::to_string(value))
                       : SetDataOp(path_, std::to_string(value), seen.version);
  v1::CoordCode code = witness_.Commit({write}, deadline).code;
  switch (code) {
    case v1::OK:
      return true;
    case v1::BAD_VERSION:
    case v1::NODE_EXISTS:
      return false;
    case v1::NO_NODE: {
      // Gone meanwhile, or the place for it was never made.
      size_t parent = path_.rfind('/');
      code = session_->CreateParents(path_.substr(0, parent), v1::CONTAINER);
      if (code == v1::OK || IsLinkTrouble(code)) return false;
      break;
    }
    default:
      break;
  }
  return RecipeStatus(code, path_);
}

absl::StatusOr<int64_t> Counter::Get(absl::Duration wait) {
  ASSIGN_OR_RETURN(Seen seen, Read(/*newest=*/true, DeadlineIn(wait)));
  return seen.value;
}

absl::StatusOr<int64_t> Counter::Add(int64_t delta, absl::Duration wait) {
  TimePoint deadline = DeadlineIn(wait);
  // What this member has is mostly new enough; the version tells.
  for (bool newest = false;; newest = true) {
    ASSIGN_OR_RETURN(Seen seen, Read(newest, deadline));
    int64_t value = 0;
    if (__builtin_add_overflow(seen.value, delta, &value)) {
      return absl::OutOfRangeError(std::to_string(seen.value) + " + " +
                                   std::to_string(delta) + ": " + path_);
    }
    ASSIGN_OR_RETURN(bool replaced, Replace(seen, value, deadline));
    if (replaced) return value;
    if (HasPassed(deadline)) {
      return absl::UnavailableError("others are always faster: " + path_);
    }
  }
}

absl::StatusOr<bool> Counter::CompareAndSet(int64_t expected, int64_t value,
                                            absl::Duration wait) {
  TimePoint deadline = DeadlineIn(wait);
  while (true) {
    ASSIGN_OR_RETURN(Seen seen, Read(/*newest=*/true, deadline));
    if (seen.value != expected) return false;
    ASSIGN_OR_RETURN(bool replaced, Replace(seen, value, deadline));
    if (replaced) return true;
    if (HasPassed(deadline)) {
      return absl::UnavailableError("others are always faster: " + path_);
    }
  }
}

}  // namespace sillok::coord
