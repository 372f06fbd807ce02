#include "test/broker/log/fake_file_system.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sillok {

class FakeFile final : public File {
 public:
  FakeFile(FakeFileSystem* owner, std::shared_ptr<FakeFileSystem::Inode> inode)
      : owner_(owner), inode_(std::move(inode)) {}

  absl::StatusOr<size_t> ReadAt(int64_t position, char* out,
                                size_t size) const override {
    const std::lock_guard lock(owner_->mutex_);
    const std::string& content = inode_->content;
    const auto at = static_cast<size_t>(position);
    if (at >= content.size()) return size_t{0};
    const size_t count = std::min(size, content.size() - at);
    std::memcpy(out, content.data() + at, count);
    return count;
  }

  absl::Status WriteAt(int64_t position, const iovec* pieces,
                       size_t count) override {
    const std::lock_guard lock(owner_->mutex_);
    std::string data;
    for (size_t i = 0; i < count; ++i) {
      data.append(static_cast<const char*>(pieces[i].iov_base),
                  pieces[i].iov_len);
    }
    ++owner_->write_count_;
    absl::Status status;
    if (owner_->fail_writes_ > 0) {
      --owner_->fail_writes_;
      data.resize(data.size() / 2);
      status = absl::InternalError("write: Input/output error (errno 5)");
    }
    const int64_t end = position + static_cast<int64_t>(data.size());
    const int64_t grows =
        std::max<int64_t>(0, end - static_cast<int64_t>(inode_->content.size()));
    const int64_t room = owner_->capacity_ - owner_->UsedBytes();
    if (grows > room) {
      data.resize(data.size() - static_cast<size_t>(std::min<int64_t>(
                                    grows - std::max<int64_t>(room, 0),
                                    static_cast<int64_t>(data.size()))));
      status = absl::ResourceExhaustedError(
          "write: No space left on device (errno 28)");
    }
    if (!data.empty()) {
      inode_->unsynced.push_back({false, position, std::move(data)});
      FakeFileSystem::Apply(inode_->unsynced.back(), &inode_->content);
    }
    return status;
  }

  absl::Status Truncate(int64_t size) override {
    const std::lock_guard lock(owner_->mutex_);
    if (owner_->fail_truncates_ > 0) {
      --owner_->fail_truncates_;
      return absl::InternalError("truncate: Input/output error (errno 5)");
    }
    inode_->unsynced.push_back({true, size, {}});
    FakeFileSystem::Apply(inode_->unsynced.back(), &inode_->content);
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    const std::lock_guard lock(owner_->mutex_);
    ++owner_->sync_count_;
    if (owner_->fail_syncs_ > 0) {
      --owner_->fail_syncs_;
      return absl::InternalError("fdatasync: Input/output error (errno 5)");
    }
    inode_->durable = inode_->content;
    inode_->unsynced.clear();
    return absl::OkStatus();
  }

  absl::StatusOr<int64_t> Size() const override {
    const std::lock_guard lock(owner_->mutex_);
    return static_cast<int64_t>(inode_->content.size());
  }

 private:
  FakeFileSystem* const owner_;
  const std::shared_ptr<FakeFileSystem::Inode> inode_;
};

void FakeFileSystem::Apply(const Change& change, std::string* content) {
  if (change.truncate) {
    content->resize(static_cast<size_t>(change.position), '\0');
    return;
  }
  const auto at = static_cast<size_t>(change.position);
  if (content->size() < at + change.data.size()) {
    content->resize(at + change.data.size(), '\0');
  }
  content->replace(at, change.data.size(), change.data);
}

void FakeFileSystem::Crash(Loss loss, std::mt19937_64* random) {
  const std::lock_guard lock(mutex_);
  locks_.clear();
  const auto chance = [&] { return ((*random)() & 1) == 0; };
  std::set<Inode*> done;
  for (auto& [dir, folder] : folders_) {
    Entries entries = folder.durable;
    const size_t kept =
        loss == Loss::kAll ? 0 : (*random)() % (folder.unsynced.size() + 1);
    for (size_t i = 0; i < kept; ++i) {
      const auto& [name, inode] = folder.unsynced[i];
      if (inode == nullptr) {
        entries.erase(name);
      } else {
        entries[name] = inode;
      }
    }
    folder.live = folder.durable = entries;
    folder.unsynced.clear();
    for (auto& [name, inode] : entries) {
      if (!done.insert(inode.get()).second) continue;
      std::string content = inode->durable;
      const size_t count =
          loss == Loss::kAll ? 0 : (*random)() % (inode->unsynced.size() + 1);
      for (size_t i = 0; i < count; ++i) {
        Change change = inode->unsynced[i];
        if (loss == Loss::kSubset && !change.truncate) {
          if (chance() && chance()) continue;
          // Torn: only some 512-byte sectors reached the disk.
          if (chance()) {
            const size_t sectors = change.data.size() / 512 + 1;
            change.data.resize(
                std::min(change.data.size(), (*random)() % sectors * 512 +
                                                 (*random)() % 512));
          }
        } else if (i + 1 == count && !change.truncate && chance()) {
          change.data.resize((*random)() % (change.data.size() + 1));
        }
        if (change.truncate || !change.data.empty()) Apply(change, &content);
      }
      inode->content = inode->durable = content;
      inode->unsynced.clear();
    }
  }
}

void FakeFileSystem::SyncAll() {
  const std::lock_guard lock(mutex_);
  for (auto& [dir, folder] : folders_) {
    folder.durable = folder.live;
    folder.unsynced.clear();
    for (auto& [name, inode] : folder.live) {
      inode->durable = inode->content;
      inode->unsynced.clear();
    }
  }
}

