// append_floor FOLDER MEGABYTES
//
// What this machine charges at this moment for nothing but appending: files are
// written in pieces of 1 MB, one thread, then deleted. On virtual machines the
// price moves by a factor of four with the state of the guest's memory, so every
// produce figure is told together with it.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr int kFiles = 6;  // as many as the loads have partitions
constexpr size_t kPiece = 1'000'000;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

bool AppendFile(const std::string& path, int pieces, const std::string& piece) {
  const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (fd < 0) return false;
  bool good = true;
  for (int i = 0; i < pieces && good; ++i) {
    good = write(fd, piece.data(), piece.size()) ==
           static_cast<ssize_t>(piece.size());
  }
  close(fd);
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  const int megabytes = argc == 3 ? atoi(argv[2]) : 0;
  if (megabytes < kFiles) {
    fmt::print(stderr, "usage: append_floor FOLDER MEGABYTES (at least {})\n",
               kFiles);
    return 2;
  }
  const std::string piece(kPiece, 'x');
  auto path = [&](int i) { return fmt::format("{}/floor-{}", argv[1], i); };
  const int pieces = megabytes / kFiles;
  bool good = true;
  const double cpu = CpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kFiles && good; ++i) {
    good = AppendFile(path(i), pieces, piece);
  }
  const double used = CpuSeconds() - cpu;
  const double seconds = std::chrono::duration<double>(
                             std::chrono::steady_clock::now() - start)
                             .count();
  if (!good) perror("append_floor");
  for (int i = 0; i < kFiles; ++i) unlink(path(i).c_str());
  if (!good) return 1;
  const double gb = pieces * kFiles * static_cast<double>(kPiece) / 1e9;
  fmt::print("{{\"mb_per_second\":{:.0f},\"cpu_seconds_per_gb\":{:.4f}}}\n",
             gb * 1e3 / seconds, used / gb);
  return 0;
}
