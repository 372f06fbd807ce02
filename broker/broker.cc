#include "broker/broker.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/http.h"
#include "base/net/loop.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/process.h"
#include "base/rpc/channel.h"
#include "base/rpc/server.h"
#include "base/rpc/socket_tuning.h"
#include "base/status_macros.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/api/broker_context.h"
#include "broker/broker_config.h"
#include "broker/disk_guard.h"
#include "broker/controller/cluster_stream.h"
#include "broker/controller/controller.h"
#include "broker/controller/controller_channel.h"
#include "broker/controller/controller_finder.h"
#include "broker/controller/controller_service.h"
#include "broker/group/group_coordinator.h"
#include "broker/grpc/broker_service.h"
#include "broker/journal/partition_journal.h"
#include "broker/kafka/kafka_door.h"
#include "broker/listeners.h"
#include "broker/log/log_directory.h"
#include "broker/metadata/broker_registration.h"
#include "broker/metadata/cluster_view_holder.h"
#include "broker/metadata/dynamic_configs.h"
#include "broker/metadata/session_store.h"
#include "broker/part_options.h"
#include "broker/replica_door/replica_door.h"
#include "broker/replication/frame_fetch_channel.h"
#include "broker/replication/grpc_fetch_channel.h"
#include "broker/replication/partition_table.h"
#include "broker/txn/producer_ids.h"
#include "coordinator/client/session.h"
#include "fmt/format.h"

namespace sillok {
namespace {

constexpr char kOffsetsTopic[] = "__consumer_offsets";
constexpr int64_t kShutdownStepMs = 5'000;
// A step of the end needs the coordinators: not waited for when they are away.
constexpr int64_t kCoordinatorsAwayMs = 500;
constexpr int64_t kLookAgainMs = 10;

// 16 random bytes in 22 characters, as Kafka writes cluster ids.
std::string RandomUuid() {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::random_device device;
  std::string text;
  for (int i = 0; i < 21; ++i) text += kAlphabet[device() % 64];
  text += kAlphabet[(device() % 4) * 16];  // 128 bits leave 2 for the last one
  return text;
}

// Leaders' wishes for another ISR go to the controller.
class ControllerIsrChannel final : public IsrChannel {
 public:
  explicit ControllerIsrChannel(ControllerChannel* controller)
      : controller_(controller) {}
  void AlterPartition(
      v1::AlterPartitionRequest request, int64_t timeout_ms,
      std::function<void(absl::StatusOr<v1::AlterPartitionResponse>)> done)
      override {
    controller_->AlterPartition(std::move(request), timeout_ms,
                                std::move(done));
  }

 private:
  ControllerChannel* controller_;
};

}  // namespace

// The members are in the order of their making: what stands below uses what
// stands above, and goes first.
class Broker::Impl {
 public:
  explicit Impl(const Config& config)
      : config_(config),
        id_(config.GetInt("broker.id")),
        executor_("broker", 2),
        api_metrics_(&metrics_) {
    metrics_.AddProcessMetrics("broker");
  }

  absl::Status Start();
  void Stop();
  absl::Status fatal() const {
    std::lock_guard lock(mutex_);
    return fatal_;
  }

 private:
  absl::Status OpenLogs();
  absl::Status ConnectCoordinator();
  void BuildReplication();
  void BuildCluster();
  absl::Status Listen();
  std::vector<BrokerEndpoint> AdvertisedEndpoints() const;
  std::optional<std::pair<std::string, int>> ReplicationEndpoint(
      BrokerId broker) const;
  void Register();
  void AddMetrics();

  void OnRegistered(BrokerEpoch epoch, const std::string& cluster_id);
  void OnRegistrationLost();
  void OnClusterUpdate(const v1::ClusterUpdate& update,
                       ClusterStream::Applied applied);
  void OnRoleChange(const std::shared_ptr<Partition>& partition,
                    ReplicaRole role, LeaderEpoch epoch);
  void HandLeadershipsOver();
  // Runs `start` with a callback and waits until it is called: false when that
  // takes longer than kShutdownStepMs, or when the coordinators, which the step
  // needs, are away.
  enum class Needs { kNothing, kCoordinators };
  bool AwaitStep(const char* what, Needs needs,
                 const std::function<void(std::function<void()>)>& start);
  void GuardDisk();
  absl::Status Health() const;
  // Ends the process in order; the first reason counts.
  void Die(absl::Status why);

