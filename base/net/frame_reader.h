// Cuts a stream of bytes into frames.
#ifndef SILLOK_BASE_NET_FRAME_READER_H_
#define SILLOK_BASE_NET_FRAME_READER_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sillok::net {

// Pure: says where the next bytes belong and what they make. Small frames are
// copied out of a read-ahead buffer that all connections of a thread share, so
// an idle connection holds none; of a large frame all but what came with its
// length is read straight to its place.
//
//   reader.Target(scratch, ...) -> read into it -> reader.Received(n)
//   -> reader.Next() until kMore, with Begin and TakeFrame as it asks
//   -> reader.LetGo() before somebody else uses the scratch memory.
class FrameReader {
 public:
  enum class Step {
    kMore,       // nothing whole: read on
    kLength,     // length() is known; Begin with memory for it goes on
    kFrame,      // TakeFrame
    kBadLength,  // length() is negative or above the bound: Shorten, or no way on
  };

  explicit FrameReader(int32_t max_frame_bytes) : max_(max_frame_bytes) {}

  // Where to read to, after Next said kMore; `count` of the two are set.
  // `scratch` must stay until LetGo.
  struct ReadTarget {
    iovec parts[2];
    int count = 0;
    size_t size = 0;
  };
  ReadTarget Target(char* scratch, size_t scratch_size);
  void Received(size_t bytes);

  Step Next();
  int32_t length() const { return length_; }
  // After kBadLength: only the first `bytes` of the frame are read, as if it
  // ended there. Nothing behind them makes sense.
  void Shorten(int32_t bytes) { shortened_ = bytes; }
  // `buffer` has room for length() bytes.
  void Begin(std::shared_ptr<char> buffer);
  Bytes TakeFrame();

  // Copies what is unread in the scratch memory to a place of its own.
  void LetGo();

  // Bytes wait that Next has not seen or not used up.
  bool has_unread() const { return !unread_.empty(); }
  // Some, but not all, of a frame is here.
  bool inside_frame() const { return frame_ != nullptr || has_unread(); }

 private:
  int32_t max_;
  std::string kept_;         // what LetGo copied
  std::string_view unread_;  // in the scratch memory or in kept_
  char* scratch_ = nullptr;
  size_t scratch_used_ = 0;  // bytes of unread_ that Target moved there
  bool last_was_large_ = false;

  int32_t length_ = 0;
  int32_t shortened_ = 0;  // 0: no
  std::shared_ptr<char> frame_;
  size_t filled_ = 0;
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_FRAME_READER_H_
