// The files of one folder, as the log uses them: the seam between its segments
// and the disk. Internal to coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_LOG_FOLDER_H_
#define SILLOK_COORDINATOR_STORE_LOG_FOLDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sillok {

// A file of a size that does not change. Any thread; a write and a read of the
// same bytes at the same time give the reader either, or some of both.
class LogFile {
 public:
  virtual ~LogFile() = default;
  virtual uint64_t bytes() const = 0;
  // Up to `size` bytes, fewer at the end of the file.
  virtual absl::Status Read(uint64_t offset, size_t size,
                            std::string* out) const = 0;
  virtual absl::Status Write(uint64_t offset, std::string_view data) = 0;
  // What was written before is on disk when it returns.
  virtual absl::Status Sync() = 0;
  // It will be written from its beginning, by whole pages: none need be kept in
  // memory. Pages that were written together in large pieces are kept and
  // counted as one, and a small write to them is accounted as a large one.
  virtual void ForgetPages() {}
};

// Errors name the file. Names are durable after Sync, what is in the files after
// theirs. A file that is renamed or removed goes on for those who have it open.
class LogFolder {
 public:
  virtual ~LogFolder() = default;
  virtual const std::string& path() const = 0;
  virtual absl::StatusOr<std::vector<std::string>> List() = 0;
  virtual absl::StatusOr<std::unique_ptr<LogFile>> Open(
      const std::string& name) = 0;
  // Replaces a file of that name. Zeros have been written all over it, so that
  // later writes change no metadata, and synced.
  virtual absl::StatusOr<std::unique_ptr<LogFile>> Create(
      const std::string& name, uint64_t bytes) = 0;
  virtual absl::Status Rename(const std::string& from,
                              const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& name) = 0;
  virtual absl::Status Sync() = 0;
};

// Made if missing; its parent must be there.
absl::StatusOr<std::unique_ptr<LogFolder>> OpenLogFolder(
    const std::string& path);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_LOG_FOLDER_H_
