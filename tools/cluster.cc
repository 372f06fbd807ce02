// sillok cluster info | logdirs
#include <string>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/context.h"

namespace sillok::tools {
namespace {

absl::Status Info(Context& context) {
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(client::ClusterInfo info, admin->DescribeCluster());
  Table table({"BROKER", "HOST", "PORT", "KAFKA-PORT", "RACK", "CONTROLLER"});
  Json brokers = Json::array();
  for (const client::BrokerInfo& broker : info.brokers) {
    bool controls = broker.id == info.controller_id;
    table.Add({std::to_string(broker.id), broker.host,
               std::to_string(broker.port), std::to_string(broker.kafka_port),
               broker.rack, controls ? "yes" : "no"});
    brokers.push_back({{"id", broker.id},
                       {"host", broker.host},
                       {"port", broker.port},
                       {"kafka_port", broker.kafka_port},
                       {"rack", broker.rack}});
  }
  if (context.json) {
    PrintJson({{"cluster_id", info.cluster_id},
               {"controller_id", info.controller_id},
               {"brokers", brokers}});
    return absl::OkStatus();
  }
  fmt::print("CLUSTER {}   CONTROLLER {}   BROKERS {}\n{}", info.cluster_id,
             info.controller_id, info.brokers.size(), table.ToString());
  return absl::OkStatus();
}

absl::Status LogDirs(Context& context, const std::vector<std::string>& topics) {
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto replicas, admin->DescribeLogDirs(topics));
  Table table({"BROKER", "TOPIC", "PARTITION", "LEADER", "SIZE", "LOG-START",
               "HIGH-WATERMARK", "LOG-END", "DIR"});
  Json document = Json::array();
  for (const client::ReplicaLogInfo& r : replicas) {
    table.Add({std::to_string(r.broker), r.partition.topic,
               std::to_string(r.partition.partition), r.leader ? "yes" : "no",
               HumanBytes(r.size_bytes), std::to_string(r.log_start_offset),
               std::to_string(r.high_watermark),
               std::to_string(r.log_end_offset), r.log_dir});
    document.push_back({{"broker", r.broker},
                        {"topic", r.partition.topic},
                        {"partition", r.partition.partition},
                        {"leader", r.leader},
                        {"size_bytes", r.size_bytes},
                        {"log_start_offset", r.log_start_offset},
                        {"high_watermark", r.high_watermark},
                        {"log_end_offset", r.log_end_offset},
                        {"log_dir", r.log_dir}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

}  // namespace

void RegisterClusterCommands(CLI::App& app, Context& context) {
  CLI::App* cluster = app.add_subcommand("cluster", "brokers");
  cluster->require_subcommand(1);
  cluster->fallthrough();
  CLI::App* info = cluster->add_subcommand("info", "brokers and controller");
  info->fallthrough();
  OnRun(info, context, [&context] { return Info(context); });
  auto topics = std::make_shared<std::vector<std::string>>();
  CLI::App* logdirs = cluster->add_subcommand("logdirs", "replicas on disk");
  logdirs->fallthrough();
  logdirs->add_option("TOPIC", *topics, "all when none is named");
  OnRun(logdirs, context,
        [&context, topics] { return LogDirs(context, *topics); });
}

}  // namespace sillok::tools
