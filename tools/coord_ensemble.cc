// sillok coord status | members | sessions | kill-session | transfer: the members
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
#include "proto/coordinator_sessions.grpc.pb.h"
#include "tools/coord_members.h"
#include "tools/coord_session.h"
#include "tools/coord_text.h"

namespace sillok::tools {
namespace {

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

absl::Status Members(CoordSession& session) {
  ASSIGN_OR_RETURN(auto members, FindMembers(session));
  Table table({"MEMBER", "ROLE", "VOTES", "PEER-ADDRESS", "CLIENT-ADDRESS",
               "ZOOKEEPER-ADDRESS", "APPLIED"});
  Json document = Json::array();
  for (const auto& [id, seen] : members) {
    bool reached = !seen.reached_at.empty();
    // One that has not been added yet may be named on the command line.
    bool member = seen.address.member_id() == id;
    std::string role = reached ? seen.status.role() : "unreachable";
    bool votes = member && !seen.address.observer();
    table.Add({std::to_string(id), role,
               votes    ? "yes"
               : member ? "no"
                        : "not a member",
               seen.address.peer_address(),
               seen.address.client_address().empty()
                   ? seen.reached_at
                   : seen.address.client_address(),
               seen.address.zookeeper_address(),
               reached ? Hex(seen.status.last_applied_zxid()) : ""});
    document.push_back(
        {{"member_id", id},
         {"role", role},
         {"member", member},
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

absl::StatusOr<const SeenMember*> FindLeader(
    const std::map<int, SeenMember>& members) {
  for (const auto& [id, seen] : members) {
    if (!seen.reached_at.empty() && seen.status.role() == "leading") {
      return &seen;
    }
  }
  return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                     "no leader: none of the members that answer leads");
}

// `id`: as `sessions` shows it, with or without 0x.
absl::Status KillSession(CoordSession& session, const std::string& id) {
  Context& context = session.context();
  v1::KillSessionRequest request;
  size_t used = 0;
  try {
    request.set_session_id(std::stoull(id, &used, 16));
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != id.size()) {
    context.UsageError("'" + id + "' is not the hexadecimal id of a session "
                                  "(see `sessions`)");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(auto members, FindMembers(session));
  ASSIGN_OR_RETURN(const SeenMember* leader, FindLeader(members));
  auto stub =
      v1::CoordinatorSessions::NewStub(rpc::NewChannel(leader->reached_at));
  grpc::ClientContext call;
  SetDeadline(context, INT64_MAX, &call);
  v1::KillSessionResponse response;
  grpc::Status answer = stub->KillSession(&call, request, &response);
  if (answer.error_code() == grpc::StatusCode::UNAVAILABLE ||
      answer.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                       fmt::format("the leader at {}: {}", leader->reached_at,
                                   answer.error_message()));
  }
  if (!answer.ok()) {
    std::fprintf(stderr, "sillok: %s\n", answer.error_message().c_str());
    context.exit_code = kExitRefused;
  }
  return absl::OkStatus();
}

// --- transfer ---

absl::Status Transfer(CoordSession& session, int to) {
  ASSIGN_OR_RETURN(auto members, FindMembers(session));
  ASSIGN_OR_RETURN(const SeenMember* leader, FindLeader(members));
  Context& context = session.context();
  if (to >= 0 && members.count(to) == 0) {
    context.UsageError(fmt::format("there is no member {}; they are {}", to,
                                   ListIds(members)));
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
  auto victim = std::make_shared<std::string>();
  CLI::App* kill = add("kill-session", "a session ends as if it had expired");
  kill->add_option("SESSION", *victim, "its id, as `sessions` shows it")
      ->required();
  OnRun(kill, context,
        [session, victim] { return KillSession(*session, *victim); });
  auto to = std::make_shared<int>(-1);
  CLI::App* transfer = add("transfer", "another member leads");
  transfer->add_option("MEMBER", *to, "who; none: the most up-to-date one")
      ->check(CheckNotNegative);
  OnRun(transfer, context, [session, to] { return Transfer(*session, *to); });
}

}  // namespace sillok::tools
