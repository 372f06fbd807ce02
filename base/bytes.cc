#include "base/bytes.h"

#include <algorithm>
#include <cstring>

namespace sillok {

Bytes Bytes::Sub(size_t position, size_t length) const {
  Bytes result;
  for (const BytesPiece& piece : pieces_) {
    if (length == 0) break;
    if (position >= piece.size) {
      position -= piece.size;
      continue;
    }
    size_t taken = std::min(length, piece.size - position);
    result.Append({piece.data + position, taken, piece.owner});
    position = 0;
    length -= taken;
  }
  return result;
}

void Bytes::CopyTo(size_t position, size_t length, char* out) const {
  for (const BytesPiece& piece : pieces_) {
    if (length == 0) return;
    if (position >= piece.size) {
      position -= piece.size;
      continue;
    }
    size_t taken = std::min(length, piece.size - position);
    std::memcpy(out, piece.data + position, taken);
    out += taken;
    position = 0;
    length -= taken;
  }
}

std::string Bytes::ToString() const {
  std::string text(size_, '\0');
  CopyTo(0, size_, text.data());
  return text;
}

std::string_view Bytes::Flat(std::string* scratch) const {
  if (pieces_.empty()) return {};
  if (pieces_.size() == 1) return pieces_[0].view();
  *scratch = ToString();
  return *scratch;
}

}  // namespace sillok
