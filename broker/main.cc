// sillok-broker: one broker.

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/config.h"
#include "base/logging.h"
#include "base/process.h"
#include "base/rpc/socket_tuning.h"
#include "base/version.h"
#include "broker/broker.h"
#include "broker/broker_config.h"

namespace {

int Fail(const absl::Status& status) {
  std::cerr << "sillok-broker: " << status.message() << std::endl;
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string allocator = sillok::TuneAllocator();
  sillok::BlockStopSignals();

  CLI::App app("One Sillok broker: keeps partition logs, replicates them, and "
               "serves producers and consumers.",
               "sillok-broker");
  sillok::ConfigSources sources;
  bool print_config = false, check_config = false;
  app.add_option("--config", sources.file, "Properties file (key=value).");
  app.add_option("--set", sources.sets,
                 "key=value; may be given more than once. Stronger than the "
                 "environment (SILLOK_LOG_DIRS=...), which is stronger than "
                 "the file.");
  app.add_flag("--print-config", print_config,
               "Print every key with its value, default and meaning.");
  app.add_flag("--check-config", check_config,
               "Read the configuration, say whether it is good, and end.");
  app.set_version_flag("--version", std::string("sillok-broker ") +
                                        sillok::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  // What is printed needs no key that a start needs.
  if (print_config && sources.file.empty() && sources.sets.empty()) {
    sources.sets = {"broker.id=0", "coordinator.connect=127.0.0.1:2180"};
  }
  sources.env = sillok::ReadEnvironment();
  auto config = sillok::Config::Load(sillok::BrokerConfigSpec(), sources);
  if (!config.ok()) {
    std::cerr << "sillok-broker: " << config.status().message() << std::endl;
    return 2;
  }
  if (auto listeners = sillok::BrokerListeners(*config); !listeners.ok()) {
    std::cerr << "sillok-broker: " << listeners.status().message() << std::endl;
    return 2;
  }
  if (print_config) {
    std::cout << config->Print();
    return 0;
  }
  if (check_config) {
    std::cout << "the configuration is good\n";
    return 0;
  }

  sillok::InitLogging(argv[0],
                      static_cast<int>(config->GetInt("log.verbosity")));
  LOG(INFO) << "sillok-broker " << sillok::kVersion
            << " starts: broker.id=" << config->GetInt("broker.id")
            << " log.dirs=" << config->GetString("log.dirs")
            << " coordinator.connect="
            << config->GetString("coordinator.connect");
  LOG(INFO) << "in force: tcp congestion control "
            << sillok::rpc::SetTcpCongestion(
                   config->GetString("tcp.congestion.control"))
            << "; " << allocator
            << "; open files limit=" << sillok::RaiseFileLimit();
  auto broker = sillok::Broker::Start(*config);
  if (!broker.ok()) return Fail(broker.status());
  int signal = sillok::WaitForStopSignal();
  absl::Status fatal = (*broker)->fatal();
  if (!fatal.ok()) {
    LOG(ERROR) << "stopping: " << fatal.message();
  } else {
    LOG(INFO) << "signal " << signal << ": stopping";
  }
  (*broker)->Stop();
  broker->reset();
  LOG(INFO) << "stopped";
  return fatal.ok() ? 0 : 1;
}
