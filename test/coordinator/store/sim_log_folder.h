// A folder of log files on a disk that forgets what was not synced.
#ifndef SILLOK_TEST_COORDINATOR_STORE_SIM_LOG_FOLDER_H_
#define SILLOK_TEST_COORDINATOR_STORE_SIM_LOG_FOLDER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/store/log_folder.h"

namespace sillok {

// The disk outlives the folders that are opened on it.
class SimDisk {
 public:
  explicit SimDisk(uint64_t seed) : random_(seed) {}

  std::unique_ptr<LogFolder> Open();

  // From the `count`-th operation on that changes something, all fail; the one
  // that fails first may have been carried out in part.
  void FailAfter(uint64_t count) { left_ = count; }
  bool failing() const { return left_ == 0; }

  // The process ends; what it wrote is still in the page cache.
  void Kill() { left_ = kNever; }
  // The power fails: of what was not synced any sectors are on the disk, and of
  // the changes of names the first few.
  void CutPower();

  // For damage.
  std::vector<std::string> Names() const;
  std::string& Content(const std::string& name) {
    return names_.at(name)->now;
  }
  void Remove(const std::string& name) { names_.erase(name); }

 private:
  friend class SimFile;
  friend class SimFolder;
  static constexpr uint64_t kNever = ~uint64_t{0};
  static constexpr size_t kSectorBytes = 512;

  struct Inode {
    std::string now;
    std::string durable;
    std::set<size_t> dirty;  // sectors
  };
  using Names_ = std::map<std::string, std::shared_ptr<Inode>>;

  // False: this operation fails.
  bool Allow();
  void NoteNames() { changes_.push_back(names_); }

  std::mt19937_64 random_;
  uint64_t left_ = kNever;
  Names_ names_;
  Names_ durable_names_;
  std::deque<Names_> changes_;  // the names after each change not synced
};

}  // namespace sillok

#endif  // SILLOK_TEST_COORDINATOR_STORE_SIM_LOG_FOLDER_H_
