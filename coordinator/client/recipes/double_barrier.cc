#include "coordinator/client/recipes/double_barrier.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "coordinator/client/recipes/protected_name.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {
namespace {

constexpr char kName[] = "inside";

bool Contains(const std::vector<std::string>& guids, const std::string& guid) {
  return std::find(guids.begin(), guids.end(), guid) != guids.end();
}

}  // namespace

std::vector<std::string> ParseLetIn(const std::string& data) {
  std::vector<std::string> guids;
  for (size_t start = 0; start < data.size();) {
    size_t end = std::min(data.find('\n', start), data.size());
    if (end > start) guids.push_back(data.substr(start, end - start));
    start = end + 1;
  }
  return guids;
}

std::string FormatLetIn(const std::vector<std::string>& guids) {
  std::string data;
  for (const std::string& guid : guids) data += guid + '\n';
  return data;
}

struct DoubleBarrier::Look {
  std::vector<std::string> present;  // guids
  std::vector<std::string> let_in;
  int32_t version = 0;
  std::shared_ptr<Signal> change;  // raised when it may look different
  std::shared_ptr<void> listener;
};

DoubleBarrier::DoubleBarrier(BlockingSession* session, std::string path,
                             size_t count)
    : session_(session), path_(std::move(path)), count_(count) {}

DoubleBarrier::~DoubleBarrier() {
  if (!guid_.empty()) {
    DeleteSurely(*session_, path_ + "/" + ProtectedName(guid_, kName), nullptr);
  }
}

absl::StatusOr<DoubleBarrier::Look> DoubleBarrier::LookAround(
    TimePoint deadline) {
  while (true) {
    Look look;
    look.change = std::make_shared<Signal>();
    look.listener = session_->Listen(
        [change = look.change](SessionState) { change->Raise(); });
    auto watcher = [change = look.change](const v1::WatchEvent&) {
      change->Raise();
    };
    // First who is there: those let in were there before they were.
    ChildrenResult children = session_->GetChildren(path_, watcher);
    v1::CoordCode code = children.code;
    GetResult got;
    if (code == v1::OK) {
      got = session_->Get(path_, watcher);
      code = got.code;
    }
    if (code == v1::OK || code == v1::NO_NODE) {
      for (const std::string& child : children.children) {
        std::string guid(GuidOfProtected(child));
        if (!guid.empty()) look.present.push_back(std::move(guid));
      }
      look.let_in = ParseLetIn(got.data);
      look.version = got.stat.version();
      return look;
    }
    if (!IsLinkTrouble(code) || HasPassed(deadline)) {
      return RecipeStatus(code, path_);
    }
    AwaitLink(*session_, deadline);
  }
}

absl::StatusOr<bool> DoubleBarrier::TryToEnter(const Look& look) {
  if (Contains(look.let_in, guid_)) {
    together_ = look.let_in;
    return true;
  }
  if (!Contains(look.present, guid_)) {
    return absl::AbortedError("the znode was deleted below " + path_);
  }
  // Those of a former round that are still on their way out do not count.
  std::vector<std::string> fresh;
  for (const std::string& guid : look.present) {
    if (!Contains(look.let_in, guid)) fresh.push_back(guid);
  }
  if (fresh.size() < count_ || fresh.size() != look.present.size()) {
    return false;
  }
  v1::CoordCode code =
      session_->SetData(path_, FormatLetIn(fresh), look.version).code;
  // Somebody else was faster, or it may have been us: look again.
  if (code == v1::OK || code == v1::BAD_VERSION || IsLinkTrouble(code)) {
    look.change->Raise();
    return false;
  }
  return RecipeStatus(code, path_);
}

absl::Status DoubleBarrier::Enter(absl::Duration wait) {
  if (!guid_.empty()) {
    return absl::FailedPreconditionError("entered already: " + path_);
  }
  TimePoint deadline = DeadlineIn(wait);
  std::string guid = MakeGuid();
  absl::StatusOr<CreateResult> made = CreateProtected(
      *session_, path_, guid, kName, {"", v1::EPHEMERAL}, deadline);
  if (!made.ok()) return made.status();
  guid_ = guid;
  while (true) {
    absl::StatusOr<Look> look = LookAround(deadline);
    absl::StatusOr<bool> entered =
        look.ok() ? TryToEnter(*look) : absl::StatusOr<bool>(look.status());
    if (entered.ok() && *entered) return absl::OkStatus();
    if (!entered.ok()) {
      absl::Status back = StepBack();
      return back.ok() ? back : entered.status();
    }
    if (!look->change->Await(deadline)) return StepBack();
  }
}

absl::Status DoubleBarrier::StepBack() {
  TimePoint deadline = DeadlineIn(
      absl::Milliseconds(session_->session().session_timeout_ms()));
  const std::string mine = path_ + "/" + ProtectedName(guid_, kName);
  while (true) {
    absl::StatusOr<Look> look = LookAround(deadline);
    if (!look.ok()) break;
    if (Contains(look->let_in, guid_)) {
      together_ = look->let_in;
      return absl::OkStatus();
    }
    // Only as long as nobody is let in: the others would wait for this one.
    MultiResult left =
        session_->Multi({CheckOp(path_, look->version), DeleteOp(mine)});
    if (left.code == v1::OK || left.code == v1::NO_NODE) {
      guid_.clear();
      return absl::DeadlineExceededError("not enough at " + path_);
    }
    if (!IsLinkTrouble(left.code) && left.code != v1::BAD_VERSION) break;
  }
  DeleteSurely(*session_, mine, nullptr);
  guid_.clear();
  return absl::UnavailableError("no connection to the coordinators: " + path_);
}

absl::Status DoubleBarrier::Leave(absl::Duration wait) {
  if (guid_.empty()) {
    return absl::FailedPreconditionError("not entered: " + path_);
  }
  TimePoint deadline = DeadlineIn(wait);
  std::string mine =
      path_ + "/" + ProtectedName(std::exchange(guid_, ""), kName);
  absl::Status left = DeleteAndWait(*session_, mine, deadline);
  if (!left.ok()) return left;
  while (true) {
    absl::StatusOr<Look> look = LookAround(deadline);
    if (!look.ok()) return look.status();
    bool others = std::any_of(
        look->present.begin(), look->present.end(),
        [this](const std::string& guid) { return Contains(together_, guid); });
    if (!others) return absl::OkStatus();
    if (!look->change->Await(deadline)) {
      return absl::DeadlineExceededError("others are inside " + path_);
    }
  }
}

}  // namespace sillok::coord
