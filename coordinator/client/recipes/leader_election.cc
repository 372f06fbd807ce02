#include "coordinator/client/recipes/leader_election.h"

#include <utility>

#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {

LeaderElection::LeaderElection(BlockingSession* session, std::string path,
                               std::string id, Callbacks callbacks)
    : session_(session),
      callbacks_(std::move(callbacks)),
      lock_(session, std::move(path), std::move(id)),
      listener_(session->Listen(
          [signal = signal_](SessionState) { signal->Raise(); })),
      thread_([this] { Run(); }) {}

LeaderElection::~LeaderElection() {
  stopping_ = true;
  lock_.Cancel();
  signal_->Raise();
  thread_.join();
}

void LeaderElection::Run() {
  while (!stopping_) {
    absl::Status acquired = lock_.Acquire();
    if (acquired.ok()) {
      Lead();
    } else if (!absl::IsCancelled(acquired)) {
      AwaitBetterTimes(acquired);
    }
  }
}

void LeaderElection::Lead() {
  leading_ = true;
  if (callbacks_.on_elected != nullptr) {
    callbacks_.on_elected(lock_.fencing_token());
  }
  absl::Duration margin =
      absl::Milliseconds(session_->session().session_timeout_ms() / 6);
  while (!stopping_ &&
         !lock_.AwaitLoss(absl::InfiniteDuration(), margin)) {
  }
  leading_ = false;
  if (callbacks_.on_lost != nullptr) callbacks_.on_lost();
  lock_.Release().IgnoreError();
}

void LeaderElection::AwaitBetterTimes(const absl::Status& trouble) {
  if (stopping_) return;
  if (!absl::IsAborted(trouble) && callbacks_.on_trouble != nullptr) {
    callbacks_.on_trouble(trouble);
  }
  TimePoint next_try = DeadlineIn(absl::Seconds(1));
  while (!stopping_) {
    SessionState state = session_->state();
    bool over =
        state != SessionState::kConnected && state != SessionState::kConnecting;
    if (!over && (absl::IsAborted(trouble) || HasPassed(next_try))) return;
    signal_->Await(over ? DeadlineIn(absl::InfiniteDuration()) : next_try);
  }
}

absl::StatusOr<std::string> LeaderElection::Leader(BlockingSession& session,
                                                   const std::string& path) {
  while (true) {
    ChildrenResult line = session.GetChildren(path);
    if (line.code == v1::NO_NODE) line.code = v1::OK;
    if (line.code != v1::OK) return RecipeStatus(line.code, path);
    std::vector<std::string> standing = SortLine(line.children);
    if (standing.empty()) return absl::NotFoundError("nobody leads " + path);
    GetResult first = session.Get(path + "/" + standing[0]);
    if (first.code == v1::OK) return first.data;
    if (first.code != v1::NO_NODE) return RecipeStatus(first.code, path);
  }
}

}  // namespace sillok::coord
