// A log that is written, killed, cut off from power and damaged at random, and
// what must be left of it each time.
#ifndef SILLOK_TEST_COORDINATOR_STORE_LOG_LIVES_H_
#define SILLOK_TEST_COORDINATOR_STORE_LOG_LIVES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/store/segment_log.h"
#include "test/coordinator/store/sim_log_folder.h"

namespace sillok {

// What a log says, in the simplest form.
struct LogModel {
  Zxid trimmed;
  std::vector<std::pair<Zxid, std::string>> entries;
  zab::HardState hard_state;
  uint32_t active_rows = 0;

  Zxid last() const {
    return entries.empty() ? trimmed : entries.back().first;
  }
  void Apply(const zab::Persist& persist);
  // Without what a log that begins later need not have.
  LogModel From(Zxid trimmed) const;
  friend bool operator==(const LogModel&, const LogModel&) = default;
};

// One seed: a few lives of a log. Broken() tells what was wrong.
class LogLives {
 public:
  LogLives(uint64_t seed, const LogFaults& faults);

  // True: as it must be.
  bool Go(int lives);
  const std::string& broken() const { return broken_; }
  uint64_t recycled() const { return recycled_; }
  uint64_t torn() const { return torn_; }

 private:
  SegmentLogOptions Options();
  void Live();
  bool Recover();
  bool Open(LogModel* found);
  // As the log on the disk is: every flipped bit is refused, or was in the last
  // write, or in nothing that counts.
  bool TryDamage();
  zab::Persist SomePersist();
  std::string SomeTxn();
  bool Broken(const std::string& what);

  const LogFaults faults_;
  std::mt19937_64 random_;
  SimDisk disk_;
  LogTail tail_{0};
  std::unique_ptr<SegmentLog> log_;
  LogModel acked_;                // must be there
  std::optional<LogModel> given_;  // may be there instead
  LogModel before_last_;           // acked_ without the last write
  Zxid covered_;                   // of the tree, on disk
  Zxid trimmed_;                   // may be gone
  uint64_t newest_ = 1;
  uint32_t promises_ = 0;
  uint64_t recycled_ = 0;
  uint64_t torn_ = 0;
  std::string broken_;
};

}  // namespace sillok

#endif  // SILLOK_TEST_COORDINATOR_STORE_LOG_LIVES_H_
