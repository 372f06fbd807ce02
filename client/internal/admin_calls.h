// AdminCalls: who to ask, and asking again while the answer is "not here" or "not
// yet". Thread-safe; calls block.
#ifndef SILLOK_CLIENT_INTERNAL_ADMIN_CALLS_H_
#define SILLOK_CLIENT_INTERNAL_ADMIN_CALLS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "client/config.h"
#include "client/internal/blocking_calls.h"

namespace sillok::client {

// What an answer's code and text say; `what` names it where the text is missing.
absl::Status AnswerStatus(v1::ErrorCode answer, const std::string& message,
                          const std::string& what);

// Codes after which the same question to another broker may succeed.
bool IsMisplaced(ErrorCode code);

class AdminCalls {
 public:
  using Stub = v1::Broker::Stub;
  using TimePoint = BlockingCalls::Clock::time_point;
  template <typename Request, typename Response>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&,
                                        Response*);

  explicit AdminCalls(const AdminConfig& config) : calls_(config) {}

  BlockingCalls& blocking() { return calls_; }
  TimePoint Deadline() const { return calls_.Deadline(); }

  // Of these topics or all. Never without brokers: BROKER_NOT_AVAILABLE when
  // there is nobody who knows any.
  absl::StatusOr<v1::MetadataResponse> Metadata(
      const std::vector<std::string>& topics, bool all, TimePoint deadline);

  // Calls the group's coordinator until the answer is not "elsewhere" or "not
  // yet". `code` reads the answer's error.
  template <typename Request, typename Response>
  absl::Status CallCoordinator(
      const std::string& group, Method<Request, Response> method,
      const Request& request, Response* response,
      const std::function<ErrorCode(const Response&)>& code,
      int32_t* coordinator = nullptr);

  // Asks each partition's leader what is wanted of it, again where it is not the
  // leader any more. `fill` adds one to a request, `read` takes over an answer;
  // an Outcome has a `status`.
  template <typename Outcome, typename Request, typename Response,
            typename Want>
  absl::StatusOr<std::map<TopicPartition, Outcome>> AskLeaders(
      const std::map<TopicPartition, Want>& wants,
      Method<Request, Response> method,
      const std::function<void(const TopicPartition&, const Want&, Request*)>&
          fill,
      const std::function<void(const Response&,
                               std::map<TopicPartition, Outcome>*)>& read);

 private:
  // The leader of each partition; or, in *problems, why there is none.
  std::map<TopicPartition, int32_t> FindLeaders(
      const v1::MetadataResponse& metadata,
      const std::set<TopicPartition>& partitions,
      std::map<TopicPartition, absl::Status>* problems) const;

  BlockingCalls calls_;
};

template <typename Request, typename Response>
absl::Status AdminCalls::CallCoordinator(
    const std::string& group, Method<Request, Response> method, const Request& request, Response* response,
    const std::function<ErrorCode(const Response&)>& code,
    int32_t* coordinator) {
  TimePoint deadline = calls_.Deadline();
  absl::Status status;
  for (int attempt = 1;; ++attempt) {
    v1::FindCoordinatorRequest find;
    find.set_key(group);
    v1::FindCoordinatorResponse found;
    RETURN_IF_ERROR(
        calls_.CallAny(&Stub::FindCoordinator, find, deadline, &found));
    status = AnswerStatus(found.error_code(), found.error_message(),
                          "group '" + group + "'");
    if (status.ok()) {
      if (coordinator != nullptr) {
        *coordinator = found.coordinator().broker_id();
      }
      status = calls_.CallAt(found.coordinator().host() + ":" +
                                 std::to_string(found.coordinator().port()),
                             method, request, deadline, response);
    }
    if (status.ok()) {
      ErrorCode answer = code(*response);
      if (answer == ErrorCode::NONE) return absl::OkStatus();
      status = ErrorStatus(answer, "group '" + group + "': " +
                                       std::string(ErrorMessage(answer)));
    }
    if (!IsMisplaced(ErrorCodeOf(status))) return status;
    if (!calls_.Pause(attempt, deadline)) return status;
  }
}

template <typename Outcome, typename Request, typename Response, typename Want>
absl::StatusOr<std::map<TopicPartition, Outcome>> AdminCalls::AskLeaders(
    const std::map<TopicPartition, Want>& wants,
    Method<Request, Response> method,
    const std::function<void(const TopicPartition&, const Want&, Request*)>&
        fill,
    const std::function<void(const Response&,
                             std::map<TopicPartition, Outcome>*)>& read) {
  TimePoint deadline = calls_.Deadline();
  std::map<TopicPartition, Outcome> outcomes;
  std::set<TopicPartition> open;
  std::set<std::string> topics;
  for (const auto& [id, want] : wants) {
    open.insert(id);
    topics.insert(id.topic);
  }
  for (int attempt = 1; !open.empty(); ++attempt) {
    ASSIGN_OR_RETURN(v1::MetadataResponse metadata,
                     Metadata({topics.begin(), topics.end()}, false, deadline));
    std::map<TopicPartition, absl::Status> problems;
    std::map<int32_t, Request> requests;
    for (const auto& [id, leader] : FindLeaders(metadata, open, &problems)) {
      fill(id, wants.at(id), &requests[leader]);
    }
    for (const auto& [id, problem] : problems) outcomes[id].status = problem;
    for (const auto& [broker, request] : requests) {
      Response response;
      absl::Status status = calls_.CallAt(calls_.AddressOf(broker), method,
                                          request, deadline, &response);
      for (const auto& asked : request.partitions()) {
        outcomes[{asked.topic(), asked.partition()}].status = status;
      }
      if (status.ok()) read(response, &outcomes);
    }
    std::erase_if(open, [&](const TopicPartition& id) {
      return !IsMisplaced(ErrorCodeOf(outcomes[id].status));
    });
    if (!open.empty() && !calls_.Pause(attempt, deadline)) break;
  }
  return outcomes;
}

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_ADMIN_CALLS_H_
