// A request to the controller that is answered later, or given up on.
#ifndef SILLOK_BROKER_CONTROLLER_PARKED_REQUEST_H_
#define SILLOK_BROKER_CONTROLLER_PARKED_REQUEST_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "proto/cluster.pb.h"

namespace sillok {

// Gives everything in `response` that has no error yet the code.
inline void FailAll(v1::ErrorCode code, const std::string& message,
                    v1::ElectLeadersResponse* response) {
  if (response->error_code() == v1::NONE && response->partitions().empty()) {
    response->set_error_code(code);
    response->set_error_message(message);
  }
  // Asked anew, the controller of the day says what holds.
  if (code == v1::NOT_CONTROLLER) response->set_error_code(code);
  for (v1::PartitionElection& election : *response->mutable_partitions()) {
    if (election.error_code() != v1::NONE) continue;
    election.set_error_code(code);
    election.set_error_message(message);
  }
}
inline void FailAll(v1::ErrorCode code, const std::string& message,
                    v1::AlterConfigsResponse* response) {
  for (v1::AlteredConfig& result : *response->mutable_results()) {
    if (result.error_code() != v1::NONE) continue;
    result.set_error_code(code);
    result.set_error_message(message);
  }
}
template <typename TopicsResponse>
void FailAll(v1::ErrorCode code, const std::string& message,
             TopicsResponse* response) {
  for (v1::TopicResult& topic : *response->mutable_topics()) {
    if (topic.error_code() != v1::NONE) continue;
    topic.set_error_code(code);
    topic.set_error_message(message);
  }
}

// Of any kind of response; on the controller's strand.
class Parked {
 public:
  virtual ~Parked() = default;
  // Once; what comes after it changes nothing.
  void Answer() {
    if (std::exchange(answered_, true)) return;
    Send();
  }
  void Fail(v1::ErrorCode code, const std::string& message) {
    if (answered_) return;
    FailWhatIsOpen(code, message);
    Answer();
  }
  bool answered() const { return answered_; }

  // It waits for these brokers to have carried out the updates up to `version`.
  uint64_t version = 0;
  std::set<int32_t> waiting;

 private:
  virtual void FailWhatIsOpen(v1::ErrorCode code,
                              const std::string& message) = 0;
  virtual void Send() = 0;

  bool answered_ = false;
};

template <typename Response>
class ParkedRequest final : public Parked {
 public:
  explicit ParkedRequest(std::function<void(const Response&)> done)
      : done_(std::move(done)) {}

  // First with what was asked for and no errors, then as decided.
  Response response;

 private:
  void FailWhatIsOpen(v1::ErrorCode code,
                      const std::string& message) override {
    FailAll(code, message, &response);
  }
  void Send() override { std::exchange(done_, nullptr)(response); }

  std::function<void(const Response&)> done_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_PARKED_REQUEST_H_
