#include "broker/log/log_directory.h"

#include <fmt/format.h>
#include <glog/logging.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <sstream>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/status_macros.h"

namespace sillok {
namespace {

constexpr char kRecoveryPoints[] = "recovery-point-offset-checkpoint";
constexpr char kHighWatermarks[] = "replication-offset-checkpoint";
constexpr char kLogStarts[] = "log-start-offset-checkpoint";
constexpr char kMarker[] = ".kafka_cleanshutdown";
constexpr char kMeta[] = "meta.properties";
constexpr char kPartitionMetadata[] = "partition.metadata";
constexpr size_t kMaxTopicBytes = 249;

bool EndsWith(std::string_view name, std::string_view suffix) {
  return name.size() >= suffix.size() &&
         name.substr(name.size() - suffix.size()) == suffix;
}

// Names become folders: nothing but what Kafka allows in a topic's name.
bool IsLegalTopic(std::string_view topic) {
  if (topic.empty() || topic.size() > kMaxTopicBytes || topic == "." ||
      topic == "..") {
    return false;
  }
  return std::all_of(topic.begin(), topic.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

std::optional<TopicPartition> ParseFolder(std::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view topic = name.substr(0, dash);
  const std::string_view number = name.substr(dash + 1);
  int32_t partition = -1;
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, partition);
  if (error != std::errc() || stop != end || partition < 0 ||
      !IsLegalTopic(topic)) {
    return std::nullopt;
  }
  return TopicPartition{std::string(topic), partition};
}

// "key=value" or "key: value" lines; '#' begins a comment.
std::map<std::string, std::string> ParseLines(std::string_view text,
                                              char separator) {
  std::map<std::string, std::string> values;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find(separator);
    if (line.empty() || line[0] == '#' || at == std::string::npos) continue;
    const size_t value = line.find_first_not_of(" \t", at + 1);
    std::string text_value =
        value == std::string::npos ? std::string() : line.substr(value);
    while (!text_value.empty() &&
           (text_value.back() == '\r' || text_value.back() == ' ')) {
      text_value.pop_back();
    }
    values[line.substr(0, at)] = std::move(text_value);
  }
  return values;
}

// Calls `work` for 0..count-1 on `threads` threads.
void InParallel(size_t count, int threads,
                const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::thread> pool;
  const size_t helpers =
      std::min(count, static_cast<size_t>(std::max(threads, 1)));
  for (size_t i = 1; i < helpers; ++i) pool.emplace_back(run);
  run();
  for (std::thread& thread : pool) thread.join();
}

}  // namespace

struct LogDirectory::Found {
  TopicPartition partition;
  absl::StatusOr<std::unique_ptr<PartitionLog>> log =
      absl::UnknownError("not opened");
};

LogDirectory::LogDirectory(Options options, FileSystem* file_system)
    : options_(std::move(options)), file_system_(file_system) {}

LogDirectory::~LogDirectory() = default;

absl::StatusOr<std::unique_ptr<LogDirectory>> LogDirectory::Open(
    Options options) {
  FileSystem* const file_system =
      options.file_system != nullptr ? options.file_system : RealFileSystem();
  std::unique_ptr<LogDirectory> directory(
      new LogDirectory(std::move(options), file_system));
  RETURN_IF_ERROR(directory->Load());
  return directory;
}

absl::Status LogDirectory::Load() {
  RETURN_IF_ERROR(file_system_->CreateDirectory(options_.path).status());
  ASSIGN_OR_RETURN(lock_, file_system_->Lock(PathOf(".lock")));
  RETURN_IF_ERROR(LoadMeta());
  RETURN_IF_ERROR(LoadCheckpoint(kRecoveryPoints, &recovery_points_));
  RETURN_IF_ERROR(LoadCheckpoint(kHighWatermarks, &high_watermarks_));
  RETURN_IF_ERROR(LoadCheckpoint(kLogStarts, &log_starts_));
  initial_high_watermarks_ = high_watermarks_;

  const absl::StatusOr<std::string> marker =
      file_system_->ReadFile(PathOf(kMarker));
  const bool clean = marker.ok();
  if (!clean && !absl::IsNotFound(marker.status())) return marker.status();
  if (clean) {
    const auto json = nlohmann::json::parse(*marker, nullptr, false);
    previous_broker_epoch_ =
        json.is_object() ? json.value("brokerEpoch", int64_t{-1}) : -1;
  }
  ASSIGN_OR_RETURN(std::vector<Found> found, FindFolders());
  OpenAll(&found, clean);
  RETURN_IF_ERROR(ForgetMissing());
  // Only now: a crash while loading must not make an unclean end of a clean
  // one. And before anything is appended.
  RETURN_IF_ERROR(file_system_->Remove(PathOf(kMarker)));
  return file_system_->SyncDirectory(options_.path);
}

absl::Status LogDirectory::LoadMeta() {
  const absl::StatusOr<std::string> text =
      file_system_->ReadFile(PathOf(kMeta));
  if (absl::IsNotFound(text.status())) {
    cluster_id_ = options_.cluster_id;
    return WriteMeta();
  }
  RETURN_IF_ERROR(text.status());
  const auto values = ParseLines(*text, '=');
  const auto value = [&](const std::string& key) {
    const auto found = values.find(key);
    return found == values.end() ? std::string() : found->second;
  };
  const std::string id = value("broker.id");
  if (id != std::to_string(options_.broker_id.value())) {
    return absl::FailedPreconditionError(fmt::format(
        "{} belongs to broker.id={}, this broker has broker.id={}",
        PathOf(kMeta), id, options_.broker_id.value()));
  }
  cluster_id_ = value("cluster.id");
  if (!options_.cluster_id.empty()) return SetClusterId(options_.cluster_id);
  return absl::OkStatus();
}

absl::Status LogDirectory::WriteMeta() {
  std::string text = fmt::format("version=0\nbroker.id={}\n",
                                 options_.broker_id.value());
  if (!cluster_id_.empty()) text += "cluster.id=" + cluster_id_ + "\n";
  return file_system_->WriteFileAtomically(PathOf(kMeta), text);
}

absl::Status LogDirectory::SetClusterId(const std::string& cluster_id) {
  if (cluster_id_ == cluster_id) return absl::OkStatus();
  if (!cluster_id_.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("{} belongs to cluster.id={}, this cluster is {}",
                    PathOf(kMeta), cluster_id_, cluster_id));
  }
  cluster_id_ = cluster_id;
  return WriteMeta();
}

