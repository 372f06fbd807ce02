// sillok coord add | remove: who the members are.
//
// A member is added in two steps: first as an observer, which counts for nothing
// and only fills up; when it is in step with the others, as a voter. So a voter
// that is added never has to catch up while it is needed for a majority. Either
// step may be interrupted and begun again.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "coordinator/tree/ensemble_text.h"
#include "fmt/format.h"
#include "tools/coord_members.h"
#include "tools/coord_session.h"
#include "tools/coord_text.h"

namespace sillok::tools {
namespace {

// Between two looks at those who join, and before something is tried again.
constexpr int64_t kPauseMs = 200;
constexpr int64_t kEarlyMs = 2'000;

struct Change {
  std::vector<std::string> joining;
  std::vector<int32_t> leaving;
  std::string from_version;
  bool yes = false;
  bool no_wait = false;
  int64_t wait_seconds = 0;  // 0 = until it is done
};

// One that joins.
struct Joiner {
  v1::EnsembleMember member;
  std::string server;  // as it was given, without the number
  bool voter = false;  // what it is to be
  std::string Line(bool observer) const {
    return fmt::format("server.{}={}", member.id(),
                       WithRole(server, observer));
  }
};

std::string WordsFor(v1::CoordCode code, const Change& change) {
  switch (code) {
    case v1::RECONFIG_DISABLED:
      return "the members may not be changed: they run with "
             "reconfigEnabled=false";
    case v1::RECONFIG_IN_PROGRESS:
      return "another change of members is under way; try again when it is done";
    case v1::NEW_CONFIG_NO_QUORUM:
      return "too few of the members there would be are up and in sync, so the "
             "ensemble would stand still; start them first (see `members`)";
    case v1::BAD_VERSION:
      return "the configuration is not at version " + change.from_version +
             " (see `get /zookeeper/config`)";
    case v1::BAD_ARGUMENTS:
      return "the change is no good: two members would have an address in "
             "common, an address cannot be used, or nobody would vote";
    case v1::NO_AUTH:
      return "changing members needs WRITE on /zookeeper/config. Who is the "
             "super user (DigestAuthenticationProvider.superDigest of the "
             "members) has it: --auth digest:super:PASSWORD";
    case v1::UNIMPLEMENTED:
      return "this ensemble is one member without a server.N line, so others "
             "could not find it; give it one and start it again";
    default:
      return "the members";
  }
}

// One session for the whole change, at members that stay.
class Changer {
 public:
  Changer(CoordSession& session, const Change& change)
      : context_(session.context()), session_(session), change_(change) {}

  absl::Status Connect() {
    ASSIGN_OR_RETURN(members_, FindMembers(session_));
    ASSIGN_OR_RETURN(coord::SessionOptions options, session_.Options());
    options.servers.clear();
    for (const auto& [id, seen] : members_) {
      changed_at_ = std::max(changed_at_, seen.status.last_applied_zxid());
      const bool leaves =
          std::find(change_.leaving.begin(), change_.leaving.end(), id) !=
          change_.leaving.end();
      if (!leaves && !seen.reached_at.empty() &&
          seen.address.member_id() == id) {
        options.servers.push_back(seen.reached_at);
      }
    }
    if (options.servers.empty()) {
      ASSIGN_OR_RETURN(options, session_.Options());
    }
    options.chroot.clear();
    const std::vector<std::string> servers = options.servers;
    auto connected = coord::BlockingSession::Connect(std::move(options),
                                                     context_.timeout_ms());
    if (!connected.ok()) return Unreachable(servers);
    coordinators_ = *std::move(connected);
    return absl::OkStatus();
  }

  const std::map<int, SeenMember>& members() const { return members_; }

