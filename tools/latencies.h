// How long things took, for percentiles.
#ifndef SILLOK_TOOLS_LATENCIES_H_
#define SILLOK_TOOLS_LATENCIES_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace sillok::tools {

// Times in buckets that grow by 2 %, from 1 us.
class Latencies {
 public:
  void Add(double us) {
    int index = us <= 1 ? 0 : static_cast<int>(std::log(us) / std::log(1.02));
    ++counts_[std::min<size_t>(static_cast<size_t>(index), counts_.size() - 1)];
    ++total_;
    max_ = std::max(max_, us);
  }
  double Percentile(double share) const {
    auto rank = static_cast<int64_t>(std::ceil(share * static_cast<double>(total_)));
    for (size_t i = 0; i < counts_.size(); ++i) {
      rank -= counts_[i];
      if (rank <= 0) return std::pow(1.02, static_cast<double>(i) + 0.5);
    }
    return max_;
  }
  double max() const { return max_; }
  void Merge(const Latencies& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    max_ = std::max(max_, other.max_);
  }

 private:
  std::array<int64_t, 1200> counts_{};
  int64_t total_ = 0;
  double max_ = 0;
};

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_LATENCIES_H_
