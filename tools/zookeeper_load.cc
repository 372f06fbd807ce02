#include "tools/zookeeper_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace sillok::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCreateOp = 1, kGetOp = 4, kSetOp = 5, kCloseOp = -11;
constexpr int kNodeExists = -110;
constexpr int kSessionTimeoutMs = 30'000;
constexpr int64_t kNodesOfAParent = 100'000;

void PutInt(std::string* out, int32_t value) {
  const uint32_t big = htonl(static_cast<uint32_t>(value));
  out->append(reinterpret_cast<const char*>(&big), 4);
}
void PutLong(std::string* out, int64_t value) {
  PutInt(out, static_cast<int32_t>(value >> 32));
  PutInt(out, static_cast<int32_t>(value));
}
void PutText(std::string* out, std::string_view text) {
  PutInt(out, static_cast<int32_t>(text.size()));
  out->append(text);
}
int32_t IntAt(const char* bytes) {
  uint32_t big;
  std::memcpy(&big, bytes, 4);
  return static_cast<int32_t>(ntohl(big));
}
int64_t LongAt(const char* bytes) {
  return static_cast<int64_t>(
      uint64_t{static_cast<uint32_t>(IntAt(bytes))} << 32 |
      static_cast<uint32_t>(IntAt(bytes + 4)));
}

// Appends a frame: its length is put in when all of it is there.
class FrameWriter {
 public:
  explicit FrameWriter(std::string* out) : out_(out), start_(out->size()) {
    PutInt(out, 0);
  }
  ~FrameWriter() {
    const uint32_t big =
        htonl(static_cast<uint32_t>(out_->size() - start_ - 4));
    std::memcpy(&(*out_)[start_], &big, 4);
  }

 private:
  std::string* out_;
  size_t start_;
};

void PutCreate(std::string* out, int32_t xid, std::string_view path,
               std::string_view data) {
  FrameWriter frame(out);
  PutInt(out, xid);
  PutInt(out, kCreateOp);
  PutText(out, path);
  PutText(out, data);
  PutInt(out, 1);
  PutInt(out, 31);
  PutText(out, "world");
  PutText(out, "anyone");
  PutInt(out, 0);
}

void PutSet(std::string* out, int32_t xid, std::string_view path,
            std::string_view data) {
  FrameWriter frame(out);
  PutInt(out, xid);
  PutInt(out, kSetOp);
  PutText(out, path);
  PutText(out, data);
  PutInt(out, -1);
}

void PutGet(std::string* out, int32_t xid, std::string_view path) {
  FrameWriter frame(out);
  PutInt(out, xid);
  PutInt(out, kGetOp);
  PutText(out, path);
  out->push_back('\0');
}

// A connection with a session; blocking until the load begins.
class Session {
 public:
  ~Session() { Disconnect(); }

  absl::Status Connect(const std::string& server) {
    Disconnect();
    const size_t colon = server.rfind(':');
    if (colon == std::string::npos) {
      return absl::InvalidArgumentError("'" + server + "' is not host:port");
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int code = getaddrinfo(server.substr(0, colon).c_str(),
                                 server.substr(colon + 1).c_str(), &hints,
                                 &found);
    if (code != 0) {
      return absl::UnavailableError(server + ": " + gai_strerror(code));
    }
    fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int connected = connect(fd_, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (connected != 0) return Broken(server);
    const int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return Handshake(server);
  }

  void Disconnect() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    received_.clear();
    used_ = 0;
  }

  absl::Status SendAll(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return Broken("sending");
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return absl::OkStatus();
  }

  // The next whole frame, waiting for it; `timeout_ms` < 0: for ever.
  absl::StatusOr<std::string_view> AwaitFrame(int timeout_ms) {
    std::string_view frame;
    while (!NextFrame(&frame)) {
      pollfd ready{fd_, POLLIN, 0};
      if (poll(&ready, 1, timeout_ms) == 0) {
        return absl::DeadlineExceededError("no answer");
      }
      RETURN_IF_ERROR(Receive());
    }
    return frame;
  }

  // What has arrived; at least one byte, waiting for it if need be.
  absl::Status Receive() {
    if (used_ == received_.size() || used_ > (256 << 10)) {
      received_.erase(0, used_);
      used_ = 0;
    }
    const size_t before = received_.size();
    received_.resize(before + (64 << 10));
    const ssize_t got =
        recv(fd_, received_.data() + before, received_.size() - before, 0);
    received_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0) return Broken("receiving");
    return absl::OkStatus();
  }