  const Config config_;
  const BrokerId id_;
  const Clock* const clock_ = &Clock::Real();

  mutable std::mutex mutex_;  // fatal_, epoch_, serving_, registered_session_
  absl::Status fatal_;
  BrokerEpoch epoch_{-1};
  bool serving_ = false;  // registered, and the controller's snapshot is in
  uint64_t registered_session_ = 0;  // which holds the registration; 0 = none
  // The same once the roles of this registration are taken on: what was led
  // before it may be led by others now.
  std::atomic<uint64_t> lease_session_{0};

  MetricsRegistry metrics_;
  Timer timer_;  // outlives the executor, whose last tasks may set timers
  Executor executor_;
  api::ApiMetrics api_metrics_;

  std::unique_ptr<LogDirectory> logs_;
  std::unique_ptr<SessionStore> store_;
  std::unique_ptr<ProducerIds> producer_ids_;
  ClusterViewHolder cluster_;
  std::unique_ptr<ControllerFinder> finder_;
  std::unique_ptr<ControllerChannel> controller_channel_;
  std::unique_ptr<ControllerIsrChannel> isr_channel_;
  rpc::ChannelPool replica_channels_;
  // The thread by which this broker follows others through frames.
  net::Loop replica_loop_{"follow"};
  std::unique_ptr<FetchChannelFactory> grpc_fetch_channels_;
  std::unique_ptr<FetchChannelFactory> fetch_channels_;
  std::unique_ptr<GroupCoordinator> groups_;
  std::unique_ptr<DiskGuard> disk_guard_;
  std::unique_ptr<DynamicConfigWatch> dynamic_configs_;
  std::unique_ptr<PartitionTable> partitions_;
  std::unique_ptr<Controller> controller_;
  // The part of an update that ClusterViewHolder took; owned by the stream's
  // strand, between Apply and the table's.
  v1::ClusterUpdate accepted_;
  std::unique_ptr<ClusterStream> stream_;

