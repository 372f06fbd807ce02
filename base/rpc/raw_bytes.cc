#include "base/rpc/raw_bytes.h"

#include <memory>
#include <utility>
#include <vector>

#include "grpcpp/support/slice.h"

namespace sillok::rpc {
namespace {

constexpr size_t kCopyBelow = 256;

void DropOwner(void* owner) {
  delete static_cast<std::shared_ptr<const void>*>(owner);
}

}  // namespace

Bytes ToBytes(const grpc::ByteBuffer& buffer) {
  // Small slices hold their bytes inside themselves, so the vector is built
  // first and then never moved.
  auto slices = std::make_shared<std::vector<grpc::Slice>>();
  Bytes bytes;
  if (!buffer.Dump(slices.get()).ok()) return bytes;
  for (const grpc::Slice& slice : *slices) {
    bytes.Append({reinterpret_cast<const char*>(slice.begin()), slice.size(),
                  slices});
  }
  return bytes;
}

grpc::ByteBuffer ToByteBuffer(const Bytes& bytes) {
  std::vector<grpc::Slice> slices;
  slices.reserve(bytes.pieces().size());
  for (const BytesPiece& piece : bytes.pieces()) {
    if (piece.size < kCopyBelow) {
      slices.emplace_back(piece.data, piece.size);
    } else if (piece.owner == nullptr) {
      slices.emplace_back(piece.data, piece.size, grpc::Slice::STATIC_SLICE);
    } else {
      slices.emplace_back(const_cast<char*>(piece.data), piece.size, DropOwner,
                          new std::shared_ptr<const void>(piece.owner));
    }
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace sillok::rpc
