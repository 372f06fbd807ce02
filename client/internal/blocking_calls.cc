#include "client/internal/blocking_calls.h"

namespace sillok::client {

bool BlockingCalls::IsRefusal(const absl::Status& status) {
  return std::string(status.message()).find("connection refused") !=
         std::string::npos;
}

std::string BlockingCalls::NextAddress() {
  uint32_t turn = turn_.fetch_add(1);
  const auto& list = config_.bootstrap_servers;
  std::lock_guard lock(mutex_);
  size_t index = turn % (brokers_.size() + list.size());
  if (index < brokers_.size()) {
    return std::next(brokers_.begin(), static_cast<long>(index))->second;
  }
  return list[index - brokers_.size()];
}

int BlockingCalls::AddressCount() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(brokers_.size() + config_.bootstrap_servers.size());
}

bool BlockingCalls::Pause(int attempt, Clock::time_point deadline) const {
  if (attempt == 0) return Clock::now() < deadline;
  auto wait = std::chrono::milliseconds(
      BackoffMs(config_.retry_backoff_ms, config_.retry_backoff_max_ms, attempt,
                reinterpret_cast<uintptr_t>(this) + turn_.load()));
  if (Clock::now() + wait >= deadline) return false;
  std::this_thread::sleep_for(wait);
  return true;
}

void BlockingCalls::Learn(const v1::MetadataResponse& response) {
  std::lock_guard lock(mutex_);
  brokers_.clear();
  for (const v1::BrokerAddress& broker : response.brokers()) {
    brokers_[broker.broker_id()] =
        broker.host() + ":" + std::to_string(broker.port());
  }
}

std::string BlockingCalls::Bootstrap() const {
  std::string text;
  for (const std::string& address : config_.bootstrap_servers) {
    text += (text.empty() ? "" : ",") + address;
  }
  return text;
}

std::string BlockingCalls::AddressOf(int32_t broker_id) const {
  std::lock_guard lock(mutex_);
  auto found = brokers_.find(broker_id);
  return found == brokers_.end() ? "" : found->second;
}

}  // namespace sillok::client
