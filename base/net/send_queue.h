// What a connection still has to send.
#ifndef SILLOK_BASE_NET_SEND_QUEUE_H_
#define SILLOK_BASE_NET_SEND_QUEUE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <variant>

#include "base/net/out_frame.h"
#include "base/net/transport.h"

namespace sillok::net {

// Owned by a loop thread. Frames go out in the order of Append, byte for byte
// or not at all: any doubt about a file ends in kFileChanged.
class SendQueue {
 public:
  enum class Outcome {
    kEmpty,        // all is sent
    kBlocked,      // the socket takes no more now
    kQuota,        // the quota is used up; the socket may take more
    kCold,         // cold() must be read into the page cache first
    kFileChanged,  // error() says it
    kSocketError,  // errno in error_number()
  };
  struct Sent {
    int64_t bytes = 0;
    int64_t by_sendfile = 0;
  };

  void Append(OutFrame frame);

  // Stops after `quota` bytes, but not inside a chunk of a file (1 MiB).
  // `scratch` is free for use inside the call.
  Outcome Flush(Transport* transport, int64_t quota, char* scratch,
                size_t scratch_size, Sent* sent);

  // What to read before the next Flush, which will not ask for it again.
  FilePiece cold() const;
  void SetWarm() { warm_bytes_ = cold_bytes_; }

  bool empty() const { return items_.empty(); }
  // Of memory pieces not sent yet.
  int64_t memory_bytes() const { return memory_bytes_; }
  const std::string& error() const { return error_; }
  int error_number() const { return error_number_; }

 private:
  struct Length {
    char bytes[4];
  };
  using Item = std::variant<Length, BytesPiece, FilePiece>;

  struct Gathered;
  Outcome Gather(char* scratch, size_t scratch_size, int64_t quota,
                 Gathered* gathered) const;
  Outcome SendMemory(Transport* transport, int64_t quota, char* scratch,
                     size_t scratch_size, Sent* sent);
  Outcome SendFileChunk(Transport* transport, Sent* sent);
  Outcome FileChanged(const FilePiece& piece, const char* what);
  void Consume(int64_t bytes);

  std::deque<Item> items_;
  size_t front_done_ = 0;  // bytes of a memory item in front that are sent
  int64_t memory_bytes_ = 0;
  int64_t warm_bytes_ = 0;  // of the file piece in front: known to be cached
  int64_t cold_bytes_ = 0;
  std::string error_;
  int error_number_ = 0;
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_SEND_QUEUE_H_
