#include "broker/kafka/api_handlers.h"

#include <algorithm>
#include <map>

#include "broker/kafka/families.h"
#include "glog/logging.h"

namespace sillok::kafka_door {
namespace {

std::vector<ServedApi> MakeServedApis() {
  std::map<int16_t, ServedApi> by_key;
  for (const ApiHandlers& family :
       {ApiVersionsHandlers(), ProduceHandlers(), ProducerIdHandlers(),
        FetchHandlers(), OffsetsHandlers(), MetadataHandlers(),
        GroupMembershipHandlers(), GroupOffsetsHandlers(),
        GroupAdminHandlers(), TopicAdminHandlers(), ConfigAdminHandlers(),
        ReplicaAdminHandlers()}) {
    for (const ApiHandler& handler : family) {
      const kafka::ApiRange* range = kafka::FindApi(handler.key);
      CHECK(range != nullptr) << "api key " << handler.key;
      CHECK(by_key.emplace(handler.key, ServedApi{*range, handler}).second)
          << range->name << " has two handlers";
    }
  }
  std::vector<ServedApi> served;
  for (auto& [key, api] : by_key) served.push_back(api);
  return served;
}

}  // namespace

const std::vector<ServedApi>& ServedApis() {
  static const auto* served = new std::vector<ServedApi>(MakeServedApis());
  return *served;
}

const ServedApi* FindServedApi(int16_t key) {
  const std::vector<ServedApi>& served = ServedApis();
  auto found = std::lower_bound(served.begin(), served.end(), key,
                                [](const ServedApi& api, int16_t wanted) {
                                  return api.range.key < wanted;
                                });
  return found != served.end() && found->range.key == key ? &*found : nullptr;
}

}  // namespace sillok::kafka_door
