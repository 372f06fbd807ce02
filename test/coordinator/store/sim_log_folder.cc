#include "test/coordinator/store/sim_log_folder.h"

#include <algorithm>
#include <utility>

namespace sillok {
namespace {

absl::Status Failed() { return absl::InternalError("the disk has failed"); }

}  // namespace

class SimFile final : public LogFile {
 public:
  SimFile(SimDisk* disk, std::shared_ptr<SimDisk::Inode> inode)
      : disk_(disk), inode_(std::move(inode)) {}

  uint64_t bytes() const override { return inode_->now.size(); }
  absl::Status Read(uint64_t offset, size_t size,
                    std::string* out) const override {
    *out = offset < inode_->now.size()
               ? inode_->now.substr(static_cast<size_t>(offset), size)
               : "";
    return absl::OkStatus();
  }
  absl::Status Write(uint64_t offset, std::string_view data) override {
    const bool allowed = disk_->Allow();
    if (!allowed) data = data.substr(0, disk_->random_() % (data.size() + 1));
    const size_t at = static_cast<size_t>(offset);
    inode_->now.replace(at, data.size(), data);
    for (size_t i = at / SimDisk::kSectorBytes;
         i * SimDisk::kSectorBytes < at + data.size(); ++i) {
      inode_->dirty.insert(i);
    }
    return allowed ? absl::OkStatus() : Failed();
  }
  absl::Status Sync() override {
    if (!disk_->Allow()) return Failed();
    inode_->durable = inode_->now;
    inode_->dirty.clear();
    return absl::OkStatus();
  }

 private:
  SimDisk* const disk_;
  const std::shared_ptr<SimDisk::Inode> inode_;
};

class SimFolder final : public LogFolder {
 public:
  explicit SimFolder(SimDisk* disk) : disk_(disk) {}

  const std::string& path() const override { return path_; }
  absl::StatusOr<std::vector<std::string>> List() override {
    return disk_->Names();
  }
  absl::StatusOr<std::unique_ptr<LogFile>> Open(
      const std::string& name) override {
    const auto found = disk_->names_.find(name);
    if (found == disk_->names_.end()) return absl::NotFoundError(name);
    return std::make_unique<SimFile>(disk_, found->second);
  }
  absl::StatusOr<std::unique_ptr<LogFile>> Create(const std::string& name,
                                                  uint64_t bytes) override {
    if (!disk_->Allow()) return Failed();
    auto inode = std::make_shared<SimDisk::Inode>();
    inode->now.assign(static_cast<size_t>(bytes), '\0');
    inode->durable = inode->now;
    disk_->names_[name] = inode;
    disk_->NoteNames();
    return std::make_unique<SimFile>(disk_, inode);
  }
  absl::Status Rename(const std::string& from,
                      const std::string& to) override {
    if (!disk_->Allow()) return Failed();
    const auto found = disk_->names_.find(from);
    if (found == disk_->names_.end()) return absl::NotFoundError(from);
    disk_->names_[to] = found->second;
    disk_->names_.erase(from);
    disk_->NoteNames();
    return absl::OkStatus();
  }
  absl::Status Remove(const std::string& name) override {
    if (!disk_->Allow()) return Failed();
    if (disk_->names_.erase(name) == 0) return absl::NotFoundError(name);
    disk_->NoteNames();
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    if (!disk_->Allow()) return Failed();
    disk_->durable_names_ = disk_->names_;
    disk_->changes_.clear();
    return absl::OkStatus();
  }

 private:
  SimDisk* const disk_;
  const std::string path_ = "/log";
};

std::unique_ptr<LogFolder> SimDisk::Open() {
  return std::make_unique<SimFolder>(this);
}

bool SimDisk::Allow() {
  if (left_ == kNever) return true;
  if (left_ == 0) return false;
  --left_;
  return left_ > 0;
}

void SimDisk::CutPower() {
  left_ = kNever;
  const size_t kept = random_() % (changes_.size() + 1);
  if (kept > 0) durable_names_ = changes_[kept - 1];
  changes_.clear();
  names_ = durable_names_;
  const uint64_t how = random_() % 4;  // nothing, everything, or any of it
  for (auto& [name, inode] : names_) {
    for (const size_t sector : inode->dirty) {
      if (how == 0 || (how > 1 && random_() % 2 == 0)) continue;
      const size_t at = sector * kSectorBytes;
      const size_t size = std::min(kSectorBytes, inode->now.size() - at);
      inode->durable.replace(at, size, inode->now, at, size);
    }
    inode->dirty.clear();
    inode->now = inode->durable;
  }
}

std::vector<std::string> SimDisk::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_) names.push_back(name);
  return names;
}

}  // namespace sillok
