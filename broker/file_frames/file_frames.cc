#include "broker/file_frames/file_frames.h"

#include <memory>
#include <string>
#include <utility>

#include "base/status_macros.h"

namespace sillok {
namespace {

absl::StatusOr<Bytes> ReadRange(const FileRange& range) {
  std::string text(static_cast<size_t>(range.length), '\0');
  ASSIGN_OR_RETURN(const size_t got, range.file->ReadAt(range.position,
                                                        text.data(),
                                                        text.size()));
  if (got != text.size()) {
    return absl::UnavailableError("the log became shorter while it was read");
  }
  return Bytes::FromString(std::move(text));
}

}  // namespace

absl::StatusOr<Bytes> BytesOfRanges(const std::vector<FileRange>& ranges) {
  Bytes bytes;
  for (const FileRange& range : ranges) {
    if (range.length < kMinFilePieceBytes || range.file->fd() < 0) {
      ASSIGN_OR_RETURN(const Bytes read, ReadRange(range));
      bytes.Append(read);
      continue;
    }
    bytes.Append({nullptr, static_cast<size_t>(range.length),
                  std::make_shared<const FileRange>(range)});
  }
  return bytes;
}

net::OutFrame ToOutFrame(const Bytes& header, const Bytes& body) {
  net::OutFrame frame(header);
  for (const BytesPiece& piece : body.pieces()) {
    if (piece.data != nullptr) {
      frame.Append(piece);
      continue;
    }
    const auto* range = static_cast<const FileRange*>(piece.owner.get());
    frame.AppendFile({range->file, range->file->fd(), range->position,
                      range->length});
  }
  return frame;
}

}  // namespace sillok
