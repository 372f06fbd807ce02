// sillok coord acl get | set: who may do what with a znode.
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/coord_session.h"
#include "tools/coord_text.h"

namespace sillok::tools {
namespace {

struct Options {
  std::string path;
  std::vector<std::string> acls;
  int32_t version = -1;
  bool recursive = false;
};

void PrintAcl(CoordSession& session, const std::string& path,
              const std::vector<v1::Acl>& acls, const v1::Stat& stat) {
  if (session.context().json) {
    Json document = {{"path", path}, {"aversion", stat.aversion()}};
    document["acl"] = Json::array();
    for (const v1::Acl& acl : acls) document["acl"].push_back(AclJson(acl));
    PrintJson(document);
    return;
  }
  for (const v1::Acl& acl : acls) fmt::print("{}\n", FormatAcl(acl));
}

absl::Status GetAcl(CoordSession& session, const Options& options) {
  if (!session.IsPath(options.path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  coord::AclResult result = coordinators->GetAcl(options.path);
  session.Refuse(result.code, options.path, "READ or ADMIN", -1);
  if (result.code != v1::OK) return absl::OkStatus();
  PrintAcl(session, options.path, result.acl, result.stat);
  return absl::OkStatus();
}

// The znode and, if wanted, all below; one that goes away meanwhile is passed
// over. How many were set.
int64_t SetBelow(CoordSession& session, coord::BlockingSession& coordinators,
                 const Options& options, const std::string& path,
                 const std::vector<v1::Acl>& acls) {
  // The list first: the new ACL may forbid it.
  coord::ChildrenResult list;
  if (options.recursive) list = coordinators.GetChildren(path);
  coord::StatResult set = coordinators.SetAcl(path, acls, options.version);
  if (set.code == v1::NO_NODE && path != options.path) return 0;
  session.Refuse(set.code, path, "ADMIN", options.version);
  if (set.code != v1::OK) return 0;
  if (options.recursive && list.code != v1::NO_NODE) {
    session.Refuse(list.code, path, "READ", -1);
  }
  int64_t count = 1;
  for (const std::string& child : list.children) {
    count +=
        SetBelow(session, coordinators, options, ChildOf(path, child), acls);
  }
  return count;
}

absl::Status SetAcl(CoordSession& session, const Options& options) {
  if (!session.IsPath(options.path)) return absl::OkStatus();
  std::vector<v1::Acl> acls;
  for (const std::string& text : options.acls) {
    auto parsed = ParseAcls(text);
    if (!parsed.ok()) {
      session.context().UsageError(std::string(parsed.status().message()));
      return absl::OkStatus();
    }
    acls.insert(acls.end(), parsed->begin(), parsed->end());
  }
  if (options.recursive && options.version >= 0) {
    session.context().UsageError(
        "--version is of one znode and does not go with -R");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  int64_t count =
      SetBelow(session, *coordinators, options, options.path, acls);
  if (session.context().json && count > 0) {
    PrintJson({{"path", options.path}, {"set", count}});
  }
  return absl::OkStatus();
}

}  // namespace

void AddAclCommands(CLI::App* coord, CoordSession* session) {
  Context& context = session->context();
  CLI::App* acl = coord->add_subcommand("acl", "who may do what with a znode");
  acl->require_subcommand(1);
  acl->fallthrough();
  auto options = std::make_shared<Options>();
  CLI::App* get = acl->add_subcommand("get", "the ACL of a znode");
  get->fallthrough();
  get->add_option("PATH", options->path)->required();
  OnRun(get, context, [session, options] { return GetAcl(*session, *options); });
  CLI::App* set = acl->add_subcommand("set", "put another ACL in its place");
  set->fallthrough();
  set->add_option("PATH", options->path)->required();
  set->add_option("ACL", options->acls,
                  "scheme:id:permissions, like world:anyone:r, "
                  "digest:ann:HASH:cdrwa, digest-password:ann:secret:rw, "
                  "ip:10.0.0.0/8:r, auth::cdrwa (who you are)")
      ->required();
  set->add_flag("-R,--recursive", options->recursive, "and all below");
  set->add_option("-v,--version", options->version,
                  "only when the ACL has this version (aversion)")
      ->check(CheckNotNegative);
  OnRun(set, context, [session, options] { return SetAcl(*session, *options); });
}

}  // namespace sillok::tools
