#ifndef SILLOK_TOOLS_BENCH_COORD_H_
#define SILLOK_TOOLS_BENCH_COORD_H_

#include "CLI/CLI.hpp"
#include "tools/context.h"

namespace sillok::tools {

// Adds `coord` to `sillok bench`.
void RegisterBenchCoordCommands(CLI::App& bench, Context& context);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_BENCH_COORD_H_
