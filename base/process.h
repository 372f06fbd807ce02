// What a server process sets before anything else, and how it waits to be ended.
#ifndef SILLOK_BASE_PROCESS_H_
#define SILLOK_BASE_PROCESS_H_

#include <cstdint>
#include <string>

namespace sillok {

// Keeps freed memory up to `trim_threshold_bytes` in the process: glibc's own
// setting gives it back at each large free, which costs as much CPU as the
// whole gRPC data path. Call first in main, before threads. The text says what
// is in force, for the start-up log.
std::string TuneAllocator();

// Blocks SIGINT and SIGTERM for this thread and those it will start. Call in main
// before the first thread.
void BlockStopSignals();
// Waits for one of them; its number.
int WaitForStopSignal();
// Ends WaitForStopSignal as if SIGTERM had come. Any thread.
void RequestStop();

struct ProcessUsage {
  double cpu_seconds = 0;
  int64_t resident_bytes = 0;
  int64_t open_fds = 0;
  int64_t max_fds = 0;
};
ProcessUsage ReadProcessUsage();

// Takes the pages of program and library code out of this process: most of them
// only starting needed. What is needed again comes back from the page cache at
// its first use. Call once all is started. By how many bytes it has become less.
int64_t ReleaseStartupCode();

// Raises the soft limit of open files to the hard one; the limit in force.
int64_t RaiseFileLimit();

}  // namespace sillok

#endif  // SILLOK_BASE_PROCESS_H_