absl::Status LogDirectory::LoadCheckpoint(const std::string& name,
                                          OffsetMap* out) {
  const absl::StatusOr<std::string> text = file_system_->ReadFile(PathOf(name));
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text.status());
  absl::StatusOr<OffsetMap> offsets = DecodeOffsetCheckpoint(*text);
  if (!offsets.ok()) {
    return absl::DataLossError(PathOf(name) + ": " +
                               std::string(offsets.status().message()));
  }
  *out = *std::move(offsets);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LogDirectory::Found>> LogDirectory::FindFolders() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   file_system_->List(options_.path));
  std::vector<Found> found;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const bool folder,
                     file_system_->IsDirectory(PathOf(name)));
    if (!folder) continue;
    if (EndsWith(name, "-delete")) {
      LOG(INFO) << "finishing the deletion of " << PathOf(name);
      RETURN_IF_ERROR(file_system_->RemoveDirectory(PathOf(name)));
      continue;
    }
    if (EndsWith(name, "-stray") || EndsWith(name, "-future")) {
      LOG(WARNING) << "left alone: " << PathOf(name);
      continue;
    }
    const std::optional<TopicPartition> partition = ParseFolder(name);
    if (!partition.has_value()) {
      LOG(WARNING) << "no partition's folder, left alone: " << PathOf(name);
      continue;
    }
    if (options_.is_ours && !options_.is_ours(*partition, TopicId(*partition))) {
      const std::string stray = name + ".0-stray";
      LOG(WARNING) << PathOf(name) << " is not assigned to this broker: kept as "
                   << stray;
      RETURN_IF_ERROR(file_system_->Rename(PathOf(name), PathOf(stray)));
      continue;
    }
    found.emplace_back();
    found.back().partition = *partition;
  }
  return found;
}