  api::BrokerContext context_;
  std::unique_ptr<grpc::Service> broker_service_;
  std::unique_ptr<ControllerService> controller_service_;
  ListenerPlan listeners_;
  std::map<std::string, int> ports_;  // really listened at, by listener
  std::unique_ptr<rpc::RpcServer> server_;
  std::unique_ptr<kafka_door::KafkaDoor> kafka_door_;  // null: no listener
  std::unique_ptr<net::FrameServer> replica_door_;     // null: no listener
  std::unique_ptr<HttpEndpoint> http_;
  std::unique_ptr<BrokerRegistration> registration_;
  bool stopped_ = false;
};

absl::Status Broker::Impl::Start() {
  RETURN_IF_ERROR(OpenLogs());
  RETURN_IF_ERROR(ConnectCoordinator());
  GuardDisk();
  BuildReplication();
  BuildCluster();
  AddMetrics();
  RETURN_IF_ERROR(Listen());
  Register();
  return absl::OkStatus();
}

absl::Status Broker::Impl::OpenLogs() {
  LogDirectory::Options options;
  options.path = config_.GetString("log.dirs");
  options.broker_id = id_;
  ConfigMap broker = ConfigValues(config_);
  options.log_options = SettingsOf({}, broker).log;
  options.recovery_threads = config_.GetInt("num.recovery.threads.per.data.dir");
  options.now_ms = clock_->WallMs();
  int64_t started = clock_->MonotonicMs();
  ASSIGN_OR_RETURN(logs_, LogDirectory::Open(std::move(options)));
  LOG(INFO) << "data directory open: path=" << logs_->path()
            << " logs=" << logs_->logs().size()
            << " damaged=" << logs_->failed_logs().size() << " last end="
            << (logs_->previous_broker_epoch().has_value() ? "clean"
                                                           : "not clean")
            << " took_ms=" << clock_->MonotonicMs() - started;
  for (const LogDirectory::FailedLog& failed : logs_->failed_logs()) {
    LOG(ERROR) << failed.partition << " cannot be opened and is left out: "
               << failed.status.message();
  }
  return absl::OkStatus();
}

absl::Status Broker::Impl::ConnectCoordinator() {
  ASSIGN_OR_RETURN(coord::SessionOptions options,
                   coord::ParseConnectString(
                       config_.GetString("coordinator.connect")));
  options.session_timeout_ms = config_.GetInt("zookeeper.session.timeout.ms");
  options.disconnect_timeout_ms =
      config_.GetInt("broker.disconnect.timeout.ms");
  options.client_name = fmt::format("broker-{}", id_.value());
  store_ = std::make_unique<SessionStore>(options, &executor_, &timer_);
  producer_ids_ =
      std::make_unique<ProducerIds>(id_, store_.get(), &executor_);
  finder_ = std::make_unique<ControllerFinder>(store_.get(), &executor_, &timer_);
  controller_channel_ = std::make_unique<ControllerChannel>(
      ControllerChannelOptions(), finder_.get(), &timer_);
  return absl::OkStatus();
}

void Broker::Impl::BuildReplication() {
  isr_channel_ = std::make_unique<ControllerIsrChannel>(controller_channel_.get());
  grpc_fetch_channels_ = std::make_unique<GrpcFetchChannelFactory>(
      &replica_channels_, &timer_);
  replica_loop_.Start();
  fetch_channels_ = std::make_unique<FrameFetchChannelFactory>(
      &replica_loop_, rpc::TcpCongestion(),
      [this](BrokerId broker) { return ReplicationEndpoint(broker); },
      grpc_fetch_channels_.get());
  groups_ = std::make_unique<GroupCoordinator>(
      GroupOptionsOf(config_),
      GroupCoordinator::Environment{
          &executor_, &timer_, clock_, nullptr,
          [this](const std::string& topic) {
            return cluster_.Get()->FindTopic(topic) != nullptr;
          }});
  PartitionTable::Environment environment;
  environment.logs = logs_.get();
  environment.timer = &timer_;
  environment.clock = clock_;
  environment.isr_channel = isr_channel_.get();
  environment.fetch_channels = fetch_channels_.get();
  dynamic_configs_ = std::make_unique<DynamicConfigWatch>(id_, store_.get(),
                                                          &executor_, &timer_);
  environment.settings = [broker = ConfigValues(config_),
                          dynamic = dynamic_configs_.get()](
                             const std::string&, const ConfigMap& topic) {
    return SettingsOf(topic, TopicDefaults(broker, *dynamic->Get()));
  };
  environment.on_log_failed = [this](const TopicPartition& partition,
                                     const absl::Status& status) {
    LOG(ERROR) << "replica lost until the next start: partition=" << partition
               << " reason=" << status.message();
    disk_guard_->OnLogLost();
  };
  environment.on_write_trouble = [this](const TopicPartition& partition,
                                        const std::string& why) {
    disk_guard_->OnWriteTrouble(partition, why);
  };
  environment.on_deleted = [this](const v1::DeletedReplica& deleted) {
    stream_->ReportDeleted({deleted});
  };
  partitions_ =
      std::make_unique<PartitionTable>(TableOptionsOf(config_), environment);
  partitions_->AddRoleListener([this](const std::shared_ptr<Partition>& partition,
                                      ReplicaRole role, LeaderEpoch epoch) {
    OnRoleChange(partition, role, epoch);
  });
}

void Broker::Impl::BuildCluster() {
  controller_ = std::make_unique<Controller>(ControllerOptionsOf(config_),
                                             store_.get(), &executor_, &timer_,
                                             clock_);
  cluster_.AddListener([this](const std::shared_ptr<const ClusterView>& view,
                              const v1::ClusterUpdate& accepted) {
    accepted_ = accepted;
    if (auto topic = view->FindTopic(kOffsetsTopic); topic != nullptr) {
      groups_->SetPartitionCount(static_cast<int32_t>(topic->partitions.size()));
    }
    std::vector<std::string> deleted;
    for (const v1::DeletedTopic& topic : accepted.topics_deleted()) {
      // A deletion may be told again when the name is already in use anew.
      if (view->FindTopic(topic.name()) == nullptr) {
        deleted.push_back(topic.name());
      }
    }
    groups_->OnTopicsDeleted(std::move(deleted));
  });
  ClusterStreamOptions options;
  options.broker_id = id_;
  stream_ = std::make_unique<ClusterStream>(
      options, finder_.get(), &executor_, &timer_,
      [this](const v1::ClusterUpdate& update, ClusterStream::Applied applied) {
        OnClusterUpdate(update, std::move(applied));
      });
  partitions_->Start();
  dynamic_configs_->Start([this] { partitions_->RefreshSettings(); });

  context_.options = ApiOptionsOf(config_);
  context_.cluster = &cluster_;
  context_.partitions = partitions_.get();
  context_.groups = groups_.get();
  context_.producer_ids = producer_ids_.get();
  context_.controller = controller_channel_.get();
  context_.dynamic_configs = dynamic_configs_.get();
  context_.clock = clock_;
  context_.metrics = &api_metrics_;
  const int64_t disconnect = config_.GetInt("broker.disconnect.timeout.ms");
  context_.holds_lease = [this, disconnect] {
    int64_t patience = store_->SessionTimeoutMs();
    if (disconnect > 0) patience = std::min(patience, disconnect);
    uint64_t session = lease_session_.load(std::memory_order_relaxed);
    return session != 0 && session == store_->SessionId() &&
           clock_->MonotonicMs() - store_->LastContactMs() < patience * 2 / 3;
  };
  broker_service_ = grpc_door::NewBrokerService(context_);
  controller_service_ = std::make_unique<ControllerService>(controller_.get());
}

absl::Status Broker::Impl::Listen() {
  ASSIGN_OR_RETURN(listeners_, BrokerListeners(config_));
  std::string grpc_name;
  std::vector<std::string> grpc_addresses;
  std::vector<net::ListenAddress> kafka_addresses;
  std::vector<net::ListenAddress> replica_addresses;
  for (const BrokerEndpoint& listener : listeners_.listen) {
    if (listener.security_protocol == kGrpcProtocol) {
      if (grpc_addresses.empty()) grpc_name = listener.listener;
      grpc_addresses.push_back(HostPort(listener));
    } else {
      auto& addresses = listener.security_protocol == kReplicationProtocol
                            ? replica_addresses
                            : kafka_addresses;
      addresses.push_back({listener.listener, listener.host, listener.port});
    }
  }
  ASSIGN_OR_RETURN(server_, rpc::RpcServer::Start(
                                grpc_addresses, {broker_service_.get(),
                                                 controller_service_.get()}));
  ports_[grpc_name] = server_->port();
  if (!kafka_addresses.empty()) {
    ASSIGN_OR_RETURN(kafka_door_, kafka_door::KafkaDoor::Start(
                                      KafkaDoorOptionsOf(config_),
                                      kafka_addresses, context_, &metrics_));
    for (size_t i = 0; i < kafka_addresses.size(); ++i) {
      ports_[kafka_addresses[i].name] = kafka_door_->port(i);
    }
  }
  if (!replica_addresses.empty()) {
    ASSIGN_OR_RETURN(replica_door_,
                     StartReplicaDoor(replica_addresses, rpc::TcpCongestion(),
                                      context_, &metrics_));
    for (size_t i = 0; i < replica_addresses.size(); ++i) {
      ports_[replica_addresses[i].name] = replica_door_->port(i);
    }
  }
  ASSIGN_OR_RETURN(http_, HttpEndpoint::Start(config_.GetString("http.listen"),
                                              &metrics_,
                                              [this] { return Health(); }));
  for (const BrokerEndpoint& listener : listeners_.listen) {
    LOG(INFO) << "listening: " << listener.listener << "://"
              << HostPort(listener) << " ("
              << listener.security_protocol << ")";
  }
  LOG(INFO) << "listening: http port=" << http_->port();
  return absl::OkStatus();
}

// Where followers of `broker` fetch by frames.
std::optional<std::pair<std::string, int>> Broker::Impl::ReplicationEndpoint(
    BrokerId broker) const {
  const std::shared_ptr<const ClusterView> view = cluster_.Get();
  const BrokerInfo* info = view->FindBroker(broker);
  if (info == nullptr) return std::nullopt;
  for (const ListenerEndpoint& endpoint : info->endpoints) {
    if (endpoint.security_protocol == kReplicationProtocol) {
      return std::make_pair(endpoint.host, static_cast<int>(endpoint.port));
    }
  }
  return std::nullopt;
}

// The listeners' own ports and this machine's name where the configuration left
// them open.
std::vector<BrokerEndpoint> Broker::Impl::AdvertisedEndpoints() const {
  std::vector<BrokerEndpoint> endpoints = listeners_.advertise;
  for (BrokerEndpoint& endpoint : endpoints) {
    if (auto port = ports_.find(endpoint.listener);
        endpoint.port == 0 && port != ports_.end()) {
      endpoint.port = port->second;
    }
    if (endpoint.host == "0.0.0.0" || endpoint.host == "::") {
      char name[256] = {};
      gethostname(name, sizeof(name) - 1);
      endpoint.host = name;
    }
  }
  return endpoints;
}

void Broker::Impl::Register() {
  BrokerRegistrationOptions options;
  options.broker_id = id_;
  options.rack = config_.GetString("broker.rack");
  options.new_cluster_id = RandomUuid();
  options.wait_for_old_session_ms =
      2 * config_.GetInt("zookeeper.session.timeout.ms") + 5'000;
  options.endpoints = AdvertisedEndpoints();
  BrokerRegistration::Callbacks callbacks;
  callbacks.registered = [this](BrokerEpoch epoch, const std::string& cluster) {
    OnRegistered(epoch, cluster);
  };
  callbacks.lost = [this] { OnRegistrationLost(); };
  callbacks.failed = [this](const absl::Status& status) { Die(status); };
  registration_ = std::make_unique<BrokerRegistration>(
      std::move(options), store_.get(), &executor_, &timer_, clock_,
      std::move(callbacks));
  registration_->Start();
}

void Broker::Impl::OnRegistered(BrokerEpoch epoch,
                                const std::string& cluster_id) {
  absl::Status same = logs_->SetClusterId(cluster_id);
  if (!same.ok()) return Die(same);
  LOG(INFO) << "registered: broker=" << id_ << " broker_epoch=" << epoch
            << " cluster_id=" << cluster_id;
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = epoch_ == BrokerEpoch(-1);
    epoch_ = epoch;
    registered_session_ = store_->SessionId();
  }
  cluster_.SetBrokerEpoch(epoch);
  partitions_->SetBrokerEpoch(epoch);
  stream_->SetBrokerEpoch(epoch);
  disk_guard_->OnRegistered(epoch);
  if (first) controller_->Start();
}

