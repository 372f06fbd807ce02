#include "coordinator/store/snapshot_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "coordinator/store/snapshot_stream.h"
#include "coordinator/store/store_format.h"
#include "coordinator/tree/row_format.h"
#include "coordinator/tree/znode_tree.h"
#include "fmt/core.h"

namespace sillok {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "sillok coordinator snapshot, format 2\n";
// No writer makes larger ones: a chunk is about this or one row.
constexpr uint32_t kMaxPieceBytes = 256u << 20;
constexpr size_t kPieceBytes = 1u << 20;
constexpr std::string_view kPrefix = "snapshot.";
constexpr int kCompressionLevel = 3;
// Written back so often that no large lump comes at the end.
constexpr uint64_t kSyncBytes = 4u << 20;

absl::Status Failed(const char* what, const std::string& path) {
  return absl::UnavailableError(
      fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
}

absl::Status Damaged(const std::string& path, std::string_view what) {
  return absl::DataLossError(
      fmt::format("{}: {}", path, what));
}

std::string FolderOf(const std::string& path) {
  fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

absl::Status SyncFolder(const std::string& folder) {
  int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("open", folder);
  int result = fsync(fd);
  close(fd);
  return result == 0 ? absl::OkStatus() : Failed("sync", folder);
}

std::string LittleEndian(uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> 8 * i));
  return bytes;
}

uint32_t FromLittleEndian(const char* bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    value |= uint32_t{static_cast<unsigned char>(bytes[i])} << 8 * i;
  }
  return value;
}

// A length may be damage: memory is taken for what the file has.
bool ReadExactly(std::istream& in, size_t size, std::string* out) {
  out->clear();
  while (out->size() < size) {
    const size_t before = out->size();
    const size_t step = std::min<size_t>(size - before, 4u << 20);
    out->resize(before + step);
    if (!in.read(out->data() + before, static_cast<std::streamsize>(step))) {
      return false;
    }
  }
  return true;
}

class Writer final : public SnapshotFileWriter {
 public:
  Writer(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~Writer() override {
    if (fd_ >= 0) close(fd_);
    if (!finished_) unlink(Temporary().c_str());
  }
  std::string Temporary() const { return path_ + ".tmp"; }

  absl::Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failed("write", Temporary());
      bytes.remove_prefix(static_cast<size_t>(written));
      info_.bytes += static_cast<uint64_t>(written);
    }
    return absl::OkStatus();
  }

  absl::Status Add(std::string_view piece) override {
    ASSIGN_OR_RETURN(auto rows, decoder_.Decode(piece));
    info_.rows += rows.size();
    packed_.resize(ZSTD_compressBound(piece.size()));
    const size_t size = ZSTD_compress(packed_.data(), packed_.size(),
                                      piece.data(), piece.size(),
                                      kCompressionLevel);
    if (ZSTD_isError(size)) {
      return absl::InternalError(
          fmt::format("cannot compress: {}", ZSTD_getErrorName(size)));
    }
    RETURN_IF_ERROR(Write(LittleEndian(static_cast<uint32_t>(size)) +
                          LittleEndian(static_cast<uint32_t>(piece.size()))));
    const auto packed = std::string_view(packed_).substr(0, size);
    std::string checksum;
    PutFixed64(Checksum64(0, packed), &checksum);
    RETURN_IF_ERROR(Write(checksum));
    RETURN_IF_ERROR(Write(packed));
    if (info_.bytes - synced_ < kSyncBytes) return absl::OkStatus();
    synced_ = info_.bytes;
    return fdatasync(fd_) == 0 ? absl::OkStatus()
                               : Failed("sync", Temporary());
  }

  absl::StatusOr<SnapshotFileInfo> Finish() override {
    if (!decoder_.complete()) {
      return Damaged(path_, "the snapshot ended before its last piece");
    }
    if (fsync(fd_) != 0) return Failed("sync", Temporary());
    if (rename(Temporary().c_str(), path_.c_str()) != 0) {
      return Failed("rename to", path_);
    }
    finished_ = true;
    RETURN_IF_ERROR(SyncFolder(FolderOf(path_)));
    info_.zxid = decoder_.zxid();
    return info_;
  }

 private:
  const std::string path_;
  const int fd_;
  SnapshotDecoder decoder_;
  SnapshotFileInfo info_;
  std::string packed_;
  uint64_t synced_ = 0;
  bool finished_ = false;
};