PartitionLog::OpenParams LogDirectory::ParamsFor(
    const TopicPartition& partition, const LogOptions& options) {
  PartitionLog::OpenParams params;
  params.file_system = file_system_;
  params.path = PathOf(partition.ToString());
  params.partition = partition;
  params.options = options;
  params.now_ms = options_.now_ms;
  params.lower_recovery_point = [this, partition](Offset offset) {
    return LowerRecoveryPoint(partition, offset);
  };
  return params;
}

void LogDirectory::OpenAll(std::vector<Found>* found, bool clean) {
  std::atomic<size_t> done{0};
  InParallel(found->size(), options_.recovery_threads, [&](size_t i) {
    Found& one = (*found)[i];
    PartitionLog::OpenParams params =
        ParamsFor(one.partition, options_.options_for
                                     ? options_.options_for(one.partition.topic)
                                     : options_.log_options);
    params.clean = clean;
    if (const auto at = recovery_points_.find(one.partition);
        at != recovery_points_.end()) {
      params.recovery_point = at->second;
    }
    if (const auto at = log_starts_.find(one.partition);
        at != log_starts_.end()) {
      params.log_start = at->second;
    }
    one.log = PartitionLog::Open(std::move(params));
    const size_t count = ++done;
    if (!clean && (count % 1000 == 0 || count == found->size())) {
      LOG(INFO) << "recovered " << count << " of " << found->size()
                << " partition logs in " << options_.path;
    }
  });
  for (Found& one : *found) {
    if (one.log.ok()) {
      logs_[one.partition] = *std::move(one.log);
    } else {
      LOG(ERROR) << "partition " << one.partition
                 << " is offline: " << one.log.status();
      failed_logs_[one.partition] = one.log.status();
    }
  }
}

// Checkpoints may speak of logs that were deleted just before a crash. If one
// is made anew under that name, the old entry would be taken for its own.
absl::Status LogDirectory::ForgetMissing() {
  const auto missing = [&](const auto& entry) {
    return logs_.count(entry.first) == 0 && failed_logs_.count(entry.first) == 0;
  };
  const size_t gone = std::erase_if(recovery_points_, missing) +
                      std::erase_if(log_starts_, missing) +
                      std::erase_if(high_watermarks_, missing);
  if (gone == 0) return absl::OkStatus();
  initial_high_watermarks_ = high_watermarks_;
  RETURN_IF_ERROR(file_system_->WriteFileAtomically(
      PathOf(kRecoveryPoints), EncodeOffsetCheckpoint(recovery_points_)));
  RETURN_IF_ERROR(file_system_->WriteFileAtomically(
      PathOf(kLogStarts), EncodeOffsetCheckpoint(log_starts_)));
  return file_system_->WriteFileAtomically(
      PathOf(kHighWatermarks), EncodeOffsetCheckpoint(high_watermarks_));
}

PartitionLog* LogDirectory::FindLog(const TopicPartition& partition) const {
  const std::lock_guard lock(logs_mutex_);
  const auto found = logs_.find(partition);
  return found == logs_.end() ? nullptr : found->second.get();
}

std::vector<PartitionLog*> LogDirectory::logs() const {
  const std::lock_guard lock(logs_mutex_);
  std::vector<PartitionLog*> logs;
  logs.reserve(logs_.size());
  for (const auto& [partition, log] : logs_) logs.push_back(log.get());
  return logs;
}

std::vector<LogDirectory::FailedLog> LogDirectory::failed_logs() const {
  const std::lock_guard lock(logs_mutex_);
  std::vector<FailedLog> failed;
  for (const auto& [partition, status] : failed_logs_) {
    failed.push_back({partition, status});
  }
  return failed;
}

