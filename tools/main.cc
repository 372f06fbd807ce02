// The `sillok` command: administration, produce and consume, measurements, local
// clusters.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/logging.h"
#include "base/process.h"
#include "base/rpc/socket_tuning.h"
#include "base/version.h"
#include "tools/context.h"

namespace sillok::tools {
namespace {

void AddGlobalOptions(CLI::App& app, Context& context) {
  app.add_option("-b,--bootstrap", context.bootstrap,
                 "brokers, host:port,host:port")
      ->envname("SILLOK_BOOTSTRAP")
      ->capture_default_str();
  app.add_option("--coordinator,--coordinators", context.coordinator,
                 "coordinators, host:port,host:port[/chroot]")
      ->envname("SILLOK_COORDINATOR")
      ->capture_default_str();
  app.add_flag("--json", context.json, "print one JSON document");
  app.add_option("--timeout", context.timeout_seconds,
                 "seconds to try for before giving up")
      ->check(CheckPositive)
      ->capture_default_str();
  app.add_option("-X", context.overrides, "client setting, key=value")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
}

// One line, whatever CLI11 has to say.
int UsageLine(const CLI::ParseError& error) {
  std::string text = error.what();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  std::fprintf(stderr, "sillok: %s (see --help)\n", text.c_str());
  return kExitUsage;
}

int Main(int argc, char** argv) {
  TuneAllocator();
  const char* verbose = std::getenv("SILLOK_LOG_VERBOSITY");
  InitToolLogging(argv[0], verbose == nullptr ? -1 : std::atoi(verbose));
  rpc::SetTcpCongestion("auto");
  std::signal(SIGPIPE, SIG_IGN);
  Context context;
  CLI::App app{"Sillok: a replicated commit log", "sillok"};
  app.set_version_flag("--version", std::string("sillok ") + kVersion);
  app.require_subcommand(1);
  app.fallthrough();
  AddGlobalOptions(app, context);
  RegisterTopicCommands(app, context);
  RegisterProduceCommand(app, context);
  RegisterConsumeCommand(app, context);
  RegisterGroupCommands(app, context);
  RegisterConfigCommands(app, context);
  RegisterElectCommands(app, context);
  RegisterClusterCommands(app, context);
  RegisterCoordCommands(app, context);
  RegisterBenchCommands(app, context);
  RegisterDevCommands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::RequiredError& error) {
    // A word that no command took is what is wrong, not that none was given.
    std::vector<std::string> words = app.remaining(/*recurse=*/true);
    if (words.empty()) return UsageLine(error);
    return UsageLine(CLI::ExtrasError("sillok", {words.front()}));
  } catch (const CLI::ParseError& error) {
    return UsageLine(error);
  }
  if (std::fflush(stdout) != 0 && context.exit_code == kExitDone) {
    return kExitRefused;
  }
  return context.exit_code;
}

}  // namespace
}  // namespace sillok::tools

int main(int argc, char** argv) { return sillok::tools::Main(argc, argv); }
