#include "test/coordinator/powerloss/power_loss.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "coordinator/client/blocking_session.h"
#include "glog/logging.h"
#include "test/coordinator/server/coordinator_process.h"

namespace sillok::coord {
namespace {

// EXT4_IOC_SHUTDOWN; and "go down now, without flushing the journal".
constexpr unsigned long kShutdown = 0x8004587d;
constexpr uint32_t kNoLogFlush = 2;

bool Run(const std::string& command) {
  int status = std::system((command + " >/dev/null 2>&1").c_str());
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// An ext4 file system in a file.
class LoopDisk {
 public:
  LoopDisk(std::string image, std::string mount_point)
      : image_(std::move(image)), mount_point_(std::move(mount_point)) {}
  ~LoopDisk() { Unmount(); }

  bool Make() {
    std::filesystem::create_directories(mount_point_);
    return Run("truncate -s 256M " + image_) &&
           Run("mkfs.ext4 -q -F " + image_) && Mount();
  }
  bool Mount() {
    mounted_ = Run("mount -o loop " + image_ + " " + mount_point_);
    return mounted_;
  }
  // What was not synced is gone; all later writes fail.
  bool CutPower() {
    int fd = open(mount_point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    uint32_t how = kNoLogFlush;
    bool done = ioctl(fd, kShutdown, &how) == 0;
    close(fd);
    return done;
  }
  // Nobody may use it any more.
  bool Unmount() {
    if (!mounted_) return true;
    for (int attempt = 0; attempt < 100; ++attempt) {
      if (umount(mount_point_.c_str()) == 0) {
        mounted_ = false;
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }

 private:
  const std::string image_;
  const std::string mount_point_;
  bool mounted_ = false;
};

std::unique_ptr<BlockingSession> Connect(const std::string& servers) {
  SessionOptions options = *ParseConnectString(servers);
  options.session_timeout_ms = 10'000;
  auto session = BlockingSession::Connect(options, 30'000);
  return session.ok() ? *std::move(session) : nullptr;
}

// Create numbered znodes and keep what was acknowledged.
class Writers {
 public:
  Writers(const std::string& servers, int count) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this, servers, i] { Write(servers, i); });
    }
  }
  ~Writers() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  std::vector<std::string> acknowledged(size_t from) const {
    std::lock_guard lock(mutex_);
    return {acknowledged_.begin() + static_cast<ptrdiff_t>(from),
            acknowledged_.end()};
  }
  size_t count() const {
    std::lock_guard lock(mutex_);
    return acknowledged_.size();
  }
  size_t unknown() const { return unknown_; }

 private:
  void Write(const std::string& servers, int writer) {
    std::unique_ptr<BlockingSession> session;
    for (int n = 0; !stop_; ++n) {
      if (session == nullptr || session->state() == SessionState::kExpired) {
        session = Connect(servers);
        if (session == nullptr) continue;
      }
      std::string path =
          "/w" + std::to_string(writer) + "-" + std::to_string(n);
      if (session->Create(path, path).code != v1::OK) {
        ++unknown_;
        continue;
      }
      std::lock_guard lock(mutex_);
      acknowledged_.push_back(path);
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<size_t> unknown_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> acknowledged_;
  std::vector<std::thread> threads_;
};

// What is missing; empty if nothing is.
std::string Missing(const std::string& server,
                    const std::vector<std::string>& paths) {
  auto session = Connect(server);
  if (session == nullptr) return "no session at " + server;
  auto surely = [&](auto call) {
    while (true) {
      auto result = call();
      if (result.code != v1::CONNECTION_LOSS &&
          result.code != v1::OPERATION_TIMEOUT) {
        return result;
      }
    }
  };
  while (session->Sync() != v1::OK) {
  }
  for (const std::string& path : paths) {
    GetResult got = surely([&] { return session->Get(path); });
    if (got.code != v1::OK) return path + ": " + v1::CoordCode_Name(got.code);
    if (got.data != path) return path + " has other data";
  }
  return "";
}

class PowerLoss {
 public:
  PowerLoss(const PowerLossOptions& options, std::ostream& out)
      : options_(options), out_(out), random_(options.seed) {}

  PowerLossResult Run() {
    for (int id = 1; id <= 3; ++id) {
      const std::string name =
          options_.directory + "/member-" + std::to_string(id);
      disks_.push_back(std::make_unique<LoopDisk>(name + ".img", name));
      if (!disks_.back()->Make()) return Fail("no file system for " + name);
    }
    ProcessEnsemble ensemble(options_.directory, 3, {"tickTime=500"});
    Writers writers(ensemble.servers(), options_.writers);
    size_t checked = 0;
    while (result_.cycles < options_.cycles && result_.failure.empty()) {
      AwaitWrites(writers, 20);
      Cycle(&ensemble);
      if (!result_.failure.empty()) break;
      std::vector<std::string> news = writers.acknowledged(checked);
      checked += news.size();
      result_.failure = Missing(ensemble.servers(), news);
      if (++result_.cycles % 10 == 0) {
        out_ << result_.cycles << " cycles, " << checked
             << " acknowledged writes, " << result_.members_hit
             << " members hit" << std::endl;
      }
    }
    result_.acknowledged = writers.count();
    result_.unknown = writers.unknown();
    for (int id = 1; id <= 3 && result_.failure.empty(); ++id) {
      result_.failure =
          Missing(ensemble.server(id), writers.acknowledged(0));
    }
    return result_;
  }

 private:
  PowerLossResult Fail(const std::string& why) {
    result_.failure = why;
    return result_;
  }

  void AwaitWrites(const Writers& writers, size_t more) {
    const size_t from = writers.count();
    if (!ProcessEnsemble::Eventually(
            [&] { return writers.count() >= from + more; })) {
      Fail("no writes are acknowledged any more");
    }
    std::this_thread::sleep_for(
        std::chrono::microseconds(random_() % 50'000));
  }

  void Cycle(ProcessEnsemble* ensemble) {
    const int count = result_.cycles % 3 + 1;
    std::vector<int> hit;
    for (int first = static_cast<int>(random_() % 3), i = 0; i < count; ++i) {
      hit.push_back((first + i) % 3 + 1);
    }
    // Stopped first: a machine without power answers nobody.
    for (int id : hit) ensemble->Pause(id);
    for (int id : hit) {
      if (!Disk(id).CutPower()) Fail("the shutdown ioctl does not work");
    }
    for (int id : hit) ensemble->Kill(id);
    for (int id : hit) {
      if (!Disk(id).Unmount() || !Disk(id).Mount()) {
        Fail("a file system cannot be mounted again");
        return;
      }
      ensemble->Start(id);
      ++result_.members_hit;
    }
    ensemble->WaitForLeader();
  }

  LoopDisk& Disk(int id) { return *disks_[static_cast<size_t>(id - 1)]; }

  const PowerLossOptions options_;
  std::ostream& out_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<LoopDisk>> disks_;
  PowerLossResult result_;
};

}  // namespace

std::string WhyNoPowerLoss(const std::string& directory) {
  if (geteuid() != 0) return "only root can mount";
  LoopDisk disk(directory + "/probe.img", directory + "/probe");
  std::string why;
  if (!disk.Make()) {
    why = "no ext4 on a loop device can be mounted here";
  } else if (!disk.CutPower()) {
    why = std::string("the shutdown ioctl fails: ") + std::strerror(errno);
  }
  disk.Unmount();
  std::error_code error;
  std::filesystem::remove_all(directory + "/probe", error);
  std::filesystem::remove(directory + "/probe.img", error);
  return why;
}

std::string RunDiskFailure(const std::string& directory, std::ostream& out) {
  std::vector<std::unique_ptr<LoopDisk>> disks;
  for (int id = 1; id <= 3; ++id) {
    const std::string name = directory + "/member-" + std::to_string(id);
    disks.push_back(std::make_unique<LoopDisk>(name + ".img", name));
    if (!disks.back()->Make()) return "no file system for " + name;
  }
  ProcessEnsemble ensemble(directory, 3, {"tickTime=500"});
  Writers writers(ensemble.servers(), 2);
  auto more = [&] {
    const size_t from = writers.count();
    return ProcessEnsemble::Eventually(
        [&] { return writers.count() >= from + 50; });
  };
  if (!more()) return "no writes at first";
  const int leader = ensemble.WaitForLeader();
  // Its writes fail from here on, but it runs.
  if (!disks[static_cast<size_t>(leader - 1)]->CutPower()) {
    return "the shutdown ioctl does not work";
  }
  std::optional<int> exit_code;
  ProcessEnsemble::Eventually([&] {
    exit_code = ensemble.Exited(leader);
    return exit_code.has_value();
  });
  if (!exit_code) return "the member goes on without a disk";
  out << "member " << leader << " exits with " << *exit_code << "\n";
  if (*exit_code == 0) return "the member calls that a success";
  const std::string log = ensemble.Log(leader);
  if (log.find("cannot go on") == std::string::npos) {
    return "the member does not say why: " + log;
  }
  if (!more()) return "the others do not go on";
  if (ensemble.WaitForLeader() == leader) return "it still leads";
  return Missing(ensemble.servers(), writers.acknowledged(0));
}

PowerLossResult RunPowerLoss(const PowerLossOptions& options,
                             std::ostream& out) {
  return PowerLoss(options, out).Run();
}

}  // namespace sillok::coord
