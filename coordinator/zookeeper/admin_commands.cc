#include "coordinator/zookeeper/admin_commands.h"

#include <functional>
#include <map>

#include "nlohmann/json.hpp"

namespace sillok::coord {
namespace {

using Json = nlohmann::ordered_json;

Json ServerStats(const MonitorSource& source) {
  const MonitorFacts facts = source.Facts();
  return {{"packets_sent", facts.traffic.sent},
          {"packets_received", facts.traffic.received},
          {"max_latency", facts.traffic.max_latency_ms},
          {"min_latency", facts.traffic.min_latency_ms},
          {"avg_latency", facts.traffic.average_latency_ms()},
          {"server_state", ServerState(facts)},
          {"outstanding_requests", facts.outstanding},
          {"num_alive_client_connections", facts.connections},
          {"last_processed_zxid", facts.zxid},
          {"uptime", facts.uptime_ms},
          {"data_dir_size", source.DataDirectoryBytes()}};
}

Json Connections(const MonitorSource& source) {
  Json list = Json::array();
  for (const ConnectionFacts& connection : source.Connections()) {
    const StreamFacts& stream = connection.stream;
    list.push_back(
        {{"remote_socket_address", connection.peer},
         {"interest_ops", 1},
         {"outstanding_requests", stream.pending},
         {"packets_received", stream.traffic.received},
         {"packets_sent", stream.traffic.sent},
         {"session_id", stream.session.value()},
         {"last_operation", stream.last_operation},
         {"established", connection.since_unix_ms},
         {"session_timeout", stream.timeout_ms},
         {"last_cxid", stream.last_request_id},
         {"last_zxid", stream.last_zxid},
         {"last_response_time", stream.last_answer_ms},
         {"last_latency", stream.last_latency_ms},
         {"min_latency", stream.traffic.min_latency_ms},
         {"avg_latency", stream.traffic.average_latency_ms()},
         {"max_latency", stream.traffic.max_latency_ms}});
  }
  return list;
}

void Configuration(MonitorSource& source, Json& out) {
  for (const auto& [key, value] : source.constants().config) out[key] = value;
  const std::vector<std::string> ensemble = source.Ensemble();
  if (ensemble.empty()) return;
  out["peerType"] = source.Facts().observes ? 1 : 0;
  out["membership"] = ensemble;
}

void Dump(MonitorSource& source, Json& out) {
  out["session_id_to_ephemeral_paths"] = Json::object();
  Json sessions = Json::array();
  for (const SessionFacts& session : source.Sessions()) {
    sessions.push_back({{"session_id", session.id.value()},
                        {"session_timeout", session.timeout_ms}});
    if (session.ephemerals.empty()) continue;
    out["session_id_to_ephemeral_paths"][std::to_string(session.id.value())] =
        session.ephemerals;
  }
  out["global_sessions"] = std::move(sessions);
}

void Leader(MonitorSource& source, Json& out) {
  const MonitorFacts facts = source.Facts();
  out["is_leader"] = facts.leading;
  out["leader_id"] = facts.leader_id;
  out["epoch"] = facts.epoch;
}

void Monitor(MonitorSource& source, Json& out) {
  const MonitorConstants& constants = source.constants();
  const MonitorFacts facts = source.Facts();
  const auto [open, allowed] = source.Descriptors();
  out["version"] = constants.version;
  out["server_state"] = ServerState(facts);
  out["avg_latency"] = facts.traffic.average_latency_ms();
  out["max_latency"] = facts.traffic.max_latency_ms;
  out["min_latency"] = facts.traffic.min_latency_ms;
  out["packets_received"] = facts.traffic.received;
  out["packets_sent"] = facts.traffic.sent;
  out["num_alive_connections"] = facts.connections;
  out["outstanding_requests"] = facts.outstanding;
  out["znode_count"] = facts.znodes;
  out["watch_count"] = facts.watches;
  out["ephemerals_count"] = facts.ephemerals;
  out["approximate_data_size"] = facts.data_bytes;
  out["open_file_descriptor_count"] = open;
  out["max_file_descriptor_count"] = allowed;
  out["global_sessions"] = facts.sessions;
  out["last_zxid"] = facts.zxid;
  out["uptime"] = facts.uptime_ms;
  if (!facts.leading) return;
  out["synced_followers"] =
      facts.synced_voters > 0 ? facts.synced_voters - 1 : 0;
  out["proposal_count"] = facts.proposals;
}

void WatchesBySession(MonitorSource& source, Json& out) {
  Json map = Json::object();
  for (const auto& [session, paths] : source.WatchesBySession()) {
    map[std::to_string(session.value())] = paths;
  }
  out["session_id_to_watched_paths"] = std::move(map);
}

void WatchesByPath(MonitorSource& source, Json& out) {
  Json map = Json::object();
  for (const auto& [path, sessions] : source.WatchesByPath()) {
    Json list = Json::array();
    for (SessionId session : sessions) list.push_back(session.value());
    map[path] = std::move(list);
  }
  out["path_to_session_ids"] = std::move(map);
}

struct Command {
  const char* name;
  const char* alias;
  // Makes sense only while the member serves.
  bool needs_service;
  std::function<void(MonitorSource& source, Json& out)> run;
};

const std::vector<Command>& Commands() {
  static const auto* commands = new std::vector<Command>{
      {"configuration", "conf", false, Configuration},
      {"connection_stat_reset", "crst", false,
       [](MonitorSource& source, Json&) { source.ResetConnectionTraffic(); }},
      {"connections", "cons", true,
       [](MonitorSource& source, Json& out) {
         out["connections"] = Connections(source);
       }},
      {"dirs", "", false,
       [](MonitorSource& source, Json& out) {
         out["datadir_size"] = source.DataDirectoryBytes();
         out["logdir_size"] = 0;
       }},
      {"dump", "", true, Dump},
      {"environment", "envi", false,
       [](MonitorSource& source, Json& out) {
         out["zookeeper.version"] = source.constants().version;
         for (const auto& [key, value] : source.Environment()) {
           out[key] = value;
         }
       }},
      {"hash", "", true,
       [](MonitorSource& source, Json& out) {
         const MonitorFacts facts = source.Facts();
         out["digests"] = {{{"zxid", facts.zxid}, {"digest", facts.digest}}};
       }},
      {"is_read_only", "isro", false,
       [](MonitorSource& source, Json& out) {
         out["read_only"] = source.Facts().read_only;
       }},
      {"leader", "lead", false, Leader},
      {"monitor", "mntr", true, Monitor},
      {"ruok", "", false, [](MonitorSource&, Json&) {}},
      {"server_stats", "srvr", true,
       [](MonitorSource& source, Json& out) {
         out["version"] = source.constants().version;
         out["read_only"] = source.Facts().read_only;
         out["server_stats"] = ServerStats(source);
         out["node_count"] = source.Facts().znodes;
       }},
      {"stat_reset", "srst", false,
       [](MonitorSource& source, Json&) { source.ResetTraffic(); }},
      {"stats", "stat", true,
       [](MonitorSource& source, Json& out) {
         out["version"] = source.constants().version;
         out["read_only"] = source.Facts().read_only;
         out["server_stats"] = ServerStats(source);
         out["node_count"] = source.Facts().znodes;
         out["connections"] = Connections(source);
       }},
      {"voting_view", "", false,
       [](MonitorSource& source, Json& out) {
         out["current_config"] = source.Ensemble();
       }},
      {"watch_summary", "wchs", true,
       [](MonitorSource& source, Json& out) {
         const WatchCounts counts = source.CountWatches();
         out["num_connections"] = counts.connections;
         out["num_paths"] = counts.paths;
         out["num_total_watches"] = counts.watches;
       }},
      {"watches", "wchc", true, WatchesBySession},
      {"watches_by_path", "wchp", true, WatchesByPath},
      {"zabstate", "", false,
       [](MonitorSource& source, Json& out) {
         const MonitorFacts facts = source.Facts();
         out["myid"] = source.constants().member_id;
         out["is_leader"] = facts.leading;
         out["leader_id"] = facts.leader_id;
         out["epoch"] = facts.epoch;
         out["serving"] = facts.serving;
         out["last_zxid"] = facts.zxid;
       }},
  };
  return *commands;
}

const Command* Find(const std::string& name) {
  for (const Command& command : Commands()) {
    if (name == command.name || name == command.alias) return &command;
  }
  return nullptr;
}

}  // namespace

const std::vector<std::pair<std::string, std::string>>& AdminCommandNames() {
  static const auto* names = [] {
    auto* made = new std::vector<std::pair<std::string, std::string>>;
    for (const Command& command : Commands()) {
      made->emplace_back(command.name, command.alias);
    }
    return made;
  }();
  return *names;
}

std::string RunAdminCommand(const std::string& name, MonitorSource* source) {
  const Command* command = Find(name);
  Json out = Json::object();
  Json error = nullptr;
  if (command == nullptr) {
    error = "there is no such command";
  } else if (source == nullptr) {
    error = "this member stops";
  } else if (command->needs_service && !source->Facts().serving) {
    error = "This ZooKeeper instance is not currently serving requests";
  } else {
    command->run(*source, out);
  }
  out["command"] = command == nullptr ? name : command->name;
  out["error"] = std::move(error);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ListAdminCommands() {
  Json list = Json::array();
  for (const Command& command : Commands()) list.push_back(command.name);
  return Json{{"commands", std::move(list)}}.dump(2) + "\n";
}

}  // namespace sillok::coord
