// sillok coord quota: limits on what is below a znode.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "coordinator/tree/path.h"
#include "coordinator/tree/quota.h"
#include "fmt/format.h"
#include "tools/coord_session.h"
#include "tools/coord_text.h"

namespace sillok::tools {
namespace {

constexpr int64_t kUnsaid = -2;

struct Options {
  std::string path;
  int64_t count = kUnsaid, bytes = kUnsaid;
  int64_t hard_count = kUnsaid, hard_bytes = kUnsaid;
  bool remove = false;

  bool sets() const {
    return count != kUnsaid || bytes != kUnsaid || hard_count != kUnsaid ||
           hard_bytes != kUnsaid;
  }
  void ApplyTo(QuotaLimits* limits) const {
    if (count != kUnsaid) limits->count = count;
    if (bytes != kUnsaid) limits->bytes = bytes;
    if (hard_count != kUnsaid) limits->hard_count = hard_count;
    if (hard_bytes != kUnsaid) limits->hard_bytes = hard_bytes;
  }
};

// The quota of one path.
class Quota {
 public:
  Quota(CoordSession& session, coord::BlockingSession& coordinators,
        std::string path)
      : session_(session), coordinators_(coordinators), path_(std::move(path)) {}

  const std::string& path() const { return path_; }

  // Nothing when there is none; also when that could not be found out, which has
  // been told (`*failed`).
  std::optional<QuotaLimits> Limits(bool* failed) {
    coord::GetResult got = coordinators_.Get(QuotaLimitsPath(path_));
    *failed = got.code != v1::OK && got.code != v1::NO_NODE;
    if (*failed) session_.Refuse(got.code, QuotaLimitsPath(path_), "READ", -1);
    if (got.code != v1::OK) return std::nullopt;
    return ParseQuotaLimits(got.data);
  }
  QuotaUse Use() {
    return ParseQuotaUse(coordinators_.Get(QuotaStatsPath(path_)).data);
  }

  // Another quota above or below would count instead of this one.
  bool StandsAlone() {
    for (std::string above(ParentPath(path_)); above.size() > 1;
         above = std::string(ParentPath(above))) {
      if (coordinators_.Exists(QuotaLimitsPath(above)).code != v1::OK) continue;
      session_.Refuse(v1::BAD_ARGUMENTS, path_,
                      above + ", above it, has a quota, and a znode can be "
                              "under one only");
      return false;
    }
    const std::string below =
        FindBelow(std::string(kSystemQuotaPath) + path_, false);
    if (below.empty()) return true;
    session_.Refuse(v1::BAD_ARGUMENTS, path_,
                    below + ", below it, has a quota, and a znode can be under "
                            "one only");
    return false;
  }

  bool Set(const QuotaLimits& limits) {
    const std::string text = FormatQuotaLimits(limits);
    coord::StatResult set =
        coordinators_.SetData(QuotaLimitsPath(path_), text);
    v1::CoordCode code = set.code;
    if (code == v1::NO_NODE) code = Create(text);
    session_.Refuse(code, QuotaLimitsPath(path_), "WRITE", -1);
    return code == v1::OK;
  }

  // With the znodes that only led to it.
  bool Remove() {
    for (const std::string& node :
         {QuotaLimitsPath(path_), QuotaStatsPath(path_)}) {
      const v1::CoordCode code = coordinators_.Delete(node);
      if (code == v1::OK || code == v1::NO_NODE) continue;
      session_.Refuse(code, node, "DELETE", -1);
      return false;
    }
    for (std::string node = std::string(kSystemQuotaPath) + path_;
         node.size() > kSystemQuotaPath.size();
         node = std::string(ParentPath(node))) {
      if (coordinators_.Delete(node) != v1::OK) break;
    }
    return true;
  }

 private:
  v1::CoordCode Create(const std::string& text) {
    v1::CoordCode code = coordinators_.CreateParents(
        std::string(kSystemQuotaPath) + path_);
    if (code != v1::OK) return code;
    // Both or none: limits without statistics would limit nothing.
    return coordinators_
        .Multi({coord::CreateOp(QuotaLimitsPath(path_), text),
                coord::CreateOp(QuotaStatsPath(path_), FormatQuotaUse({}))})
        .code;
  }