std::string LogDirectory::TopicId(const TopicPartition& partition) const {
  {
    // No folder: it would be open, or failed.
    const std::lock_guard lock(logs_mutex_);
    if (logs_.count(partition) == 0 && failed_logs_.count(partition) == 0) {
      return {};
    }
  }
  return ReadTopicId(partition);
}

std::string LogDirectory::ReadTopicId(const TopicPartition& partition) const {
  const absl::StatusOr<std::string> text = file_system_->ReadFile(
      PathOf(partition.ToString()) + "/" + kPartitionMetadata);
  if (!text.ok()) return {};
  const auto values = ParseLines(*text, ':');
  const auto found = values.find("topic_id");
  return found == values.end() ? std::string() : found->second;
}

absl::StatusOr<PartitionLog*> LogDirectory::CreateLog(
    const TopicPartition& partition, const LogOptions& options,
    const std::string& topic_id) {
  if (!IsLegalTopic(partition.topic) || partition.partition < 0) {
    return ErrorStatus(ErrorCode::INVALID_TOPIC_EXCEPTION,
                       "'" + partition.ToString() + "' is no folder's name");
  }
  const std::lock_guard lock(logs_mutex_);
  if (const auto failed = failed_logs_.find(partition);
      failed != failed_logs_.end()) {
    return failed->second;
  }
  const auto found = logs_.find(partition);
  PartitionLog* log = found == logs_.end() ? nullptr : found->second.get();
  std::unique_ptr<PartitionLog> made;
  if (log == nullptr) {
    PartitionLog::OpenParams params = ParamsFor(partition, options);
    params.sync_new_folder = [this, path = params.path] {
      return SyncNewFolder(path);
    };
    ASSIGN_OR_RETURN(made, PartitionLog::Open(std::move(params)));
    log = made.get();
  }
  const bool new_folder =
      made != nullptr && made->recovery_report().new_folder;
  const std::string known =
      new_folder ? std::string() : ReadTopicId(partition);
  if (!known.empty() && !topic_id.empty() && known != topic_id) {
    return ErrorStatus(
        ErrorCode::INCONSISTENT_TOPIC_ID,
        fmt::format("{} holds topic id {}, asked for is {}",
                    PathOf(partition.ToString()), known, topic_id));
  }
  if (known.empty() && !topic_id.empty()) {
    RETURN_IF_ERROR(WriteTopicId(log->path(), new_folder, topic_id));
  }
  if (made != nullptr) {
    logs_[partition] = std::move(made);
  } else {
    log->UpdateOptions(options);
  }
  return log;
}

// Not synced: topics are made by the thousand, and a power cut takes of a log
// that was never flushed its records, too. The first flush syncs it. Cut short,
// the file is empty, which says nothing.
absl::Status LogDirectory::WriteTopicId(const std::string& folder,
                                        bool new_folder,
                                        const std::string& topic_id) {
  const std::string path = folder + "/" + kPartitionMetadata;
  const std::string text = "version: 0\ntopic_id: " + topic_id;
  if (new_folder) {
    ASSIGN_OR_RETURN(const std::shared_ptr<File> file,
                     file_system_->Open(path, FileSystem::Mode::kCreate));
    const absl::Status status = file->WriteAt(0, text);
    // Half of an id would be another one.
    if (!status.ok()) file_system_->Remove(path).IgnoreError();
    return status;
  }
  const std::string temporary = path + ".tmp";
  RETURN_IF_ERROR(file_system_->Remove(temporary));
  {
    ASSIGN_OR_RETURN(
        const std::shared_ptr<File> file,
        file_system_->Open(temporary, FileSystem::Mode::kCreate));
    RETURN_IF_ERROR(file->WriteAt(0, text));
  }
  return file_system_->Rename(temporary, path);
}

absl::Status LogDirectory::SyncNewFolder(const std::string& folder) {
  const std::string path = folder + "/" + kPartitionMetadata;
  ASSIGN_OR_RETURN(const bool exists, file_system_->Exists(path));
  if (exists) {
    ASSIGN_OR_RETURN(
        const std::shared_ptr<File> file,
        file_system_->Open(path, FileSystem::Mode::kReadWrite));
    RETURN_IF_ERROR(file->Sync());
  }
  RETURN_IF_ERROR(file_system_->SyncDirectory(folder));
  return file_system_->SyncDirectory(options_.path);
}

