#include "coordinator/config.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/version.h"
#include "coordinator/tree/ensemble_text.h"
#include "fmt/format.h"

namespace sillok {
namespace {

using Members = std::map<MemberId, v1::EnsembleMember>;

constexpr int64_t kMaxMember = kMaxMemberId;

std::string CheckServer(const std::string& text) {
  return ParseServer(text).ok()
             ? ""
             : "host:peerport[:participant|observer][;grpcport"
               "[;zookeeperport]]";
}

std::string CheckHostPort(const std::string& text) {
  return !HostOf(text).empty() && PortOf(text) >= 0 ? "" : "host:port";
}

void AddEnsembleKeys(ConfigSpec* spec) {
  spec->Int("myid", 0,
            "This member's id, the N of its server.N; 0 = the number in the "
            "file dataDir/myid.",
            0, kMaxMember)
      .Prefix("server.",
              "server.N=host:peerport[:participant|observer][;grpcport"
              "[;zookeeperport]]: one line for each member, the same on all of "
              "them. ZooKeeper's host:port:electionport[:role][;clientport] is "
              "understood, too. None: an ensemble of this member alone. Once "
              "the members were changed at run time these lines do not count "
              "any more.",
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
      .Int("peer.silence.ms", 400,
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
      .Int("clientPort", 2'181,
           "The port of ZooKeeper's protocol; 0 = any, -1 = none.", -1, 65'535)
      .String("clientPortAddress", "127.0.0.1",
              "The address of that port; * = all.")
      .Int("maxClientCnxns", 60,
           "Connections to that port from one address; 0 = no limit.", 0,
           1'000'000)
      .String("4lw.commands.whitelist", "srvr",
              "The four-letter words that are answered on that port, "
              "separated by commas; * = all.")
      .Bool("readonlymode.enabled", false,
            "Without a quorum this member serves reads to ZooKeeper clients "
            "that ask for it.")
      .Int("minSessionTimeout", -1, "Milliseconds; -1 = 2 ticks.", -1,
           86'400'000)
      .Int("maxSessionTimeout", -1, "Milliseconds; -1 = 20 ticks.", -1,
           86'400'000)
      .Int("jute.maxbuffer", 1024 * 1024,
           "Bytes a znode's data, a whole multi, or a request of ZooKeeper's "
           "protocol may have.",
           1024, 64 * 1024 * 1024)
      .Int("globalOutstandingLimit", 20'000,
           "Unanswered requests of all clients of this member at which it "
           "stops reading more.",
           1, 1'000'000)
      .Int("connection.outstanding.limit", 1'000,
           "Unanswered requests of one stream at which no more are read from "
           "it.",
           1, 1'000'000);
}

void AddTreeKeys(ConfigSpec* spec) {
  const coord::MemberOptions defaults;
  spec->Bool("enforceQuota", false,
             "Quotas refuse writes; else they are only counted.")
      .Bool("extendedTypesEnabled", true,
            "Znodes with a time to live may be created. (ZooKeeper's default "
            "is false.)")
      .Bool("reconfigEnabled", true,
            "Members may be added and removed at run time, by who has WRITE on "
            "/zookeeper/config. (ZooKeeper's default is false.)")
      .Bool("skipACL", false, "No ACL keeps anybody from anything.")
      .String("DigestAuthenticationProvider.superDigest", "",
              "user:base64(sha1(user:password)) of who may do anything; empty "
              "= nobody.")
      .Int("znode.container.checkIntervalMs",
           defaults.reaper.check_interval_ms,
           "Milliseconds between two looks at a container or TTL znode.", 10,
           86'400'000)
      .Int("znode.container.maxPerMinute", defaults.reaper.max_per_minute,
           "How many of them are deleted in a minute at most.", 1, 100'000'000)
      .Int("znode.container.maxNeverUsedIntervalMs",
           defaults.reaper.max_never_used_ms,
           "A container that never had a child is deleted after this; 0 = "
           "never.",
           0);
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
      .Int("preAllocSize", 16'384,
           "KiB of a segment of the log, which is written full of zeros before "
           "it is used, and used again. A log begins with smaller ones. "
           "(ZooKeeper's default is 65536.)",
           64, 1'048'576)
      .Int("snapshot.interval.ms", 3'600'000,
           "Milliseconds between two snapshots of the tree in "
           "dataDir/snapshots, for when a directory is damaged; none if "
           "nothing has changed. 0 = none at all.",
           0)
      .Int("autopurge.snapRetainCount", 3,
           "How many of these are kept.", 1, 1'000)
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

void FillDoor(const Config& config, const v1::EnsembleMember& own,
              CoordinatorOptions* options) {
  options->words_whitelist = config.GetString("4lw.commands.whitelist");
  int64_t port = config.GetInt("clientPort");
  std::string host = config.GetString("clientPortAddress");
  // A server line that names the port is worth more than a default.
  const std::string said =
      ReachableAddress(own.zookeeper_address(), own.peer_address());
  if (!config.IsSet("clientPort") && !said.empty()) {
    port = PortOf(said);
    if (!config.IsSet("clientPortAddress")) host = HostOf(said);
  }
  if (port < 0) return;
  coord::ZookeeperDoorOptions door;
  const coord::MemberOptions& member = options->node.member;
  door.host = host == "*" || host == "0.0.0.0" ? "" : host;
  door.port = static_cast<int>(port);
  door.max_connections_per_ip =
      static_cast<int>(config.GetInt("maxClientCnxns"));
  door.max_frame_bytes = static_cast<int32_t>(config.GetInt("jute.maxbuffer"));
  door.max_unanswered = member.max_requests_per_connection;
  // Twice the longest silence of a client whose session lives.
  door.idle_timeout_ms = 2 * member.max_session_timeout_ms;
  options->zookeeper = door;
  if (port > 0) {
    options->node.zookeeper_address = fmt::format(
        "{}:{}", door.host.empty() ? HostOf(own.peer_address()) : door.host,
        port);
  }
}

// What ZooKeeper's `conf` lists.
void FillMonitor(const Config& config, const Members& servers, MemberId self,
                 CoordinatorOptions* options) {
  coord::MonitorConstants& monitor = options->monitor;
  const coord::MemberOptions& member = options->node.member;
  monitor.version = fmt::format("3.9.0-sillok-{}", kVersion);
  monitor.member_id = self.value();
  monitor.data_dir = options->data_dir;
  auto add = [&](const std::string& key, const auto& value) {
    monitor.config.emplace_back(key, fmt::format("{}", value));
  };
  add("clientPort", config.GetInt("clientPort"));
  add("secureClientPort", -1);
  add("dataDir", options->data_dir);
  add("dataLogDir", options->data_dir);
  add("tickTime", member.tick_ms);
  add("maxClientCnxns", config.GetInt("maxClientCnxns"));
  add("minSessionTimeout", member.min_session_timeout_ms);
  add("maxSessionTimeout", member.max_session_timeout_ms);
  add("serverId", self.value());
  add("jute.maxbuffer", config.GetInt("jute.maxbuffer"));
  if (servers.empty()) return;
  add("initLimit", config.GetInt("initLimit"));
  add("syncLimit", config.GetInt("syncLimit"));
}

}  // namespace

const ConfigSpec& CoordinatorConfigSpec() {
  static const ConfigSpec* spec = [] {
    auto* made = new ConfigSpec;
    AddEnsembleKeys(made);
    AddClientKeys(made);
    AddTreeKeys(made);
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

  Members servers;
  for (const auto& [number, text] : config.GetPrefix("server.")) {
    if (number.empty() || number.size() > 3 ||
        number.find_first_not_of("0123456789") != std::string::npos ||
        std::stoi(number) < 1 || std::stoi(number) > kMaxMember) {
      return absl::InvalidArgumentError(
          fmt::format("server.{}: the id must be a number from 1 to {}",
                      number, kMaxMember));
    }
    ASSIGN_OR_RETURN(v1::EnsembleMember server, ParseServer(text));
    server.set_id(std::stoi(number));
    servers[MemberId(server.id())] = std::move(server);
  }
  int64_t id = config.GetInt("myid");
  if (id == 0 && servers.empty()) id = 1;
  if (id == 0) {
    ASSIGN_OR_RETURN(id, ReadMyId(options.data_dir));
  }
  MemberId self(static_cast<int32_t>(id));
  if (!servers.empty() && servers.count(self) == 0) {
    return absl::InvalidArgumentError(
        fmt::format("this member's id is {}, but there is no server.{}", id,
                    id));
  }

  if (!servers.empty() &&
      std::all_of(servers.begin(), servers.end(), [](const auto& server) {
        return server.second.observer();
      })) {
    return absl::InvalidArgumentError("all members are observers");
  }

  coord::NodeOptions& node = options.node;
  zab::Options& zab = node.member.zab;
  zab.self = self;
  node.peers.self = self;
  node.peers.ensemble = config.GetString("ensemble.name");
  for (const auto& [member, server] : servers) {
    (server.observer() ? zab.observers : zab.voters).push_back(member);
    node.member.ensemble.push_back(server);
    if (member != self) node.peers.addresses[member] = server.peer_address();
  }
  v1::EnsembleMember alone;
  alone.set_peer_address("127.0.0.1:0");
  if (servers.empty()) zab.voters.push_back(self);
  const v1::EnsembleMember& own = servers.empty() ? alone : servers[self];
  node.peer_listen = config.GetBool("quorumListenOnAllIPs")
                         ? fmt::format("[::]:{}", PortOf(own.peer_address()))
                         : own.peer_address();
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
  member.read_only_mode = config.GetBool("readonlymode.enabled");
  member.prepare.enforce_quota = config.GetBool("enforceQuota");
  member.prepare.ttl_enabled = config.GetBool("extendedTypesEnabled");
  member.prepare.skip_acl = config.GetBool("skipACL");
  member.prepare.reconfig_enabled = config.GetBool("reconfigEnabled");
  member.super_digest =
      config.GetString("DigestAuthenticationProvider.superDigest");
  member.reaper.check_interval_ms =
      config.GetInt("znode.container.checkIntervalMs");
  member.reaper.max_per_minute = config.GetInt("znode.container.maxPerMinute");
  member.reaper.max_never_used_ms =
      config.GetInt("znode.container.maxNeverUsedIntervalMs");
  node.keep_log_entries = static_cast<size_t>(config.GetInt("snapCount"));
  node.version = kVersion;

  FillDoor(config, own, &options);
  FillMonitor(config, servers, self, &options);

  options.store.directory = options.data_dir;
  options.store.member = self;
  options.store.sync = config.GetBool("forceSync");
  constexpr uint64_t kPage = 4096;
  options.store.segment_bytes =
      (static_cast<uint64_t>(config.GetInt("preAllocSize")) * 1024 + kPage -
       1) /
      kPage * kPage;
  node.snapshots.folder = options.data_dir + "/snapshots";
  node.snapshots.interval_ms = config.GetInt("snapshot.interval.ms");
  node.snapshots.retain =
      static_cast<size_t>(config.GetInt("autopurge.snapRetainCount"));
  return options;
}

}  // namespace sillok
