#include "tools/dev_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "base/rpc/channel.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "httplib.h"
#include "nlohmann/json.hpp"
#include "proto/broker.grpc.pb.h"

namespace sillok::tools {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr char kHost[] = "127.0.0.1";
// The super user of a cluster that is played with: super, password dev.
constexpr char kSuperDigest[] = "super:dAYpohV5mGWcpW18m4fEptZL3r0=";
constexpr auto kPoll = std::chrono::milliseconds(50);

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) {
    return absl::InternalError(
        fmt::format("cannot write {}: {}", path, strerror(errno)));
  }
  return absl::OkStatus();
}

std::string LogTail(const DevNode& node, size_t lines) {
  std::ifstream file(node.log_path());
  std::deque<std::string> tail;
  for (std::string line; std::getline(file, line);) {
    tail.push_back(line);
    if (tail.size() > lines) tail.pop_front();
  }
  std::string text;
  for (const std::string& line : tail) text += "\n  " + line;
  return text;
}

bool PortIsFree(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool free = bind(fd, reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)) == 0;
  close(fd);
  return free;
}

// Ports below the range from which the kernel gives out ports of its own, so
// that a node that was killed finds its port free when it comes back.
class PortChooser {
 public:
  int Next() {
    std::uniform_int_distribution<int> range(20'000, 32'000);
    while (true) {
      int port = range(random_);
      if (!taken_.contains(port) && PortIsFree(port)) {
        taken_.insert(port);
        return port;
      }
    }
  }

 private:
  std::mt19937 random_{std::random_device()()};
  std::set<int> taken_;
};

std::vector<DevNode> PlanNodes(const DevClusterSpec& spec) {
  std::vector<DevNode> nodes;
  PortChooser chooser;
  auto add = [&](DevNode::Kind kind, int id, int base) {
    DevNode node;
    node.kind = kind;
    node.id = id;
    auto port = [&](int offset) {
      return spec.base_port == 0 ? chooser.Next() : base + offset;
    };
    node.grpc_port = port(0);
    node.http_port = port(1);
    (kind == DevNode::Kind::kCoordinator ? node.peer_port
                                         : node.kafka_port) = port(2);
    (kind == DevNode::Kind::kCoordinator ? node.zookeeper_port
                                         : node.replication_port) = port(3);
    node.dir = spec.dir + "/" + node.name();
    nodes.push_back(std::move(node));
  };
  for (int i = 1; i <= spec.coordinators; ++i) {
    add(DevNode::Kind::kCoordinator, i, spec.base_port + 10 * i);
  }
  for (int i = 1; i <= spec.brokers; ++i) {
    add(DevNode::Kind::kBroker, i, spec.base_port + 100 + 10 * i);
  }
  return nodes;
}

nlohmann::json NodeToJson(const DevNode& node) {
  return {{"kind", node.kind == DevNode::Kind::kBroker ? "broker"
                                                       : "coordinator"},
          {"id", node.id},
          {"grpc_port", node.grpc_port},
          {"peer_port", node.peer_port},
          {"http_port", node.http_port},
          {"zookeeper_port", node.zookeeper_port},
          {"kafka_port", node.kafka_port},
          {"replication_port", node.replication_port}};
}

