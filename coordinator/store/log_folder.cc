#include "coordinator/store/log_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/status_macros.h"

namespace sillok {
namespace {

// Zeros are written in pieces of this size, each synced: one large write-back
// would hold up the member's small ones.
constexpr size_t kZeroBytes = 256 * 1024;

absl::Status Failed(const std::string& what, const std::string& path) {
  const int error = errno;
  const std::string text = what + " " + path + ": " + std::strerror(error);
  return error == ENOSPC ? absl::ResourceExhaustedError(text)
                         : absl::InternalError(text);
}

class PosixFile final : public LogFile {
 public:
  PosixFile(std::string path, int fd, uint64_t bytes)
      : path_(std::move(path)), fd_(fd), bytes_(bytes) {}
  ~PosixFile() override { ::close(fd_); }

  uint64_t bytes() const override { return bytes_; }

  absl::Status Read(uint64_t offset, size_t size,
                    std::string* out) const override {
    out->resize(size);
    size_t got = 0;
    while (got < size) {
      const ssize_t n = ::pread(fd_, out->data() + got, size - got,
                                static_cast<off_t>(offset + got));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("read", path_);
      if (n == 0) break;
      got += static_cast<size_t>(n);
    }
    out->resize(got);
    return absl::OkStatus();
  }

  absl::Status Write(uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const ssize_t n = ::pwrite(fd_, data.data(), data.size(),
                                 static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("write", path_);
      data.remove_prefix(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    return ::fdatasync(fd_) == 0 ? absl::OkStatus()
                                 : Failed("fdatasync", path_);
  }
  void ForgetPages() override {
    ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  }

 private:
  const std::string path_;  // when it was opened
  const int fd_;
  const uint64_t bytes_;
};

class PosixFolder final : public LogFolder {
 public:
  PosixFolder(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~PosixFolder() override { ::close(fd_); }

  const std::string& path() const override { return path_; }

  absl::StatusOr<std::vector<std::string>> List() override {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& file :
         std::filesystem::directory_iterator(path_, error)) {
      names.push_back(file.path().filename().string());
    }
    if (error) {
      return absl::InternalError("list " + path_ + ": " + error.message());
    }
    return names;
  }

  absl::StatusOr<std::unique_ptr<LogFile>> Open(
      const std::string& name) override {
    const int fd = ::openat(fd_, name.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return Failed("open", Path(name));
    struct stat info{};
    if (::fstat(fd, &info) != 0) {
      const absl::Status status = Failed("stat", Path(name));
      ::close(fd);
      return status;
    }
    return std::make_unique<PosixFile>(Path(name), fd,
                                       static_cast<uint64_t>(info.st_size));
  }

  absl::StatusOr<std::unique_ptr<LogFile>> Create(const std::string& name,
                                                  uint64_t bytes) override {
    const int fd = ::openat(fd_, name.c_str(),
                            O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return Failed("create", Path(name));
    auto file = std::make_unique<PosixFile>(Path(name), fd, bytes);
    const std::string zeros(
        static_cast<size_t>(std::min<uint64_t>(kZeroBytes, bytes)), '\0');
    for (uint64_t at = 0; at < bytes; at += zeros.size()) {
      const uint64_t size = std::min<uint64_t>(zeros.size(), bytes - at);
      RETURN_IF_ERROR(file->Write(
          at, std::string_view(zeros).substr(0, static_cast<size_t>(size))));
      RETURN_IF_ERROR(file->Sync());
    }
    if (::fsync(fd) != 0) return Failed("fsync", Path(name));
    file->ForgetPages();
    return std::unique_ptr<LogFile>(std::move(file));
  }

  absl::Status Rename(const std::string& from,
                      const std::string& to) override {
    return ::renameat(fd_, from.c_str(), fd_, to.c_str()) == 0
               ? absl::OkStatus()
               : Failed("rename", Path(from));
  }
  absl::Status Remove(const std::string& name) override {
    return ::unlinkat(fd_, name.c_str(), 0) == 0
               ? absl::OkStatus()
               : Failed("remove", Path(name));
  }
  absl::Status Sync() override {
    return ::fsync(fd_) == 0 ? absl::OkStatus() : Failed("fsync", path_);
  }

 private:
  std::string Path(const std::string& name) const {
    return path_ + "/" + name;
  }

  const std::string path_;
  const int fd_;
};

absl::Status SyncParent(const std::string& path) {
  const std::string parent =
      std::filesystem::path(path).parent_path().string();
  const int fd =
      ::open(parent.empty() ? "." : parent.c_str(),
             O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("open", parent);
  const bool synced = ::fsync(fd) == 0;
  const absl::Status status =
      synced ? absl::OkStatus() : Failed("fsync", parent);
  ::close(fd);
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogFolder>> OpenLogFolder(
    const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return Failed("mkdir", path);
  }
  // Also if it is there: whoever made it may not have come this far.
  RETURN_IF_ERROR(SyncParent(path));
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("open", path);
  return std::make_unique<PosixFolder>(path, fd);
}

}  // namespace sillok
