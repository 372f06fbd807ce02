#include "coordinator/client/recipes/barrier.h"

#include <atomic>
#include <memory>

#include "coordinator/client/recipes/signal.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {

absl::Status Barrier::Close(absl::Duration wait) {
  TimePoint deadline = DeadlineIn(wait);
  while (true) {
    v1::CoordCode code = session_->Create(path_, "").code;
    if (code == v1::NO_NODE) {
      size_t parent = path_.rfind('/');
      code = session_->CreateParents(path_.substr(0, parent), v1::CONTAINER);
      if (code == v1::OK) continue;
    }
    if (code == v1::OK || code == v1::NODE_EXISTS) return absl::OkStatus();
    // Whether a lost one happened does not matter: the next one finds it.
    if (!IsLinkTrouble(code) || HasPassed(deadline)) {
      return RecipeStatus(code, path_);
    }
    AwaitLink(*session_, deadline);
  }
}

absl::Status Barrier::Open(absl::Duration wait) {
  return DeleteAndWait(*session_, path_, DeadlineIn(wait));
}

absl::Status Barrier::Await(absl::Duration wait) {
  TimePoint deadline = DeadlineIn(wait);
  auto signal = std::make_shared<Signal>();
  auto opened = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<void> listener =
      session_->Listen([signal](SessionState) { signal->Raise(); });
  while (true) {
    // Get and not Exists: an open gate is not to be watched.
    v1::CoordCode code =
        session_->Get(path_, [signal, opened](const v1::WatchEvent& event) {
                  if (event.type() == v1::NODE_DELETED) *opened = true;
                  signal->Raise();
                }).code;
    if (code == v1::NO_NODE) return absl::OkStatus();
    if (code != v1::OK && !IsLinkTrouble(code)) {
      return RecipeStatus(code, path_);
    }
    if (code != v1::OK) {
      if (!AwaitLink(*session_, deadline) && HasPassed(deadline)) {
        return RecipeStatus(code, path_);
      }
      continue;
    }
    bool raised = signal->Await(deadline);
    if (*opened) return absl::OkStatus();
    if (!raised) return absl::DeadlineExceededError("closed: " + path_);
  }
}

}  // namespace sillok::coord
