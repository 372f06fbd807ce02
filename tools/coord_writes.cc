// sillok coord create | set | rm: what changes.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/coord_session.h"
#include "tools/coord_text.h"
#include "tools/text_coding.h"

namespace sillok::tools {
namespace {

// What becomes a znode's data: said on the line, "-" for stdin, or a file.
struct DataSource {
  std::string text;
  bool said = false;
  std::string file;
  bool null = false;

  // False: reported.
  bool Read(CoordSession& session, std::string* data) const {
    Context& context = session.context();
    if ((said ? 1 : 0) + (file.empty() ? 0 : 1) + (null ? 1 : 0) > 1) {
      context.UsageError("DATA, --file and --null are three ways to say it; "
                         "take one");
      return false;
    }
    if (!file.empty()) {
      std::ifstream in(file, std::ios::binary);
      if (!in) {
        context.UsageError(file + ": " + std::strerror(errno));
        return false;
      }
      data->assign(std::istreambuf_iterator<char>(in), {});
    } else if (said && text == "-") {
      if (session.in_shell) {
        context.UsageError("in the shell stdin has the commands; --file has "
                           "data");
        return false;
      }
      data->assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
      *data = text;
    }
    return true;
  }
};

void AddDataOptions(CLI::App* command, DataSource* data) {
  command->add_option_function<std::string>(
      "DATA",
      [data](const std::string& given) {
        data->text = given;
        data->said = true;
      },
      "the data; - reads it from stdin");
  command->add_option("--file", data->file, "the data is in this file");
  command->add_flag("--null", data->null,
                    "no data, which is not the same as empty data");
}

// --- create ---

struct CreateOptions {
  std::string path;
  DataSource data;
  bool ephemeral = false;
  bool sequential = false;
  bool container = false;
  bool parents = false;
  bool hold = false;
  std::string ttl;
  std::string acl;
};

// What the flags come to; a usage error otherwise.
bool MakeZnode(CoordSession& session, const CreateOptions& options,
               coord::NewZnode* znode) {
  Context& context = session.context();
  auto wrong = [&](const std::string& text) {
    context.UsageError(text);
    return false;
  };
  if (options.container && (options.ephemeral || options.sequential)) {
    return wrong("--container goes with neither --ephemeral nor --sequential");
  }
  if (!options.ttl.empty() && (options.container || options.ephemeral)) {
    return wrong("--ttl goes with neither --container nor --ephemeral");
  }
  znode->mode = options.container ? v1::CONTAINER
                : options.ephemeral
                    ? (options.sequential ? v1::EPHEMERAL_SEQUENTIAL
                                          : v1::EPHEMERAL)
                    : (options.sequential ? v1::PERSISTENT_SEQUENTIAL
                                          : v1::PERSISTENT);
  if (!options.ttl.empty()) {
    auto ttl = ParseTtl(options.ttl);
    if (!ttl.ok()) return wrong(std::string(ttl.status().message()));
    znode->ttl_ms = *ttl;
    znode->mode = options.sequential ? v1::PERSISTENT_SEQUENTIAL_WITH_TTL
                                     : v1::PERSISTENT_WITH_TTL;
  }
  if (!options.acl.empty()) {
    auto acl = ParseAcls(options.acl);
    if (!acl.ok()) return wrong(std::string(acl.status().message()));
    znode->acl = *std::move(acl);
  }
  znode->null_data = options.data.null;
  return options.data.Read(session, &znode->data);
}

absl::Status Create(CoordSession& session, const CreateOptions& options) {
  // A sequential znode's name may be the number alone: "/queue/".
  bool number_alone = options.sequential && options.path.size() > 1 &&
                      options.path.back() == '/';
  if (!session.IsPath(number_alone
                          ? options.path.substr(0, options.path.size() - 1)
                          : options.path)) {
    return absl::OkStatus();
  }
  Context& context = session.context();
  coord::NewZnode znode;
  if (!MakeZnode(session, options, &znode)) return absl::OkStatus();
  if (options.ephemeral && !session.in_shell && !options.hold) {
    context.UsageError(
        "an ephemeral znode ends with its session, which ends with this "
        "command: say --hold to keep it until Ctrl-C, or use `sillok coord "
        "shell`");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  std::string parent = ParentOf(options.path);
  if (options.parents) {
    v1::CoordCode code = coordinators->CreateParents(parent);
    session.Refuse(code, parent, "CREATE", -1);
    if (code != v1::OK) return absl::OkStatus();
  }
  coord::CreateResult result = coordinators->Create(options.path, znode);
  if (result.code == v1::NO_NODE) {
    session.Refuse(result.code, options.path,
                   parent + " does not exist, so " + options.path +
                       " has no place; --parents makes it");
  } else {
    session.Refuse(result.code, options.path, "CREATE (on the parent)", -1);
  }
  if (result.code != v1::OK) return absl::OkStatus();
  if (context.json) {
    Json document = {{"path", result.path}};
    document["stat"] = StatJson(result.stat);
    PrintJson(document);
  } else {
    fmt::print("{}\n", result.path);
  }
  if (!options.hold) return absl::OkStatus();
  std::fflush(stdout);
  std::fprintf(stderr, "held by session %s until Ctrl-C\n",
               Hex(coordinators->session().session_id()).c_str());
  auto waiting = std::make_shared<UntilInterrupted>();
  std::shared_ptr<void> listener = coordinators->Listen(
      [waiting](coord::SessionState) { waiting->Wake(); });
  waiting->Await([&] {
    coord::SessionState state = coordinators->state();
    return state == coord::SessionState::kExpired ||
           state == coord::SessionState::kAuthFailed;
  });
  if (!waiting->interrupted()) {
    session.Refuse(v1::SESSION_EXPIRED, result.path, "");
  }
  session.Close();
  return absl::OkStatus();
}

// --- set ---

struct SetOptions {
  std::string path;
  DataSource data;
  int32_t version = -1;
  bool stat = false;
};

absl::Status Set(CoordSession& session, const SetOptions& options) {
  if (!session.IsPath(options.path)) return absl::OkStatus();
  Context& context = session.context();
  if (!options.data.said && options.data.file.empty() && !options.data.null) {
    context.UsageError("set takes DATA (- for stdin), --file or --null");
    return absl::OkStatus();
  }
  std::string data;
  if (!options.data.Read(session, &data)) return absl::OkStatus();
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  v1::WriteOp op =
      coord::SetDataOp(options.path, std::move(data), options.version);
  op.mutable_set_data()->set_null_data(options.data.null);
  v1::WriteResult result = coordinators->Write(std::move(op));
  session.Refuse(result.code(), options.path, "WRITE", options.version);
  if (result.code() != v1::OK) return absl::OkStatus();
  if (context.json) {
    PrintJson(StatJson(result.stat()));
  } else if (options.stat) {
    fmt::print("version {}\n", result.stat().version());
  }
  return absl::OkStatus();
}

// --- rm ---

struct RmOptions {
  std::vector<std::string> paths;
  bool recursive = false;
  bool yes = false;
  bool force = false;
  int32_t version = -1;
};

// From the leaves up; what comes in meanwhile is found in the next round.
v1::CoordCode RemoveAll(coord::BlockingSession& session,
                        const std::string& path, int64_t* removed) {
  while (true) {
    coord::ChildrenResult list = session.GetChildren(path);
    if (list.code == v1::NO_NODE) return v1::OK;
    if (list.code != v1::OK) return list.code;
    for (const std::string& child : list.children) {
      // The znodes the ensemble keeps for itself stay.
      if (path == "/" && child == "zookeeper") continue;
      v1::CoordCode code = RemoveAll(session, ChildOf(path, child), removed);
      if (code != v1::OK) return code;
    }
    if (path == "/") return v1::OK;
    v1::CoordCode code = session.Delete(path);
    if (code == v1::OK) ++*removed;
    if (code == v1::NO_NODE) code = v1::OK;
    if (code != v1::NOT_EMPTY) return code;
  }
}

absl::Status RemoveOne(CoordSession& session, const RmOptions& options,
                       const std::string& path, int64_t* removed) {
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  v1::CoordCode code = v1::OK;
  if (options.recursive) {
    code = coordinators->Exists(path).code;
    if (code == v1::OK) code = RemoveAll(*coordinators, path, removed);
  } else {
    code = coordinators->Delete(path, options.version);
    if (code == v1::OK) ++*removed;
  }
  if (code == v1::NO_NODE && options.force) return absl::OkStatus();
  session.Refuse(code, path, "DELETE (on the parent)", options.version);
  return absl::OkStatus();
}

absl::Status Rm(CoordSession& session, const RmOptions& options) {
  Context& context = session.context();
  for (const std::string& path : options.paths) {
    if (!session.IsPath(path)) return absl::OkStatus();
    if (path == "/" && !options.recursive) {
      session.Refuse(v1::BAD_ARGUMENTS, path, "/ itself cannot be removed");
      return absl::OkStatus();
    }
  }
  if (options.recursive && options.version >= 0) {
    context.UsageError("--version is of one znode and does not go with -R");
    return absl::OkStatus();
  }
  if (options.recursive) {
    std::string all;
    for (const std::string& path : options.paths) all += " " + path;
    if (!context.Confirm(options.yes,
                         "remove" + all + " and everything below?")) {
      return absl::OkStatus();
    }
  }
  int64_t removed = 0;
  for (const std::string& path : options.paths) {
    RETURN_IF_ERROR(RemoveOne(session, options, path, &removed));
  }
  if (context.json) PrintJson({{"removed", removed}});
  return absl::OkStatus();
}

}  // namespace

void AddWriteCommands(CLI::App* coord, CoordSession* session) {
  Context& context = session->context();
  auto create = std::make_shared<CreateOptions>();
  CLI::App* make = coord->add_subcommand("create", "a new znode");
  make->fallthrough();
  make->add_option("PATH", create->path)->required();
  AddDataOptions(make, &create->data);
  make->add_flag("-e,--ephemeral", create->ephemeral, "ends with its session");
  make->add_flag("-s,--sequential", create->sequential,
                 "with a number behind the name");
  make->add_flag("-c,--container", create->container,
                 "removed some time after its last child");
  make->add_option("-t,--ttl", create->ttl,
                   "removed when not written for so long and without children "
                   "(10s, 5m, 2h, 1d)");
  make->add_option("--acl", create->acl,
                   "scheme:id:permissions,...; none: everybody everything");
  make->add_flag("--parents", create->parents, "make those that are missing");
  make->add_flag("--hold", create->hold,
                 "keep the session, and with it an ephemeral, until Ctrl-C");
  OnRun(make, context, [session, create] { return Create(*session, *create); });

  auto set = std::make_shared<SetOptions>();
  CLI::App* write = coord->add_subcommand("set", "write the data of a znode");
  write->fallthrough();
  write->add_option("PATH", set->path)->required();
  AddDataOptions(write, &set->data);
  write->add_option("-v,--version", set->version,
                    "only when it has this version")
      ->check(CheckNotNegative);
  write->add_flag("-s,--stat", set->stat, "say the new version");
  OnRun(write, context, [session, set] { return Set(*session, *set); });

  auto rm = std::make_shared<RmOptions>();
  CLI::App* remove = coord->add_subcommand("rm", "remove znodes");
  remove->fallthrough();
  remove->add_option("PATH", rm->paths)->required();
  remove->add_flag("-R,--recursive", rm->recursive, "and everything below");
  remove->add_flag("-f,--force", rm->force, "no error when it is not there");
  remove->add_flag("-y,--yes", rm->yes, "do not ask");
  remove->add_option("-v,--version", rm->version,
                     "only when it has this version")
      ->check(CheckNotNegative);
  OnRun(remove, context, [session, rm] { return Rm(*session, *rm); });
}

}  // namespace sillok::tools
