// sillok coord ls | tree | get | stat | count | ephemerals | sync | whoami: what
// there is.
#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/coord_session.h"
#include "tools/coord_text.h"

namespace sillok::tools {
namespace {

struct Options {
  std::string path = "/";
  bool recursive = false;
  bool stat = false;
  bool wait = false;
  int depth = 0;
};

// Waits for the one-time watch that `arm` sets (which answers whether it did),
// and says what happened.
template <typename Arm>
absl::Status AwaitChange(CoordSession& session, Arm arm) {
  auto waiting = std::make_shared<UntilInterrupted>();
  auto event = std::make_shared<std::promise<v1::WatchEvent>>();
  std::future<v1::WatchEvent> happened = event->get_future();
  if (!arm([waiting, event](const v1::WatchEvent& change) {
        event->set_value(change);
        waiting->Wake();
      })) {
    return absl::OkStatus();
  }
  std::fflush(stdout);
  bool came = waiting->Await([&] {
    return happened.wait_for(std::chrono::seconds(0)) ==
           std::future_status::ready;
  });
  if (!came) return absl::OkStatus();
  v1::WatchEvent change = happened.get();
  if (session.context().json) {
    PrintJson(EventJson(change));
  } else {
    fmt::print("{} {}\n", EventName(change.type()), change.path());
  }
  return absl::OkStatus();
}

void PrintStat(const v1::Stat& stat) {
  Table table({"FIELD", "VALUE"});
  const Json fields = StatJson(stat);
  for (const auto& [name, value] : fields.items()) {
    bool is_id = name.ends_with("zxid") || name == "ephemeral_owner";
    table.Add({name, is_id ? Hex(value.get<uint64_t>()) : value.dump()});
  }
  table.Print();
}

// --- ls ---

// Everything below, the parents first. A znode that goes away while we walk is
// passed over.
void ListBelow(coord::BlockingSession& session, const std::string& path,
               std::vector<std::string>* paths) {
  for (const std::string& child : session.GetChildren(path).children) {
    std::string full = ChildOf(path, child);
    paths->push_back(full);
    ListBelow(session, full, paths);
  }
}

void PrintStats(CoordSession& session, coord::BlockingSession& coordinators,
                const std::string& path,
                const std::vector<std::string>& names) {
  Table table({"NAME", "VERSION", "CHILDREN", "BYTES", "OWNER", "MODIFIED-MS"});
  Json document = Json::array();
  for (const std::string& name : names) {
    std::string full = name[0] == '/' ? name : ChildOf(path, name);
    coord::StatResult got = coordinators.Exists(full);
    if (got.code != v1::OK) continue;
    const v1::Stat& stat = got.stat;
    table.Add({name, std::to_string(stat.version()),
               std::to_string(stat.num_children()),
               std::to_string(stat.data_length()),
               stat.ephemeral_owner() == 0 ? "-" : Hex(stat.ephemeral_owner()),
               std::to_string(stat.mtime_ms())});
    Json entry = {{"name", name}};
    entry["stat"] = StatJson(stat);
    document.push_back(std::move(entry));
  }
  session.context().json ? PrintJson(document) : table.Print();
}

absl::Status Ls(CoordSession& session, const Options& options) {
  if (!session.IsPath(options.path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  auto list = [&](coord::Watcher watcher) {
    coord::ChildrenResult result =
        coordinators->GetChildren(options.path, std::move(watcher));
    session.Refuse(result.code, options.path, "READ", -1);
    if (result.code != v1::OK) return false;
    std::vector<std::string> names = result.children;
    if (options.recursive) {
      names.clear();
      ListBelow(*coordinators, options.path, &names);
    }
    if (options.stat) {
      PrintStats(session, *coordinators, options.path, names);
    } else if (session.context().json) {
      PrintJson(Json(names));
    } else {
      for (const std::string& name : names) fmt::print("{}\n", name);
    }
    return true;
  };
  if (options.wait) return AwaitChange(session, list);
  list(nullptr);
  return absl::OkStatus();
}

// --- tree ---

// One znode as people see it, without its place.
std::string Describe(const v1::Stat& stat) {
  std::string text;
  if (stat.data_length() > 0) {
    text += " " + HumanBytes(stat.data_length());
  }
  if (stat.ephemeral_owner() != 0) {
    text += " ephemeral of " + Hex(stat.ephemeral_owner());
  }
  return text.empty() ? text : "  (" + text.substr(1) + ")";
}

// `indent` is of what is below; `lead` of the line itself.
Json Draw(CoordSession& session, coord::BlockingSession& coordinators,
          const std::string& path, const std::string& name,
          const std::string& lead, const std::string& indent, int depth) {
  coord::ChildrenResult list = coordinators.GetChildren(path);
  bool shown = list.code == v1::OK;
  bool json = session.context().json;
  if (!json) {
    fmt::print("{}{}{}\n", lead, name,
               shown ? Describe(list.stat)
                     : "  (" + coord::CodeName(list.code) + ")");
  }
  Json node = {{"name", name}};
  if (!shown) {
    node["error"] = coord::CodeName(list.code);
    return node;
  }
  node["data_length"] = list.stat.data_length();
  node["version"] = list.stat.version();
  node["ephemeral_owner"] = list.stat.ephemeral_owner();
  node["children"] = Json::array();
  if (depth == 0) return node;
  for (size_t i = 0; i < list.children.size(); ++i) {
    bool last = i + 1 == list.children.size();
    Json child =
        Draw(session, coordinators, ChildOf(path, list.children[i]),
             list.children[i], indent + (last ? "└─ " : "├─ "),
             indent + (last ? "   " : "│  "), depth - 1);
    if (json) node["children"].push_back(std::move(child));
  }
  return node;
}

absl::Status Tree(CoordSession& session, const Options& options) {
  if (!session.IsPath(options.path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  coord::StatResult top = coordinators->Exists(options.path);
  session.Refuse(top.code, options.path, "READ", -1);
  if (top.code != v1::OK) return absl::OkStatus();
  Json tree = Draw(session, *coordinators, options.path, options.path, "", "",
                   options.depth > 0 ? options.depth : -1);
  if (session.context().json) PrintJson(tree);
  return absl::OkStatus();
}

// --- get, stat ---

absl::Status Get(CoordSession& session, const Options& options) {
  if (!session.IsPath(options.path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  auto get = [&](coord::Watcher watcher) {
    coord::GetResult result =
        coordinators->Get(options.path, std::move(watcher));
    session.Refuse(result.code, options.path, "READ", -1);
    if (result.code != v1::OK) return false;
    if (session.context().json) {
      Json document = {{"path", options.path}};
      AddData(result.data, result.null_data, &document);
      document["stat"] = StatJson(result.stat);
      PrintJson(document);
      return true;
    }
    if (result.null_data) {
      std::fprintf(stderr, "%s has no data\n", options.path.c_str());
    } else {
      std::fwrite(result.data.data(), 1, result.data.size(), stdout);
      std::fputc('\n', stdout);
    }
    if (options.stat) PrintStat(result.stat);
    return true;
  };
  if (options.wait) return AwaitChange(session, get);
  get(nullptr);
  return absl::OkStatus();
}

absl::Status Stat(CoordSession& session, const Options& options) {
  if (!session.IsPath(options.path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  auto stat = [&](coord::Watcher watcher) {
    coord::StatResult result =
        coordinators->Exists(options.path, std::move(watcher));
    // With -w one may wait for it to come.
    if (result.code == v1::NO_NODE && options.wait) return true;
    session.Refuse(result.code, options.path, "READ", -1);
    if (result.code != v1::OK) return false;
    session.context().json ? PrintJson(StatJson(result.stat))
                           : PrintStat(result.stat);
    return true;
  };
  if (options.wait) return AwaitChange(session, stat);
  stat(nullptr);
  return absl::OkStatus();
}

// --- the small ones ---

absl::Status Count(CoordSession& session, const std::string& path) {
  if (!session.IsPath(path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  v1::CoordRequest request;
  request.mutable_count_descendants()->set_path(path);
  v1::CoordResponse response = coordinators->Call(request);
  session.Refuse(response.code(), path, "READ", -1);
  if (response.code() != v1::OK) return absl::OkStatus();
  if (session.context().json) {
    PrintJson({{"path", path}, {"descendants", response.count()}});
  } else {
    fmt::print("{}\n", response.count());
  }
  return absl::OkStatus();
}

absl::Status Ephemerals(CoordSession& session, const std::string& prefix) {
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  v1::CoordRequest request;
  request.mutable_get_ephemerals()->set_prefix(prefix);
  v1::CoordResponse response = coordinators->Call(request);
  session.Refuse(response.code(), prefix, "READ", -1);
  if (response.code() != v1::OK) return absl::OkStatus();
  std::vector<std::string> paths(response.children().begin(),
                                 response.children().end());
  std::sort(paths.begin(), paths.end());
  if (session.context().json) {
    PrintJson(Json(paths));
  } else {
    for (const std::string& path : paths) fmt::print("{}\n", path);
  }
  return absl::OkStatus();
}

absl::Status Sync(CoordSession& session, const std::string& path) {
  if (!session.IsPath(path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  v1::CoordCode code = coordinators->Sync(path);
  session.Refuse(code, path, "READ", -1);
  if (code == v1::OK && session.context().json) {
    PrintJson({{"path", path}, {"status", "SYNCED"}});
  }
  return absl::OkStatus();
}

absl::Status WhoAmI(CoordSession& session) {
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  v1::CoordRequest request;
  request.mutable_who_am_i();
  v1::CoordResponse response = coordinators->Call(request);
  session.Refuse(response.code(), "/", "READ", -1);
  if (response.code() != v1::OK) return absl::OkStatus();
  Table table({"SCHEME", "ID"});
  Json document = Json::array();
  for (const v1::Identity& identity : response.identities()) {
    table.Add({identity.scheme(), identity.id()});
    document.push_back({{"scheme", identity.scheme()}, {"id", identity.id()}});
  }
  session.context().json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

}  // namespace

void AddNodeCommands(CLI::App* coord, CoordSession* session) {
  auto add = [&](const char* name, const char* help, bool path_required) {
    auto options = std::make_shared<Options>();
    CLI::App* command = coord->add_subcommand(name, help);
    command->fallthrough();
    CLI::Option* path = command->add_option("PATH", options->path);
    path_required ? path->required() : path->capture_default_str();
    return std::make_pair(command, options);
  };
  Context& context = session->context();
  constexpr char kWait[] = "then wait for a change, and say what it was";
  {
    auto [command, options] = add("ls", "children of a znode", false);
    command->add_flag("-R,--recursive", options->recursive,
                      "everything below, full paths");
    command->add_flag("-s,--stat", options->stat, "with versions and sizes");
    command->add_flag("-w,--wait", options->wait, kWait);
    OnRun(command, context,
          [session, options = options] { return Ls(*session, *options); });
  }
  {
    auto [command, options] = add("tree", "a znode and all below it", false);
    command->add_option("-L,--levels", options->depth, "go down so far only")
        ->check(CheckPositive);
    OnRun(command, context,
          [session, options = options] { return Tree(*session, *options); });
  }
  {
    auto [command, options] = add("get", "data of a znode", true);
    command->add_flag("-s,--stat", options->stat, "its versions too");
    command->add_flag("-w,--wait", options->wait, kWait);
    OnRun(command, context,
          [session, options = options] { return Get(*session, *options); });
  }
  {
    auto [command, options] =
        add("stat", "versions, times and owner of a znode", true);
    command->add_flag("-w,--wait", options->wait,
                      "then wait for a change (or for it to be created)");
    OnRun(command, context,
          [session, options = options] { return Stat(*session, *options); });
  }
  {
    auto [command, options] = add("count", "how many znodes are below", false);
    OnRun(command, context, [session, options = options] {
      return Count(*session, options->path);
    });
  }
  {
    auto [command, options] =
        add("ephemerals", "ephemeral znodes of this session", false);
    OnRun(command, context, [session, options = options] {
      return Ephemerals(*session, options->path);
    });
  }
  {
    auto [command, options] = add(
        "sync", "wait until this member has all that was committed", false);
    OnRun(command, context, [session, options = options] {
      return Sync(*session, options->path);
    });
  }
  CLI::App* who = coord->add_subcommand("whoami", "who ACLs take you for");
  who->fallthrough();
  OnRun(who, context, [session] { return WhoAmI(*session); });
}

}  // namespace sillok::tools