void Broker::Impl::OnRegistrationLost() {
  LOG(WARNING) << "the coordinator session expired: the cluster has moved this "
                  "broker's leaderships; registering again";
  lease_session_ = 0;
  stream_->ClearBrokerEpoch();
  std::lock_guard lock(mutex_);
  registered_session_ = 0;
  serving_ = false;
  server_->SetServing(false);
}

void Broker::Impl::OnClusterUpdate(const v1::ClusterUpdate& update,
                                   ClusterStream::Applied applied) {
  accepted_.Clear();
  ClusterViewHolder::Outcome outcome = cluster_.Apply(update);
  if (outcome != ClusterViewHolder::Outcome::kApplied) {
    LOG(WARNING) << "cluster update dropped: controller=" << update.controller_id()
                 << " controller_epoch=" << update.controller_epoch()
                 << " reason=" << static_cast<int>(outcome);
    return applied(false);
  }
  bool snapshot = update.snapshot();
  partitions_->Apply(std::move(accepted_), [this, snapshot,
                                            applied = std::move(applied)] {
    applied(true);
    if (!snapshot) return;
    std::lock_guard lock(mutex_);
    lease_session_ = registered_session_;
    if (!serving_) LOG(INFO) << "serving: the controller's snapshot is in";
    serving_ = true;
    server_->SetServing(true);
  });
}

