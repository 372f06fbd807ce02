// A number for the state of a core: for those who explore all schedules and want
// to know whether they have been here.
#ifndef SILLOK_COORDINATOR_ZAB_FINGERPRINT_H_
#define SILLOK_COORDINATOR_ZAB_FINGERPRINT_H_

#include <cstdint>
#include <type_traits>

#include "base/ids.h"
#include "coordinator/zab/entry.h"

namespace sillok::zab {

class Fingerprint {
 public:
  template <typename... Values>
  void Add(const Values&... values) {
    (AddOne(values), ...);
  }
  uint64_t value() const { return hash_; }

 private:
  void AddOne(Zxid zxid) { Mix(zxid.value()); }
  void AddOne(MemberId member) { Mix(static_cast<uint64_t>(member.value())); }
  void AddOne(const HardState& hard) {
    Mix(uint64_t{hard.accepted_epoch} << 32 | hard.current_epoch);
  }
  template <typename Number>
  std::enable_if_t<std::is_integral_v<Number> || std::is_enum_v<Number>>
  AddOne(Number number) {
    Mix(static_cast<uint64_t>(number));
  }
  void Mix(uint64_t value) {
    uint64_t z = (hash_ ^ value) + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    hash_ = z ^ (z >> 31);
  }

  uint64_t hash_ = 0;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_FINGERPRINT_H_
