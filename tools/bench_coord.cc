// sillok bench coord: what an ensemble can do, through ZooKeeper's port.
#include "tools/bench_coord.h"

#include <map>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/zookeeper_load.h"

namespace sillok::tools {
namespace {

struct Options {
  ZookeeperLoad load;
  ZookeeperFailover failover;
};

absl::Status Load(const Context& context, const Options& options) {
  ASSIGN_OR_RETURN(ZookeeperLoadResult result, RunZookeeperLoad(options.load));
  const double per_second =
      static_cast<double>(result.operations) / result.seconds;
  if (context.json) {
    PrintJson({{"operations", result.operations},
               {"seconds", result.seconds},
               {"operations_per_second", per_second},
               {"latency_ms",
                {{"p50", result.p50_us / 1000},
                 {"p99", result.p99_us / 1000},
                 {"p99.9", result.p999_us / 1000},
                 {"max", result.max_us / 1000}}},
               {"client_cpu_us_per_operation", result.own_cpu_us},
               {"server_cpu_us_per_operation", result.server_cpu_us}});
    return absl::OkStatus();
  }
  fmt::print(
      "operations {}  seconds {:.3f}  op/s {:.0f}  p50 {:.3f}ms  p99 {:.3f}ms  "
      "p99.9 {:.3f}ms  max {:.3f}ms  client-cpu-us/op {:.2f}",
      result.operations, result.seconds, per_second, result.p50_us / 1000,
      result.p99_us / 1000, result.p999_us / 1000, result.max_us / 1000,
      result.own_cpu_us);
  if (!options.load.server_pids.empty()) {
    fmt::print("  server-cpu-us/op {:.2f}", result.server_cpu_us);
  }
  fmt::print("\n");
  return absl::OkStatus();
}

absl::Status Failover(const Context& context, const Options& options) {
  ASSIGN_OR_RETURN(ZookeeperFailoverResult result,
                   MeasureZookeeperFailover(options.failover));
  if (context.json) {
    PrintJson({{"ms", result.ms}, {"same_session", result.same_session}});
  } else {
    fmt::print("{:.1f} ms from the kill to the next acknowledged write{}\n",
               result.ms, result.same_session ? "" : " (of a new session)");
  }
  return absl::OkStatus();
}

}  // namespace

void RegisterBenchCoordCommands(CLI::App& bench, Context& context) {
  using Kind = ZookeeperLoad::Kind;
  CLI::App* coord = bench.add_subcommand(
      "coord", "an ensemble, through its ZooKeeper port (or ZooKeeper's own)");
  coord->require_subcommand(1);
  coord->fallthrough();
  auto options = std::make_shared<Options>();
  ZookeeperLoad& load = options->load;
  auto with_servers = [](CLI::App* command, std::vector<std::string>* servers) {
    command->fallthrough();
    command->add_option("--servers", *servers, "host:port,host:port")
        ->delimiter(',')
        ->required();
  };
  for (const auto& [name, kind, about] :
       {std::tuple{"create", Kind::kCreate, "create nodes"},
        std::tuple{"set", Kind::kSet, "set random ones of those created"},
        std::tuple{"get", Kind::kGet, "get random ones of those created"}}) {
    CLI::App* command = coord->add_subcommand(name, about);
    with_servers(command, &load.servers);
    command->add_option("--sessions", load.sessions, "spread over the servers")
        ->check(CheckPositive)
        ->capture_default_str();
    command
        ->add_option("--outstanding", load.outstanding,
                     "unanswered requests of a session")
        ->check(CheckPositive)
        ->capture_default_str();
    command->add_option("-n,--operations", load.operations)
        ->check(CheckPositive)
        ->capture_default_str();
    command->add_option("--value-size", load.value_bytes, "bytes")
        ->check(CheckNotNegative)
        ->capture_default_str();
    command
        ->add_option("--values", load.values,
                     "what they are: same (one letter), text (JSON), random")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, ZookeeperLoad::Values>{
                {"same", ZookeeperLoad::Values::kSame},
                {"text", ZookeeperLoad::Values::kText},
                {"random", ZookeeperLoad::Values::kRandom}}))
        ->default_str("same");
    command->add_option("--prefix", load.prefix, "the nodes are below it")
        ->capture_default_str();
    command->add_option("--keys", load.keys, "how many nodes were created")
        ->check(CheckPositive)
        ->capture_default_str();
    command
        ->add_option("--server-pid", load.server_pids,
                     "measure the CPU of these processes too")
        ->delimiter(',');
    OnRun(command, context, [&context, options, kind = kind] {
      options->load.kind = kind;
      return Load(context, *options);
    });
  }
  CLI::App* failover = coord->add_subcommand(
      "failover", "kill a process and wait for the next acknowledged write");
  with_servers(failover, &options->failover.servers);
  failover->add_option("--kill-pid", options->failover.kill_pid)->required();
  failover->add_option("--prefix", options->failover.prefix)
      ->capture_default_str();
  OnRun(failover, context,
        [&context, options] { return Failover(context, *options); });
}

}  // namespace sillok::tools