// Gives each piece to `piece`, checked.
template <typename Function>
absl::StatusOr<SnapshotFileInfo> ForEachPiece(const std::string& path,
                                              Function piece) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(fmt::format("{}: no such file", path));
  std::string bytes(kMagic.size(), '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) ||
      bytes != kMagic) {
    return Damaged(path, "not a snapshot of a coordinator");
  }
  SnapshotDecoder decoder;
  SnapshotFileInfo info;
  info.bytes = bytes.size();
  std::string packed;
  while (true) {
    char head[16];
    in.read(head, sizeof(head));
    if (in.gcount() == 0) break;
    const uint32_t size = FromLittleEndian(head);
    const uint32_t raw_size = FromLittleEndian(head + 4);
    if (in.gcount() != sizeof(head) || size > ZSTD_compressBound(kMaxPieceBytes) ||
        raw_size > kMaxPieceBytes) {
      return Damaged(path, fmt::format("bad length at byte {}", info.bytes));
    }
    // Not the size that is claimed before that much is there.
    if (!ReadExactly(in, size, &packed)) {
      return Damaged(path, fmt::format("cut off in the piece at byte {}",
                                       info.bytes));
    }
    if (GetFixed64(head + 8) != Checksum64(0, packed) ||
        ZSTD_getFrameContentSize(packed.data(), packed.size()) != raw_size) {
      return Damaged(path, fmt::format("piece at byte {}: checksum does not "
                                       "match",
                                       info.bytes));
    }
    bytes.resize(raw_size);
    if (ZSTD_decompress(bytes.data(), bytes.size(), packed.data(),
                        packed.size()) != raw_size) {
      return Damaged(path, fmt::format("piece at byte {}: cannot be "
                                       "decompressed",
                                       info.bytes));
    }
    absl::StatusOr<std::vector<SnapshotDecoder::Row>> rows =
        decoder.complete()
            ? absl::DataLossError("more after the last piece")
            : decoder.Decode(bytes);
    if (!rows.ok()) {
      return Damaged(path, fmt::format("piece at byte {}: {}", info.bytes,
                                       std::string(rows.status().message())));
    }
    RETURN_IF_ERROR(piece(bytes));
    info.rows += rows->size();
    info.bytes += sizeof(head) + size;
  }
  if (!decoder.complete()) return Damaged(path, "the last pieces are missing");
  info.zxid = decoder.zxid();
  return info;
}

// What a member's directory may have that is to be restored.
bool StaysThere(const fs::path& path) {
  return path.filename() == "myid" || path.filename() == "snapshots";
}

absl::Status CheckEmpty(const std::string& directory) {
  std::error_code error;
  if (!fs::exists(directory, error)) return absl::OkStatus();
  for (const auto& found : fs::directory_iterator(directory, error)) {
    if (StaysThere(found.path())) continue;
    return absl::FailedPreconditionError(fmt::format(
        "{} is not empty: {} is there; a restore needs a directory of its own",
        directory, found.path().filename().string()));
  }
  if (error) {
    return absl::UnavailableError(
        fmt::format("cannot read {}: {}", directory, error.message()));
  }
  return absl::OkStatus();
}

void RemoveWhatWasMade(const std::string& directory) {
  std::error_code error;
  for (const auto& found : fs::directory_iterator(directory, error)) {
    if (!StaysThere(found.path())) fs::remove_all(found.path(), error);
  }
}

