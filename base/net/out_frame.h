// A frame on its way out: pieces of memory and pieces of files, in order.
#ifndef SILLOK_BASE_NET_OUT_FRAME_H_
#define SILLOK_BASE_NET_OUT_FRAME_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace sillok::net {

// Bytes [position, position + length) of an open file, which `owner` keeps open.
// They must not change until `owner` is let go: what sendfile has handed to the
// kernel is read only when it is transmitted.
struct FilePiece {
  std::shared_ptr<const void> owner;
  int fd = -1;
  int64_t position = 0;
  int64_t length = 0;
};

// Built by one thread, then moved into Reply::Send or Connection::Send. Nothing
// is copied but references. Empty pieces are left out.
class OutFrame {
 public:
  using Piece = std::variant<BytesPiece, FilePiece>;

  OutFrame() = default;
  explicit OutFrame(const Bytes& bytes) { Append(bytes); }
  static OutFrame FromString(std::string text) {
    return OutFrame(Bytes::FromString(std::move(text)));
  }
  // Goes out as it is, without the four bytes of length before it (ZooKeeper's
  // four-letter words answer so).
  static OutFrame Raw(const Bytes& bytes) {
    OutFrame frame(bytes);
    frame.has_length_ = false;
    return frame;
  }

  void Append(BytesPiece piece) {
    if (piece.size == 0) return;
    size_ += static_cast<int64_t>(piece.size);
    pieces_.emplace_back(std::move(piece));
  }
  void Append(const Bytes& bytes) {
    for (const BytesPiece& piece : bytes.pieces()) Append(piece);
  }
  void AppendFile(FilePiece piece) {
    if (piece.length <= 0) return;
    size_ += piece.length;
    pieces_.emplace_back(std::move(piece));
  }

  // Of the payload, without the length in front; at most 2^31 - 1 when it has
  // one.
  int64_t size() const { return size_; }
  bool has_length() const { return has_length_; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  std::vector<Piece> TakePieces() && { return std::move(pieces_); }

 private:
  std::vector<Piece> pieces_;
  int64_t size_ = 0;
  bool has_length_ = true;
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_OUT_FRAME_H_
