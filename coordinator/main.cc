// sillok-coordinator: one member of the coordinator ensemble.

#include <atomic>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "base/config.h"
#include "base/logging.h"
#include "base/process.h"
#include "base/rpc/socket_tuning.h"
#include "base/version.h"
#include "coordinator/config.h"
#include "coordinator/coordinator.h"
#include "coordinator/zoo_cfg.h"

// The allocator is jemalloc: what one thread makes another frees, and a turn of
// the loop makes the messages of some hundred requests, which glibc's malloc
// takes a sixth of all CPU for. One thread of a member is busy and two
// are at times: more arenas would only hold more memory.
extern "C" {
extern const char* const malloc_conf;
const char* const malloc_conf = "narenas:2";
}

namespace {

int Fail(const absl::Status& status, int code) {
  std::cerr << "sillok-coordinator: " << status.message() << std::endl;
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  sillok::BlockStopSignals();

  CLI::App app(
      "One member of the Sillok coordinator ensemble: keeps znodes, sessions "
      "and watches, agreed on by a quorum.",
      "sillok-coordinator");
  sillok::ConfigSources sources;
  std::string zoo_cfg_path;
  bool print_config = false;
  app.add_option("--config", sources.file, "Properties file (key=value).");
  app.add_option("--zoo-cfg", zoo_cfg_path,
                 "ZooKeeper's zoo.cfg; weaker than --set, and keys that mean "
                 "nothing here are ignored.");
  app.add_option("--set", sources.sets,
                 "key=value; may be given more than once. Stronger than the "
                 "environment (SILLOK_DATADIR=...), which is stronger than "
                 "the file.");
  app.add_flag("--print-config", print_config,
               "Print every key with its value, default and meaning.");
  app.set_version_flag("--version", std::string("sillok-coordinator ") +
                                        sillok::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  sources.env = sillok::ReadEnvironment();
  sillok::ZooCfg zoo_cfg;
  if (!zoo_cfg_path.empty()) {
    auto read = sillok::ReadZooCfg(zoo_cfg_path);
    if (!read.ok()) return Fail(read.status(), 2);
    zoo_cfg = *std::move(read);
    sources.sets.insert(sources.sets.begin(), zoo_cfg.sets.begin(),
                        zoo_cfg.sets.end());
  }
  auto config =
      sillok::Config::Load(sillok::CoordinatorConfigSpec(), sources);
  if (!config.ok()) return Fail(config.status(), 2);
  if (print_config) {
    std::cout << config->Print();
    return 0;
  }
  auto options = sillok::MakeCoordinatorOptions(*config);
  if (!options.ok()) return Fail(options.status(), 2);

  sillok::InitLogging(argv[0],
                      static_cast<int>(config->GetInt("log.verbosity")));
  std::string congestion = sillok::rpc::SetTcpCongestion(
      config->GetString("tcp.congestion.control"));
  int64_t files = sillok::RaiseFileLimit();
  LOG(INFO) << "sillok-coordinator " << sillok::kVersion
            << " tcp=" << congestion
            << " max_open_files=" << files;

  for (const std::string& key : zoo_cfg.ignored) {
    LOG(WARNING) << zoo_cfg_path << ": " << key << " means nothing here";
  }

  // A member that must not go on ends like one that was told to, but says so
  // in its exit code.
  std::atomic<bool> failed{false};
  auto coordinator = sillok::Coordinator::Start(
      *std::move(options),
      [&failed](const absl::Status&) {
        failed = true;
        sillok::RequestStop();
      },
      [] { sillok::RequestStop(); });
  if (!coordinator.ok()) return Fail(coordinator.status(), 1);
  sillok::ReleaseStartupCode();
  int signal = sillok::WaitForStopSignal();
  LOG(INFO) << "stopping, signal=" << signal;
  (*coordinator)->Stop();
  LOG(INFO) << "stopped";
  return failed ? 1 : 0;
}
