// The text of the checkpoint files a data directory shares: an offset per
// partition (docs/format/log-segment.md).
#ifndef SILLOK_BROKER_LOG_CHECKPOINT_FILE_H_
#define SILLOK_BROKER_LOG_CHECKPOINT_FILE_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace sillok {

using OffsetMap = std::map<TopicPartition, Offset>;

std::string EncodeOffsetCheckpoint(const OffsetMap& offsets);
// DATA_LOSS, with the line, when it is not such a file.
absl::StatusOr<OffsetMap> DecodeOffsetCheckpoint(std::string_view text);

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_CHECKPOINT_FILE_H_