  // The path of a quota at or below a znode of quotas; "" = none.
  std::string FindBelow(const std::string& node, bool itself) {
    coord::ChildrenResult list = coordinators_.GetChildren(node);
    for (const std::string& child : list.children) {
      if (child == kQuotaLimitsName) {
        if (itself) return node.substr(kSystemQuotaPath.size());
        continue;
      }
      std::string found = FindBelow(ChildOf(node, child), true);
      if (!found.empty()) return found;
    }
    return "";
  }

  CoordSession& session_;
  coord::BlockingSession& coordinators_;
  const std::string path_;
};

std::string Limit(int64_t limit) {
  return limit < 0 ? "-" : std::to_string(limit);
}
Json LimitJson(int64_t limit) { return limit < 0 ? Json() : Json(limit); }

void Print(Context& context, const std::string& path,
           const QuotaLimits& limits, const QuotaUse& use) {
  if (context.json) {
    PrintJson({{"path", path},
               {"count", use.count},
               {"count_limit", LimitJson(limits.count)},
               {"count_hard_limit", LimitJson(limits.hard_count)},
               {"bytes", use.bytes},
               {"bytes_limit", LimitJson(limits.bytes)},
               {"bytes_hard_limit", LimitJson(limits.hard_bytes)}});
    return;
  }
  Table table({"PATH", "WHAT", "USED", "LIMIT", "HARD-LIMIT"});
  table.Add({path, "znodes", std::to_string(use.count), Limit(limits.count),
             Limit(limits.hard_count)});
  table.Add({path, "bytes", std::to_string(use.bytes), Limit(limits.bytes),
             Limit(limits.hard_bytes)});
  table.Print();
}

absl::Status Run(CoordSession& session, const Options& options) {
  if (!session.IsPath(options.path)) return absl::OkStatus();
  Context& context = session.context();
  if (options.path == kRootPath || (options.remove && options.sets())) {
    context.UsageError(options.path == kRootPath
                           ? "a quota of the root has no effect"
                           : "--remove takes all limits away; set one to -1 to "
                             "take only that one away");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(coord::SessionOptions servers, session.Options());
  if (!servers.chroot.empty()) {
    context.UsageError("quotas are kept for the whole ensemble: leave " +
                       servers.chroot + " out of --coordinator and put it "
                                        "before the path");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  Quota quota(session, *coordinators, options.path);
  bool failed = false;
  std::optional<QuotaLimits> limits = quota.Limits(&failed);
  if (failed) return absl::OkStatus();
  if (options.sets()) {
    coord::StatResult there = coordinators->Exists(options.path);
    session.Refuse(there.code, options.path, "READ", -1);
    if (there.code != v1::OK || (!limits && !quota.StandsAlone())) {
      return absl::OkStatus();
    }
    if (!limits) limits.emplace();
    options.ApplyTo(&*limits);
    if (!quota.Set(*limits)) return absl::OkStatus();
  } else if (!limits) {
    session.Refuse(v1::NO_NODE, options.path,
                   options.path + " has no quota");
    return absl::OkStatus();
  } else if (options.remove) {
    quota.Remove();
    return absl::OkStatus();
  }
  Print(context, options.path, *limits, quota.Use());
  return absl::OkStatus();
}

}  // namespace

void AddQuotaCommand(CLI::App* coord, CoordSession* session) {
  auto options = std::make_shared<Options>();
  CLI::App* command = coord->add_subcommand(
      "quota", "limits on the znodes and bytes at and below a znode");
  command->fallthrough();
  command->add_option("PATH", options->path)->required();
  auto limit = [&](const char* name, int64_t* value, const char* help) {
    command->add_option(name, *value, help)
        ->check(CLI::Range(int64_t{-1}, int64_t{1} << 62));
  };
  limit("--count", &options->count, "znodes; -1 = no limit");
  limit("--bytes", &options->bytes, "bytes of data; -1 = no limit");
  limit("--hard-count", &options->hard_count,
        "znodes that are not exceeded where enforceQuota is set");
  limit("--hard-bytes", &options->hard_bytes, "bytes, likewise");
  command->add_flag("--remove", options->remove, "no limits any more");
  OnRun(command, session->context(),
        [session, options] { return Run(*session, *options); });
}

}  // namespace sillok::tools
