// sillok dev: local clusters of real processes.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/context.h"
#include "tools/dev_cluster.h"

namespace sillok::tools {
namespace {

struct DevArguments {
  std::string dir = ".sillok";
  DevClusterSpec spec;
  std::string node;
  int signal = SIGKILL;
  int lines = 100;
  bool follow = false;
  bool remove = false;
};

void Note(const std::string& line) { std::cerr << line << std::endl; }

absl::Status PrintStatus(const DevCluster& cluster, const Context& context) {
  if (context.json) {
    PrintJson(Json::parse(cluster.ToJson()));
    return absl::OkStatus();
  }
  Table table(
      {"NODE", "PID", "HEALTH", "GRPC", "KAFKA", "ZOOKEEPER", "HTTP", "LOG"});
  for (const DevNode& node : cluster.nodes()) {
    auto pid = cluster.Pid(node);
    table.Add({node.name(), pid.has_value() ? std::to_string(*pid) : "-",
               cluster.Health(node), node.grpc_address(),
               node.kafka_port > 0 ? node.kafka_address() : "-",
               node.zookeeper_port > 0 ? node.zookeeper_address() : "-",
               node.http_address(), node.log_path()});
  }
  table.Print();
  return absl::OkStatus();
}

absl::Status Up(const DevArguments& arguments, const Context& context) {
  auto loaded = DevCluster::Load(arguments.dir);
  if (loaded.ok() && (!arguments.spec.broker_sets.empty() ||
                      !arguments.spec.coordinator_sets.empty())) {
    return absl::InvalidArgumentError(fmt::format(
        "{} holds a cluster already: its settings are in */config.properties "
        "(sillok dev down --remove makes room for a new one)",
        arguments.dir));
  }
  if (!loaded.ok() && loaded.status().code() != absl::StatusCode::kNotFound) {
    return loaded.status();
  }
  if (!loaded.ok()) {
    DevClusterSpec spec = arguments.spec;
    spec.dir = arguments.dir;
    loaded = DevCluster::Create(spec);
    RETURN_IF_ERROR(loaded.status());
  }
  RETURN_IF_ERROR(loaded->Up(Note));
  if (!context.json) {
    Note("up; brokers at " + loaded->BrokerAddresses() + ", coordinators at " +
         loaded->CoordinatorAddresses());
  }
  return PrintStatus(*loaded, context);
}

absl::Status Down(const DevArguments& arguments) {
  ASSIGN_OR_RETURN(DevCluster cluster, DevCluster::Load(arguments.dir));
  RETURN_IF_ERROR(cluster.Down(Note));
  if (arguments.remove) {
    // Only what a cluster is made of: the folder may hold more.
    std::error_code error;
    for (const DevNode& node : cluster.nodes()) {
      std::filesystem::remove_all(node.dir, error);
    }
    std::filesystem::remove(cluster.dir() + "/cluster.json", error);
    std::filesystem::remove(cluster.dir(), error);
    Note("removed the cluster's files in " + cluster.dir());
  }
  return absl::OkStatus();
}

absl::Status Logs(const DevArguments& arguments) {
  ASSIGN_OR_RETURN(DevCluster cluster, DevCluster::Load(arguments.dir));
  std::vector<std::string> command = {"tail", "-n",
                                      std::to_string(arguments.lines)};
  if (arguments.follow) command.push_back("-F");
  if (!arguments.node.empty()) {
    ASSIGN_OR_RETURN(DevNode node, cluster.FindNode(arguments.node));
    command.push_back(node.log_path());
  } else {
    for (const DevNode& node : cluster.nodes()) {
      command.push_back(node.log_path());
    }
  }
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  return absl::InternalError("cannot run tail");
}

absl::Status Kill(const DevArguments& arguments) {
  ASSIGN_OR_RETURN(DevCluster cluster, DevCluster::Load(arguments.dir));
  ASSIGN_OR_RETURN(DevNode node, cluster.FindNode(arguments.node));
  RETURN_IF_ERROR(cluster.SignalNode(node, arguments.signal));
  if (arguments.signal == SIGKILL || arguments.signal == SIGTERM) {
    RETURN_IF_ERROR(cluster.AwaitExit(node, 30));
    Note(node.name() + " is gone");
  }
  return absl::OkStatus();
}

absl::Status StartOne(const DevArguments& arguments) {
  ASSIGN_OR_RETURN(DevCluster cluster, DevCluster::Load(arguments.dir));
  ASSIGN_OR_RETURN(DevNode node, cluster.FindNode(arguments.node));
  RETURN_IF_ERROR(cluster.StartNode(node));
  RETURN_IF_ERROR(cluster.AwaitHealthy(node, 60));
  Note(fmt::format("{} runs on {}", node.name(), node.grpc_address()));
  return absl::OkStatus();
}

}  // namespace

void RegisterDevCommands(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<DevArguments>();
  CLI::App* dev = app.add_subcommand(
      "dev", "run a local cluster of real coordinators and brokers");
  dev->require_subcommand(1);
  auto add = [&](const char* name, const char* what,
                 std::function<absl::Status()> run) {
    CLI::App* command = dev->add_subcommand(name, what);
    command
        ->add_option("--dir", arguments->dir,
                     "the cluster's folder: data, logs, settings")
        ->capture_default_str();
    OnRun(command, context, std::move(run));
    return command;
  };

  CLI::App* up = add("up", "start it (and make it, the first time)",
                     [=, &context] { return Up(*arguments, context); });
  up->add_option("--coordinators", arguments->spec.coordinators, "1, 3 or 5")
      ->capture_default_str();
  up->add_option("--brokers", arguments->spec.brokers)->capture_default_str();
  up->add_option("--base-port", arguments->spec.base_port,
                 "ports count up from here; 0 = any free ones")
      ->capture_default_str();
  up->add_option("--broker-set", arguments->spec.broker_sets,
                 "setting of every broker; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  up->add_option("--coordinator-set", arguments->spec.coordinator_sets,
                 "setting of every coordinator; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);

  add("status", "processes, addresses and health", [=, &context]() -> absl::Status {
    ASSIGN_OR_RETURN(DevCluster cluster, DevCluster::Load(arguments->dir));
    return PrintStatus(cluster, context);
  });

  CLI::App* logs = add("logs", "the servers' log lines",
                       [=] { return Logs(*arguments); });
  logs->add_option("node", arguments->node, "broker-1, c3, ...; all if absent");
  logs->add_option("-n,--lines", arguments->lines, "of each log")
      ->capture_default_str();
  logs->add_flag("-F,--follow", arguments->follow, "keep printing");

  CLI::App* down = add("down", "stop all processes", [=] {
    return Down(*arguments);
  });
  down->add_flag("--remove", arguments->remove, "and delete the cluster's files");

  CLI::App* kill = add("kill", "kill one process, as a crash would",
                       [=] { return Kill(*arguments); });
  kill->add_option("node", arguments->node, "broker-1, c3, ...")->required();
  kill->add_option("--signal", arguments->signal,
                   "9 kill, 15 stop cleanly, 19 pause, 18 go on")
      ->capture_default_str();

  CLI::App* start = add("start", "start one process again",
                        [=] { return StartOne(*arguments); });
  start->add_option("node", arguments->node, "broker-1, c3, ...")->required();
}

}  // namespace sillok::tools