absl::Status LogDirectory::DeleteLog(const TopicPartition& partition) {
  std::unique_ptr<PartitionLog> log;
  std::string doomed;
  {
    const std::lock_guard lock(logs_mutex_);
    const auto found = logs_.find(partition);
    const bool failed = failed_logs_.count(partition) > 0;
    if (found == logs_.end() && !failed) {
      return absl::NotFoundError("no log of " + partition.ToString());
    }
    const std::string path = PathOf(partition.ToString());
    do {
      doomed = fmt::format("{}.{:032x}-delete", path, next_delete_++);
    } while (file_system_->Exists(doomed).value_or(false));
    RETURN_IF_ERROR(file_system_->Rename(path, doomed));
    if (found != logs_.end()) {
      log = std::move(found->second);
      logs_.erase(found);
    }
    failed_logs_.erase(partition);
  }
  log.reset();
  {
    const std::lock_guard lock(checkpoint_mutex_);
    recovery_points_.erase(partition);
    high_watermarks_.erase(partition);
    log_starts_.erase(partition);
    // A partition made anew under this name must not meet the old one's.
    RETURN_IF_ERROR(file_system_->WriteFileAtomically(
        PathOf(kRecoveryPoints), EncodeOffsetCheckpoint(recovery_points_)));
    RETURN_IF_ERROR(file_system_->WriteFileAtomically(
        PathOf(kLogStarts), EncodeOffsetCheckpoint(log_starts_)));
    RETURN_IF_ERROR(WriteHighWatermarksLocked({}));
  }
  return file_system_->RemoveDirectory(doomed);
}

absl::Status LogDirectory::Failed(const absl::Status& status) {
  const std::lock_guard lock(logs_mutex_);
  if (failed_.ok()) {
    failed_ = status;
    LOG(ERROR) << "data directory " << options_.path << " failed: " << status;
  }
  return status;
}

absl::Status LogDirectory::failed() const {
  const std::lock_guard lock(logs_mutex_);
  return failed_;
}

absl::Status LogDirectory::LowerRecoveryPoint(const TopicPartition& partition,
                                              Offset offset) {
  const std::lock_guard lock(checkpoint_mutex_);
  const auto found = recovery_points_.find(partition);
  if (found == recovery_points_.end() || found->second <= offset) {
    return absl::OkStatus();
  }
  OffsetMap lowered = recovery_points_;
  lowered[partition] = offset;
  if (const absl::Status status = file_system_->WriteFileAtomically(
          PathOf(kRecoveryPoints), EncodeOffsetCheckpoint(lowered));
      !status.ok()) {
    return Failed(status);
  }
  recovery_points_ = std::move(lowered);
  return absl::OkStatus();
}

absl::Status LogDirectory::WriteCheckpoints(const OffsetMap& high_watermarks) {
  for (PartitionLog* log : logs()) {
    if (const absl::Status status = log->FlushRolled(); !status.ok()) {
      LOG(ERROR) << "flush of " << log->partition() << ": " << status;
    }
  }
  return WriteOffsets(high_watermarks);
}

absl::Status LogDirectory::WriteOffsets(const OffsetMap& high_watermarks) {
  const std::lock_guard lock(checkpoint_mutex_);
  OffsetMap recovery;
  OffsetMap starts;
  {
    const std::lock_guard logs_lock(logs_mutex_);
    for (const auto& [partition, log] : logs_) {
      recovery[partition] = log->recovery_point();
      starts[partition] = log->start_offset();
    }
    // What is offline keeps what it had: it is judged by it next time.
    for (const auto& [partition, status] : failed_logs_) {
      if (const auto at = recovery_points_.find(partition);
          at != recovery_points_.end()) {
        recovery[partition] = at->second;
      }
      if (const auto at = log_starts_.find(partition);
          at != log_starts_.end()) {
        starts[partition] = at->second;
      }
    }
  }
  std::erase_if(starts,
                [](const auto& entry) { return entry.second == Offset(0); });
  absl::Status status = file_system_->WriteFileAtomically(
      PathOf(kRecoveryPoints), EncodeOffsetCheckpoint(recovery));
  if (status.ok()) {
    status = file_system_->WriteFileAtomically(PathOf(kLogStarts),
                                               EncodeOffsetCheckpoint(starts));
  }
  if (status.ok()) status = WriteHighWatermarksLocked(high_watermarks);
  if (!status.ok()) return Failed(status);
  recovery_points_ = std::move(recovery);
  log_starts_ = std::move(starts);
  return absl::OkStatus();
}

