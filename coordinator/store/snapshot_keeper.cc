#include "coordinator/store/snapshot_keeper.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>
#include <vector>

#include "fmt/chrono.h"
#include "fmt/core.h"
#include "glog/logging.h"

namespace sillok {
namespace {

// Left free for the log and the database, which are worth more.
constexpr uint64_t kReservedBytes = 128u << 20;

// Of this thread: behind everybody else, on the processor and the disk.
void BeIdle() {
  const auto self = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, self, 19);
  constexpr int kWhoProcess = 1, kIdleClass = 3, kClassShift = 13;
  ::syscall(SYS_ioprio_set, kWhoProcess, 0, kIdleClass << kClassShift);
}

struct stat StatOf(const std::string& path) {
  struct stat info{};
  ::stat(path.c_str(), &info);
  return info;
}

}  // namespace

SnapshotKeeper::SnapshotKeeper(CoordinatorStore* store,
                               SnapshotKeeperOptions options)
    : store_(store), options_(std::move(options)) {
  if (options_.interval_ms > 0) thread_ = std::thread([this] { Run(); });
}

SnapshotKeeper::~SnapshotKeeper() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

// The files tell, so that a member that is restarted often has snapshots, too.
int64_t SnapshotKeeper::DueInMs() const {
  const std::vector<std::string> snapshots = ListSnapshots(options_.folder);
  if (snapshots.empty()) return options_.interval_ms;
  const int64_t age_ms =
      (std::time(nullptr) - StatOf(snapshots[0]).st_mtime) * 1000;
  return std::clamp<int64_t>(options_.interval_ms - age_ms, 0,
                             options_.interval_ms);
}

void SnapshotKeeper::Run() {
  BeIdle();
  int64_t wait_ms = DueInMs();
  while (true) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                     [this] { return stop_.load(); });
    }
    if (stop_) return;
    Save();
    wait_ms = options_.interval_ms;
  }
}

void SnapshotKeeper::Save() {
  const std::vector<std::string> before = ListSnapshots(options_.folder);
  const uint64_t last_bytes =
      before.empty() ? 0 : static_cast<uint64_t>(StatOf(before[0]).st_size);
  struct statvfs disk{};
  absl::StatusOr<SnapshotFileInfo> saved = SnapshotFileInfo();
  const std::string parent =
      options_.folder.substr(0, options_.folder.rfind('/'));
  if (::statvfs(parent.c_str(), &disk) == 0 &&
      uint64_t{disk.f_bavail} * disk.f_frsize <
          2 * last_bytes + kReservedBytes) {
    saved = absl::ResourceExhaustedError(parent + " is nearly full");
  } else {
    saved = SaveSnapshot(store_, options_.folder, options_.retain, &stop_);
  }
  if (options_.on_saved != nullptr) options_.on_saved(saved);
  if (!saved.ok()) {
    if (!stop_) LOG(WARNING) << "no snapshot is saved: " << saved.status();
    return;
  }
  LOG(INFO) << "snapshot saved, zxid=" << saved->zxid
            << " rows=" << saved->rows << " bytes=" << saved->bytes;
}

absl::Status WithWayOut(const absl::Status& status,
                        const RocksStoreOptions& options) {
  if (!absl::IsDataLoss(status)) return status;
  const std::string& data_dir = options.directory;
  std::string text(status.message());
  text += fmt::format(
      "\nNothing was changed. If the other members have a quorum without this "
      "one, move {0}/db, {0}/log and {0}/epochs aside and start it again: it "
      "gets everything from the leader.",
      data_dir);
  for (const std::string& path : ListSnapshots(data_dir + "/snapshots")) {
    const absl::StatusOr<SnapshotFileInfo> info = CheckSnapshotFile(path);
    if (!info.ok()) continue;
    const struct stat file = StatOf(path);
    text += fmt::format(
        " If not, the newest sound snapshot here is of {:%F %T} UTC (zxid "
        "{:#x}). To go back to it, move those three aside on every member and "
        "run for each, before any is started:\n  sillok coord restore {} "
        "--data {} --id {}",
        fmt::gmtime(file.st_mtime), info->zxid.value(), path, data_dir,
        options.member.value());
    return absl::Status(status.code(), text);
  }
  text += " There is no sound snapshot in " + data_dir + "/snapshots.";
  return absl::Status(status.code(), text);
}

}  // namespace sillok
