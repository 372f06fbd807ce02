// sillok coord watch: what changes, line by line.
#include <deque>
#include <future>
#include <memory>
#include <mutex>
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
  std::vector<std::string> paths;
  std::string mode = "recursive";
  int64_t count = 0;
  bool data = false;
};

// Events on their way from the session's strand to the one who prints.
struct Inbox {
  UntilInterrupted waiting;
  std::mutex mutex;
  std::deque<v1::WatchEvent> events;             // under mutex
  std::deque<coord::SessionState> states;        // under mutex

  bool Empty() {
    std::lock_guard lock(mutex);
    return events.empty() && states.empty();
  }
};

void Print(CoordSession& session, coord::BlockingSession& coordinators,
           const v1::WatchEvent& event, bool with_data) {
  Json line = EventJson(event);
  std::string text =
      fmt::format("{} {} {}", Hex(event.zxid()), EventName(event.type()),
                  event.path());
  bool readable = event.type() == v1::NODE_CREATED ||
                  event.type() == v1::NODE_DATA_CHANGED;
  if (with_data && readable) {
    coord::GetResult got = coordinators.Get(event.path());
    if (got.code == v1::OK) {
      AddData(got.data, got.null_data, &line);
      line["version"] = got.stat.version();
      text += fmt::format(" version={} {}", got.stat.version(),
                          line.contains("data") ? line["data"].dump()
                                                : line["data_b64"].dump());
    }
  }
  if (session.context().json) {
    text = line.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

// Says when there may be a gap: what happens without a connection is not told.
// True when the watching is over.
bool OnState(CoordSession& session, coord::SessionState state) {
  switch (state) {
    case coord::SessionState::kConnecting:
      std::fprintf(stderr, "connection lost; changes may be missed\n");
      return false;
    case coord::SessionState::kConnected:
      std::fprintf(stderr, "connected again\n");
      return false;
    default:
      session.Refuse(state == coord::SessionState::kAuthFailed
                         ? v1::AUTH_FAILED
                         : v1::SESSION_EXPIRED,
                     "watch", "READ", -1);
      return true;
  }
}

absl::Status Watch(CoordSession& session, const Options& options) {
  for (const std::string& path : options.paths) {
    if (!session.IsPath(path)) return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, session.Get());
  auto inbox = std::make_shared<Inbox>();
  std::shared_ptr<void> listener =
      coordinators->Listen([inbox](coord::SessionState state) {
        std::lock_guard lock(inbox->mutex);
        inbox->states.push_back(state);
        inbox->waiting.Wake();
      });
  std::vector<coord::Session::WatcherId> watchers;
  auto arm = [&](const std::string& path) {
    v1::CoordRequest request;
    request.mutable_add_watch()->set_path(path);
    request.mutable_add_watch()->set_mode(options.mode == "recursive"
                                              ? v1::PERSISTENT_RECURSIVE_WATCH
                                              : v1::PERSISTENT_WATCH);
    std::promise<v1::CoordCode> done;
    watchers.push_back(coordinators->session().Call(
        request,
        [inbox](const v1::WatchEvent& event) {
          std::lock_guard lock(inbox->mutex);
          inbox->events.push_back(event);
          inbox->waiting.Wake();
        },
        [&done](const v1::CoordResponse& response) {
          done.set_value(response.code());
        }));
    v1::CoordCode code = done.get_future().get();
    session.Refuse(code, path, "READ", -1);
    return code == v1::OK;
  };
  bool over = false;
  for (const std::string& path : options.paths) over = over || !arm(path);
  if (!over) std::fprintf(stderr, "watching; Ctrl-C ends it\n");
  for (int64_t seen = 0; !over;) {
    if (!inbox->waiting.Await([&] { return !inbox->Empty(); })) break;
    std::deque<v1::WatchEvent> events;
    std::deque<coord::SessionState> states;
    {
      std::lock_guard lock(inbox->mutex);
      events.swap(inbox->events);
      states.swap(inbox->states);
    }
    for (const v1::WatchEvent& event : events) {
      if (over) break;
      Print(session, *coordinators, event, options.data);
      over = ++seen == options.count;
    }
    for (coord::SessionState state : states) {
      if (!over) over = OnState(session, state);
    }
  }
  for (coord::Session::WatcherId id : watchers) {
    coordinators->session().RemoveWatcher(id);
  }
  return absl::OkStatus();
}

}  // namespace

void AddWatchCommand(CLI::App* coord, CoordSession* session) {
  auto options = std::make_shared<Options>();
  CLI::App* watch =
      coord->add_subcommand("watch", "say what changes, until Ctrl-C");
  watch->fallthrough();
  watch->add_option("PATH", options->paths)->required();
  watch
      ->add_option("-m,--mode", options->mode,
                   "recursive: the znode and all below; persistent: data and "
                   "children of the znode")
      ->check(CLI::IsMember({"recursive", "persistent"}))
      ->capture_default_str();
  watch->add_option("-n,--count", options->count, "end after so many changes")
      ->check(CheckPositive);
  watch->add_flag("-d,--data", options->data,
                  "read what was created or changed, as it is then");
  OnRun(watch, session->context(),
        [session, options] { return Watch(*session, *options); });
}

}  // namespace sillok::tools