  // False when it was refused, which has been told, or interrupted. Asking again
  // for what may have happened does no harm.
  bool Ask(const std::vector<std::string>& joining,
           const std::vector<int32_t>& leaving, UntilInterrupted& waiting) {
    v1::CoordRequest request;
    v1::ReconfigOp* op = request.mutable_reconfig();
    for (const std::string& line : joining) op->add_joining(line);
    for (const int32_t id : leaving) op->add_leaving(id);
    op->set_from_version(from_version_);
    for (int64_t waited_ms = 0;; waited_ms += kPauseMs) {
      const v1::CoordResponse response = coordinators_->Call(request);
      if (response.code() == v1::OK) return Take(response);
      const bool unknown = response.code() == v1::CONNECTION_LOSS ||
                           response.code() == v1::OPERATION_TIMEOUT;
      // One that has just come may not be heard by the leader yet.
      const bool early = response.code() == v1::NEW_CONFIG_NO_QUORUM &&
                         waited_ms < kEarlyMs;
      const bool again = (unknown && from_version_ == -1) || early ||
                         response.code() == v1::RECONFIG_IN_PROGRESS;
      if (!again || waited_ms >= context_.timeout_ms()) {
        session_.Refuse(response.code(), "reconfig",
                        WordsFor(response.code(), change_));
        return false;
      }
      waiting.Await([] { return false; }, kPauseMs);
      if (waiting.interrupted()) return false;
    }
  }

  void SetFromVersion(int64_t version) { from_version_ = version; }
  // Who has applied this is in step.
  uint64_t changed_at() const { return changed_at_; }

  void Print() {
    if (text_.empty()) {
      coord::GetResult got = coordinators_->Get("/zookeeper/config");
      session_.Refuse(got.code, "/zookeeper/config", "READ", -1);
      if (got.code != v1::OK) return;
      text_ = got.data;
    }
    if (context_.json) {
      PrintJson({{"configuration", text_},
                 {"version", text_.substr(text_.rfind('=') + 1)}});
    } else {
      fmt::print("{}\n", text_);
    }
  }

 private:
  bool Take(const v1::CoordResponse& response) {
    text_ = response.data();
    changed_at_ = response.stat().mzxid();
    // What follows builds on this.
    if (from_version_ != -1) {
      from_version_ = static_cast<int64_t>(changed_at_);
    }
    return true;
  }

