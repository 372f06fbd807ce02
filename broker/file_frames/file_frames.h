// Answers whose records lie in files: parts of a file travel through a codec as
// pieces without memory, and become file pieces of the frame at the end, which
// sendfile takes. For doors on base/net.
#ifndef SILLOK_BROKER_FILE_FRAMES_FILE_FRAMES_H_
#define SILLOK_BROKER_FILE_FRAMES_FILE_FRAMES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/net/out_frame.h"
#include "broker/log/log_view.h"

namespace sillok {

// Ranges below this are read into memory: one small read costs less than a
// sendfile of its own. Not below PieceBuffer::kPieceSize: what is smaller than
// that the codec copies.
inline constexpr int64_t kMinFilePieceBytes = 4096;

// The bytes of `ranges` as one Bytes. A range that is large enough and has a
// descriptor behind it becomes a piece whose data is null: good for
// kafka::EncodeMessage, SerializeFetchResponse and ToOutFrame only. Status:
// reading a small one failed.
absl::StatusOr<Bytes> BytesOfRanges(const std::vector<FileRange>& ranges);

// Header and body as they go out.
net::OutFrame ToOutFrame(const Bytes& header, const Bytes& body);

}  // namespace sillok

#endif  // SILLOK_BROKER_FILE_FRAMES_FILE_FRAMES_H_
