// What base/net costs: echo round trips and files by sendfile, with the CPU time
// of the server's threads apart from the client's.
//
//   net_benchmark echo [depth] [bytes] [seconds] [connections]
//   net_benchmark hop  [depth] [bytes] [seconds] [connections]
//       as echo, but another thread answers
//   net_benchmark paced [per second] [bytes] [seconds]
//   net_benchmark file [bytes] [seconds] [connections]
//   net_benchmark upload [bytes] [seconds]
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/net/frame_server.h"
#include "base/process.h"
#include "base/strand.h"
#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok::net {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return t.tv_sec + t.tv_usec / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string Framed(size_t size) {
  uint32_t length = htonl(static_cast<uint32_t>(size));
  return std::string(reinterpret_cast<char*>(&length), 4) +
         std::string(size, 'x');
}

struct Peer {
  explicit Peer(int port) {
    fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (const char* name : {"cubic", "reno"}) {
      if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
                     static_cast<socklen_t>(strlen(name))) == 0) {
        break;
      }
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    PCHECK(connect(fd, reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)) == 0);
  }
  void Write(const std::string& bytes) {
    for (size_t done = 0; done < bytes.size();) {
      ssize_t n = send(fd, bytes.data() + done, bytes.size() - done, 0);
      PCHECK(n > 0);
      done += static_cast<size_t>(n);
    }
  }
  void Skip(size_t bytes) {
    static thread_local std::vector<char> memory(256 << 10);
    while (bytes > 0) {
      ssize_t n = recv(fd, memory.data(), std::min(memory.size(), bytes), 0);
      PCHECK(n > 0);
      bytes -= static_cast<size_t>(n);
    }
  }
  int fd;
};

// Keeps `depth` requests under way; times each burst.
struct Result {
  int64_t requests = 0;
  int64_t bytes = 0;
  std::vector<double> us;
};

Result Load(int port, int depth, size_t request, size_t answer, double seconds,
            double pause_s) {
  Peer peer(port);
  std::string burst;
  for (int i = 0; i < depth; ++i) burst += Framed(request);
  Result result;
  auto begin = Clock::now();
  for (int64_t round = 0; SecondsSince(begin) < seconds; ++round) {
    if (pause_s > 0) {
      std::this_thread::sleep_until(
          begin + std::chrono::duration_cast<Clock::duration>(
                      std::chrono::duration<double>(pause_s * round)));
    }
    auto sent = Clock::now();
    peer.Write(burst);
    peer.Skip((answer + 4) * static_cast<size_t>(depth));
    result.us.push_back(SecondsSince(sent) * 1e6);
    result.requests += depth;
    result.bytes += static_cast<int64_t>(answer + request) * depth;
  }
  return result;
}

void Report(const std::string& what, std::vector<Result> results,
            double seconds, double server_cpu) {
  Result all;
  for (Result& result : results) {
    all.requests += result.requests;
    all.bytes += result.bytes;
    all.us.insert(all.us.end(), result.us.begin(), result.us.end());
  }
  std::sort(all.us.begin(), all.us.end());
  auto at = [&](double q) {
    return all.us[static_cast<size_t>(q * (all.us.size() - 1))];
  };
  fmt::print(
      "{}: {:.0f} req/s, {:.0f} MB/s; p50 {:.1f} p99 {:.1f} p99.9 {:.1f} us; "
      "server {:.2f} cpu-us/request, {:.4f} cpu-s/GB\n",
      what, all.requests / seconds, all.bytes / seconds / 1e6, at(0.5),
      at(0.99), at(0.999), server_cpu * 1e6 / all.requests,
      server_cpu * 1e9 / all.bytes);
}

// The client is another process, so that CPU can be told apart.
template <typename Client>
void Measure(const std::string& what, FrameServer* server, int connections,
             Client client) {
  int pipe_fds[2];
  PCHECK(pipe(pipe_fds) == 0);
  double cpu = CpuSeconds();
  auto begin = Clock::now();
  pid_t child = fork();
  if (child == 0) {
    close(pipe_fds[0]);
    std::vector<Result> results(static_cast<size_t>(connections));
    std::vector<std::thread> threads;
    for (Result& result : results) {
      threads.emplace_back([&] { result = client(server->port()); });
    }
    for (auto& thread : threads) thread.join();
    for (const Result& result : results) {
      int64_t head[3] = {result.requests, result.bytes,
                         static_cast<int64_t>(result.us.size())};
      PCHECK(write(pipe_fds[1], head, sizeof(head)) == sizeof(head));
      const char* data = reinterpret_cast<const char*>(result.us.data());
      for (size_t left = result.us.size() * sizeof(double); left > 0;) {
        ssize_t n = write(pipe_fds[1], data, left);
        PCHECK(n > 0);
        data += n;
        left -= static_cast<size_t>(n);
      }
    }
    _exit(0);
  }
  close(pipe_fds[1]);
  FILE* in = fdopen(pipe_fds[0], "r");
  std::vector<Result> results;
  int64_t head[3];
  double seconds = 0, used = 0;
  while (fread(head, sizeof(head), 1, in) == 1) {
    if (results.empty()) {
      seconds = SecondsSince(begin);
      used = CpuSeconds() - cpu;
    }
    Result result{head[0], head[1], {}};
    result.us.resize(static_cast<size_t>(head[2]));
    CHECK(fread(result.us.data(), sizeof(double), result.us.size(), in) ==
          result.us.size());
    results.push_back(std::move(result));
  }
  fclose(in);
  waitpid(child, nullptr, 0);
  FrameServerStats stats = server->stats();
  Report(what, std::move(results), seconds, used);
  fmt::print("  wake-ups {}, sendfile {:.0f} MB, cold reads {}\n",
             stats.wakeups, stats.sendfile_bytes / 1e6, stats.cold_reads);
}