void Broker::Impl::OnRoleChange(const std::shared_ptr<Partition>& partition,
                                ReplicaRole role, LeaderEpoch epoch) {
  if (partition->id().topic != kOffsetsTopic) return;
  if (role == ReplicaRole::kLeader) {
    groups_->OnLeadership(partition->id().partition, epoch,
                          MakeJournalPartition(partition, epoch, clock_));
  } else {
    groups_->OnResigned(partition->id().partition, epoch);
  }
}

absl::Status Broker::Impl::Health() const {
  {
    std::lock_guard lock(mutex_);
    if (!fatal_.ok()) return fatal_;
    if (epoch_ == BrokerEpoch(-1)) {
      return absl::UnavailableError("not registered with the coordinator yet");
    }
    if (!serving_) {
      return absl::UnavailableError(
          "waiting for the controller's picture of the cluster");
    }
  }
  if (absl::Status failed = logs_->failed(); !failed.ok()) return failed;
  if (absl::Status disk = disk_guard_->Health(); !disk.ok()) return disk;
  PartitionTable::Stats stats = partitions_->stats();
  if (stats.offline > 0) {
    return absl::UnavailableError(fmt::format(
        "{} replicas are offline: their logs failed", stats.offline));
  }
  return absl::OkStatus();
}

void Broker::Impl::Die(absl::Status why) {
  {
    std::lock_guard lock(mutex_);
    if (!fatal_.ok()) return;
    fatal_ = std::move(why);
  }
  RequestStop();
}

