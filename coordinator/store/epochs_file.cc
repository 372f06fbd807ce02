#include "coordinator/store/epochs_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/status_macros.h"
#include "coordinator/store/store_format.h"
#include "fmt/core.h"

namespace sillok {
namespace {

std::string Body(const EpochsFile& file) {
  return fmt::format(
      "sillok coordinator epochs, format 2\nmember {}\naccepted {}\n"
      "current {}\nsegment {}\n",
      file.member.value(), file.hard_state.accepted_epoch,
      file.hard_state.current_epoch, file.segment);
}

std::string Encode(const EpochsFile& file) {
  const std::string body = Body(file);
  return body + fmt::format("checksum {:016x}\n", Checksum64(0, body));
}

absl::Status IoError(const std::string& what, const std::string& path) {
  return absl::InternalError(what + " " + path + ": " + std::strerror(errno));
}

absl::Status SyncDirectoryOf(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/'));
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return IoError("open", directory);
  const int result = ::fsync(fd);
  ::close(fd);
  return result == 0 ? absl::OkStatus() : IoError("fsync", directory);
}

absl::Status WriteSynced(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                        0644);
  if (fd < 0) return IoError("open", path);
  absl::Status status;
  const ssize_t written = ::write(fd, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    status = IoError("write", path);
  } else if (::fsync(fd) != 0) {
    status = IoError("fsync", path);
  }
  ::close(fd);
  return status;
}

}  // namespace

absl::StatusOr<std::optional<EpochsFile>> ReadEpochsFile(
    const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return IoError("access", path);
  }
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return IoError("read", path);
  EpochsFile file;
  int32_t member = 0;
  const int fields = std::sscanf(
      text.str().c_str(),
      "sillok coordinator epochs, format 2\nmember %" SCNd32
      "\naccepted %" SCNu32 "\ncurrent %" SCNu32 "\nsegment %" SCNu64 "\n",
      &member, &file.hard_state.accepted_epoch,
      &file.hard_state.current_epoch, &file.segment);
  file.member = MemberId(member);
  if (fields != 4 || text.str() != Encode(file)) {
    return absl::DataLossError(path + " is damaged");
  }
  return file;
}

absl::Status WriteEpochsFile(const std::string& path, const EpochsFile& file) {
  const std::string temporary = path + ".tmp";
  RETURN_IF_ERROR(WriteSynced(temporary, Encode(file)));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return IoError("rename", temporary);
  }
  return SyncDirectoryOf(path);
}

}  // namespace sillok