  bool NextFrame(std::string_view* frame) {
    if (received_.size() - used_ < 4) return false;
    const auto size =
        static_cast<size_t>(static_cast<uint32_t>(IntAt(&received_[used_])));
    if (received_.size() - used_ - 4 < size) return false;
    *frame = std::string_view(received_).substr(used_ + 4, size);
    used_ += 4 + size;
    return true;
  }

  // One request and its answer; the error code.
  absl::StatusOr<int32_t> Ask(const std::string& frame, int timeout_ms) {
    RETURN_IF_ERROR(SendAll(frame));
    ASSIGN_OR_RETURN(std::string_view reply, AwaitFrame(timeout_ms));
    if (reply.size() < 16) return absl::InternalError("a short answer");
    last_zxid_ = std::max(last_zxid_, LongAt(reply.data() + 4));
    return IntAt(reply.data() + 12);
  }

  void CloseSession() {
    std::string bytes;
    {
      FrameWriter frame(&bytes);
      PutInt(&bytes, 0);
      PutInt(&bytes, kCloseOp);
    }
    (void)Ask(bytes, 5'000);
    Disconnect();
  }

  int fd() const { return fd_; }
  int64_t id() const { return id_; }
  std::string* output() { return &output_; }
  // Xids are the numbers of the requests, from 1.
  int32_t next_xid = 1;
  int32_t answered = 0;
  std::vector<Clock::time_point> started;  // ring, by xid

 private:
  absl::Status Broken(const std::string& doing) {
    const int error = errno;
    return absl::UnavailableError(
        fmt::format("{}: {}", doing,
                    error == 0 ? "the server closed" : strerror(error)));
  }

  absl::Status Handshake(const std::string& server) {
    std::string bytes;
    {
      FrameWriter frame(&bytes);
      PutInt(&bytes, 0);
      PutLong(&bytes, last_zxid_);
      PutInt(&bytes, kSessionTimeoutMs);
      PutLong(&bytes, id_);
      PutText(&bytes, password_);
      bytes.push_back('\0');
    }
    RETURN_IF_ERROR(SendAll(bytes));
    ASSIGN_OR_RETURN(std::string_view reply, AwaitFrame(10'000));
    if (reply.size() < 36) return absl::UnavailableError(server + ": refused");
    if (IntAt(reply.data() + 4) <= 0) {
      id_ = 0;
      password_.assign(16, '\0');
      return absl::AbortedError("the session has expired");
    }
    id_ = LongAt(reply.data() + 8);
    password_ = std::string(reply.substr(20, 16));
    return absl::OkStatus();
  }

  int fd_ = -1;
  int64_t id_ = 0;
  std::string password_ = std::string(16, '\0');
  int64_t last_zxid_ = 0;
  std::string received_;
  size_t used_ = 0;
  std::string output_;
};

absl::Status CreateParent(Session* session, const std::string& path) {
  std::string bytes;
  PutCreate(&bytes, 0, path, "");
  ASSIGN_OR_RETURN(int32_t error, session->Ask(bytes, 30'000));
  if (error == 0 || error == kNodeExists) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("creating {}: error {}", path, error));
}

double CpuSeconds(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const size_t paren = text.rfind(')');  // the name before it may hold anything
  if (paren == std::string::npos) return 0;
  std::istringstream fields(text.substr(paren + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double CpuSeconds(const std::vector<int>& pids) {
  double sum = 0;
  for (int pid : pids) sum += CpuSeconds(pid);
  return sum;
}

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Gives the values of a load, each of the same size.
class Values {
 public:
  Values(ZookeeperLoad::Values kind, int bytes)
      : kind_(kind), value_(static_cast<size_t>(bytes), 'x') {}

  // Good until the next call.
  const std::string& Next() {
    if (kind_ == ZookeeperLoad::Values::kSame) return value_;
    if (kind_ == ZookeeperLoad::Values::kText) {
      MakeText();
      return value_;
    }
    for (size_t i = 0; i < value_.size(); i += 8) {
      const uint64_t bits = random_();
      std::memcpy(value_.data() + i, &bits,
                  std::min<size_t>(8, value_.size() - i));
    }
    return value_;
  }

 private:
  void MakeText() {
    const size_t bytes = value_.size();
    const uint64_t bits = random_();
    value_.clear();
    while (value_.size() < bytes) {
      fmt::format_to(
          std::back_inserter(value_),
          R"({{"host":"10.{}.{}.{}","port":{},"id":"{:08x}","weight":{},)"
          R"("zone":"eu-{}","started":17{:011}}})",
          bits & 15, bits >> 4 & 255, bits >> 12 & 255,
          8000 + (bits >> 20 & 1023), bits >> 30 & 0xffffffff,
          bits >> 8 & 63, bits >> 2 & 3, random_() % 100'000'000'000);
    }
    value_.resize(bytes);
  }

  const ZookeeperLoad::Values kind_;
  std::string value_;
  std::mt19937_64 random_{11};
};

class LoadRun {
 public:
  explicit LoadRun(const ZookeeperLoad& load)
      : load_(load), values_(load.values, load.value_bytes) {}

  absl::StatusOr<ZookeeperLoadResult> Run() {
    RETURN_IF_ERROR(SetUp());
    const double own = OwnCpuSeconds();
    const double servers = CpuSeconds(load_.server_pids);
    const auto start = Clock::now();
    absl::Status status = Measure();
    const double seconds =
        std::chrono::duration<double>(Clock::now() - start).count();
    if (epoll_ >= 0) close(epoll_);
    RETURN_IF_ERROR(status);
    ZookeeperLoadResult result;
    result.operations = load_.operations;
    result.seconds = seconds;
    const auto count = static_cast<double>(load_.operations);
    result.own_cpu_us = (OwnCpuSeconds() - own) * 1e6 / count;
    result.server_cpu_us =
        (CpuSeconds(load_.server_pids) - servers) * 1e6 / count;
    result.p50_us = Percentile(0.5);
    result.p99_us = Percentile(0.99);
    result.p999_us = Percentile(0.999);
    result.max_us = Percentile(1);
    for (auto& session : sessions_) session->CloseSession();
    return result;
  }

 private:
  absl::Status SetUp() {
    latencies_us_.reserve(static_cast<size_t>(load_.operations));
    for (int i = 0; i < load_.sessions; ++i) {
      auto session = std::make_unique<Session>();
      RETURN_IF_ERROR(session->Connect(
          load_.servers[static_cast<size_t>(i) % load_.servers.size()]));
      session->started.resize(static_cast<size_t>(load_.outstanding));
      sessions_.push_back(std::move(session));
    }
    RETURN_IF_ERROR(CreateParent(sessions_[0].get(), load_.prefix));
    const int64_t nodes = std::max(load_.operations, load_.keys);
    for (int64_t first = 0; first < nodes; first += kNodesOfAParent) {
      RETURN_IF_ERROR(CreateParent(sessions_[0].get(), ParentOf(first)));
    }
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (auto& session : sessions_) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = session.get();
      epoll_ctl(epoll_, EPOLL_CTL_ADD, session->fd(), &event);
    }
    return absl::OkStatus();
  }

  std::string ParentOf(int64_t node) const {
    return fmt::format("{}/{}", load_.prefix, node / kNodesOfAParent);
  }
  std::string_view PathOf(int64_t node) {
    path_.clear();
    fmt::format_to(std::back_inserter(path_), "{}/{}/n{:08}", load_.prefix,
                   node / kNodesOfAParent, node);
    return path_;
  }

  absl::Status Measure() {
    for (auto& session : sessions_) {
      for (int i = 0; i < load_.outstanding; ++i) Next(session.get());
      RETURN_IF_ERROR(Flush(session.get()));
    }
    std::vector<epoll_event> events(sessions_.size());
    while (answered_ < load_.operations) {
      const int ready =
          epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                     60'000);
      if (ready == 0) return absl::DeadlineExceededError("no answer for 60 s");
      for (int i = 0; i < ready; ++i) {
        RETURN_IF_ERROR(OnReadable(static_cast<Session*>(
            events[static_cast<size_t>(i)].data.ptr)));
      }
    }
    return absl::OkStatus();
  }

  // Appends the next request, if there is one left to be made.
  void Next(Session* session) {
    if (begun_ == load_.operations) return;
    const int32_t xid = session->next_xid++;
    std::string* out = session->output();
    const int64_t node =
        load_.kind == ZookeeperLoad::Kind::kCreate
            ? begun_
            : static_cast<int64_t>(random_() %
                                   static_cast<uint64_t>(load_.keys));
    ++begun_;
    switch (load_.kind) {
      case ZookeeperLoad::Kind::kCreate:
        PutCreate(out, xid, PathOf(node), values_.Next());
        break;
      case ZookeeperLoad::Kind::kSet:
        PutSet(out, xid, PathOf(node), values_.Next());
        break;
      case ZookeeperLoad::Kind::kGet:
        PutGet(out, xid, PathOf(node));
        break;
    }
    session->started[static_cast<size_t>(xid) % session->started.size()] =
        Clock::now();
  }

  static absl::Status Flush(Session* session) {
    absl::Status status = session->SendAll(*session->output());
    session->output()->clear();
    return status;
  }

  absl::Status OnReadable(Session* session) {
    RETURN_IF_ERROR(session->Receive());
    const auto now = Clock::now();
    std::string_view frame;
    while (session->NextFrame(&frame)) {
      if (frame.size() < 16) return absl::InternalError("a short answer");
      const int32_t xid = IntAt(frame.data());
      if (xid != ++session->answered) {
        return absl::InternalError(fmt::format(
            "answer {} instead of {}", xid, session->answered));
      }
      if (int32_t error = IntAt(frame.data() + 12); error != 0) {
        return absl::FailedPreconditionError(
            fmt::format("error {} for request {}", error, xid));
      }
      const auto took = now - session->started[static_cast<size_t>(xid) %
                                               session->started.size()];
      latencies_us_.push_back(
          std::chrono::duration<float, std::micro>(took).count());
      ++answered_;
      Next(session);
    }
    return Flush(session);
  }

  double Percentile(double share) {
    if (latencies_us_.empty()) return 0;
    const auto rank = static_cast<ptrdiff_t>(
        share * static_cast<double>(latencies_us_.size() - 1));
    auto at = latencies_us_.begin() + rank;
    std::nth_element(latencies_us_.begin(), at, latencies_us_.end());
    return *at;
  }

  const ZookeeperLoad& load_;
  Values values_;
  std::string path_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<float> latencies_us_;
  std::mt19937_64 random_{7};
  int epoll_ = -1;
  int64_t begun_ = 0;
  int64_t answered_ = 0;
};

}  // namespace

absl::StatusOr<ZookeeperLoadResult> RunZookeeperLoad(
    const ZookeeperLoad& load) {
  if (load.servers.empty()) return absl::InvalidArgumentError("no servers");
  return LoadRun(load).Run();
}

absl::StatusOr<ZookeeperFailoverResult> MeasureZookeeperFailover(
    const ZookeeperFailover& spec) {
  Session session;
  size_t server = 0;
  absl::Status connected;
  for (; server < spec.servers.size(); ++server) {
    connected = session.Connect(spec.servers[server]);
    if (connected.ok()) break;
  }
  RETURN_IF_ERROR(connected);
  RETURN_IF_ERROR(CreateParent(&session, spec.prefix));
  int32_t xid = 1;
  auto write = [&]() -> bool {
    std::string bytes;
    PutSet(&bytes, xid++, spec.prefix, "x");
    auto error = session.Ask(bytes, 5'000);
    return error.ok() && *error == 0;
  };
  for (int i = 0; i < 100; ++i) {
    if (!write()) return absl::UnavailableError("a write before the kill");
  }
  const int64_t session_id = session.id();
  const auto killed = Clock::now();
  if (kill(spec.kill_pid, SIGKILL) != 0) {
    return absl::InvalidArgumentError(
        fmt::format("process {}: {}", spec.kill_pid, strerror(errno)));
  }
  while (Clock::now() - killed < std::chrono::milliseconds(spec.give_up_ms)) {
    if (session.fd() >= 0 && write()) {
      return ZookeeperFailoverResult{
          std::chrono::duration<double, std::milli>(Clock::now() - killed)
              .count(),
          session.id() == session_id};
    }
    session.Disconnect();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    server = (server + 1) % spec.servers.size();
    (void)session.Connect(spec.servers[server]);
  }
  return absl::DeadlineExceededError("no write was acknowledged");
}

}  // namespace sillok::tools
