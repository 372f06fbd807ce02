#ifndef SILLOK_TOOLS_BENCH_SESSIONS_H_
#define SILLOK_TOOLS_BENCH_SESSIONS_H_

#include "CLI/CLI.hpp"
#include "tools/context.h"

namespace sillok::tools {

// Adds `grpc` to `sillok bench coord`.
void RegisterBenchSessionsCommand(CLI::App& bench_coord, Context& context);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_BENCH_SESSIONS_H_
