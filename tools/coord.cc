// sillok coord ls | get | stat | status: what the coordinator ensemble holds.
#include <chrono>
#include <string>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "coordinator/client/blocking_session.h"
#include "fmt/format.h"
#include "grpcpp/client_context.h"
#include "proto/coordinator.grpc.pb.h"
#include "base/rpc/channel.h"
#include "tools/context.h"
#include "tools/text_coding.h"

namespace sillok::tools {
namespace {

absl::StatusOr<std::unique_ptr<coord::BlockingSession>> Connect(
    const Context& context) {
  auto options = coord::ParseConnectString(context.coordinator);
  if (!options.ok()) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       "--coordinator " + context.coordinator + ": " +
                           std::string(options.status().message()));
  }
  options->client_name = "sillok-cli";
  auto session =
      coord::BlockingSession::Connect(*options, context.timeout_ms());
  if (!session.ok()) {
    return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                       "cannot reach the coordinators at " +
                           context.coordinator + " (" +
                           std::string(session.status().message()) + ")");
  }
  return session;
}

// The coordinator's "no" in the words of its own codes; its losses of connection
// as an unreachable cluster.
void ReportCode(Context& context, v1::CoordCode code, const std::string& path) {
  if (code == v1::OK) return;
  if (code == v1::CONNECTION_LOSS || code == v1::OPERATION_TIMEOUT) {
    context.Report(ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                               coord::CodeName(code) + " for " + path));
    return;
  }
  std::fprintf(stderr, "sillok: %s: %s\n", coord::CodeName(code).c_str(),
               path.c_str());
  if (context.exit_code == kExitDone) context.exit_code = kExitRefused;
}

Json StatJson(const v1::Stat& stat) {
  return {{"czxid", stat.czxid()},
          {"mzxid", stat.mzxid()},
          {"pzxid", stat.pzxid()},
          {"ctime_ms", stat.ctime_ms()},
          {"mtime_ms", stat.mtime_ms()},
          {"version", stat.version()},
          {"cversion", stat.cversion()},
          {"aversion", stat.aversion()},
          {"ephemeral_owner", stat.ephemeral_owner()},
          {"data_length", stat.data_length()},
          {"num_children", stat.num_children()}};
}

// What the ensemble would only not find.
bool IsPath(Context& context, const std::string& path) {
  bool empty_name = path.find("//") != std::string::npos ||
                    (path.size() > 1 && path.back() == '/');
  if (!path.empty() && path.front() == '/' && !empty_name) return true;
  ReportCode(context, v1::BAD_ARGUMENTS,
             "'" + path + "' is no path: one begins with / and has no empty "
             "name in it");
  return false;
}

void ListInto(Context& context, coord::BlockingSession& session,
              const std::string& path, bool recursive, Json* names) {
  coord::ChildrenResult result = session.GetChildren(path);
  if (result.code != v1::OK) {
    // Below the top a node may go away while we walk.
    if (!recursive || names->empty()) ReportCode(context, result.code, path);
    return;
  }
  for (const std::string& child : result.children) {
    std::string full = (path == "/" ? "" : path) + "/" + child;
    names->push_back(recursive ? full : child);
    if (recursive) ListInto(context, session, full, true, names);
  }
}

