// The real disk: plain POSIX calls.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "broker/log/file_system.h"

namespace sillok {
namespace {

absl::Status ErrnoStatus(int error, std::string_view operation,
                         const std::string& path) {
  const std::string text = fmt::format(
      "{} {}: {} (errno {})", operation, path,
      std::generic_category().message(error), error);
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == ENOSPC || error == EDQUOT || error == EMFILE ||
      error == ENFILE) {
    return absl::ResourceExhaustedError(text);
  }
  return absl::InternalError(text);
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  absl::StatusOr<size_t> ReadAt(int64_t position, char* out,
                                size_t size) const override {
    size_t done = 0;
    while (done < size) {
      const ssize_t got = pread(fd_, out + done, size - done,
                                position + static_cast<int64_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(errno, "read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  absl::Status WriteAt(int64_t position, const iovec* pieces,
                       size_t count) override {
    while (count > 0) {
      const size_t group = std::min<size_t>(count, IOV_MAX);
      const ssize_t wrote =
          pwritev(fd_, pieces, static_cast<int>(group), position);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return ErrnoStatus(errno, "write", path_);
      position += wrote;
      size_t left = static_cast<size_t>(wrote);
      while (count > 0 && left >= pieces->iov_len) {
        left -= pieces->iov_len;
        ++pieces;
        --count;
      }
      if (left == 0) continue;
      // A short write ended inside a piece: finish that one by itself.
      const auto rest = std::string_view(
          static_cast<const char*>(pieces->iov_base), pieces->iov_len)
                            .substr(left);
      if (absl::Status s = WriteRest(position, rest); !s.ok()) return s;
      position += static_cast<int64_t>(rest.size());
      ++pieces;
      --count;
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(int64_t size) override {
    if (ftruncate(fd_, size) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "truncate", path_);
  }
  absl::Status Sync() override {
    if (fdatasync(fd_) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "fdatasync", path_);
  }
  absl::StatusOr<int64_t> Size() const override {
    struct stat info;
    if (fstat(fd_, &info) != 0) return ErrnoStatus(errno, "stat", path_);
    return static_cast<int64_t>(info.st_size);
  }
  int fd() const override { return fd_; }

 private:
  absl::Status WriteRest(int64_t position, std::string_view rest) {
    while (!rest.empty()) {
      const ssize_t wrote = pwrite(fd_, rest.data(), rest.size(), position);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return ErrnoStatus(errno, "write", path_);
      rest.remove_prefix(static_cast<size_t>(wrote));
      position += wrote;
    }
    return absl::OkStatus();
  }

  const int fd_;
  const std::string path_;
};

class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::shared_ptr<File>> Open(const std::string& path,
                                             Mode mode) override {
    int flags = O_CLOEXEC;
    flags |= mode == Mode::kRead ? O_RDONLY : O_RDWR;
    if (mode == Mode::kCreate) flags |= O_CREAT;
    const int fd = open(path.c_str(), flags, 0644);
    if (fd < 0) return ErrnoStatus(errno, "open", path);
    std::shared_ptr<File> file = std::make_shared<PosixFile>(fd, path);
    return file;
  }

  absl::StatusOr<bool> Exists(const std::string& path) override {
    struct stat info;
    if (stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT) return false;
    return ErrnoStatus(errno, "stat", path);
  }

  absl::StatusOr<std::vector<std::string>> List(
      const std::string& dir) override {
    DIR* const handle = opendir(dir.c_str());
    if (handle == nullptr) return ErrnoStatus(errno, "open folder", dir);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(handle)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int error = errno;
    closedir(handle);
    if (error != 0) return ErrnoStatus(error, "list", dir);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<bool> IsDirectory(const std::string& path) override {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "stat", path);
    return S_ISDIR(info.st_mode);
  }

  absl::StatusOr<bool> CreateDirectory(const std::string& dir) override {
    // Nearly always only the last part is missing.
    if (mkdir(dir.c_str(), 0755) == 0) return true;
    if (errno == EEXIST) return false;
    if (errno != ENOENT) return ErrnoStatus(errno, "make folder", dir);
    for (size_t slash = dir.find('/', 1); slash != std::string::npos;
         slash = dir.find('/', slash + 1)) {
      const std::string parent = dir.substr(0, slash);
      if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
        return ErrnoStatus(errno, "make folder", parent);
      }
    }
    if (mkdir(dir.c_str(), 0755) == 0) return true;
    if (errno == EEXIST) return false;
    return ErrnoStatus(errno, "make folder", dir);
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
    return ErrnoStatus(errno, "remove", path);
  }

  absl::Status RemoveDirectory(const std::string& dir) override {
    absl::StatusOr<std::vector<std::string>> names = List(dir);
    if (absl::IsNotFound(names.status())) return absl::OkStatus();
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      if (absl::Status s = Remove(dir + "/" + name); !s.ok()) return s;
    }
    if (rmdir(dir.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "remove folder", dir);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "rename to " + to + " of", from);
  }

  absl::Status SyncDirectory(const std::string& dir) override {
    const int fd = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(errno, "open folder", dir);
    const int result = fsync(fd);
    const int error = errno;
    close(fd);
    if (result == 0) return absl::OkStatus();
    return ErrnoStatus(error, "fsync", dir);
  }

  absl::StatusOr<int64_t> ModifiedMs(const std::string& path) override {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "stat", path);
    return int64_t{info.st_mtim.tv_sec} * 1000 +
           info.st_mtim.tv_nsec / 1'000'000;
  }

  absl::StatusOr<std::shared_ptr<File>> Lock(const std::string& path) override {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return ErrnoStatus(errno, "open", path);
    std::shared_ptr<File> file = std::make_shared<PosixFile>(fd, path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return file;
    if (errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          path + " is locked: another process uses this folder");
    }
    return ErrnoStatus(errno, "lock", path);
  }

  absl::StatusOr<Space> DiskSpace(const std::string& dir) override {
    struct statvfs info;
    if (statvfs(dir.c_str(), &info) != 0) {
      return ErrnoStatus(errno, "statvfs", dir);
    }
    const auto block = static_cast<int64_t>(info.f_frsize);
    return Space{static_cast<int64_t>(info.f_blocks) * block,
                 static_cast<int64_t>(info.f_bavail) * block};
  }
};

}  // namespace

FileSystem* RealFileSystem() {
  static auto* const kReal = new PosixFileSystem;
  return kReal;
}

}  // namespace sillok
