#include "coordinator/client/recipes/sure_writes.h"

#include <algorithm>
#include <future>
#include <random>
#include <utility>

#include "coordinator/client/recipes/protected_name.h"

namespace sillok::coord {
namespace {

// How soon a wait for a connection sees that it was cancelled.
constexpr auto kLook = std::chrono::milliseconds(100);

absl::Status DeadlineStatus(const std::string& what) {
  return absl::UnavailableError("no connection to the coordinators: " + what);
}

// After a create whose answer was lost: what there is of it, or an empty path.
// The code is that of the last call.
CreateResult FindCreated(BlockingSession& session, const std::string& parent,
                         const std::string& guid) {
  CreateResult found;
  found.code = session.Sync(parent);
  if (found.code != v1::OK) return found;
  ChildrenResult children = session.GetChildren(parent);
  found.code = children.code == v1::NO_NODE ? v1::OK : children.code;
  std::vector<std::string> ours = FindProtected(children.children, guid);
  if (found.code != v1::OK || ours.empty()) return found;
  // More than one: a lost create was followed by another one. The oldest counts.
  for (size_t i = 1; i < ours.size(); ++i) {
    DeleteSurely(session, parent + "/" + ours[i], nullptr);
  }
  std::string path = parent + "/" + ours[0];
  StatResult stat = session.Exists(path);
  found.code = stat.code;
  if (stat.code == v1::NO_NODE) found.code = v1::OK;  // gone again
  if (stat.code != v1::OK) return found;
  found.path = path;
  found.stat = stat.stat;
  return found;
}

}  // namespace

std::string MakeGuid() {
  static thread_local std::random_device device;
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string guid;
  for (int i = 0; i < 4; ++i) {
    uint32_t bits = device();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) {
      guid += kDigits[bits & 15];
    }
  }
  return guid;
}

bool IsLinkTrouble(v1::CoordCode code) {
  return code == v1::CONNECTION_LOSS || code == v1::OPERATION_TIMEOUT;
}

absl::Status RecipeStatus(v1::CoordCode code, const std::string& what) {
  if (code == v1::SESSION_EXPIRED) {
    return absl::AbortedError("the session is over: " + what);
  }
  return CodeToStatus(code, what);
}

bool AwaitLink(BlockingSession& session, TimePoint deadline,
               const std::atomic<bool>* cancelled) {
  while (cancelled == nullptr || !*cancelled) {
    SessionState state = session.AwaitConnected(
        std::min(deadline, std::chrono::steady_clock::now() + kLook));
    if (state == SessionState::kConnected) return true;
    if (state != SessionState::kConnecting || HasPassed(deadline)) return false;
  }
  return false;
}

absl::StatusOr<CreateResult> CreateProtected(
    BlockingSession& session, const std::string& parent,
    const std::string& guid, const std::string& name, NewZnode znode,
    TimePoint deadline, const std::atomic<bool>* cancelled) {
  const std::string path = parent + "/" + ProtectedName(guid, name);
  bool unknown = false;
  bool ever_unknown = false;
  while (true) {
    CreateResult result;
    if (unknown) {
      result = FindCreated(session, parent, guid);
      if (result.code == v1::OK && !result.path.empty()) return result;
      if (result.code == v1::OK) unknown = false;
    } else {
      result = session.Create(path, znode);
      if (result.code == v1::OK && !ever_unknown) return result;
      // One that was lost may have come to be meanwhile, before this one.
      unknown = result.code == v1::CONNECTION_LOSS || result.code == v1::OK;
      ever_unknown = ever_unknown || unknown;
      if (result.code == v1::NO_NODE) {
        result.code = session.CreateParents(parent, v1::CONTAINER);
      }
    }
    if (result.code == v1::OK) continue;
    // A plain name: the create before was ours, and it did happen.
    bool ours = result.code == v1::NODE_EXISTS;
    if (ours) unknown = true;
    if (!ours && !IsLinkTrouble(result.code)) {
      return RecipeStatus(result.code, path);
    }
    bool stopped = cancelled != nullptr && *cancelled;
    if (!stopped && !HasPassed(deadline)) {
      AwaitLink(session, deadline, cancelled);  // the next call says what is
      continue;
    }
    if (unknown) DeleteProtectedSurely(session, parent, guid);
    return stopped ? absl::CancelledError(path) : DeadlineStatus(path);
  }
}

void DeleteSurely(BlockingSession& session, std::string path,
                  std::function<void(v1::CoordCode)> done) {
  session.session().Delete(
      path, -1, [&session, path, done = std::move(done)](v1::CoordCode code) {
        // A call that finds no connection waits for one by itself, so this does
        // not spin.
        if (IsLinkTrouble(code)) return DeleteSurely(session, path, done);
        if (done != nullptr) done(code);
      });
}

void DeleteProtectedSurely(BlockingSession& session, std::string parent,
                           std::string guid) {
  // The sync and the read behind it go out together, in this order.
  session.session().Sync(parent, [](v1::CoordCode) {});
  session.session().GetChildren(
      parent, nullptr,
      [&session, parent, guid](const ChildrenResult& children) {
        if (IsLinkTrouble(children.code)) {
          return DeleteProtectedSurely(session, parent, guid);
        }
        for (const std::string& name :
             FindProtected(children.children, guid)) {
          DeleteSurely(session, parent + "/" + name, nullptr);
        }
      });
}

absl::Status DeleteAndWait(BlockingSession& session, const std::string& path,
                           TimePoint deadline) {
  auto promise = std::make_shared<std::promise<v1::CoordCode>>();
  std::future<v1::CoordCode> future = promise->get_future();
  DeleteSurely(session, path, [promise](v1::CoordCode code) {
    promise->set_value(code);
  });
  if (future.wait_until(deadline) != std::future_status::ready) {
    return DeadlineStatus("delete of " + path + " goes on");
  }
  v1::CoordCode code = future.get();
  if (code == v1::NO_NODE) return absl::OkStatus();
  return RecipeStatus(code, path);
}

}  // namespace sillok::coord