void FakeFileSystem::FlipByte(const std::string& path, int64_t position) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<Inode> inode = FindInode(path);
  char& byte = inode->content[static_cast<size_t>(position)];
  byte = static_cast<char>(byte ^ 0x55);
  inode->durable = inode->content;
  inode->unsynced.clear();
}

void FakeFileSystem::Put(const std::string& path, const std::string& content) {
  const std::lock_guard lock(mutex_);
  auto inode = std::make_shared<Inode>();
  inode->content = inode->durable = content;
  Folder& folder = folders_[ParentOf(path)];
  folder.live[NameOf(path)] = inode;
  folder.durable[NameOf(path)] = inode;
}

std::string FakeFileSystem::Get(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<Inode> inode = FindInode(path);
  return inode == nullptr ? std::string() : inode->content;
}

std::string FakeFileSystem::ParentOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}
std::string FakeFileSystem::NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

FakeFileSystem::Folder* FakeFileSystem::FindFolder(const std::string& dir) {
  const auto found = folders_.find(dir);
  return found == folders_.end() ? nullptr : &found->second;
}

std::shared_ptr<FakeFileSystem::Inode> FakeFileSystem::FindInode(
    const std::string& path) {
  Folder* const folder = FindFolder(ParentOf(path));
  if (folder == nullptr) return nullptr;
  const auto found = folder->live.find(NameOf(path));
  return found == folder->live.end() ? nullptr : found->second;
}

void FakeFileSystem::SetEntry(const std::string& path,
                              std::shared_ptr<Inode> inode) {
  Folder& folder = folders_[ParentOf(path)];
  folder.unsynced.emplace_back(NameOf(path), inode);
  if (inode == nullptr) {
    folder.live.erase(NameOf(path));
  } else {
    folder.live[NameOf(path)] = std::move(inode);
  }
}

int64_t FakeFileSystem::UsedBytes() const {
  int64_t used = 0;
  for (const auto& [dir, folder] : folders_) {
    for (const auto& [name, inode] : folder.live) {
      used += static_cast<int64_t>(inode->content.size());
    }
  }
  return used;
}

absl::StatusOr<std::shared_ptr<File>> FakeFileSystem::Open(
    const std::string& path, Mode mode) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Inode> inode = FindInode(path);
  if (inode == nullptr) {
    if (mode != Mode::kCreate || FindFolder(ParentOf(path)) == nullptr) {
      return absl::NotFoundError("open " + path);
    }
    inode = std::make_shared<Inode>();
    SetEntry(path, inode);
  }
  std::shared_ptr<File> file = std::make_shared<FakeFile>(this, inode);
  return file;
}

absl::StatusOr<bool> FakeFileSystem::Exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return FindInode(path) != nullptr || FindFolder(path) != nullptr;
}

absl::StatusOr<std::vector<std::string>> FakeFileSystem::List(
    const std::string& dir) {
  const std::lock_guard lock(mutex_);
  Folder* const folder = FindFolder(dir);
  if (folder == nullptr) return absl::NotFoundError("list " + dir);
  std::set<std::string> names;
  for (const auto& [name, inode] : folder->live) names.insert(name);
  for (const auto& [other, unused] : folders_) {
    if (ParentOf(other) == dir && other != dir) names.insert(NameOf(other));
  }
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<bool> FakeFileSystem::IsDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return FindFolder(path) != nullptr;
}

absl::StatusOr<bool> FakeFileSystem::CreateDirectory(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  return folders_.try_emplace(dir).second;
}

absl::Status FakeFileSystem::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (FindInode(path) != nullptr) SetEntry(path, nullptr);
  return absl::OkStatus();
}

absl::Status FakeFileSystem::RemoveDirectory(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  folders_.erase(dir);
  return absl::OkStatus();
}

absl::Status FakeFileSystem::Rename(const std::string& from,
                                    const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (const auto folder = folders_.find(from); folder != folders_.end()) {
    Folder moved = std::move(folder->second);
    folders_.erase(folder);
    folders_[to] = std::move(moved);
    return absl::OkStatus();
  }
  std::shared_ptr<Inode> inode = FindInode(from);
  if (inode == nullptr) return absl::NotFoundError("rename " + from);
  SetEntry(from, nullptr);
  SetEntry(to, std::move(inode));
  return absl::OkStatus();
}

absl::Status FakeFileSystem::SyncDirectory(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  Folder* const folder = FindFolder(dir);
  if (folder == nullptr) return absl::NotFoundError("sync " + dir);
  folder->durable = folder->live;
  folder->unsynced.clear();
  return absl::OkStatus();
}

absl::StatusOr<int64_t> FakeFileSystem::ModifiedMs(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (FindInode(path) == nullptr) return absl::NotFoundError("stat " + path);
  return int64_t{1'700'000'000'000};
}

absl::StatusOr<std::shared_ptr<File>> FakeFileSystem::Lock(
    const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!locks_.insert(path).second) {
    return absl::FailedPreconditionError(path + " is locked");
  }
  absl::StatusOr<std::shared_ptr<File>> file = Open(path, Mode::kCreate);
  if (!file.ok()) return file.status();
  return std::shared_ptr<File>(file->get(), [this, path, file = *file](File*) {
    const std::lock_guard unlock(mutex_);
    locks_.erase(path);
  });
}

absl::StatusOr<FileSystem::Space> FakeFileSystem::DiskSpace(
    const std::string& dir) {
  const std::lock_guard lock(mutex_);
  return Space{capacity_, capacity_ - UsedBytes()};
}

}  // namespace sillok