// True once `done` says so; false when the time is over.
bool Await(int timeout_seconds, const std::function<bool()>& done) {
  auto end = Clock::now() + std::chrono::seconds(timeout_seconds);
  while (!done()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

}  // namespace

std::string DevNode::name() const {
  return (kind == Kind::kBroker ? "broker-" : "coordinator-") +
         std::to_string(id);
}
std::string DevNode::grpc_address() const {
  return fmt::format("{}:{}", kHost, grpc_port);
}
std::string DevNode::http_address() const {
  return fmt::format("{}:{}", kHost, http_port);
}
std::string DevNode::kafka_address() const {
  return fmt::format("{}:{}", kHost, kafka_port);
}
std::string DevNode::zookeeper_address() const {
  return fmt::format("{}:{}", kHost, zookeeper_port);
}

absl::Status FindServerBinaries(DevClusterSpec* spec) {
  std::vector<std::pair<fs::path, fs::path>> places;
  if (const char* dir = getenv("SILLOK_SERVERS"); dir != nullptr) {
    places.emplace_back(fs::path(dir) / "sillok-coordinator",
                        fs::path(dir) / "sillok-broker");
  }
  std::error_code error;
  fs::path self = fs::read_symlink("/proc/self/exe", error).parent_path();
  places.emplace_back(self / "sillok-coordinator", self / "sillok-broker");
  // bazel-bin/tools/sillok, and tests in bazel-bin/test/...
  for (fs::path root = self; root.has_relative_path();
       root = root.parent_path()) {
    places.emplace_back(root / "coordinator" / "sillok-coordinator",
                        root / "broker" / "sillok-broker");
  }
  for (const auto& [coordinator, broker] : places) {
    if (access(coordinator.c_str(), X_OK) == 0 &&
        access(broker.c_str(), X_OK) == 0) {
      spec->coordinator_binary = coordinator;
      spec->broker_binary = broker;
      return absl::OkStatus();
    }
  }
  return absl::NotFoundError(
      fmt::format("sillok-coordinator and sillok-broker are neither beside {} "
                  "nor in a build tree; SILLOK_SERVERS=<folder> says where",
                  self.string()));
}

absl::StatusOr<DevCluster> DevCluster::Create(const DevClusterSpec& given) {
  DevClusterSpec spec = given;
  std::error_code error;
  spec.dir = fs::absolute(spec.dir, error);
  if (spec.coordinators != 1 && spec.coordinators != 3 &&
      spec.coordinators != 5) {
    return absl::InvalidArgumentError(fmt::format(
        "{} coordinators: allowed are 1, 3 and 5", spec.coordinators));
  }
  if (spec.brokers < 1 || spec.brokers > 99) {
    return absl::InvalidArgumentError(
        fmt::format("{} brokers: allowed are 1 to 99", spec.brokers));
  }
  if (spec.base_port != 0 &&
      (spec.base_port < 1024 || spec.base_port > 64'000)) {
    return absl::InvalidArgumentError(fmt::format(
        "base port {}: allowed are 0 (free ports) and 1024 to 64000",
        spec.base_port));
  }
  if (spec.coordinator_binary.empty()) {
    RETURN_IF_ERROR(FindServerBinaries(&spec));
  }
  if (fs::exists(spec.dir, error) && !fs::is_empty(spec.dir, error)) {
    return absl::AlreadyExistsError(
        fmt::format("{} is not empty and holds no cluster", spec.dir));
  }
  DevCluster cluster(spec, PlanNodes(spec));
  RETURN_IF_ERROR(cluster.WriteFiles());
  return cluster;
}

absl::StatusOr<DevCluster> DevCluster::Load(const std::string& dir) {
  std::error_code error;
  std::string path = fs::absolute(dir, error);
  std::string file = path + "/cluster.json";
  if (!fs::exists(file, error)) {
    return absl::NotFoundError(fmt::format(
        "there is no cluster in {} (sillok dev up --dir makes one)", path));
  }
  auto json = nlohmann::json::parse(ReadFile(file), nullptr, false);
  if (json.is_discarded() || !json.contains("nodes")) {
    return absl::DataLossError(fmt::format("{} is damaged", file));
  }
  DevClusterSpec spec;
  spec.dir = path;
  spec.coordinator_binary = json.value("coordinator_binary", "");
  spec.broker_binary = json.value("broker_binary", "");
  std::vector<DevNode> nodes;
  for (const auto& entry : json["nodes"]) {
    DevNode node;
    node.kind = entry.value("kind", "") == "broker"
                    ? DevNode::Kind::kBroker
                    : DevNode::Kind::kCoordinator;
    node.id = entry.value("id", 0);
    node.grpc_port = entry.value("grpc_port", 0);
    node.peer_port = entry.value("peer_port", 0);
    node.http_port = entry.value("http_port", 0);
    node.kafka_port = entry.value("kafka_port", 0);
    node.zookeeper_port = entry.value("zookeeper_port", 0);
    node.replication_port = entry.value("replication_port", 0);
    node.dir = path + "/" + node.name();
    (node.kind == DevNode::Kind::kBroker ? spec.brokers : spec.coordinators) =
        node.id;
    nodes.push_back(std::move(node));
  }
  return DevCluster(std::move(spec), std::move(nodes));
}

std::string DevCluster::NodeConfig(const DevNode& node) const {
  std::string text = "# Made by sillok dev.\n";
  if (node.kind == DevNode::Kind::kCoordinator) {
    text += fmt::format(
        "myid={}\ndataDir={}\ngrpc.listen={}\nadmin.listen={}\n"
        "clientPortAddress={}\nclientPort={}\nmaxClientCnxns=0\n"
        "4lw.commands.whitelist=*\n",
        node.id, node.data_path(), node.grpc_address(), node.http_address(),
        kHost, node.zookeeper_port);
    for (const DevNode& peer : nodes_) {
      if (peer.kind != DevNode::Kind::kCoordinator) continue;
      text += fmt::format("server.{}={}:{};{};{}\n", peer.id, kHost,
                          peer.peer_port, peer.grpc_port, peer.zookeeper_port);
    }
    const std::string super = "DigestAuthenticationProvider.superDigest=";
    bool has_super = false;
    for (const std::string& set : spec_.coordinator_sets) {
      text += set + "\n";
      has_super |= set.rfind(super, 0) == 0;
    }
    if (!has_super) text += super + kSuperDigest + "\n";
    return text;
  }
  text += fmt::format(
      "broker.id={}\nlog.dirs={}\n"
      "listeners=GRPC://{},PLAINTEXT://{},REPLICATION://{}:{}\n"
      "http.listen={}\n"
      "coordinator.connect={}\nzookeeper.session.timeout.ms=6000\n"
      "broker.disconnect.timeout.ms=1000\n"
      "default.replication.factor={}\nnum.partitions=1\n",
      node.id, node.data_path(), node.grpc_address(), node.kafka_address(),
      kHost, node.replication_port, node.http_address(),
      CoordinatorAddresses(), std::min(3, spec_.brokers));
  if (spec_.brokers >= 3) text += "min.insync.replicas=2\n";
  for (const std::string& set : spec_.broker_sets) text += set + "\n";
  return text;
}

absl::Status DevCluster::WriteFiles() const {
  nlohmann::json json = {{"coordinator_binary", spec_.coordinator_binary},
                         {"broker_binary", spec_.broker_binary},
                         {"nodes", nlohmann::json::array()}};
  for (const DevNode& node : nodes_) {
    std::error_code error;
    fs::create_directories(node.data_path(), error);
    if (error) {
      return absl::InternalError(fmt::format(
          "cannot make {}: {}", node.data_path(), error.message()));
    }
    RETURN_IF_ERROR(WriteFile(node.dir + "/config.properties",
                              NodeConfig(node)));
    json["nodes"].push_back(NodeToJson(node));
  }
  return WriteFile(spec_.dir + "/cluster.json", json.dump(2) + "\n");
}

std::optional<int> DevCluster::Pid(const DevNode& node) const {
  int pid = atoi(ReadFile(node.dir + "/pid").c_str());
  if (pid <= 0) return std::nullopt;
  waitpid(pid, nullptr, WNOHANG);  // in case it was ours and has ended
  // Pids are used again: it is ours only with our configuration file.
  std::string command = ReadFile(fmt::format("/proc/{}/cmdline", pid));
  if (command.empty()) {
    // Nothing to read: a process that is being made, or one that has ended and
    // that nobody has waited for.
    std::string stat = ReadFile(fmt::format("/proc/{}/stat", pid));
    size_t name_end = stat.rfind(") ");
    if (name_end == std::string::npos || stat[name_end + 2] == 'Z' ||
        stat[name_end + 2] == 'X') {
      return std::nullopt;
    }
    return pid;
  }
  if (command.find(node.dir + "/config.properties") == std::string::npos) {
    return std::nullopt;
  }
  return pid;
}

absl::Status DevCluster::StartNode(const DevNode& node) {
  if (Pid(node).has_value()) return absl::OkStatus();
  std::string binary = node.kind == DevNode::Kind::kBroker
                           ? spec_.broker_binary
                           : spec_.coordinator_binary;
  std::string config = node.dir + "/config.properties";
  std::string log = node.log_path();

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  std::string flag = "--config";
  char* arguments[] = {binary.data(), flag.data(), config.data(), nullptr};
  pid_t pid = 0;
  int error = posix_spawn(&pid, binary.c_str(), &files, &attributes, arguments,
                          environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return absl::InternalError(fmt::format("cannot start {} ({}): {}",
                                           node.name(), binary,
                                           strerror(error)));
  }
  return WriteFile(node.dir + "/pid", std::to_string(pid) + "\n");
}

absl::Status DevCluster::SignalNode(const DevNode& node, int signal) {
  std::optional<int> pid = Pid(node);
  if (!pid.has_value()) {
    return absl::FailedPreconditionError(node.name() + " does not run");
  }
  if (kill(*pid, signal) != 0) {
    return absl::InternalError(fmt::format("cannot signal {} (pid {}): {}",
                                           node.name(), *pid,
                                           strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status DevCluster::AwaitExit(const DevNode& node, int timeout_seconds) {
  if (Await(timeout_seconds, [&] { return !Pid(node).has_value(); })) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError(
      fmt::format("{} still runs after {} s{}", node.name(), timeout_seconds,
                  LogTail(node, 5)));
}

std::string DevCluster::Health(const DevNode& node) const {
  if (!Pid(node).has_value()) return "not running";
  httplib::Client client(kHost, node.http_port);
  client.set_connection_timeout(1, 0);
  client.set_read_timeout(2, 0);
  auto reply = client.Get("/healthz");
  if (!reply) return "starting";
  std::string text = reply->body;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

absl::Status DevCluster::AwaitHealthy(const DevNode& node,
                                      int timeout_seconds) {
  std::string health;
  bool ended = false;
  bool well = Await(timeout_seconds, [&] {
    health = Health(node);
    ended = health == "not running";
    return health == "ok" || ended;
  });
  if (well && !ended) return absl::OkStatus();
  return absl::UnavailableError(fmt::format(
      "{} {}; the end of {}:{}", node.name(),
      ended ? "ended" : fmt::format("is not well after {} s ({})",
                                    timeout_seconds, health),
      node.log_path(), LogTail(node, 12)));
}

absl::Status DevCluster::AwaitBrokers(int brokers, int timeout_seconds) {
  for (const DevNode& node : nodes_) {
    if (node.kind != DevNode::Kind::kBroker || !Pid(node).has_value()) continue;
    auto stub = v1::Broker::NewStub(rpc::NewChannel(node.grpc_address()));
    int seen = 0;
    bool done = Await(timeout_seconds, [&] {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() +
                           std::chrono::seconds(2));
      v1::MetadataResponse response;
      if (!stub->Metadata(&context, {}, &response).ok()) return false;
      seen = response.brokers_size();
      return seen == brokers && response.controller_id() >= 0;
    });
    if (!done) {
      return absl::DeadlineExceededError(
          fmt::format("{} sees {} of {} brokers after {} s; the end of {}:{}",
                      node.name(), seen, brokers, timeout_seconds,
                      node.log_path(), LogTail(node, 8)));
    }
  }
  return absl::OkStatus();
}

absl::Status DevCluster::Up(const Progress& progress, int timeout_seconds) {
  for (DevNode::Kind kind :
       {DevNode::Kind::kCoordinator, DevNode::Kind::kBroker}) {
    for (const DevNode& node : nodes_) {
      if (node.kind != kind) continue;
      bool running = Pid(node).has_value();
      RETURN_IF_ERROR(StartNode(node));
      progress(fmt::format("{} {} on {} (pid {})",
                           running ? "found   " : "starting", node.name(),
                           node.grpc_address(), Pid(node).value_or(0)));
    }
    for (const DevNode& node : nodes_) {
      if (node.kind == kind) {
        RETURN_IF_ERROR(AwaitHealthy(node, timeout_seconds));
      }
    }
    progress(kind == DevNode::Kind::kCoordinator
                 ? "the coordinators have a quorum"
                 : "the brokers are registered");
  }
  int brokers = static_cast<int>(
      std::count_if(nodes_.begin(), nodes_.end(), [](const DevNode& node) {
        return node.kind == DevNode::Kind::kBroker;
      }));
  return AwaitBrokers(brokers, timeout_seconds);
}

absl::Status DevCluster::Down(const Progress& progress) {
  for (DevNode::Kind kind :
       {DevNode::Kind::kBroker, DevNode::Kind::kCoordinator}) {
    std::vector<DevNode> stopping;
    for (const DevNode& node : nodes_) {
      if (node.kind != kind || !Pid(node).has_value()) continue;
      // A stopped process would not see the SIGTERM.
      (void)SignalNode(node, SIGCONT);
      (void)SignalNode(node, SIGTERM);
      stopping.push_back(node);
    }
    for (const DevNode& node : stopping) {
      if (AwaitExit(node, 20).ok()) {
        progress("stopped " + node.name());
        continue;
      }
      (void)SignalNode(node, SIGKILL);
      RETURN_IF_ERROR(AwaitExit(node, 10));
      progress("killed " + node.name() + " (it did not stop in 20 s)");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<DevNode> DevCluster::FindNode(const std::string& name) const {
  std::string known;
  for (const DevNode& node : nodes_) {
    std::string shorter = (node.kind == DevNode::Kind::kBroker ? "b" : "c") +
                          std::to_string(node.id);
    if (name == node.name() || name == shorter) return node;
    known += (known.empty() ? "" : ", ") + node.name();
  }
  return absl::NotFoundError(
      fmt::format("there is no node '{}'; there are {}", name, known));
}

std::string DevCluster::BrokerAddresses() const {
  std::string text;
  for (const DevNode& node : nodes_) {
    if (node.kind != DevNode::Kind::kBroker) continue;
    text += (text.empty() ? "" : ",") + node.grpc_address();
  }
  return text;
}

std::string DevCluster::KafkaAddresses() const {
  std::string text;
  for (const DevNode& node : nodes_) {
    if (node.kind != DevNode::Kind::kBroker) continue;
    text += (text.empty() ? "" : ",") + node.kafka_address();
  }
  return text;
}

std::string DevCluster::CoordinatorAddresses() const {
  std::string text;
  for (const DevNode& node : nodes_) {
    if (node.kind != DevNode::Kind::kCoordinator) continue;
    text += (text.empty() ? "" : ",") + node.grpc_address();
  }
  return text;
}

std::string DevCluster::ZookeeperAddresses() const {
  std::string text;
  for (const DevNode& node : nodes_) {
    if (node.zookeeper_port == 0) continue;
    text += (text.empty() ? "" : ",") + node.zookeeper_address();
  }
  return text;
}

std::string DevCluster::ToJson() const {
  nlohmann::json json = {{"coordinators", nlohmann::json::array()},
                         {"brokers", nlohmann::json::array()}};
  for (const DevNode& node : nodes_) {
    nlohmann::json entry = {{"id", node.id},
                            {"grpc", node.grpc_address()},
                            {"http", node.http_address()},
                            {"pid", nullptr},
                            {"log", node.log_path()}};
    if (auto pid = Pid(node); pid.has_value()) entry["pid"] = *pid;
    if (node.kind == DevNode::Kind::kBroker) {
      entry["kafka"] = node.kafka_address();
      entry["data"] = node.data_path();
      json["brokers"].push_back(std::move(entry));
    } else {
      entry["zookeeper"] = nullptr;
      if (node.zookeeper_port > 0) {
        entry["zookeeper"] = node.zookeeper_address();
      }
      json["coordinators"].push_back(std::move(entry));
    }
  }
  return json.dump(2);
}

}  // namespace sillok::tools
