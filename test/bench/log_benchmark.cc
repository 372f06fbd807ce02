// The partition log against bare pwritev and pread of the same bytes, in the
// same run: CPU seconds and wall time per GB, best of several interleaved
// rounds.
//
//   log_benchmark [FOLDER] [MiB per round]
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "broker/log/partition_log.h"
#include "proto/record/record_batch.h"

namespace sillok {
namespace {

struct Cost {
  double cpu_s_per_gb = 1e9;
  double wall_s_per_gb = 1e9;
};

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void Measure(double bytes, Cost* best, const std::function<void()>& work) {
  const double cpu = CpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> wall =
      std::chrono::steady_clock::now() - start;
  const double gb = bytes / 1e9;
  best->cpu_s_per_gb = std::min(best->cpu_s_per_gb, (CpuSeconds() - cpu) / gb);
  best->wall_s_per_gb = std::min(best->wall_s_per_gb, wall.count() / gb);
}

void Check(bool ok, const std::string& what) {
  if (ok) return;
  fmt::print(stderr, "log_benchmark: {}\n", what);
  std::exit(1);
}

// A batch of about `size` bytes with records of `record_bytes`.
std::string Batch(size_t size, size_t record_bytes) {
  record::BatchBuilder builder;
  const std::string value(record_bytes, 'x');
  while (builder.size_bytes() + record_bytes + 20 < size) {
    builder.Append(1'700'000'000'000, "key", value);
  }
  return *builder.Build();
}

// The batch in pieces of 16 KiB, as gRPC delivers it.
Bytes Pieces(const std::string& batch) {
  constexpr size_t kPiece = 16 << 10;
  Bytes bytes;
  for (size_t at = 0; at < batch.size(); at += kPiece) {
    bytes.Append(
        {batch.data() + at, std::min(kPiece, batch.size() - at), nullptr});
  }
  return bytes;
}

class Bench {
 public:
  Bench(std::string folder, size_t total)
      : folder_(std::move(folder)), total_(total) {}

  void Run(const std::string& name, size_t batch_bytes, size_t record_bytes) {
    const std::string batch = Batch(batch_bytes, record_bytes);
    const Bytes pieces = Pieces(batch);
    const size_t count = total_ / batch.size();
    const double bytes = static_cast<double>(count * batch.size());
    Cost bare, strict, header, replicated, bare_read, read;
    for (int round = 0; round < 4; ++round) {
      Measure(bytes, &bare, [&] { WriteBare(pieces, count); });
      Measure(bytes, &strict, [&] {
        Append(pieces, count, LogOptions::Validation::kStrict);
      });
      Measure(bytes, &header, [&] {
        Append(pieces, count, LogOptions::Validation::kHeader);
      });
      Measure(bytes, &bare_read, [&] { ReadBare(count * batch.size()); });
      Measure(bytes, &read, [&] { Read(); });
      Replicate(batch, count, bytes, &replicated);
    }
    fmt::print("{}\n", name);
    Line("bare pwritev", bare, bare);
    Line("append, header checks", header, bare);
    Line("append, every record checked", strict, bare);
    Line("append as follower", replicated, bare);
    Line("bare pread 1 MiB", bare_read, bare_read);
    Line("log read 1 MiB", read, bare_read);
    log_.reset();
  }

 private:
  static void Line(const char* what, const Cost& cost, const Cost& base) {
    fmt::print("  {:<30} {:6.3f} cpu-s/GB  {:6.0f} MB/s  {:5.2f}x\n", what,
               cost.cpu_s_per_gb, 1000 / cost.wall_s_per_gb,
               cost.cpu_s_per_gb / base.cpu_s_per_gb);
  }

  void WriteBare(const Bytes& pieces, size_t count) {
    std::filesystem::remove(folder_ + "/bare");
    const int fd = open((folder_ + "/bare").c_str(), O_CREAT | O_RDWR, 0644);
    Check(fd >= 0, "cannot make a file in " + folder_);
    std::vector<iovec> vectors;
    for (const BytesPiece& piece : pieces.pieces()) {
      vectors.push_back({const_cast<char*>(piece.data), piece.size});
    }
    off_t at = 0;
    for (size_t i = 0; i < count; ++i) {
      const ssize_t wrote =
          pwritev(fd, vectors.data(), static_cast<int>(vectors.size()), at);
      Check(wrote == static_cast<ssize_t>(pieces.size()), "short write");
      at += wrote;
    }
    close(fd);
  }