enum class Mode { kEcho, kHop, kAck, kFile };

class Handler final : public FrameHandler {
 public:
  Handler(Mode mode, FilePiece piece, Executor* other)
      : mode_(mode), piece_(std::move(piece)), other_(other) {}
  void OnFrame(Bytes frame, ReplyPtr reply) override {
    switch (mode_) {
      case Mode::kEcho:
        reply->Send(OutFrame(frame));
        break;
      case Mode::kHop:
        other_->Post([frame = std::move(frame), reply = std::move(reply)] {
          reply->Send(OutFrame(frame));
        });
        break;
      case Mode::kAck:
        reply->Send(OutFrame::FromString("acknowledged"));
        break;
      case Mode::kFile: {
        OutFrame out = OutFrame::FromString("header");
        out.AppendFile(piece_);
        reply->Send(std::move(out));
        break;
      }
    }
  }

 private:
  const Mode mode_;
  const FilePiece piece_;
  Executor* const other_;
};

int Main(int argc, char** argv) {
  TuneAllocator();
  auto number = [&](int i, double otherwise) {
    return argc > i ? std::atof(argv[i]) : otherwise;
  };
  std::string what = argc > 1 ? argv[1] : "echo";
  FilePiece piece;
  Mode mode = what == "file"     ? Mode::kFile
              : what == "hop"    ? Mode::kHop
              : what == "upload" ? Mode::kAck
                                 : Mode::kEcho;
  if (mode == Mode::kFile) {
    char path[] = "/tmp/net_benchmark_XXXXXX";
    piece.fd = mkstemp(path);
    unlink(path);
    piece.length = static_cast<int64_t>(number(2, 1 << 20));
    std::string text(static_cast<size_t>(piece.length), 'f');
    PCHECK(write(piece.fd, text.data(), text.size()) ==
           static_cast<ssize_t>(text.size()));
  }
  Executor other("other", 1);
  FrameServerOptions options;
  options.listeners.push_back({"BENCH", "127.0.0.1", 0});
  options.tcp_congestion = "reno";
  options.loop_threads = 1;
  auto server = FrameServer::Start(options, [&](const auto&) {
    return std::make_unique<Handler>(mode, piece, &other);
  });
  CHECK(server.ok()) << server.status();

  if (what == "echo" || what == "hop") {
    int depth = static_cast<int>(number(2, 1));
    auto bytes = static_cast<size_t>(number(3, 100));
    double seconds = number(4, 3);
    Measure(fmt::format("{} depth {} of {} B", what, depth, bytes),
            server->get(), static_cast<int>(number(5, 1)),
            [&](int port) { return Load(port, depth, bytes, bytes, seconds, 0); });
  } else if (what == "paced") {
    double rate = number(2, 1000);
    auto bytes = static_cast<size_t>(number(3, 100));
    double seconds = number(4, 5);
    Measure(fmt::format("paced {}/s of {} B", rate, bytes), server->get(), 1,
            [&](int port) {
              return Load(port, 1, bytes, bytes, seconds, 1 / rate);
            });
  } else if (what == "file") {
    double seconds = number(3, 3);
    auto bytes = static_cast<size_t>(piece.length) + 6;
    Measure(fmt::format("file of {} B", piece.length), server->get(),
            static_cast<int>(number(4, 1)),
            [&](int port) { return Load(port, 1, 20, bytes, seconds, 0); });
  } else if (what == "upload") {
    auto bytes = static_cast<size_t>(number(2, 1 << 20));
    double seconds = number(3, 3);
    Measure(fmt::format("upload of {} B", bytes), server->get(), 1,
            [&](int port) { return Load(port, 1, bytes, 12, seconds, 0); });
  } else {
    fmt::print(stderr, "echo, hop, paced, file or upload\n");
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace sillok::net

int main(int argc, char** argv) { return sillok::net::Main(argc, argv); }