void Broker::Impl::AddMetrics() {
  using Kind = MetricsRegistry::Kind;
  auto add = [this](const char* name, const char* help, Kind kind,
                    std::function<double()> read) {
    metrics_.AddCallback(name, help, kind, [read = std::move(read)] {
      return std::vector<MetricsRegistry::Sample>{{{}, read()}};
    });
  };
  auto table = [this] { return partitions_->stats(); };
  add("sillok_replication_partitions", "Replicas on this broker.", Kind::kGauge,
      [=] { return table().replicas; });
  add("sillok_replication_leader_partitions", "Partitions led by this broker.",
      Kind::kGauge, [=] { return table().leaders; });
  add("sillok_replication_under_replicated_partitions",
      "Partitions led here whose ISR is smaller than their replicas.",
      Kind::kGauge, [=] { return table().under_replicated; });
  add("sillok_replication_under_min_isr_partitions",
      "Partitions led here that have fewer in sync than min.insync.replicas.",
      Kind::kGauge, [=] { return table().under_min_isr; });
  add("sillok_replication_offline_replicas",
      "Replicas here whose log cannot be used.", Kind::kGauge,
      [=] { return table().offline; });
  add("sillok_controller_active", "1 when this broker is the controller.",
      Kind::kGauge, [this] { return controller_->IsActive() ? 1 : 0; });
  add("sillok_controller_offline_partitions",
      "Partitions of the cluster without a leader (on the controller).",
      Kind::kGauge,
      [this] { return controller_->stats().offline_partitions; });
  add("sillok_controller_partition_writes_total",
      "Partition states the controller has committed.", Kind::kCounter,
      [this] { return controller_->stats().partition_writes; });
  auto groups = [this] { return groups_->stats(); };
  add("sillok_group_groups", "Consumer groups coordinated here.", Kind::kGauge,
      [=] { return groups().groups; });
  add("sillok_group_offsets", "Committed offsets kept here.", Kind::kGauge,
      [=] { return groups().offsets; });
  add("sillok_group_rebalances_total", "Rebalances completed here.",
      Kind::kCounter, [=] { return groups().rebalances; });
  add("sillok_group_commits_total", "Offsets committed here.", Kind::kCounter,
      [=] { return groups().commits; });
  auto disk = [this] {
    auto usage = logs_->DiskUsage();
    return usage.ok() ? *usage : LogDirectory::Usage();
  };
  add("sillok_log_size_bytes", "Bytes of all partition logs.", Kind::kGauge,
      [=] { return disk().log_bytes; });
  add("sillok_log_dir_free_bytes", "Free bytes where the logs are.",
      Kind::kGauge, [=] { return disk().free_bytes; });
  add("sillok_log_dir_total_bytes", "Size of the disk where the logs are.",
      Kind::kGauge, [=] { return disk().total_bytes; });
}

void Broker::Impl::GuardDisk() {
  DiskGuard::Environment environment;
  environment.broker_id = id_;
  environment.executor = &executor_;
  environment.timer = &timer_;
  environment.clock = clock_;
  environment.step_back = [this](v1::ControlledShutdownRequest request,
                                 auto done) {
    controller_channel_->ControlledShutdown(std::move(request), kShutdownStepMs,
                                            std::move(done));
  };
  environment.try_disk = [this] { return logs_->TryWrite(); };
  environment.register_anew = [this] {
    if (registration_ != nullptr) registration_->Renew();
  };
  environment.forget = [this](const TopicPartition& id) {
    if (auto partition = partitions_->Find(id.topic, id.partition)) {
      partition->ForgetWriteTrouble();
    }
  };
  disk_guard_ = std::make_unique<DiskGuard>(DiskTroubleOptions(),
                                            std::move(environment));
}

