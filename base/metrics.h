// Metrics that cost one atomic addition where they count.
//
// Names are `sillok_<library>_<noun>_<unit>`; every metric has a help text
// (promtool asks for it). The registry is asked by the /metrics endpoint only.
#ifndef SILLOK_BASE_METRICS_H_
#define SILLOK_BASE_METRICS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sillok {

using MetricLabels = std::map<std::string, std::string>;

// All three: thread-safe, lock-free, live as long as their registry.
class Counter {
 public:
  void Add(int64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

class Gauge {
 public:
  void Set(double v) { value_.store(v, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Fixed bounds, ascending; a last bucket takes the rest.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void Observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }
  std::vector<uint64_t> counts() const;  // bounds().size() + 1
  double sum() const { return sum_.load(std::memory_order_relaxed); }

  // 50 us to 25.6 s, doubling: for request and disk times in seconds.
  static std::vector<double> LatencyBounds();

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// Thread-safe. Asking again for the same name and labels gives the same metric;
// one name has one kind and one help text.
class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  Counter* AddCounter(const std::string& name, const std::string& help,
                      const MetricLabels& labels = {});
  Gauge* AddGauge(const std::string& name, const std::string& help,
                  const MetricLabels& labels = {});
  Histogram* AddHistogram(const std::string& name, const std::string& help,
                          std::vector<double> bounds,
                          const MetricLabels& labels = {});

  // Values that are asked for when the endpoint is read. `read` runs on the
  // HTTP thread and may be called until the registry ends.
  struct Sample {
    MetricLabels labels;
    double value;
  };
  enum class Kind { kCounter, kGauge };
  void AddCallback(const std::string& name, const std::string& help, Kind kind,
                   std::function<std::vector<Sample>()> read);
  // process_* metrics and sillok_build_info{component, version}.
  void AddProcessMetrics(const std::string& component);

  // Prometheus text exposition format.
  std::string Text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BASE_METRICS_H_
