#include "base/metrics.h"

#include <algorithm>
#include <limits>
#include <sstream>
#include <utility>

#include "base/clock.h"
#include "base/process.h"
#include "base/version.h"
#include "glog/logging.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace sillok {

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)),
      counts_(new std::atomic<uint64_t>[bounds_.size() + 1]()) {}

void Histogram::Observe(double value) {
  size_t bucket =
      std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  while (!sum_.compare_exchange_weak(sum, sum + value,
                                     std::memory_order_relaxed)) {
  }
}

std::vector<uint64_t> Histogram::counts() const {
  std::vector<uint64_t> counts;
  for (size_t i = 0; i <= bounds_.size(); ++i) {
    counts.push_back(counts_[i].load(std::memory_order_relaxed));
  }
  return counts;
}

std::vector<double> Histogram::LatencyBounds() {
  std::vector<double> bounds;
  for (double bound = 50e-6; bound < 30; bound *= 2) bounds.push_back(bound);
  return bounds;
}

struct MetricsRegistry::Impl {
  // One name: its metrics by labels, or one callback.
  struct Family {
    std::string help;
    prometheus::MetricType type;
    std::map<MetricLabels, std::unique_ptr<Counter>> counters;
    std::map<MetricLabels, std::unique_ptr<Gauge>> gauges;
    std::map<MetricLabels, std::unique_ptr<Histogram>> histograms;
    std::function<std::vector<Sample>()> read;
  };

  Family& Get(const std::string& name, const std::string& help,
              prometheus::MetricType type) {
    CHECK(!help.empty()) << name << " has no help text";
    auto [it, made] = families.try_emplace(name);
    if (made) {
      it->second.help = help;
      it->second.type = type;
    }
    CHECK(it->second.type == type) << name << " has two kinds";
    return it->second;
  }

  mutable std::mutex mutex;
  std::map<std::string, Family> families;
};

MetricsRegistry::MetricsRegistry() : impl_(std::make_unique<Impl>()) {}
MetricsRegistry::~MetricsRegistry() = default;

Counter* MetricsRegistry::AddCounter(const std::string& name,
                                     const std::string& help,
                                     const MetricLabels& labels) {
  std::lock_guard lock(impl_->mutex);
  auto& slot =
      impl_->Get(name, help, prometheus::MetricType::Counter).counters[labels];
  if (slot == nullptr) slot = std::make_unique<Counter>();
  return slot.get();
}

Gauge* MetricsRegistry::AddGauge(const std::string& name,
                                 const std::string& help,
                                 const MetricLabels& labels) {
  std::lock_guard lock(impl_->mutex);
  auto& slot =
      impl_->Get(name, help, prometheus::MetricType::Gauge).gauges[labels];
  if (slot == nullptr) slot = std::make_unique<Gauge>();
  return slot.get();
}

Histogram* MetricsRegistry::AddHistogram(const std::string& name,
                                         const std::string& help,
                                         std::vector<double> bounds,
                                         const MetricLabels& labels) {
  std::lock_guard lock(impl_->mutex);
  auto& slot = impl_->Get(name, help, prometheus::MetricType::Histogram)
                   .histograms[labels];
  if (slot == nullptr) slot = std::make_unique<Histogram>(std::move(bounds));
  return slot.get();
}

void MetricsRegistry::AddCallback(const std::string& name,
                                  const std::string& help, Kind kind,
                                  std::function<std::vector<Sample>()> read) {
  std::lock_guard lock(impl_->mutex);
  impl_->Get(name, help,
             kind == Kind::kCounter ? prometheus::MetricType::Counter
                                    : prometheus::MetricType::Gauge)
      .read = std::move(read);
}

void MetricsRegistry::AddProcessMetrics(const std::string& component) {
  auto one = [](double value) {
    return std::vector<Sample>{{{}, value}};
  };
  AddGauge("sillok_build_info", "Always 1; the labels say what runs.",
           {{"component", component}, {"version", kVersion}})
      ->Set(1);
  AddGauge("process_start_time_seconds", "Unix time of the start.")
      ->Set(Clock::Real().WallMs() / 1000.0);
  AddCallback("process_cpu_seconds_total", "CPU time used, user and system.",
              Kind::kCounter,
              [one] { return one(ReadProcessUsage().cpu_seconds); });
  AddCallback("process_resident_memory_bytes", "Resident memory.", Kind::kGauge,
              [one] { return one(ReadProcessUsage().resident_bytes); });
  AddCallback("process_open_fds", "Open file descriptors.", Kind::kGauge,
              [one] { return one(ReadProcessUsage().open_fds); });
  AddCallback("process_max_fds", "Limit of open file descriptors.",
              Kind::kGauge, [one] { return one(ReadProcessUsage().max_fds); });
}

std::string MetricsRegistry::Text() const {
  auto labelled = [](const MetricLabels& labels) {
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : labels) metric.label.push_back({name, value});
    return metric;
  };
  std::vector<prometheus::MetricFamily> families;
  std::vector<std::pair<size_t, std::function<std::vector<Sample>()>>> reads;
  {
    std::lock_guard lock(impl_->mutex);
    for (const auto& [name, family] : impl_->families) {
      prometheus::MetricFamily out{name, family.help, family.type, {}};
      for (const auto& [labels, counter] : family.counters) {
        out.metric.push_back(labelled(labels));
        out.metric.back().counter.value = counter->value();
      }
      for (const auto& [labels, gauge] : family.gauges) {
        out.metric.push_back(labelled(labels));
        out.metric.back().gauge.value = gauge->value();
      }
      for (const auto& [labels, histogram] : family.histograms) {
        out.metric.push_back(labelled(labels));
        auto& to = out.metric.back().histogram;
        std::vector<uint64_t> counts = histogram->counts();
        for (size_t i = 0; i < counts.size(); ++i) {
          to.sample_count += counts[i];
          to.bucket.push_back({to.sample_count,
                               i < histogram->bounds().size()
                                   ? histogram->bounds()[i]
                                   : std::numeric_limits<double>::infinity()});
        }
        to.sample_sum = histogram->sum();
      }
      if (family.read) reads.emplace_back(families.size(), family.read);
      families.push_back(std::move(out));
    }
  }
  // Callbacks run without the lock: they may ask owners that use the registry.
  for (const auto& [index, read] : reads) {
    for (const Sample& sample : read()) {
      families[index].metric.push_back(labelled(sample.labels));
      auto& metric = families[index].metric.back();
      metric.counter.value = sample.value;
      metric.gauge.value = sample.value;
    }
  }
  std::erase_if(families, [](const auto& f) { return f.metric.empty(); });
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

}  // namespace sillok
