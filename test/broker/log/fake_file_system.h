// A disk in memory that can be broken: full, failing, torn, and losing what was
// not synced when the power goes.
#ifndef SILLOK_TEST_BROKER_LOG_FAKE_FILE_SYSTEM_H_
#define SILLOK_TEST_BROKER_LOG_FAKE_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/log/file_system.h"

namespace sillok {

class FakeFileSystem final : public FileSystem {
 public:
  // --- Faults ----------------------------------------------------------------
  // How many bytes all files may hold; a write beyond is cut and fails.
  void set_capacity(int64_t bytes) { capacity_ = bytes; }
  // The next `count` data writes fail after half their bytes.
  void FailWrites(int count) { fail_writes_ = count; }
  // The next `count` syncs of files fail, and what they covered stays unsynced.
  void FailSyncs(int count) { fail_syncs_ = count; }
  void FailTruncates(int count) { fail_truncates_ = count; }

  // What survives of what was not synced.
  enum class Loss { kAll, kPrefix, kSubset };
  // The power goes: unsynced content and names are lost as `loss` says, chosen
  // by `random`. Files opened before must not be used any more.
  void Crash(Loss loss, std::mt19937_64* random);
  // The process dies: everything written stays.
  void KillProcess() { locks_.clear(); }

  int64_t sync_count() const { return sync_count_; }
  int64_t write_count() const { return write_count_; }
  // Changes a byte on the disk behind everybody's back.
  void FlipByte(const std::string& path, int64_t position);
  void Put(const std::string& path, const std::string& content);
  std::string Get(const std::string& path);
  // Makes everything as durable as it is now.
  void SyncAll();

  // --- FileSystem ------------------------------------------------------------
  absl::StatusOr<std::shared_ptr<File>> Open(const std::string& path,
                                             Mode mode) override;
  absl::StatusOr<bool> Exists(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& dir) override;
  absl::StatusOr<bool> IsDirectory(const std::string& path) override;
  absl::StatusOr<bool> CreateDirectory(const std::string& dir) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& dir) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status SyncDirectory(const std::string& dir) override;
  absl::StatusOr<int64_t> ModifiedMs(const std::string& path) override;
  absl::StatusOr<std::shared_ptr<File>> Lock(const std::string& path) override;
  absl::StatusOr<Space> DiskSpace(const std::string& dir) override;

 private:
  friend class FakeFile;
  // A change of a file's content since its last sync.
  struct Change {
    bool truncate = false;
    int64_t position = 0;
    std::string data;
  };
  struct Inode {
    std::string durable;
    std::string content;
    std::vector<Change> unsynced;
  };
  using Entries = std::map<std::string, std::shared_ptr<Inode>>;
  struct Folder {
    Entries durable;
    Entries live;
    // Names changed since the last sync of the folder: null = removed.
    std::vector<std::pair<std::string, std::shared_ptr<Inode>>> unsynced;
  };

  static std::string ParentOf(const std::string& path);
  static std::string NameOf(const std::string& path);
  Folder* FindFolder(const std::string& dir);
  std::shared_ptr<Inode> FindInode(const std::string& path);
  void SetEntry(const std::string& path, std::shared_ptr<Inode> inode);
  static void Apply(const Change& change, std::string* content);
  int64_t UsedBytes() const;

  mutable std::recursive_mutex mutex_;
  std::map<std::string, Folder> folders_;  // folders are always durable
  std::set<std::string> locks_;
  int64_t capacity_ = std::numeric_limits<int64_t>::max();
  int fail_writes_ = 0;
  int fail_syncs_ = 0;
  int fail_truncates_ = 0;
  int64_t sync_count_ = 0;
  int64_t write_count_ = 0;
};

}  // namespace sillok

#endif  // SILLOK_TEST_BROKER_LOG_FAKE_FILE_SYSTEM_H_
