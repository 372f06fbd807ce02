#include "base/process.h"

#include <dirent.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

namespace sillok {
namespace {

constexpr int kTrimThreshold = 512 << 20;
// glibc takes no more than this for M_MMAP_THRESHOLD.
constexpr int kMmapThreshold = 32 << 20;
constexpr int kTopPad = 1 << 20;

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

std::string TuneAllocator() {
  bool set = mallopt(M_TRIM_THRESHOLD, kTrimThreshold) == 1 &&
             mallopt(M_MMAP_THRESHOLD, kMmapThreshold) == 1 &&
             mallopt(M_TOP_PAD, kTopPad) == 1;
  return set ? "malloc trim_threshold=512MiB mmap_threshold=32MiB top_pad=1MiB"
             : "malloc settings refused: the allocator is not glibc's";
}

void BlockStopSignals() {
  sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int WaitForStopSignal() {
  sigset_t set = StopSignals();
  int number = 0;
  while (sigwait(&set, &number) != 0) {
  }
  return number;
}

void RequestStop() { kill(getpid(), SIGTERM); }

ProcessUsage ReadProcessUsage() {
  ProcessUsage usage;
  struct rusage self;
  if (getrusage(RUSAGE_SELF, &self) == 0) {
    auto seconds = [](const timeval& t) { return t.tv_sec + t.tv_usec / 1e6; };
    usage.cpu_seconds = seconds(self.ru_utime) + seconds(self.ru_stime);
  }
  if (FILE* file = fopen("/proc/self/statm", "r"); file != nullptr) {
    long size = 0, resident = 0;
    if (fscanf(file, "%ld %ld", &size, &resident) == 2) {
      usage.resident_bytes = resident * sysconf(_SC_PAGESIZE);
    }
    fclose(file);
  }
  if (DIR* dir = opendir("/proc/self/fd"); dir != nullptr) {
    while (readdir(dir) != nullptr) ++usage.open_fds;
    closedir(dir);
    usage.open_fds -= 3;  // ".", ".." and this listing's own
  }
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    usage.max_fds = static_cast<int64_t>(limit.rlim_cur);
  }
  return usage;
}

int64_t ReleaseStartupCode() {
  int64_t before = ReadProcessUsage().resident_bytes;
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void*) {
        const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& part = object->dlpi_phdr[i];
          // Code is never written to, so the file has all of it.
          if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0 ||
              (part.p_flags & PF_W) != 0) {
            continue;
          }
          const uintptr_t begin = object->dlpi_addr + part.p_vaddr;
          const uintptr_t from = (begin + page - 1) / page * page;
          const uintptr_t to = (begin + part.p_filesz) / page * page;
          if (to > from) {
            madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
          }
        }
        return 0;
      },
      nullptr);
  return before - ReadProcessUsage().resident_bytes;
}

int64_t RaiseFileLimit() {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int64_t>(limit.rlim_cur);
}

}  // namespace sillok
