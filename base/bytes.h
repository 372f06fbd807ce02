// Payload that travels without being copied: a list of pieces of memory, each
// kept alive by whoever owns it (a gRPC slice, a read buffer, a string).
#ifndef SILLOK_BASE_BYTES_H_
#define SILLOK_BASE_BYTES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sillok {

struct BytesPiece {
  const char* data = nullptr;
  size_t size = 0;
  std::shared_ptr<const void> owner;  // keeps `data` valid; null = static memory

  std::string_view view() const { return {data, size}; }
};

// A byte string in pieces. Copying copies references, never payload. Immutable
// payload; may be shared between threads once built.
class Bytes {
 public:
  Bytes() = default;
  // Takes over `text` as the one piece.
  static Bytes FromString(std::string text) {
    auto owner = std::make_shared<const std::string>(std::move(text));
    Bytes bytes;
    bytes.Append({owner->data(), owner->size(), owner});
    return bytes;
  }

  void Append(BytesPiece piece) {
    if (piece.size == 0) return;
    size_ += piece.size;
    pieces_.push_back(std::move(piece));
  }
  void Append(const Bytes& other) {
    for (const BytesPiece& piece : other.pieces_) Append(piece);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::vector<BytesPiece>& pieces() const { return pieces_; }

  // The part [position, position+length), sharing the owners. The range must
  // lie inside.
  Bytes Sub(size_t position, size_t length) const;
  // Copies `length` bytes from `position` to `out`; the range must lie inside.
  void CopyTo(size_t position, size_t length, char* out) const;
  std::string ToString() const;
  // The whole as one view: free when there is one piece, else it is flattened
  // into `scratch`.
  std::string_view Flat(std::string* scratch) const;

 private:
  std::vector<BytesPiece> pieces_;
  size_t size_ = 0;
};

}  // namespace sillok

#endif  // SILLOK_BASE_BYTES_H_
