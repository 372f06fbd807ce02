// What one simulated coordinator member has on stable storage.
#ifndef SILLOK_TEST_SIM_ZAB_IMAGE_H_
#define SILLOK_TEST_SIM_ZAB_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"
#include "coordinator/zab/log_view.h"
#include "coordinator/zab/persist.h"

namespace sillok::sim {

// One element of a member's storage queue.
struct ZabWrite {
  enum class Kind : uint8_t { kPersist, kApplied, kTrim };
  Kind kind = Kind::kPersist;
  zab::Persist persist;
  Zxid zxid;  // kApplied, kTrim
};

// Keeps the state machine as a position alone: "everything up to applied()".
// Like the real store it takes what it is given; whether that was right is for
// the checkers to say.
class ZabImage : public zab::LogView {
 public:
  void Apply(const ZabWrite& write);
  // An installation happens as a whole or not; the rest in its order, cut off
  // anywhere.
  void ApplyPartly(const ZabWrite& write, uint64_t random);

  Zxid TrimmedTo() const override { return trimmed_; }
  Zxid LastZxid() const override {
    return log_.empty() ? trimmed_ : log_.back().zxid;
  }
  std::optional<Zxid> LastAtOrBefore(Zxid zxid) const override;
  std::vector<zab::Entry> Read(Zxid after, size_t max_bytes) const override;

  // A log entry, or covered by the applied state.
  bool Holds(Zxid zxid) const {
    return zxid <= trimmed_ || LastAtOrBefore(zxid) == zxid;
  }
  const zab::HardState& hard_state() const { return hard_state_; }
  Zxid applied() const { return applied_; }
  const std::deque<zab::Entry>& log() const { return log_; }

 private:
  std::deque<zab::Entry>::const_iterator FirstAbove(Zxid zxid) const;

  zab::HardState hard_state_;
  Zxid trimmed_;
  Zxid applied_;
  std::deque<zab::Entry> log_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_ZAB_IMAGE_H_
