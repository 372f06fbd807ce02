// Randomness for simulators: every choice has a name.
#ifndef SILLOK_TEST_SIM_KEYED_RANDOM_H_
#define SILLOK_TEST_SIM_KEYED_RANDOM_H_

#include <cmath>
#include <cstdint>

namespace sillok::sim {

inline uint64_t Mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// A number that depends on nothing but the seed and the choice's name: what kind
// of choice, about whom, the how-manieth. Not one stream: taking a fault away
// leaves all other choices of a run as they were.
class KeyedRandom {
 public:
  explicit KeyedRandom(uint64_t seed) : seed_(Mix(seed)) {}

  uint64_t Draw(uint64_t kind, uint64_t about = 0, uint64_t ordinal = 0) const {
    return Mix(seed_ ^ Mix(kind ^ (about << 16) ^ (ordinal << 32)));
  }
  // In [0, 1).
  double Fraction(uint64_t kind, uint64_t about = 0,
                  uint64_t ordinal = 0) const {
    return static_cast<double>(Draw(kind, about, ordinal) >> 11) * 0x1.0p-53;
  }
  bool Chance(double probability, uint64_t kind, uint64_t about = 0,
              uint64_t ordinal = 0) const {
    return probability > 0 && Fraction(kind, about, ordinal) < probability;
  }
  // `low` to `high`, both included.
  int64_t Range(int64_t low, int64_t high, uint64_t kind, uint64_t about = 0,
                uint64_t ordinal = 0) const {
    uint64_t span = static_cast<uint64_t>(high - low) + 1;
    return low + static_cast<int64_t>(Draw(kind, about, ordinal) % span);
  }
  int64_t Exponential(double mean, uint64_t kind, uint64_t about = 0,
                      uint64_t ordinal = 0) const {
    return static_cast<int64_t>(
        -mean * std::log1p(-Fraction(kind, about, ordinal)));
  }

 private:
  uint64_t seed_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_KEYED_RANDOM_H_
