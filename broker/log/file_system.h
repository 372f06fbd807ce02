// The disk as the log sees it: a seam, so that tests can break it.
//
// Real: pwritev/pread/fdatasync (RealFileSystem()). In tests: an in-memory
// one that can be full, fail, write short and lose what was not synced.
#ifndef SILLOK_BROKER_LOG_FILE_SYSTEM_H_
#define SILLOK_BROKER_LOG_FILE_SYSTEM_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sillok {

// One open file. Reads may come from any thread at any time; writes, Truncate
// from one thread at a time. Closed when the last owner goes; an unlinked file
// stays readable until then.
class File {
 public:
  virtual ~File() = default;

  // Reads up to `size` bytes at `position`; fewer only at the end of file.
  virtual absl::StatusOr<size_t> ReadAt(int64_t position, char* out,
                                        size_t size) const = 0;
  // Writes all of `pieces` at `position`. After an error any part of the range
  // may hold new bytes.
  virtual absl::Status WriteAt(int64_t position, const iovec* pieces,
                               size_t count) = 0;
  absl::Status WriteAt(int64_t position, std::string_view data);
  virtual absl::Status Truncate(int64_t size) = 0;
  // fdatasync: data and size. Any thread.
  virtual absl::Status Sync() = 0;
  virtual absl::StatusOr<int64_t> Size() const = 0;
  // For sendfile; -1 when there is no descriptor behind it (tests).
  virtual int fd() const { return -1; }
};

// Thread-safe. Every error names the operation and the path; RESOURCE_EXHAUSTED
// is a full disk, NOT_FOUND a missing file, the rest is INTERNAL.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  enum class Mode { kRead, kReadWrite, kCreate };  // kCreate: made if missing
  virtual absl::StatusOr<std::shared_ptr<File>> Open(const std::string& path,
                                                     Mode mode) = 0;
  virtual absl::StatusOr<bool> Exists(const std::string& path) = 0;
  // Names, sorted, without "." and "..".
  virtual absl::StatusOr<std::vector<std::string>> List(
      const std::string& dir) = 0;
  virtual absl::StatusOr<bool> IsDirectory(const std::string& path) = 0;
  // With its parents; fine when it exists. True: this call made it.
  virtual absl::StatusOr<bool> CreateDirectory(const std::string& dir) = 0;
  // Fine when it does not exist.
  virtual absl::Status Remove(const std::string& path) = 0;
  // A folder and the files in it (it holds no folders).
  virtual absl::Status RemoveDirectory(const std::string& dir) = 0;
  virtual absl::Status Rename(const std::string& from,
                              const std::string& to) = 0;
  // Makes creations, removals and renames in `dir` durable.
  virtual absl::Status SyncDirectory(const std::string& dir) = 0;
  // Modification time in Unix ms.
  virtual absl::StatusOr<int64_t> ModifiedMs(const std::string& path) = 0;

  // Takes the lock file for this process, without waiting; the lock lasts as
  // long as the File. FAILED_PRECONDITION when someone else has it.
  virtual absl::StatusOr<std::shared_ptr<File>> Lock(
      const std::string& path) = 0;
  struct Space {
    int64_t total_bytes = 0;
    int64_t free_bytes = 0;  // to us, not to root
  };
  virtual absl::StatusOr<Space> DiskSpace(const std::string& dir) = 0;

  // The whole file; NOT_FOUND when missing.
  absl::StatusOr<std::string> ReadFile(const std::string& path);
  // Replaces the file so that a crash leaves the old or the new, whole:
  // temporary file, sync, rename, sync of the folder.
  absl::Status WriteFileAtomically(const std::string& path,
                                   std::string_view content);
};

// The real disk. Lives for ever.
FileSystem* RealFileSystem();

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_FILE_SYSTEM_H_
