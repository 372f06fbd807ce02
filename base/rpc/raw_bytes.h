// gRPC messages as raw bytes, without copies: ByteBuffer <-> Bytes.
#ifndef SILLOK_BASE_RPC_RAW_BYTES_H_
#define SILLOK_BASE_RPC_RAW_BYTES_H_

#include "base/bytes.h"
#include "grpcpp/support/byte_buffer.h"

namespace sillok::rpc {

// Shares the buffer's slices: the result keeps them alive. Empty on a buffer
// that cannot be read (a broken compressed message).
Bytes ToBytes(const grpc::ByteBuffer& buffer);

// Pieces become slices that hold their owners until gRPC has written them;
// pieces under 256 bytes are copied, which is cheaper.
grpc::ByteBuffer ToByteBuffer(const Bytes& bytes);

}  // namespace sillok::rpc

#endif  // SILLOK_BASE_RPC_RAW_BYTES_H_