bool Broker::Impl::AwaitStep(
    const char* what, Needs needs,
    const std::function<void(std::function<void()>)>& start) {
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> future = done->get_future();
  start([done] { done->set_value(); });
  const int64_t began_ms = clock_->MonotonicMs();
  int64_t connected_ms = began_ms;
  for (;;) {
    if (future.wait_for(std::chrono::milliseconds(kLookAgainMs)) ==
        std::future_status::ready) {
      return true;
    }
    const int64_t now_ms = clock_->MonotonicMs();
    if (needs == Needs::kNothing || store_->Connected()) {
      connected_ms = now_ms;
    }
    if (now_ms - connected_ms > kCoordinatorsAwayMs) {
      LOG(WARNING) << "stopping: " << what
                   << " is left out: the coordinators are away";
      return false;
    }
    if (now_ms - began_ms > kShutdownStepMs) {
      LOG(WARNING) << "stopping: " << what << " took longer than "
                   << kShutdownStepMs << " ms; going on without";
      return false;
    }
  }
}

// Asks the controller to move what this broker leads, a few times.
void Broker::Impl::HandLeadershipsOver() {
  BrokerEpoch epoch;
  {
    std::lock_guard lock(mutex_);
    epoch = epoch_;
  }
  if (epoch == BrokerEpoch(-1) ||
      !config_.GetBool("controlled.shutdown.enable")) {
    return;
  }
  int64_t tries = config_.GetInt("controlled.shutdown.max.retries") + 1;
  for (int64_t i = 0; i < tries; ++i) {
    v1::ControlledShutdownRequest request;
    request.set_broker_id(id_.value());
    request.set_broker_epoch(epoch.value());
    using Response = absl::StatusOr<v1::ControlledShutdownResponse>;
    auto answer = std::make_shared<Response>();
    bool answered = AwaitStep("handing leaderships over",
                              Needs::kCoordinators, [&](auto done) {
      controller_channel_->ControlledShutdown(
          request, kShutdownStepMs, [answer, done](Response response) {
            *answer = std::move(response);
            done();
          });
    });
    if (!answered) return;
    if (!answer->ok()) {
      LOG(WARNING) << "controlled shutdown: no answer from a controller: "
                   << answer->status().message();
      return;
    }
    LOG(INFO) << "controlled shutdown: partitions still led="
              << (*answer)->remaining();
    if ((*answer)->remaining() == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

void Broker::Impl::Stop() {
  if (std::exchange(stopped_, true)) return;
  if (disk_guard_ != nullptr) disk_guard_->Stop();
  HandLeadershipsOver();
  if (server_ != nullptr) server_->SetServing(false);
  if (controller_ != nullptr) {
    AwaitStep("giving up the controller's role", Needs::kCoordinators,
              [this](auto done) { controller_->Stop(std::move(done)); });
  }
  if (stream_ != nullptr) stream_->Stop();
  if (registration_ != nullptr) {
    AwaitStep("leaving the cluster", Needs::kCoordinators,
              [this](auto done) { registration_->Stop(std::move(done)); });
  }
  if (dynamic_configs_ != nullptr) dynamic_configs_->Stop();
  if (groups_ != nullptr) groups_->Stop();
  if (producer_ids_ != nullptr) producer_ids_->Stop();
  // Waiters are answered by the table's end; then no call is left in work.
  bool let_go = false;
  if (partitions_ != nullptr) {
    let_go = AwaitStep("closing the replicas", Needs::kNothing,
                       [this](auto done) { partitions_->Stop(done); });
  }
  if (server_ != nullptr) server_->Shutdown(500);
  if (kafka_door_ != nullptr) kafka_door_->Stop(500);
  if (replica_door_ != nullptr) replica_door_->Stop(0);
  replica_loop_.Join();
  http_.reset();
  if (logs_ != nullptr && partitions_ != nullptr && let_go) {
    BrokerEpoch epoch;
    {
      std::lock_guard lock(mutex_);
      epoch = epoch_;
    }
    absl::Status closed =
        logs_->CloseCleanly(partitions_->HighWatermarks(), epoch.value());
    if (!closed.ok()) {
      LOG(ERROR) << "the logs were not closed cleanly and will be checked at "
                    "the next start: "
                 << closed.message();
    }
  }
}

Broker::Broker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Broker::~Broker() { impl_->Stop(); }

absl::StatusOr<std::unique_ptr<Broker>> Broker::Start(const Config& config) {
  auto impl = std::make_unique<Impl>(config);
  if (absl::Status status = impl->Start(); !status.ok()) {
    impl->Stop();
    return status;
  }
  return std::unique_ptr<Broker>(new Broker(std::move(impl)));
}

void Broker::Stop() { impl_->Stop(); }
absl::Status Broker::fatal() const { return impl_->fatal(); }

}  // namespace sillok
