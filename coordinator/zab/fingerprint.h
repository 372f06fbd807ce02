// A number for the state of a core: for those who explore all schedules and want
// to know whether they have been here.
#ifndef SILLOK_COORDINATOR_ZAB_FINGERPRINT_H_
#define SILLOK_COORDINATOR_ZAB_FINGERPRINT_H_

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"

namespace sillok::zab {

class Fingerprint {
 public:
  // Marks a number as an epoch.
  struct Epoch {
    uint32_t number = 0;
  };

  // `settled`: of an ensemble in which no election comes any more. Then nothing
  // of what only elections read counts, and of epochs only their order: they
  // are replaced by their places in `settled`, rising numbers.
  explicit Fingerprint(const std::vector<uint32_t>* settled = nullptr)
      : settled_(settled) {}

  bool settled() const { return settled_ != nullptr; }

  template <typename... Values>
  void Add(const Values&... values) {
    (AddOne(values), ...);
  }
  uint64_t value() const { return hash_; }

 private:
  void AddOne(Epoch epoch) { Mix(Place(epoch.number)); }
  void AddOne(Zxid zxid) {
    if (!settled()) return Mix(zxid.value());
    Mix(Place(zxid.epoch()));
    Mix(zxid.counter());
  }
  void AddOne(MemberId member) { Mix(static_cast<uint64_t>(member.value())); }
  void AddOne(const HardState& hard) {
    Mix(Place(hard.accepted_epoch));
    Mix(Place(hard.current_epoch));
  }
  template <typename Number>
  std::enable_if_t<std::is_integral_v<Number> || std::is_enum_v<Number>>
  AddOne(Number number) {
    Mix(static_cast<uint64_t>(number));
  }
  // One that is not in the list keeps its number beside its place.
  uint64_t Place(uint32_t epoch) const {
    if (!settled() || epoch == 0) return epoch;
    auto found = std::lower_bound(settled_->begin(), settled_->end(), epoch);
    const uint64_t place =
        static_cast<uint64_t>(found - settled_->begin()) + 1;
    if (found != settled_->end() && *found == epoch) return place;
    return place | uint64_t{epoch} << 32;
  }
  void Mix(uint64_t value) {
    uint64_t z = (hash_ ^ value) + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    hash_ = z ^ (z >> 31);
  }

  const std::vector<uint32_t>* settled_;
  uint64_t hash_ = 0;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_FINGERPRINT_H_
