// What this machine charges at this moment for the two things that a broker
// cannot avoid, so that its figures can be told beside them.
//
//   machine_floor append FOLDER MEGABYTES    nothing but appending to files, in
//       pieces of 1 MB, one thread. Done twice; the second counts. The first
//       pays for memory that a virtual machine's host had taken back: that
//       moves the price by a factor of four.
//   machine_floor send FOLDER MEGABYTES      nothing but sendfile to a loopback
//       socket: the sender's CPU alone.

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kFiles = 6;  // as many as the loads have partitions
constexpr size_t kPiece = 1'000'000;

[[noreturn]] void Fail(const char* what) {
  perror(what);
  exit(1);
}

// Of the calling thread.
double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Made in `folder`, and gone with it.
class ScratchFile {
 public:
  explicit ScratchFile(std::string path) : path_(std::move(path)) {
    fd_ = open(path_.c_str(), O_CREAT | O_TRUNC | O_RDWR, 0644);
    if (fd_ < 0) Fail(path_.c_str());
  }
  ~ScratchFile() {
    close(fd_);
    unlink(path_.c_str());
  }
  ScratchFile(const ScratchFile&) = delete;
  int fd() const { return fd_; }
  void Append(int pieces) {
    const std::string piece(kPiece, 'x');
    for (int i = 0; i < pieces; ++i) {
      if (write(fd_, piece.data(), piece.size()) !=
          static_cast<ssize_t>(piece.size())) {
        unlink(path_.c_str());
        Fail(path_.c_str());
      }
    }
  }

 private:
  const std::string path_;
  int fd_ = -1;
};

struct Price {
  double gb = 0;
  double seconds = 0;
  double cpu_seconds = 0;
};

template <typename Work>
Price Measure(double gb, Work work) {
  const double cpu = CpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> passed =
      std::chrono::steady_clock::now() - start;
  return {gb, passed.count(), CpuSeconds() - cpu};
}

Price AppendOnce(const std::string& folder, int pieces) {
  std::vector<std::unique_ptr<ScratchFile>> files;
  return Measure(pieces * kFiles * static_cast<double>(kPiece) / 1e9, [&] {
    for (int i = 0; i < kFiles; ++i) {
      files.push_back(std::make_unique<ScratchFile>(
          fmt::format("{}/floor-{}-{}", folder, getpid(), i)));
      files.back()->Append(pieces);
    }
  });
}

// Two ends of a TCP connection over loopback, without BBR's pacing.
struct Loopback {
  Loopback() {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    if (bind(listener, raw, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, raw, &size) != 0) {
      Fail("listen");
    }
    reader = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(reader, raw, size) != 0) Fail("connect");
    writer = accept(listener, nullptr, nullptr);
    if (writer < 0) Fail("accept");
    close(listener);
  }
  int reader = -1;
  int writer = -1;
};

Price Send(const std::string& folder, int megabytes) {
  constexpr size_t kChunk = 512 << 10;
  constexpr int kFileMegabytes = 64;
  ScratchFile file(fmt::format("{}/floor-{}", folder, getpid()));
  file.Append(kFileMegabytes);
  Loopback loopback;
  std::thread reader([fd = loopback.reader] {
    std::vector<char> buffer(256 << 10);
    while (recv(fd, buffer.data(), buffer.size(), 0) > 0) {
    }
  });
  const int64_t total = static_cast<int64_t>(megabytes) * 1'000'000;
  const int64_t file_bytes = int64_t{kFileMegabytes} * kPiece;
  const Price price = Measure(static_cast<double>(total) / 1e9, [&] {
    for (int64_t sent = 0; sent < total;) {
      off_t position = sent % file_bytes;
      const ssize_t n =
          sendfile(loopback.writer, file.fd(), &position, kChunk);
      if (n <= 0) Fail("sendfile");
      sent += n;
    }
  });
  shutdown(loopback.writer, SHUT_WR);
  reader.join();
  return price;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 4 ? argv[1] : "";
  const int megabytes = argc == 4 ? atoi(argv[3]) : 0;
  if ((what != "append" && what != "send") || megabytes < kFiles) {
    fmt::print(stderr, "usage: machine_floor append|send FOLDER MEGABYTES\n");
    return 2;
  }
  Price price;
  if (what == "send") {
    price = Send(argv[2], megabytes);
  } else {
    AppendOnce(argv[2], megabytes / kFiles);
    price = AppendOnce(argv[2], megabytes / kFiles);
  }
  fmt::print("{{\"mb_per_second\":{:.0f},\"cpu_seconds_per_gb\":{:.4f}}}\n",
             price.gb * 1e3 / price.seconds, price.cpu_seconds / price.gb);
  return 0;
}
