// How a directory is opened, and what is refused.
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/store/rocks_store_impl.h"
#include "glog/logging.h"

namespace sillok {
namespace {

uint64_t RandomId() {
  uint64_t id = 0;
  CHECK_EQ(::getrandom(&id, sizeof(id), 0), static_cast<ssize_t>(sizeof(id)));
  return id;
}

}  // namespace

absl::Status RocksStore::Open() {
  if (::mkdir(options_.directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return absl::InternalError("mkdir " + options_.directory + ": " +
                               std::strerror(errno));
  }
  ASSIGN_OR_RETURN(const std::optional<EpochsFile> epochs,
                   ReadEpochsFile(epochs_path_));
  if (epochs) epochs_ = *epochs;
  epochs_.member = options_.member;
  RETURN_IF_ERROR(OpenDatabase(epochs));
  ASSIGN_OR_RETURN(const std::optional<StoreState> state,
                   database_->ReadState());
  for (const std::optional<MemberId>& owner :
       {state ? std::optional(state->member) : std::nullopt,
        epochs ? std::optional(epochs->member) : std::nullopt}) {
    if (!owner || *owner == options_.member) continue;
    return absl::FailedPreconditionError(
        options_.directory + " belongs to member " +
        std::to_string(owner->value()) + ", not to member " +
        std::to_string(options_.member.value()));
  }
  RETURN_IF_ERROR(OpenLog(state, epochs));
  if (epochs) RETURN_IF_ERROR(CheckEpochs(*epochs));
  RETURN_IF_ERROR(database_->Use(log_->active_rows()));
  given_applied_ = recovered_.applied = database_->applied();
  recovered_.hard_state = log_->hard_state();
  recovered_.last_logged = tail_.last();
  RETURN_IF_ERROR(CheckRecovered());
  RETURN_IF_ERROR(NoteEpochs(
      {options_.member, log_->hard_state(), log_->sequence()}));
  StartThreads();
  return absl::OkStatus();
}

absl::Status RocksStore::OpenDatabase(
    const std::optional<EpochsFile>& epochs) {
  ASSIGN_OR_RETURN(const bool exists, TreeDatabase::Exists(db_path_));
  if (epochs && !exists) {
    return absl::DataLossError(
        epochs_path_ + " says that this member has promised epoch " +
        std::to_string(epochs->hard_state.accepted_epoch) + ", but " +
        db_path_ + " holds no database");
  }
  TreeDatabaseOptions options;
  options.path = db_path_;
  options.write_buffer_bytes = options_.write_buffer_bytes;
  options.block_cache_bytes = options_.block_cache_bytes;
  ASSIGN_OR_RETURN(database_, TreeDatabase::Open(options));
  return absl::OkStatus();
}

absl::Status RocksStore::OpenLog(const std::optional<StoreState>& state,
                                 const std::optional<EpochsFile>& epochs) {
  if (!state) {
    recovered_.fresh = true;
    return CreateLog(epochs.has_value());
  }
  struct stat info{};
  if (::stat(log_path_.c_str(), &info) != 0) {
    return absl::DataLossError(log_path_ +
                               ": no segment of the log is there");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<LogFolder> folder,
                   OpenLogFolder(log_path_));
  ASSIGN_OR_RETURN(log_, SegmentLog::Open(std::move(folder), LogOptions(),
                                          state->log_id, &tail_));
  return absl::OkStatus();
}

// The state record comes last: a database with it has a log beside it.
absl::Status RocksStore::CreateLog(bool epochs_known) {
  ASSIGN_OR_RETURN(const bool has_rows, database_->HasRows());
  if (has_rows) {
    return absl::DataLossError(db_path_ + " has data but no state record");
  }
  if (epochs_known) {
    return absl::DataLossError(epochs_path_ +
                               " says that there was a database, but " +
                               db_path_ + " is empty");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<LogFolder> folder,
                   OpenLogFolder(log_path_));
  ASSIGN_OR_RETURN(const std::vector<std::string> segments,
                   SegmentLog::ListSegments(folder.get()));
  // One segment may be left by a start that was interrupted right here.
  if (segments.size() > 1 ||
      (segments.size() == 1 && segments[0] != SegmentName(1))) {
    return absl::DataLossError(log_path_ + " has segments of a log, but " +
                               db_path_ + " is empty");
  }
  const uint64_t log_id = RandomId();
  ASSIGN_OR_RETURN(log_, SegmentLog::Create(std::move(folder), LogOptions(),
                                            log_id));
  tail_.Reset(Zxid());
  return database_->WriteState({options_.member, log_id});
}

SegmentLogOptions RocksStore::LogOptions() {
  SegmentLogOptions options;
  options.segment_bytes = options_.segment_bytes;
  options.first_segment_bytes =
      std::min(options.first_segment_bytes, options_.segment_bytes);
  options.sync = options_.sync;
  options.on_new_segment = [this](uint64_t sequence) {
    // The first one is noted when all else is there.
    if (sequence == 1) return absl::OkStatus();
    return NoteEpochs({options_.member, epochs_.hard_state, sequence});
  };
  options.faults = options_.log_faults;
  return options;
}

absl::Status RocksStore::CheckEpochs(const EpochsFile& epochs) const {
  const zab::HardState& hard = log_->hard_state();
  if (epochs.hard_state.accepted_epoch > hard.accepted_epoch ||
      epochs.hard_state.current_epoch > hard.current_epoch) {
    return absl::DataLossError(
        log_path_ + " is older than " + epochs_path_ + ": epoch " +
        std::to_string(hard.accepted_epoch) + " against " +
        std::to_string(epochs.hard_state.accepted_epoch));
  }
  if (epochs.segment > log_->sequence()) {
    return absl::DataLossError(log_path_ + "/" +
                               SegmentName(epochs.segment) +
                               " is missing: " + epochs_path_ +
                               " says that it was there");
  }
  return absl::OkStatus();
}

absl::Status RocksStore::CheckRecovered() const {
  const zab::HardState& hard = recovered_.hard_state;
  if (recovered_.applied < tail_.trimmed() ||
      recovered_.applied > tail_.last()) {
    return absl::DataLossError(
        db_path_ + ": the tree belongs to " + ToString(recovered_.applied) +
        ", but the log in " + log_path_ + " reaches from " +
        ToString(tail_.trimmed()) + " to " + ToString(tail_.last()));
  }
  if (hard.current_epoch > hard.accepted_epoch ||
      tail_.last().epoch() > hard.accepted_epoch) {
    return absl::DataLossError(
        log_path_ + ": epochs out of order: accepted " +
        std::to_string(hard.accepted_epoch) + ", current " +
        std::to_string(hard.current_epoch) + ", last entry " +
        ToString(tail_.last()));
  }
  return absl::OkStatus();
}

absl::Status RocksStore::NoteEpochs(EpochsFile epochs) {
  if (epochs == epochs_) return absl::OkStatus();
  RETURN_IF_ERROR(WriteEpochsFile(epochs_path_, epochs));
  epochs_ = epochs;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<CoordinatorStore>> OpenRocksStore(
    const RocksStoreOptions& options) {
  auto store = std::make_unique<RocksStore>(options);
  RETURN_IF_ERROR(store->Open());
  return std::unique_ptr<CoordinatorStore>(std::move(store));
}

}  // namespace sillok
