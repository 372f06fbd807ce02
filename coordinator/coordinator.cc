#include "coordinator/coordinator.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/logging.h"
#include "base/rpc/socket_tuning.h"
#include "base/status_macros.h"
#include "coordinator/store/snapshot_keeper.h"
#include "coordinator/zookeeper/admin_commands.h"
#include "fmt/format.h"

namespace sillok {
namespace {

// Like mkdir -p.
absl::Status MakeDirectory(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      return absl::InternalError(
          fmt::format("cannot make the folder {}: {}", part, strerror(errno)));
    }
    if (end == std::string::npos) return absl::OkStatus();
  }
}

// Appears whole or not at all, for those who wait for it.
absl::Status WritePorts(const std::string& data_dir, int grpc, int peer,
                        int http, int zookeeper) {
  std::string path = data_dir + "/ports.json";
  std::string temporary = path + ".tmp";
  {
    std::ofstream file(temporary);
    file << fmt::format(
        "{{\"grpc\": {}, \"peer\": {}, \"http\": {}, \"zookeeper\": {}}}\n",
        grpc, peer, http, zookeeper);
    if (!file.flush()) {
      return absl::InternalError("cannot write " + temporary);
    }
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::InternalError(
        fmt::format("cannot write {}: {}", path, strerror(errno)));
  }
  return absl::OkStatus();
}

// A ZooKeeper's data is not ours to read, and beginning anew beside it would be
// losing it as far as clients can tell.
absl::Status CheckNoZookeeperData(const std::string& data_dir) {
  const std::string theirs = data_dir + "/version-2";
  struct stat found{};
  if (stat(theirs.c_str(), &found) != 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      theirs + " holds the data of a ZooKeeper, which cannot be taken over: "
               "give this coordinator a dataDir of its own");
}

// Tells later starts that the ensemble goes on without this member: what is in the
// store may be from before that.
std::string RemovedPath(const std::string& data_dir) {
  return data_dir + "/removed";
}