  // The log's own file: how a file was written decides how its pages lie in the
  // page cache, and that decides what reading them costs.
  void ReadBare(size_t bytes) {
    const std::string path = folder_ + "/t-0/00000000000000000000.log";
    const int fd = open(path.c_str(), O_RDONLY);
    Check(fd >= 0, "no log at " + path);
    std::vector<char> buffer(1 << 20);
    for (size_t at = 0; at < bytes; at += buffer.size()) {
      Check(pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(at)) > 0,
            "short read");
    }
    close(fd);
  }

  void OpenLog(LogOptions::Validation validation) {
    log_.reset();
    std::filesystem::remove_all(folder_ + "/t-0");
    PartitionLog::OpenParams params;
    params.file_system = RealFileSystem();
    params.path = folder_ + "/t-0";
    params.partition = {"t", 0};
    params.options.validation = validation;
    auto log = PartitionLog::Open(std::move(params));
    Check(log.ok(), log.status().ToString());
    log_ = *std::move(log);
  }

  void Append(const Bytes& pieces, size_t count,
              LogOptions::Validation validation) {
    OpenLog(validation);
    for (size_t i = 0; i < count; ++i) {
      const AppendResult result =
          log_->Append(pieces, LeaderEpoch(0), 1'700'000'000'000);
      Check(result.ok(), result.message);
    }
  }

  // As a fetch of 1 MiB or more delivers them; offsets poked outside the time.
  void Replicate(const std::string& batch, size_t count, double bytes,
                 Cost* best) {
    OpenLog(LogOptions::Validation::kStrict);
    const record::BatchHeader header = record::ParseBatchHeader(batch.data());
    const size_t per_fetch = std::max<size_t>(1, (1 << 20) / batch.size());
    double cpu = 0;
    std::chrono::duration<double> wall{};
    int64_t next = 0;
    for (size_t done = 0; done < count; done += per_fetch) {
      std::string fetch;
      for (size_t i = 0; i < per_fetch; ++i) {
        const size_t at = fetch.size();
        fetch += batch;
        record::PokeOffsetAndEpoch(fetch.data() + at, Offset(next),
                                   LeaderEpoch(0));
        next += header.last_offset_delta + 1;
      }
      const Bytes bytes_in = Pieces(fetch);
      const double cpu_before = CpuSeconds();
      const auto start = std::chrono::steady_clock::now();
      const AppendResult result = log_->AppendReplicated(
          bytes_in, LeaderEpoch(0), 1'700'000'000'000);
      Check(result.ok(), result.message);
      cpu += CpuSeconds() - cpu_before;
      wall += std::chrono::steady_clock::now() - start;
    }
    best->cpu_s_per_gb = std::min(best->cpu_s_per_gb, cpu / (bytes / 1e9));
    best->wall_s_per_gb =
        std::min(best->wall_s_per_gb, wall.count() / (bytes / 1e9));
  }

  void Read() {
    const auto view = log_->view();
    Offset next(0);
    while (next < view->end_offset()) {
      auto read = view->ReadBytes(next, {.max_bytes = 1 << 20});
      Check(read.ok() && !read->batches.empty(), "read failed");
      // The consumer's next offset: by the last batch's header.
      record::BatchWalker walker(read->batches);
      while (walker.Next()) next = walker.header().next_offset();
    }
  }

  const std::string folder_;
  const size_t total_;
  std::unique_ptr<PartitionLog> log_;
};

}  // namespace
}  // namespace sillok

int main(int argc, char** argv) {
  const std::string base = argc > 1 ? argv[1] : "/tmp";
  const size_t mib = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 256;
  std::string folder = base + "/sillok_log_benchmark_XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    fmt::print(stderr, "log_benchmark: cannot make a folder in {}\n", base);
    return 1;
  }
  sillok::Bench bench(folder, mib << 20);
  bench.Run("1 MiB batches, records of 1 KiB", 1'048'000, 1024);
  bench.Run("1 MiB batches, records of 100 B", 1'048'000, 100);
  bench.Run("16 KiB batches, records of 1 KiB", 16'384, 1024);
  bench.Run("16 KiB batches, records of 100 B", 16'384, 100);
  std::filesystem::remove_all(folder);
  return 0;
}
