#include "coordinator/config.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "base/status_macros.h"
#include "base/version.h"
#include "fmt/format.h"

namespace sillok {
namespace {

constexpr int64_t kMaxMember = 255;  // it is the top byte of session ids

bool IsPort(const std::string& text) {
  return !text.empty() && text.size() <= 5 &&
         text.find_first_not_of("0123456789") == std::string::npos &&
         std::stoi(text) <= 65535;
}

// "a:b:c" cut at the colons; an address in brackets stays whole.
std::vector<std::string> SplitColons(const std::string& text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (char c : text) {
    if (c == '[') ++depth;
    if (c == ']') --depth;
    if (c == ':' && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string CheckServer(const std::string& text) {
  return ParseServer(text).ok() ? "" : "host:peerport[;clientport]";
}

std::string CheckHostPort(const std::string& text) {
  std::vector<std::string> parts = SplitColons(text);
  return parts.size() == 2 && !parts[0].empty() && IsPort(parts[1])
             ? ""
             : "host:port";
}

void AddEnsembleKeys(ConfigSpec* spec) {
  spec->Int("myid", 0,
            "This member's id, the N of its server.N; 0 = the number in the "
            "file dataDir/myid.",
            0, kMaxMember)
      .Prefix("server.",
              "server.N=host:peerport[;clientport]: one line for each member, "
              "the same on all of them. None: an ensemble of this member "
              "alone.",
              CheckServer)
      .Bool("quorumListenOnAllIPs", false,
            "Listen for peers on all addresses, not only on that of this "
            "member's server.N.")
      .String("ensemble.name", "sillok",
              "Members refuse peers of another name: keeps ensembles apart "
              "that were configured into one another by mistake.")
      .Int("tickTime", 2'000,
           "Milliseconds; the unit of session timeouts, initLimit and "
           "syncLimit.",
           20, 600'000)
      .Int("initLimit", 10,
           "Ticks without progress after which joining a leader is given up.",
           1, 100'000)
      .Int("syncLimit", 5,
           "Ticks after which a silent member is given up at the latest.", 1,
           100'000)
      .Int("peer.silence.ms", 800,
           "A leader or follower that is silent for so long is given up (or "
           "after syncLimit, if that is less).",
           100, 600'000)
      .Int("peer.heartbeat.ms", 50, "The grain of time between members.", 5,
           10'000);
}

void AddClientKeys(ConfigSpec* spec) {
  spec->Checked("grpc.listen", "127.0.0.1:2180",
                "host:port of the gRPC API for clients; port 0 = any.",
                CheckHostPort)
      .Checked("admin.listen", "127.0.0.1:2182",
               "host:port of /metrics and /healthz; port 0 = any.",
               CheckHostPort)
      .Int("minSessionTimeout", -1, "Milliseconds; -1 = 2 ticks.", -1,
           86'400'000)
      .Int("maxSessionTimeout", -1, "Milliseconds; -1 = 20 ticks.", -1,
           86'400'000)
      .Int("jute.maxbuffer", 1024 * 1024,
           "Bytes a znode's data, or a whole multi, may have.", 1024,
           64 * 1024 * 1024)
      .Int("globalOutstandingLimit", 20'000,
           "Unanswered requests of all clients of this member at which it "
           "stops reading more.",
           1, 1'000'000)
      .Int("connection.outstanding.limit", 1'000,
           "Unanswered requests of one stream at which no more are read from "
           "it.",
           1, 1'000'000);
}

void AddStoreKeys(ConfigSpec* spec) {
  spec->String("dataDir", "/var/lib/sillok/coordinator",
               "The folder that keeps the log and the tree.")
      .Bool("forceSync", true,
            "fdatasync before a write is answered. false risks acknowledged "
            "writes when the machine fails.")
      .Int("snapCount", 100'000,
           "Log entries kept behind the tree; a member that was away for "
           "longer gets a snapshot.",
           1'000, 100'000'000)
      .String("tcp.congestion.control", "auto",
              "TCP congestion control of this member's sockets: auto (cubic "
              "or reno: cheap in a data centre and on loopback), system, or a "
              "name the kernel knows.")
      .Int("log.verbosity", 0, "glog's -v.", 0, 9);
}

absl::StatusOr<int64_t> ReadMyId(const std::string& data_dir) {
  std::string path = data_dir + "/myid";
  std::ifstream file(path);
  int64_t id = 0;
  if (!(file >> id) || id < 1 || id > kMaxMember) {
    return absl::InvalidArgumentError(fmt::format(
        "{} must hold this member's id (a number from 1 to {}), or the key "
        "myid must be set",
        path, kMaxMember));
  }
  return id;
}

}  // namespace

absl::StatusOr<ServerAddress> ParseServer(const std::string& text) {
  auto bad = [&] {
    return absl::InvalidArgumentError("'" + text +
                                      "' is not host:peerport[;clientport]");
  };
  size_t semicolon = text.find(';');
  std::vector<std::string> peer = SplitColons(text.substr(0, semicolon));
  if (peer.size() < 2 || peer[0].empty() || !IsPort(peer[1])) return bad();
  ServerAddress server;
  server.peer = peer[0] + ":" + peer[1];
  if (semicolon == std::string::npos) return server;
  std::vector<std::string> client = SplitColons(text.substr(semicolon + 1));
  if (!IsPort(client.back()) || client.size() > 2) return bad();
  std::string host = client.size() == 2 ? client[0] : peer[0];
  if (host == "0.0.0.0") host = peer[0];
  server.client = host + ":" + client.back();
  return server;
}

const ConfigSpec& CoordinatorConfigSpec() {
  static const ConfigSpec* spec = [] {
    auto* made = new ConfigSpec;
    AddEnsembleKeys(made);
    AddClientKeys(made);
    AddStoreKeys(made);
    return made;
  }();
  return *spec;
}

absl::StatusOr<CoordinatorOptions> MakeCoordinatorOptions(
    const Config& config) {
  CoordinatorOptions options;
  options.data_dir = config.GetString("dataDir");
  options.http_listen = config.GetString("admin.listen");

  std::map<MemberId, ServerAddress> servers;
  for (const auto& [number, text] : config.GetPrefix("server.")) {
    if (number.empty() || number.size() > 3 ||
        number.find_first_not_of("0123456789") != std::string::npos ||
        std::stoi(number) < 1 || std::stoi(number) > kMaxMember) {
      return absl::InvalidArgumentError(
          fmt::format("server.{}: the id must be a number from 1 to {}",
                      number, kMaxMember));
    }
    ASSIGN_OR_RETURN(servers[MemberId(std::stoi(number))], ParseServer(text));
  }
  int64_t id = config.GetInt("myid");
  if (id == 0 && servers.empty()) id = 1;
  if (id == 0) {
    ASSIGN_OR_RETURN(id, ReadMyId(options.data_dir));
  }
  MemberId self(static_cast<int32_t>(id));
  if (servers.empty()) servers[self] = {"127.0.0.1:0", ""};
  if (servers.count(self) == 0) {
    return absl::InvalidArgumentError(
        fmt::format("this member's id is {}, but there is no server.{}", id,
                    id));
  }

  coord::NodeOptions& node = options.node;
  zab::Options& zab = node.member.zab;
  zab.self = self;
  node.peers.self = self;
  node.peers.ensemble = config.GetString("ensemble.name");
  for (const auto& [member, address] : servers) {
    zab.voters.push_back(member);
    node.client_addresses[member] = address.client;
    if (member != self) node.peers.addresses[member] = address.peer;
  }
  const std::string& own = servers[self].peer;
  node.peer_listen = config.GetBool("quorumListenOnAllIPs")
                         ? "[::]" + own.substr(own.rfind(':'))
                         : own;
  node.client_listen = config.GetString("grpc.listen");

  int64_t tick = config.GetInt("tickTime");
  int64_t beat = config.GetInt("peer.heartbeat.ms");
  int64_t silence = std::min(config.GetInt("peer.silence.ms"),
                             config.GetInt("syncLimit") * tick);
  node.zab_tick_ms = beat;
  zab.silence_ticks = static_cast<int>(std::max<int64_t>(silence / beat, 3));
  zab.discovery_ticks = std::max(zab.discovery_ticks, 2 * zab.silence_ticks);
  zab.sync_ticks = static_cast<int>(
      std::max<int64_t>(config.GetInt("initLimit") * tick / beat, 10));

  coord::MemberOptions& member = node.member;
  member.tick_ms = tick;
  int64_t min = config.GetInt("minSessionTimeout");
  int64_t max = config.GetInt("maxSessionTimeout");
  member.min_session_timeout_ms = min > 0 ? min : 2 * tick;
  member.max_session_timeout_ms = max > 0 ? max : 20 * tick;
  if (member.min_session_timeout_ms > member.max_session_timeout_ms) {
    return absl::InvalidArgumentError(fmt::format(
        "minSessionTimeout ({}) must not be above maxSessionTimeout ({})",
        member.min_session_timeout_ms, member.max_session_timeout_ms));
  }
  member.prepare.max_data_bytes = config.GetInt("jute.maxbuffer");
  member.max_requests =
      static_cast<size_t>(config.GetInt("globalOutstandingLimit"));
  member.max_requests_per_connection =
      static_cast<size_t>(config.GetInt("connection.outstanding.limit"));
  node.keep_log_entries = static_cast<size_t>(config.GetInt("snapCount"));
  node.version = kVersion;

  options.store.directory = options.data_dir;
  options.store.member = self;
  options.store.sync = config.GetBool("forceSync");
  return options;
}

}  // namespace sillok
