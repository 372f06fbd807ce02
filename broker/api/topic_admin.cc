#include "broker/api/topic_admin.h"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/metadata/cluster_view.h"
#include "fmt/format.h"

namespace sillok::api {
namespace {

// Brokers alone make and grow internal topics, as their settings say: where a
// group's offsets are depends on the number of partitions, and with the topic
// deleted all would be gone.
void RefuseInternal(const std::string& name, v1::TopicResult* result) {
  result->set_name(name);
  result->set_error_code(v1::INVALID_TOPIC_EXCEPTION);
  result->set_error_message(fmt::format(
      "'{}' is an internal topic: brokers make it, and it stays as it is",
      name));
}

std::string_view NameOf(const v1::NewTopic& topic) { return topic.name(); }
std::string_view NameOf(const v1::MorePartitions& topic) {
  return topic.name();
}
std::string_view NameOf(const std::string& name) { return name; }

// Passes `request` on, by `call` of the controller's channel, without the
// internal topics among its `topics`; the answer has every topic in its place.
template <typename Response, typename Topics, typename Call>
void PassOn(Topics* topics, Call call, Done<Response> done) {
  std::vector<std::string> names;
  for (const auto& topic : *topics) names.emplace_back(NameOf(topic));
  topics->erase(std::remove_if(topics->begin(), topics->end(),
                               [](const auto& topic) {
                                 return IsInternalTopic(NameOf(topic));
                               }),
                topics->end());
  auto answer = [names, done = std::move(done)](
                    absl::StatusOr<Response> result) {
    Response whole;
    int next = 0;
    for (const std::string& name : names) {
      v1::TopicResult* out = whole.add_topics();
      if (IsInternalTopic(name)) {
        RefuseInternal(name, out);
      } else if (!result.ok()) {
        out->set_name(name);
        out->set_error_code(v1::REQUEST_TIMED_OUT);
        out->set_error_message(std::string(result.status().message()));
      } else if (next < result->topics_size()) {
        *out = std::move(*result->mutable_topics(next++));
      }
    }
    done(std::move(whole));
  };
  if (topics->empty()) return answer(Response());
  call(std::move(answer));
}

}  // namespace

void CreateTopics(const BrokerContext& context, v1::CreateTopicsRequest request,
                  Done<v1::CreateTopicsResponse> done) {
  PassOn<v1::CreateTopicsResponse>(
      request.mutable_topics(),
      [&](auto answer) {
        context.controller->CreateTopics(std::move(request), std::move(answer));
      },
      std::move(done));
}

void DeleteTopics(const BrokerContext& context, v1::DeleteTopicsRequest request,
                  Done<v1::DeleteTopicsResponse> done) {
  PassOn<v1::DeleteTopicsResponse>(
      request.mutable_names(),
      [&](auto answer) {
        context.controller->DeleteTopics(std::move(request), std::move(answer));
      },
      std::move(done));
}

void CreatePartitions(const BrokerContext& context,
                      v1::CreatePartitionsRequest request,
                      Done<v1::CreatePartitionsResponse> done) {
  PassOn<v1::CreatePartitionsResponse>(
      request.mutable_topics(),
      [&](auto answer) {
        context.controller->CreatePartitions(std::move(request),
                                             std::move(answer));
      },
      std::move(done));
}

void ElectLeaders(const BrokerContext& context, v1::ElectLeadersRequest request,
                  Done<v1::ElectLeadersResponse> done) {
  context.controller->ElectLeaders(
      std::move(request), [done = std::move(done)](
                              absl::StatusOr<v1::ElectLeadersResponse> result) {
        if (result.ok()) return done(*std::move(result));
        v1::ElectLeadersResponse response;
        response.set_error_code(v1::REQUEST_TIMED_OUT);
        response.set_error_message(std::string(result.status().message()));
        done(std::move(response));
      });
}

}  // namespace sillok::api
