// sillok coord status | members | sessions | transfer | add | remove: the members
// themselves.
#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/rpc/channel.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "grpcpp/client_context.h"
#include "proto/coordinator.grpc.pb.h"
#include "proto/coordinator_admin.grpc.pb.h"
#include "tools/coord_session.h"
#include "tools/coord_text.h"

namespace sillok::tools {
namespace {

void SetDeadline(const Context& context, int64_t most_ms,
                 grpc::ClientContext* call) {
  call->set_deadline(std::chrono::system_clock::now() +
                     std::chrono::milliseconds(
                         std::min<int64_t>(context.timeout_ms(), most_ms)));
}

bool AskStatus(const Context& context, const std::string& server,
               v1::MemberStatusResponse* status) {
  auto stub = v1::Coordinator::NewStub(rpc::NewChannel(server));
  grpc::ClientContext call;
  SetDeadline(context, 3000, &call);
  return stub->MemberStatus(&call, {}, status).ok();
}

absl::Status Unreachable(const std::vector<std::string>& servers) {
  std::string all;
  for (const std::string& server : servers) {
    all += (all.empty() ? "" : ",") + server;
  }
  return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                     "cannot reach the coordinators at " + all);
}

Json StatusJson(const std::string& server,
                const v1::MemberStatusResponse& status) {
  return {{"address", server},
          {"member_id", status.member_id()},
          {"role", status.role()},
          {"leader_id", status.leader_id()},
          {"epoch", status.epoch()},
          {"last_logged_zxid", status.last_logged_zxid()},
          {"last_applied_zxid", status.last_applied_zxid()},
          {"znodes", status.znodes()},
          {"ephemerals", status.ephemerals()},
          {"watches", status.watches()},
          {"sessions", status.sessions()},
          {"connections", status.connections()},
          {"approximate_data_bytes", status.approximate_data_bytes()},
          {"version", status.version()}};
}

absl::Status Status(CoordSession& session) {
  ASSIGN_OR_RETURN(coord::SessionOptions options, session.Options());
  Context& context = session.context();
  Table table({"ADDRESS", "MEMBER", "ROLE", "LEADER", "EPOCH", "LOGGED",
               "APPLIED", "ZNODES", "SESSIONS", "CONNECTIONS"});
  Json document = Json::array();
  size_t reached = 0;
  for (const std::string& server : options.servers) {
    v1::MemberStatusResponse status;
    if (!AskStatus(context, server, &status)) {
      table.Add({server, "", "unreachable", "", "", "", "", "", "", ""});
      document.push_back({{"address", server}, {"role", "unreachable"}});
      continue;
    }
    ++reached;
    table.Add({server, std::to_string(status.member_id()), status.role(),
               std::to_string(status.leader_id()),
               std::to_string(status.epoch()), Hex(status.last_logged_zxid()),
               Hex(status.last_applied_zxid()),
               std::to_string(status.znodes()),
               std::to_string(status.sessions()),
               std::to_string(status.connections())});
    document.push_back(StatusJson(server, status));
  }
  if (reached == 0) return Unreachable(options.servers);
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

// --- the members, as they know one another ---

struct Seen {
  v1::MemberAddress address;
  std::string reached_at;  // "" = not
  v1::MemberStatusResponse status;
};

// What the first one that answers says of all, and each of itself. Members that
// only the command line names are in it too.
absl::StatusOr<std::map<int, Seen>> FindMembers(CoordSession& session) {
  ASSIGN_OR_RETURN(coord::SessionOptions options, session.Options());
  std::map<int, Seen> members;
  std::set<std::string> asked;
  auto ask = [&](const std::string& server) {
    v1::MemberStatusResponse status;
    if (server.empty() || !asked.insert(server).second) return;
    if (!AskStatus(session.context(), server, &status)) return;
    Seen& seen = members[status.member_id()];
    if (seen.reached_at.empty()) seen.reached_at = server;
    seen.status = status;
    for (const v1::MemberAddress& address : status.members()) {
      members[address.member_id()].address = address;
    }
  };
  for (const std::string& server : options.servers) ask(server);
  if (members.empty()) return Unreachable(options.servers);
  // Those that the command line does not name.
  std::vector<std::string> others;
  for (const auto& [id, seen] : members) {
    if (seen.reached_at.empty()) others.push_back(seen.address.client_address());
  }
  for (const std::string& server : others) ask(server);
  return members;
}

absl::Status Members(CoordSession& session) {
  ASSIGN_OR_RETURN(auto members, FindMembers(session));
  Table table({"MEMBER", "ROLE", "VOTES", "PEER-ADDRESS", "CLIENT-ADDRESS",
               "ZOOKEEPER-ADDRESS", "APPLIED"});
  Json document = Json::array();
  for (const auto& [id, seen] : members) {
    bool reached = !seen.reached_at.empty();
    std::string role = reached ? seen.status.role() : "unreachable";
    bool votes = !seen.address.observer();
    table.Add({std::to_string(id), role, votes ? "yes" : "no",
               seen.address.peer_address(),
               seen.address.client_address().empty()
                   ? seen.reached_at
                   : seen.address.client_address(),
               seen.address.zookeeper_address(),
               reached ? Hex(seen.status.last_applied_zxid()) : ""});
    document.push_back(
        {{"member_id", id},
         {"role", role},
         {"votes", votes},
         {"peer_address", seen.address.peer_address()},
         {"client_address", seen.address.client_address()},
         {"zookeeper_address", seen.address.zookeeper_address()}});
    if (reached) {
      document.back()["last_applied_zxid"] = seen.status.last_applied_zxid();
    }
  }
  session.context().json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

// --- sessions ---

// Every member knows all sessions, and the addresses of those it serves.
absl::Status Sessions(CoordSession& session) {
  ASSIGN_OR_RETURN(auto members, FindMembers(session));
  std::map<uint64_t, v1::SessionDescription> sessions;
  std::map<uint64_t, int> served_by;
  grpc::Status last;
  bool any = false;
  for (const auto& [id, seen] : members) {
    if (seen.reached_at.empty()) continue;
    auto stub =
        v1::CoordinatorAdmin::NewStub(rpc::NewChannel(seen.reached_at));
    grpc::ClientContext call;
    SetDeadline(session.context(), 10'000, &call);
    v1::ListSessionsResponse response;
    grpc::Status answer = stub->ListSessions(&call, {}, &response);
    if (!answer.ok()) {
      last = answer;
      continue;
    }
    any = true;
    for (const v1::SessionDescription& one : response.sessions()) {
      if (one.here()) served_by[one.session_id()] = id;
      if (one.here() || sessions.count(one.session_id()) == 0) {
        sessions[one.session_id()] = one;
      }
    }
  }
  if (!any) {
    return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                       "no member lists its sessions: " + last.error_message());
  }
  Table table({"SESSION", "TIMEOUT-MS", "EPHEMERALS", "MEMBER", "CLIENT"});
  Json document = Json::array();
  for (const auto& [id, one] : sessions) {
    auto member = served_by.find(id);
    bool served = member != served_by.end();
    table.Add({Hex(id), std::to_string(one.timeout_ms()),
               std::to_string(one.ephemerals()),
               served ? std::to_string(member->second) : "",
               one.client_address()});
    document.push_back({{"session_id", id},
                        {"timeout_ms", one.timeout_ms()},
                        {"ephemerals", one.ephemerals()},
                        {"member_id", served ? Json(member->second) : Json()},
                        {"client_address", one.client_address()}});
  }
  session.context().json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

// --- transfer ---

absl::Status Transfer(CoordSession& session, int to) {
  ASSIGN_OR_RETURN(auto members, FindMembers(session));
  const Seen* leader = nullptr;
  for (const auto& [id, seen] : members) {
    if (!seen.reached_at.empty() && seen.status.role() == "leading") {
      leader = &seen;
    }
  }
  if (leader == nullptr) {
    return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                       "no leader: none of the members that answer leads");
  }
  Context& context = session.context();
  if (to >= 0 && members.count(to) == 0) {
    std::string known;
    for (const auto& [id, seen] : members) {
      known += (known.empty() ? "" : ", ") + std::to_string(id);
    }
    context.UsageError(fmt::format("there is no member {}; they are {}", to,
                                   known));
    return absl::OkStatus();
  }
  int was = leader->status.member_id();
  auto stub =
      v1::CoordinatorAdmin::NewStub(rpc::NewChannel(leader->reached_at));
  grpc::ClientContext call;
  SetDeadline(context, INT64_MAX, &call);
  v1::TransferLeadershipRequest request;
  request.set_to(to);
  v1::TransferLeadershipResponse response;
  grpc::Status answer = stub->TransferLeadership(&call, request, &response);
  if (answer.error_code() == grpc::StatusCode::UNAVAILABLE ||
      answer.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                       fmt::format("member {} at {}: {}", was,
                                   leader->reached_at,
                                   answer.error_message()));
  }
  if (!answer.ok()) {
    std::fprintf(stderr, "sillok: member %d does not hand over: %s\n", was,
                 answer.error_message().c_str());
    context.exit_code = kExitRefused;
    return absl::OkStatus();
  }
  if (context.json) {
    PrintJson({{"was", was},
               {"leader_id", response.leader_id()},
               {"epoch", response.epoch()}});
  } else {
    fmt::print("member {} leads, epoch {} (was member {})\n",
               response.leader_id(), response.epoch(), was);
  }
  return absl::OkStatus();
}

// --- add, remove ---

struct Change {
  std::vector<std::string> joining;
  std::vector<int32_t> leaving;
  std::string from_version;
  bool yes = false;
};

void RefuseChange(CoordSession& session, v1::CoordCode code,
                  const Change& change) {
  std::string words = "the members";
  switch (code) {
    case v1::RECONFIG_DISABLED:
      words = "members cannot be changed at run time in this version; stop "
              "them all, change their server.N lines, and start them";
      break;
    case v1::RECONFIG_IN_PROGRESS:
      words = "another change of members is under way; try again when it is "
              "done";
      break;
    case v1::NEW_CONFIG_NO_QUORUM:
      words = "too few of the new members are up and in sync; start those that "
              "join first (see `members`)";
      break;
    case v1::BAD_VERSION:
      words = "the configuration is not at version " + change.from_version;
      break;
    case v1::BAD_ARGUMENTS:
      words = "the change is no good: a member is named twice, is unknown or "
              "has a bad address (server.N=host:peerport:electionport[:"
              "participant|observer];clientaddress), or nobody would be left";
      break;
    case v1::NO_AUTH:
      words = "changing members needs WRITE on /zookeeper/config: --auth "
              "scheme:credentials";
      break;
    default:
      break;
  }
  session.Refuse(code, "reconfig", words);
}

absl::Status Reconfigure(CoordSession& session, const Change& change) {
  v1::ReconfigOp op;
  for (std::string server : change.joining) {
    if (server.rfind("server.", 0) != 0) server = "server." + server;
    op.add_joining(std::move(server));
  }
  for (int32_t id : change.leaving) op.add_leaving(id);
  op.set_from_version(-1);
  if (!change.from_version.empty()) {
    size_t used = 0;
    try {
      op.set_from_version(std::stoll(change.from_version, &used, 16));
    } catch (const std::exception&) {
      used = 0;
    }
    if (used != change.from_version.size()) {
      session.context().UsageError("--from-version takes the hexadecimal "
                                   "version of the configuration, not '" +
                                   change.from_version + "'");
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  v1::CoordRequest request;
  *request.mutable_reconfig() = std::move(op);
  v1::CoordResponse response = coordinators->Call(request);
  RefuseChange(session, response.code(), change);
  if (response.code() != v1::OK) return absl::OkStatus();
  if (session.context().json) {
    PrintJson({{"configuration", response.data()}});
  } else {
    fmt::print("{}\n", response.data());
  }
  return absl::OkStatus();
}

absl::Status Remove(CoordSession& session, const Change& change) {
  std::string ids;
  for (int32_t id : change.leaving) ids += " " + std::to_string(id);
  if (!session.context().Confirm(
          change.yes, "remove member" + ids + " from the ensemble?")) {
    return absl::OkStatus();
  }
  return Reconfigure(session, change);
}

}  // namespace

void AddEnsembleCommands(CLI::App* coord, CoordSession* session) {
  Context& context = session->context();
  auto add = [&](const char* name, const char* help) {
    CLI::App* command = coord->add_subcommand(name, help);
    command->fallthrough();
    return command;
  };
  OnRun(add("status", "the members that --coordinator names"), context,
        [session] { return Status(*session); });
  OnRun(add("members", "all members and their roles"), context,
        [session] { return Members(*session); });
  OnRun(add("sessions", "who is connected"), context,
        [session] { return Sessions(*session); });
  auto to = std::make_shared<int>(-1);
  CLI::App* transfer = add("transfer", "another member leads");
  transfer->add_option("MEMBER", *to, "who; none: the most up-to-date one")
      ->check(CheckNotNegative);
  OnRun(transfer, context, [session, to] { return Transfer(*session, *to); });
  auto change = std::make_shared<Change>();
  CLI::App* join = add("add", "members join (or change their address or role)");
  join->add_option("SERVER", change->joining,
                   "N=host:peerport:electionport[:participant|observer]"
                   ";clientaddress")
      ->required();
  join->add_option("--from-version", change->from_version,
                   "only when the configuration has this version");
  OnRun(join, context,
        [session, change] { return Reconfigure(*session, *change); });
  CLI::App* leave = add("remove", "members leave for good");
  leave->add_option("MEMBER", change->leaving)->required();
  leave->add_option("--from-version", change->from_version,
                    "only when the configuration has this version");
  leave->add_flag("-y,--yes", change->yes, "do not ask");
  OnRun(leave, context, [session, change] { return Remove(*session, *change); });
}

}  // namespace sillok::tools