  Context& context_;
  CoordSession& session_;
  const Change& change_;
  std::map<int, SeenMember> members_;
  std::unique_ptr<coord::BlockingSession> coordinators_;
  int64_t from_version_ = -1;
  uint64_t changed_at_ = 0;
  std::string text_;
};

// False, and reported, when it is no number.
bool ReadVersion(Context& context, const Change& change, Changer* changer) {
  if (change.from_version.empty()) return true;
  size_t used = 0;
  try {
    changer->SetFromVersion(
        static_cast<int64_t>(std::stoull(change.from_version, &used, 16)));
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == change.from_version.size()) return true;
  context.UsageError("--from-version takes the hexadecimal version of the "
                     "configuration, not '" +
                     change.from_version + "'");
  return false;
}

// --- add ---

// False, and reported, when one is no good.
bool ReadJoiners(Context& context, const Change& change,
                 std::vector<Joiner>* joiners) {
  for (const std::string& line : change.joining) {
    auto member = ParseServerLine(line);
    if (!member.ok()) {
      context.UsageError(std::string(member.status().message()));
      return false;
    }
    if (member->id() > kMaxMemberId) {
      context.UsageError(fmt::format("{}: the id of a member is from 1 to {}",
                                     line, kMaxMemberId));
      return false;
    }
    Joiner joiner;
    joiner.member = *std::move(member);
    joiner.server = line.substr(line.find('=') + 1);
    joiner.voter = !joiner.member.observer();
    joiners->push_back(std::move(joiner));
  }
  return true;
}

// As the members know it; null = they do not.
const v1::MemberAddress* FindKnown(const Changer& changer,
                                   const Joiner& joiner) {
  auto seen = changer.members().find(joiner.member.id());
  const bool known =
      seen != changer.members().end() &&
      seen->second.address.member_id() == joiner.member.id();
  return known ? &seen->second.address : nullptr;
}

bool Votes(const Changer& changer, const Joiner& joiner) {
  const v1::MemberAddress* known = FindKnown(changer, joiner);
  return known != nullptr && !known->observer();
}

// It is an observer already, at the place it is to have.
bool FillsUp(const Changer& changer, const Joiner& joiner) {
  const v1::MemberAddress* known = FindKnown(changer, joiner);
  return known != nullptr && known->observer() &&
         known->peer_address() == joiner.member.peer_address();
}

// Where it says itself how far it is; "" = nobody knows.
std::string PlaceToAsk(const Changer& changer, const Joiner& joiner) {
  if (!joiner.member.client_address().empty()) {
    return joiner.member.client_address();
  }
  auto seen = changer.members().find(joiner.member.id());
  if (seen == changer.members().end()) return "";
  return !seen->second.reached_at.empty()
             ? seen->second.reached_at
             : seen->second.address.client_address();
}

// What keeps it from being in step with `target`; "" = nothing.
std::string WhatIsMissing(Context& context, int id, const std::string& server,
                          uint64_t target) {
  v1::MemberStatusResponse status;
  if (!AskStatus(context, server, &status)) return "does not answer";
  if (status.member_id() != id) {
    return fmt::format("is member {}, not {}", status.member_id(), id);
  }
  if (status.role() != "observing" && status.role() != "following" &&
      status.role() != "leading") {
    return "has not found the ensemble yet (" + status.role() + ")";
  }
  if (status.last_applied_zxid() >= target) return "";
  return fmt::format("is at {} of {}", Hex(status.last_applied_zxid()),
                     Hex(target));
}

// Until all of them are in step, or the user has enough of it.
bool AwaitInStep(CoordSession& session, const Change& change,
                 const Changer& changer, const std::vector<Joiner>& joiners,
                 UntilInterrupted& waiting) {
  Context& context = session.context();
  const int64_t pauses = change.wait_seconds * 1000 / kPauseMs;
  std::string told;
  for (int64_t tries = 0;; ++tries) {
    std::string missing;
    for (const Joiner& joiner : joiners) {
      const std::string server = PlaceToAsk(changer, joiner);
      const std::string what = WhatIsMissing(context, joiner.member.id(),
                                             server, changer.changed_at());
      if (what.empty()) continue;
      missing = fmt::format("member {} at {} {}", joiner.member.id(), server,
                            what);
      break;
    }
    if (missing.empty()) return true;
    if (missing != told) std::fprintf(stderr, "%s\n", missing.c_str());
    told = missing;
    const bool over = change.wait_seconds > 0 && tries >= pauses;
    if (!over) waiting.Await([] { return false; }, kPauseMs);
    if (!over && !waiting.interrupted()) continue;
    std::fprintf(stderr,
                 "sillok: %s. It stays an observer, which counts for nothing; "
                 "the same command goes on from here, `remove` takes it back\n",
                 missing.c_str());
    if (context.exit_code == kExitDone) context.exit_code = kExitRefused;
    return false;
  }
}

absl::Status Add(CoordSession& session, const Change& change) {
  Context& context = session.context();
  std::vector<Joiner> joiners;
  if (!ReadJoiners(context, change, &joiners)) return absl::OkStatus();
  Changer changer(session, change);
  if (!ReadVersion(context, change, &changer)) return absl::OkStatus();
  RETURN_IF_ERROR(changer.Connect());

  std::vector<std::string> first, second;
  std::vector<Joiner> to_await;
  for (const Joiner& joiner : joiners) {
    if (!joiner.voter) {
      first.push_back(joiner.Line(true));
      continue;
    }
    second.push_back(joiner.Line(false));
    if (change.no_wait || Votes(changer, joiner)) continue;
    if (PlaceToAsk(changer, joiner).empty()) {
      context.UsageError(fmt::format(
          "say where member {} answers, to see when it is in step: "
          "{}=host:peerport;grpcport, or --no-wait",
          joiner.member.id(), joiner.member.id()));
      return absl::OkStatus();
    }
    to_await.push_back(joiner);
    if (!FillsUp(changer, joiner)) first.push_back(joiner.Line(true));
  }
  UntilInterrupted waiting;
  if (!first.empty() && !changer.Ask(first, {}, waiting)) {
    return absl::OkStatus();
  }
  if (!second.empty() &&
      (!AwaitInStep(session, change, changer, to_await, waiting) ||
       !changer.Ask(second, {}, waiting))) {
    return absl::OkStatus();
  }
  changer.Print();
  return absl::OkStatus();
}

// --- remove ---

// Voters that would be left, as text.
std::string VotersLeft(const Changer& changer, const Change& change) {
  std::map<int, SeenMember> left;
  for (const auto& [id, seen] : changer.members()) {
    const bool leaves =
        std::find(change.leaving.begin(), change.leaving.end(), id) !=
        change.leaving.end();
    if (!leaves && seen.address.member_id() == id && !seen.address.observer()) {
      left[id] = seen;
    }
  }
  return left.empty() ? "nobody" : ListIds(left);
}

absl::Status Remove(CoordSession& session, const Change& change) {
  Context& context = session.context();
  Changer changer(session, change);
  if (!ReadVersion(context, change, &changer)) return absl::OkStatus();
  RETURN_IF_ERROR(changer.Connect());
  std::string ids;
  for (const int32_t id : change.leaving) {
    auto seen = changer.members().find(id);
    if (seen == changer.members().end() ||
        seen->second.address.member_id() != id) {
      std::fprintf(stderr, "there is no member %d\n", id);
      continue;
    }
    ids += (ids.empty() ? "" : ", ") + std::to_string(id);
  }
  if (!ids.empty()) {
    if (!context.Confirm(change.yes,
                         fmt::format("remove member {} from the ensemble "
                                     "(voters that are left: {})?",
                                     ids, VotersLeft(changer, change)))) {
      return absl::OkStatus();
    }
    UntilInterrupted waiting;
    if (!changer.Ask({}, change.leaving, waiting)) return absl::OkStatus();
    std::fprintf(stderr,
                 "member %s ends by itself; do not start it again with its old "
                 "data or configuration\n",
                 ids.c_str());
  }
  changer.Print();
  return absl::OkStatus();
}

}  // namespace

void AddChangeCommands(CLI::App* coord, CoordSession* session) {
  Context& context = session->context();
  auto change = std::make_shared<Change>();
  auto add = [&](const char* name, const char* help) {
    CLI::App* command = coord->add_subcommand(name, help);
    command->fallthrough();
    command->add_option("--from-version", change->from_version,
                        "only when the configuration has this version");
    return command;
  };
  CLI::App* join = add("add", "members join (or change their address or role)");
  join->add_option("SERVER", change->joining,
                   "N=host:peerport[:observer];grpcport[;zookeeperport], or "
                   "ZooKeeper's N=host:port:electionport[:observer];clientport")
      ->required();
  join->add_flag("--no-wait", change->no_wait,
                 "voters at once, whether they are in step or not");
  join->add_option("--wait", change->wait_seconds,
                   "seconds to wait until they are in step; 0 = for ever")
      ->check(CheckNotNegative);
  OnRun(join, context, [session, change] { return Add(*session, *change); });
  CLI::App* leave = add("remove", "members leave for good");
  leave->add_option("MEMBER", change->leaving)->required();
  leave->add_flag("-y,--yes", change->yes, "do not ask");
  OnRun(leave, context, [session, change] { return Remove(*session, *change); });
}

}  // namespace sillok::tools