absl::StatusOr<SnapshotFileInfo> Install(const std::string& path,
                                         const RocksStoreOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<CoordinatorStore> store,
                   OpenRocksStore(options));
  ASSIGN_OR_RETURN(std::unique_ptr<SnapshotWriter> writer,
                   store->BeginInstall());
  ASSIGN_OR_RETURN(SnapshotFileInfo info,
                   ForEachPiece(path, [&](const std::string& piece) {
                     return writer->Add(piece);
                   }));
  if (!writer->complete()) return Damaged(path, "not complete");
  RETURN_IF_ERROR(writer->Stage());
  writer.reset();
  zab::Persist persist;
  persist.token = 1;
  persist.install_snapshot = info.zxid;
  // Its history ends in this epoch; the first leader chooses a later one.
  persist.hard_state = zab::HardState{info.zxid.epoch(), info.zxid.epoch()};
  store->Persist(std::move(persist), [](absl::Status) {});
  // Its members are those of the ensemble it was taken from. What is made of it
  // must not meet them, but begin with the members of its own files.
  TreeRows no_ensemble;
  no_ensemble.applied = info.zxid;
  no_ensemble.rows.push_back({EnsembleKey(), std::nullopt});
  store->Apply(std::move(no_ensemble));
  RETURN_IF_ERROR(store->Flush());
  // What a start would do: sums and counts of the whole image must be right.
  ZnodeTree tree;
  tree.Clear();
  RETURN_IF_ERROR(
      store->ReadRows([&](std::string_view key, std::string_view value) {
        return tree.LoadRow(key, value);
      }));
  RETURN_IF_ERROR(tree.FinishLoad(info.zxid));
  RETURN_IF_ERROR(tree.CheckInvariants());
  return info;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SnapshotFileWriter>> SnapshotFileWriter::Create(
    const std::string& path) {
  if (access(path.c_str(), F_OK) == 0) {
    return absl::AlreadyExistsError(fmt::format("{} is there already", path));
  }
  const std::string temporary = path + ".tmp";
  int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                0600);
  if (fd < 0) return Failed("create", temporary);
  auto writer = std::make_unique<Writer>(path, fd);
  RETURN_IF_ERROR(writer->Write(kMagic));
  return writer;
}

absl::StatusOr<SnapshotFileInfo> CheckSnapshotFile(const std::string& path) {
  return ForEachPiece(path,
                      [](const std::string&) { return absl::OkStatus(); });
}

absl::StatusOr<SnapshotFileInfo> RestoreSnapshotFile(
    const std::string& path, const RocksStoreOptions& options) {
  RETURN_IF_ERROR(CheckSnapshotFile(path).status());
  RETURN_IF_ERROR(CheckEmpty(options.directory));
  absl::StatusOr<SnapshotFileInfo> info = Install(path, options);
  if (!info.ok()) RemoveWhatWasMade(options.directory);
  return info;
}

std::vector<std::string> ListSnapshots(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& found : fs::directory_iterator(folder, error)) {
    const std::string name = found.path().filename().string();
    if (name.size() == kPrefix.size() + 16 && name.rfind(kPrefix, 0) == 0) {
      paths.push_back(found.path().string());
    }
  }
  // The names sort as their zxids do.
  std::sort(paths.rbegin(), paths.rend());
  return paths;
}

absl::StatusOr<SnapshotFileInfo> SaveSnapshot(CoordinatorStore* store,
                                              const std::string& folder,
                                              size_t keep,
                                              const std::atomic<bool>* stop) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return absl::UnavailableError(
        fmt::format("cannot create {}: {}", folder, error.message()));
  }
  // Of a process that was killed.
  for (const auto& found : fs::directory_iterator(folder, error)) {
    const std::string name = found.path().filename().string();
    if (name.rfind(kPrefix, 0) == 0 && found.path().extension() == ".tmp") {
      fs::remove(found.path(), error);
    }
  }
  ASSIGN_OR_RETURN(std::unique_ptr<SnapshotReader> reader,
                   store->OpenSnapshot(kPieceBytes));
  const std::string path = fmt::format("{}/{}{:016x}", folder, kPrefix,
                                       reader->zxid().value());
  if (!fs::exists(path, error)) {
    ASSIGN_OR_RETURN(std::unique_ptr<SnapshotFileWriter> writer,
                     SnapshotFileWriter::Create(path));
    while (true) {
      if (stop != nullptr && *stop) return absl::CancelledError("stopping");
      ASSIGN_OR_RETURN(std::optional<std::string> piece, reader->Next());
      if (!piece.has_value()) break;
      RETURN_IF_ERROR(writer->Add(*piece));
    }
    RETURN_IF_ERROR(writer->Finish().status());
  }
  reader.reset();
  const absl::StatusOr<SnapshotFileInfo> info = CheckSnapshotFile(path);
  if (!info.ok()) {
    fs::remove(path, error);
    return info.status();
  }
  const std::vector<std::string> kept = ListSnapshots(folder);
  for (size_t i = std::max<size_t>(keep, 1); i < kept.size(); ++i) {
    fs::remove(kept[i], error);
  }
  return info;
}

}  // namespace sillok
