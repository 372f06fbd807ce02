#include "tools/coord_session.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>

#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/coord_text.h"
#include "tools/dev_cluster.h"

namespace sillok::tools {

std::string CoordSession::AddressText() const {
  return dir.empty() ? "--coordinator " + context_->coordinator
                     : "--dir " + dir;
}

absl::StatusOr<coord::SessionOptions> CoordSession::Options() {
  std::string servers = context_->coordinator;
  if (!dir.empty()) {
    ASSIGN_OR_RETURN(DevCluster cluster, DevCluster::Load(dir));
    servers = cluster.CoordinatorAddresses();
  }
  auto options = coord::ParseConnectString(servers);
  if (!options.ok()) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       AddressText() + ": " +
                           std::string(options.status().message()));
  }
  options->client_name = "";
  ASSIGN_OR_RETURN(options->auth, ParseAuths());
  return options;
}

absl::StatusOr<std::vector<coord::AuthInfo>> CoordSession::ParseAuths() const {
  std::vector<coord::AuthInfo> parsed;
  for (const std::string& auth : auths) {
    size_t colon = auth.find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == auth.size()) {
      // What stands there may be a password.
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         "--auth takes scheme:credentials, like "
                         "digest:user:password");
    }
    parsed.push_back({auth.substr(0, colon), auth.substr(colon + 1)});
  }
  return parsed;
}

absl::StatusOr<coord::BlockingSession*> CoordSession::Get() {
  if (session_ != nullptr) {
    coord::SessionState state = session_->state();
    if (state == coord::SessionState::kConnected ||
        state == coord::SessionState::kConnecting) {
      return session_.get();
    }
    std::fprintf(stderr,
                 "sillok: the session was over (%s); this is a new one, without "
                 "its ephemeral znodes\n",
                 std::string(coord::SessionStateName(state)).c_str());
    session_ = nullptr;
  }
  ASSIGN_OR_RETURN(coord::SessionOptions options, Options());
  std::string servers;
  for (const std::string& server : options.servers) {
    servers += (servers.empty() ? "" : ",") + server;
  }
  auto session = coord::BlockingSession::Connect(std::move(options),
                                                 context_->timeout_ms());
  if (!session.ok()) {
    return ErrorStatus(
        ErrorCode::NETWORK_EXCEPTION,
        fmt::format("cannot reach the coordinators at {} (no member served "
                    "within {} ms)",
                    servers, context_->timeout_ms()));
  }
  session_ = *std::move(session);
  return session_.get();
}

void CoordSession::Refuse(v1::CoordCode code, const std::string& path,
                          const std::string& words) {
  if (code == v1::OK) return;
  if (code == v1::CONNECTION_LOSS || code == v1::OPERATION_TIMEOUT ||
      code == v1::SESSION_EXPIRED) {
    const char* what =
        code == v1::CONNECTION_LOSS
            ? "the connection broke; whether it happened is not known"
        : code == v1::OPERATION_TIMEOUT ? "no member answered; it did not happen"
                                        : "the session has expired";
    context_->Report(ErrorStatus(
        ErrorCode::NETWORK_EXCEPTION,
        fmt::format("{}: {}: {}", coord::CodeName(code), path, what)));
    return;
  }
  std::fprintf(stderr, "sillok: %s: %s\n", coord::CodeName(code).c_str(),
               words.c_str());
  if (context_->exit_code == kExitDone) context_->exit_code = kExitRefused;
}

void CoordSession::Refuse(v1::CoordCode code, const std::string& path,
                          const std::string& permission, int32_t version) {
  std::string words = path;
  switch (code) {
    case v1::NO_NODE:
      words += " does not exist";
      break;
    case v1::NODE_EXISTS:
      words += " exists already";
      break;
    case v1::NO_AUTH:
      words += fmt::format(
          ": {} is not granted; who may is in `acl get`, and --auth "
          "scheme:credentials says who you are",
          permission);
      break;
    case v1::AUTH_FAILED:
      words += ": --auth was refused; schemes are digest:user:password and "
               "what the members add to it";
      break;
    case v1::BAD_VERSION:
      words += fmt::format(" has not version {} (see `stat`)", version);
      break;
    case v1::NOT_EMPTY:
      words += " has children; -R removes them too";
      break;
    case v1::NO_CHILDREN_FOR_EPHEMERALS:
      words = ParentOf(path) + " is ephemeral and can have no children";
      break;
    case v1::INVALID_ACL:
      words += ": an ACL that is empty or names an unknown scheme or a bad id";
      break;
    case v1::QUOTA_EXCEEDED:
      words += ": a quota above it is used up";
      break;
    case v1::NOT_READ_ONLY:
      words += ": this member has no quorum and serves reads only";
      break;
    case v1::UNIMPLEMENTED:
      words += ": the members do not know this operation";
      break;
    default:
      break;
  }
  Refuse(code, path, words);
}

bool CoordSession::IsPath(const std::string& path) {
  std::string why = WhyNoPath(path);
  if (why.empty()) return true;
  Refuse(v1::BAD_ARGUMENTS, path, why);
  return false;
}

void AddCoordCommands(CLI::App* coord, CoordSession* session) {
  AddNodeCommands(coord, session);
  AddWriteCommands(coord, session);
  AddWatchCommand(coord, session);
  AddAclCommands(coord, session);
  AddEnsembleCommands(coord, session);
  AddChangeCommands(coord, session);
  AddQuotaCommand(coord, session);
  AddSnapshotCommands(coord, session);
}

// --- waiting ---

namespace {

std::atomic<int> waiting_wake{-1};
std::atomic<bool> was_interrupted{false};

void OnInterrupt(int) {
  int saved = errno;
  was_interrupted = true;
  uint64_t one = 1;
  if (waiting_wake >= 0) (void)!write(waiting_wake, &one, sizeof(one));
  errno = saved;
}

}  // namespace

UntilInterrupted::UntilInterrupted()
    : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  was_interrupted = false;
  waiting_wake = wake_;
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

UntilInterrupted::~UntilInterrupted() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
  waiting_wake = -1;
  close(wake_);
}

void UntilInterrupted::Wake() {
  uint64_t one = 1;
  (void)!write(wake_, &one, sizeof(one));
}

bool UntilInterrupted::Await(const std::function<bool()>& done,
                             int64_t timeout_ms) {
  auto deadline = std::chrono::steady_clock::now() +
                  std::chrono::milliseconds(timeout_ms);
  while (!done()) {
    if (was_interrupted) return false;
    int wait = -1;
    if (timeout_ms >= 0) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      wait = static_cast<int>(std::min<int64_t>(left.count() + 1, 1 << 30));
    }
    pollfd polled{wake_, POLLIN, 0};
    poll(&polled, 1, wait);
    uint64_t ignored = 0;
    (void)!read(wake_, &ignored, sizeof(ignored));
  }
  return true;
}

bool UntilInterrupted::interrupted() const { return was_interrupted; }

}  // namespace sillok::tools