absl::Status Ls(Context& context, const std::string& path, bool recursive) {
  if (!IsPath(context, path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto session, Connect(context));
  Json names = Json::array();
  ListInto(context, *session, path, recursive, &names);
  if (context.json) {
    PrintJson(names);
    return absl::OkStatus();
  }
  for (const Json& name : names) fmt::print("{}\n", name.get<std::string>());
  return absl::OkStatus();
}

absl::Status Get(Context& context, const std::string& path) {
  if (!IsPath(context, path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto session, Connect(context));
  coord::GetResult result = session->Get(path);
  ReportCode(context, result.code, path);
  if (result.code != v1::OK) return absl::OkStatus();
  if (!context.json) {
    std::fwrite(result.data.data(), 1, result.data.size(), stdout);
    std::fputc('\n', stdout);
    return absl::OkStatus();
  }
  Json document = {{"path", path}};
  if (IsUtf8(result.data)) {
    document["data"] = result.data;
  } else {
    document["data_b64"] = ToBase64(result.data);
  }
  document["stat"] = StatJson(result.stat);
  PrintJson(document);
  return absl::OkStatus();
}

absl::Status Stat(Context& context, const std::string& path) {
  if (!IsPath(context, path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto session, Connect(context));
  coord::StatResult result = session->Exists(path);
  ReportCode(context, result.code, path);
  if (result.code != v1::OK) return absl::OkStatus();
  Json stat = StatJson(result.stat);
  if (context.json) {
    PrintJson(stat);
    return absl::OkStatus();
  }
  Table table({"FIELD", "VALUE"});
  for (const auto& [name, value] : stat.items()) {
    table.Add({name, value.dump()});
  }
  table.Print();
  return absl::OkStatus();
}

absl::Status Status(Context& context) {
  auto options = coord::ParseConnectString(context.coordinator);
  if (!options.ok()) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       "--coordinator " + context.coordinator + ": " +
                           std::string(options.status().message()));
  }
  Table table({"ADDRESS", "MEMBER", "ROLE", "LEADER", "EPOCH", "LOGGED",
               "APPLIED", "ZNODES", "SESSIONS", "CONNECTIONS"});
  Json document = Json::array();
  size_t reached = 0;
  std::string last_cause;
  for (const std::string& server : options->servers) {
    auto stub = v1::Coordinator::NewStub(rpc::NewChannel(server));
    grpc::ClientContext call;
    call.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::milliseconds(std::min<int64_t>(context.timeout_ms(), 3000)));
    v1::MemberStatusResponse status;
    grpc::Status answer = stub->MemberStatus(&call, {}, &status);
    if (!answer.ok()) {
      table.Add({server, "", "unreachable", "", "", "", "", "", "", ""});
      document.push_back({{"address", server}, {"role", "unreachable"}});
      last_cause = server;
      continue;
    }
    ++reached;
    table.Add({server, std::to_string(status.member_id()), status.role(),
               std::to_string(status.leader_id()),
               std::to_string(status.epoch()),
               fmt::format("{:#x}", status.last_logged_zxid()),
               fmt::format("{:#x}", status.last_applied_zxid()),
               std::to_string(status.znodes()),
               std::to_string(status.sessions()),
               std::to_string(status.connections())});
    document.push_back({{"address", server},
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
                        {"version", status.version()}});
  }
  if (reached == 0) {
    return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                       "cannot reach the coordinators at " +
                           context.coordinator);
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

}  // namespace

void RegisterCoordCommands(CLI::App& app, Context& context) {
  CLI::App* coord = app.add_subcommand("coord", "the coordinator's znodes");
  coord->require_subcommand(1);
  coord->fallthrough();
  auto path = std::make_shared<std::string>("/");
  auto recursive = std::make_shared<bool>(false);
  CLI::App* ls = coord->add_subcommand("ls", "children of a znode");
  ls->fallthrough();
  ls->add_option("PATH", *path)->capture_default_str();
  ls->add_flag("-R,--recursive", *recursive, "everything below, full paths");
  OnRun(ls, context,
        [&context, path, recursive] { return Ls(context, *path, *recursive); });
  CLI::App* get = coord->add_subcommand("get", "data of a znode");
  get->fallthrough();
  get->add_option("PATH", *path)->required();
  OnRun(get, context, [&context, path] { return Get(context, *path); });
  CLI::App* stat = coord->add_subcommand("stat", "versions of a znode");
  stat->fallthrough();
  stat->add_option("PATH", *path)->required();
  OnRun(stat, context, [&context, path] { return Stat(context, *path); });
  CLI::App* status = coord->add_subcommand("status", "members and their roles");
  status->fallthrough();
  OnRun(status, context, [&context] { return Status(context); });
}

}  // namespace sillok::tools
