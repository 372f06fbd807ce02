#include "broker/log/file_system.h"

#include <utility>

#include "base/status_macros.h"

namespace sillok {

absl::Status File::WriteAt(int64_t position, std::string_view data) {
  const iovec piece{const_cast<char*>(data.data()), data.size()};
  return WriteAt(position, &piece, 1);
}

absl::StatusOr<std::string> FileSystem::ReadFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::shared_ptr<File> file, Open(path, Mode::kRead));
  ASSIGN_OR_RETURN(const int64_t size, file->Size());
  std::string content(static_cast<size_t>(size), '\0');
  ASSIGN_OR_RETURN(const size_t read,
                   file->ReadAt(0, content.data(), content.size()));
  content.resize(read);
  return content;
}

absl::Status FileSystem::WriteFileAtomically(const std::string& path,
                                             std::string_view content) {
  const std::string temporary = path + ".tmp";
  RETURN_IF_ERROR(Remove(temporary));
  {
    ASSIGN_OR_RETURN(const std::shared_ptr<File> file,
                     Open(temporary, Mode::kCreate));
    RETURN_IF_ERROR(file->WriteAt(0, content));
    RETURN_IF_ERROR(file->Sync());
  }
  RETURN_IF_ERROR(Rename(temporary, path));
  const size_t slash = path.rfind('/');
  return SyncDirectory(slash == std::string::npos ? "."
                                                  : path.substr(0, slash));
}

}  // namespace sillok
