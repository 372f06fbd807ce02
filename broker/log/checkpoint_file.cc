#include "broker/log/checkpoint_file.h"

#include <fmt/format.h>

#include <sstream>

namespace sillok {

std::string EncodeOffsetCheckpoint(const OffsetMap& offsets) {
  std::string text = fmt::format("0\n{}\n", offsets.size());
  for (const auto& [partition, offset] : offsets) {
    text += fmt::format("{} {} {}\n", partition.topic, partition.partition,
                        offset.value());
  }
  return text;
}

absl::StatusOr<OffsetMap> DecodeOffsetCheckpoint(std::string_view text) {
  std::istringstream in{std::string(text)};
  int64_t version = -1;
  int64_t count = -1;
  if (!(in >> version >> count) || version != 0 || count < 0) {
    return absl::DataLossError("checkpoint: no version 0 and count");
  }
  OffsetMap offsets;
  for (int64_t i = 0; i < count; ++i) {
    TopicPartition partition;
    int64_t offset = 0;
    if (!(in >> partition.topic >> partition.partition >> offset) ||
        offset < 0) {
      return absl::DataLossError(
          fmt::format("checkpoint: entry {} of {} is damaged", i, count));
    }
    offsets[partition] = Offset(offset);
  }
  return offsets;
}

}  // namespace sillok