absl::Status LogDirectory::WriteHighWatermarks(
    const OffsetMap& high_watermarks) {
  const std::lock_guard lock(checkpoint_mutex_);
  const absl::Status status = WriteHighWatermarksLocked(high_watermarks);
  if (!status.ok()) return Failed(status);
  return absl::OkStatus();
}

absl::Status LogDirectory::WriteHighWatermarksLocked(
    const OffsetMap& high_watermarks) {
  OffsetMap merged = high_watermarks_;
  for (const auto& [partition, offset] : high_watermarks) {
    merged[partition] = offset;
  }
  RETURN_IF_ERROR(file_system_->WriteFileAtomically(
      PathOf(kHighWatermarks), EncodeOffsetCheckpoint(merged)));
  high_watermarks_ = std::move(merged);
  return absl::OkStatus();
}

absl::Status LogDirectory::CloseCleanly(const OffsetMap& high_watermarks,
                                        int64_t broker_epoch) {
  const std::vector<PartitionLog*> open = logs();
  std::vector<absl::Status> closed(open.size());
  InParallel(open.size(), options_.recovery_threads,
             [&](size_t i) { closed[i] = open[i]->Close(); });
  absl::Status status = WriteOffsets(high_watermarks);
  for (size_t i = 0; i < open.size(); ++i) {
    if (closed[i].ok()) continue;
    LOG(ERROR) << "closing " << open[i]->partition() << ": " << closed[i];
    if (status.ok()) status = closed[i];
  }
  // A damaged log must be looked at again: no marker.
  const bool all = status.ok() && failed_logs().empty();
  {
    const std::lock_guard lock(logs_mutex_);
    logs_.clear();
  }
  if (!all) return status;
  return file_system_->WriteFileAtomically(
      PathOf(kMarker),
      fmt::format("{{\"version\":0,\"brokerEpoch\":{}}}", broker_epoch));
}

absl::StatusOr<LogDirectory::Usage> LogDirectory::DiskUsage() const {
  Usage usage;
  ASSIGN_OR_RETURN(const FileSystem::Space space,
                   file_system_->DiskSpace(options_.path));
  usage.total_bytes = space.total_bytes;
  usage.free_bytes = space.free_bytes;
  const std::lock_guard lock(logs_mutex_);
  for (const auto& [partition, log] : logs_) {
    usage.log_bytes += log->size_bytes();
  }
  return usage;
}

absl::Status LogDirectory::TryWrite() const {
  constexpr int64_t kEnoughBytes = int64_t{1} << 30;
  ASSIGN_OR_RETURN(const FileSystem::Space space,
                   file_system_->DiskSpace(options_.path));
  const int64_t wanted = std::min(kEnoughBytes, space.total_bytes / 20);
  if (space.free_bytes < wanted) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: {} bytes are free, {} are wanted", options_.path,
                    space.free_bytes, wanted));
  }
  const std::string path = PathOf(".write-test");
  const auto write = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::shared_ptr<File> file,
                     file_system_->Open(path, FileSystem::Mode::kCreate));
    RETURN_IF_ERROR(file->WriteAt(0, std::string(1 << 20, '\0')));
    return file->Sync();
  };
  const absl::Status written = write();
  const absl::Status removed = file_system_->Remove(path);
  return written.ok() ? removed : written;
}

}  // namespace sillok
