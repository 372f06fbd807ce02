// sillok topic add-partitions | config | delete-records, beside what topic.cc has.
#ifndef SILLOK_TOOLS_TOPIC_CHANGE_H_
#define SILLOK_TOOLS_TOPIC_CHANGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/context.h"

namespace sillok::tools {

// "1:2:3,2:3:1": brokers of the first partition, of the next, ...
absl::StatusOr<std::vector<std::vector<int32_t>>> ParseAssignment(
    const std::string& text);

void RegisterTopicChanges(CLI::App& topic, Context& context);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_TOPIC_CHANGE_H_