absl::Status CheckNotRemoved(const std::string& data_dir, MemberId self) {
  if (access(RemovedPath(data_dir).c_str(), F_OK) != 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(fmt::format(
      "member {} was removed from the ensemble (there is {}). To have it join "
      "again, empty its data directory (but myid), start it with itself as an "
      "observer, and add it: sillok coord add",
      self.value(), RemovedPath(data_dir)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Start(
    CoordinatorOptions options, std::function<void(absl::Status)> on_fatal,
    std::function<void()> on_removed) {
  RETURN_IF_ERROR(MakeDirectory(options.data_dir));
  RETURN_IF_ERROR(CheckNoZookeeperData(options.data_dir));
  RETURN_IF_ERROR(CheckNotRemoved(options.data_dir, options.node.peers.self));
  // Of an earlier run; whoever waits for the ports must not read these.
  unlink((options.data_dir + "/ports.json").c_str());
  absl::StatusOr<std::unique_ptr<CoordinatorStore>> store =
      OpenRocksStore(options.store);
  if (!store.ok()) return WithWayOut(store.status(), options.store);
  std::unique_ptr<Coordinator> coordinator(new Coordinator);
  MemberId self = options.node.peers.self;
  options.node.on_fatal = std::move(on_fatal);
  options.node.on_removed = [path = RemovedPath(options.data_dir),
                             on_removed = std::move(on_removed)] {
    std::ofstream(path) << "The ensemble goes on without this member.\n";
    on_removed();
  };
  options.node.make_door = [&options, coordinator = coordinator.get()](
                               coord::DoorContext context) {
    return coordinator->OpenZookeeperDoor(options.zookeeper,
                                          options.words_whitelist,
                                          options.monitor, std::move(context));
  };
  absl::StatusOr<std::unique_ptr<coord::Node>> node =
      coord::Node::Start(std::move(options.node), *std::move(store));
  if (!node.ok()) return WithWayOut(node.status(), options.store);
  coordinator->node_ = *std::move(node);
  coordinator->AddMetrics();
  ASSIGN_OR_RETURN(
      coordinator->http_,
      HttpEndpoint::Start(
          options.http_listen, &coordinator->metrics_,
          [node = coordinator->node_.get()] { return node->health(); }));
  coordinator->AddCommands();
  RETURN_IF_ERROR(WritePorts(options.data_dir, coordinator->grpc_port(),
                             coordinator->peer_port(),
                             coordinator->http_port(),
                             coordinator->zookeeper_port()));
  LOG(INFO) << "member " << self << " of "
            << coordinator->node_->facts().status.members_size() << " started, grpc_port="
            << coordinator->grpc_port()
            << " peer_port=" << coordinator->peer_port()
            << " http_port=" << coordinator->http_port()
            << " zookeeper_port=" << coordinator->zookeeper_port()
            << " data_dir=" << options.data_dir;
  return coordinator;
}

Coordinator::~Coordinator() { Stop(); }

void Coordinator::Stop() {
  http_.reset();  // it asks the node
  if (node_ != nullptr) node_->Stop();
}

absl::StatusOr<std::unique_ptr<coord::ClientDoor>>
Coordinator::OpenZookeeperDoor(
    std::optional<coord::ZookeeperDoorOptions> options,
    const std::string& words_whitelist, coord::MonitorConstants constants,
    coord::DoorContext context) {
  monitor_ = std::make_unique<coord::Monitor>(
      std::move(constants), context.member, std::move(context.facts),
      [this](ConnectionId id) {
        return zookeeper_ == nullptr ? "" : zookeeper_->PeerOf(id);
      });
  if (!options.has_value()) return nullptr;
  words_ = std::make_unique<coord::FourLetterWords>(
      coord::ParseWhitelist(words_whitelist), monitor_.get());
  options->metrics = &metrics_;
  options->tcp_congestion = rpc::TcpCongestion();
  ASSIGN_OR_RETURN(
      std::unique_ptr<coord::ZookeeperDoor> door,
      coord::ZookeeperDoor::Start(
          *options, std::move(context.loop),
          {std::move(context.clients),
           [this](std::string_view word, std::string_view argument) {
             return words_->Answer(word, argument);
           }}));
  zookeeper_ = door.get();
  zookeeper_port_ = door->port();
  return door;
}

void Coordinator::AddCommands() {
  http_->AddJson("/commands", coord::ListAdminCommands);
  auto add = [this](const std::string& name) {
    if (name.empty()) return;
    http_->AddJson("/commands/" + name, [this, name] {
      std::string answer;
      bool ran = node_->RunOnLoop([&] {
        answer = coord::RunAdminCommand(name, monitor_.get());
      });
      return ran ? answer : coord::RunAdminCommand(name, nullptr);
    });
  };
  for (const auto& [name, alias] : coord::AdminCommandNames()) {
    add(name);
    add(alias);
  }
}

void Coordinator::AddMetrics() {
  metrics_.AddProcessMetrics("coordinator");
  using Kind = MetricsRegistry::Kind;
  auto add = [this](const char* name, const char* help, Kind kind,
                    double (*read)(const coord::NodeFacts&)) {
    metrics_.AddCallback(
        std::string("sillok_coordinator_") + name, help, kind,
        [node = node_.get(), read] {
          return std::vector<MetricsRegistry::Sample>{
              {{}, read(node->facts())}};
        });
  };
  using Facts = const coord::NodeFacts&;
  add("serving", "1 while this member is part of a quorum that serves.",
      Kind::kGauge, [](Facts f) { return f.serving ? 1.0 : 0.0; });
  add("leader", "1 while this member leads.", Kind::kGauge, [](Facts f) {
    return f.status.role() == "leading" ? 1.0 : 0.0;
  });
  add("epoch", "Epoch of the leader this member knows.", Kind::kGauge,
      [](Facts f) { return double(f.status.epoch()); });
  add("synced_voters", "Voters in step with this leader, itself included.",
      Kind::kGauge, [](Facts f) { return double(f.synced_voters); });
  add("znodes", "Znodes in the tree.", Kind::kGauge,
      [](Facts f) { return double(f.status.znodes()); });
  add("ephemerals", "Ephemeral znodes in the tree.", Kind::kGauge,
      [](Facts f) { return double(f.status.ephemerals()); });
  add("data_bytes", "Bytes of all names and data in the tree.", Kind::kGauge,
      [](Facts f) { return double(f.status.approximate_data_bytes()); });
  add("sessions", "Sessions of the ensemble.", Kind::kGauge,
      [](Facts f) { return double(f.status.sessions()); });
  add("connections", "Client streams of this member.", Kind::kGauge,
      [](Facts f) { return double(f.status.connections()); });
  add("watches", "Armed watches of this member's clients.", Kind::kGauge,
      [](Facts f) { return double(f.status.watches()); });
  add("outstanding_requests", "Requests that wait for the leader's decision.",
      Kind::kGauge, [](Facts f) { return double(f.outstanding_requests); });
  add("proposal_backlog", "Requests the leader had no room to propose.",
      Kind::kGauge, [](Facts f) { return double(f.backlog); });
  add("applied_zxid", "The last zxid this member has applied.", Kind::kGauge,
      [](Facts f) { return double(f.status.last_applied_zxid()); });
  add("requests_total", "Client requests taken by this member.",
      Kind::kCounter, [](Facts f) { return double(f.requests); });
  add("proposals_total", "Transactions this member proposed as leader.",
      Kind::kCounter, [](Facts f) { return double(f.proposed); });
  add("refusals_total", "Requests this member refused as leader.",
      Kind::kCounter, [](Facts f) { return double(f.rejected); });
  add("expired_sessions_total", "Sessions this member expired as leader.",
      Kind::kCounter, [](Facts f) { return double(f.expired_sessions); });
  add("elections_total", "Elections this member has begun.", Kind::kCounter,
      [](Facts f) { return double(f.elections); });
}

}  // namespace sillok
