#include "base/net/send_queue.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fmt/format.h"

namespace sillok::net {
namespace {

constexpr int kMaxParts = 64;
// Below it, a pread into the gather is cheaper than a system call of its own.
constexpr int64_t kSmallFile = 8 << 10;
// What one sendfile moves, with what little would be left after it.
constexpr int64_t kFileChunk = 1 << 20;
constexpr int64_t kFileRest = 64 << 10;
// What the kernel reads ahead: within it, the last page speaks for all.
constexpr int64_t kReadAhead = 128 << 10;
// What a helper thread reads ahead of it.
constexpr int64_t kColdChunk = kFileChunk + kFileRest;

bool IsSocketError(int error) {
  switch (error) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ETIMEDOUT:
    case ENOTCONN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
      return true;
    default:
      return false;
  }
}

enum class ReadOutcome { kRead, kCold, kEnd, kError };

// Reads all of [position, position + length). Without `may_wait` only from the
// page cache; file systems that cannot say what is there are taken to have it.
ReadOutcome ReadFile(int fd, int64_t position, size_t length, char* out,
                     bool may_wait) {
  size_t done = 0;
  while (done < length) {
    iovec part = {out + done, length - done};
    off_t offset = position + static_cast<int64_t>(done);
    ssize_t n = preadv2(fd, &part, 1, offset, may_wait ? 0 : RWF_NOWAIT);
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (n == 0) {
      return ReadOutcome::kEnd;
    } else if (errno == EAGAIN) {
      return ReadOutcome::kCold;
    } else if (errno == EOPNOTSUPP && !may_wait) {
      may_wait = true;
    } else if (errno != EINTR) {
      return ReadOutcome::kError;
    }
  }
  return ReadOutcome::kRead;
}

// Whether [position, position + length) can be sent without waiting for a disk,
// judged by its ends.
ReadOutcome Probe(const FilePiece& piece, int64_t length) {
  char byte;
  if (length > kReadAhead) {
    ReadOutcome first = ReadFile(piece.fd, piece.position, 1, &byte, false);
    if (first != ReadOutcome::kRead) return first;
  }
  return ReadFile(piece.fd, piece.position + length - 1, 1, &byte, false);
}

}  // namespace

struct SendQueue::Gathered {
  iovec parts[kMaxParts];
  int count = 0;
  int64_t bytes = 0;
  bool more = false;  // what follows goes out with this turn, too
};

void SendQueue::Append(OutFrame frame) {
  if (frame.has_length()) {
    auto size = static_cast<uint32_t>(frame.size());
    Length length;
    for (int i = 0; i < 4; ++i) {
      length.bytes[i] = static_cast<char>(size >> (24 - 8 * i));
    }
    memory_bytes_ += sizeof(length.bytes);
    items_.emplace_back(length);
  }
  for (OutFrame::Piece& piece : std::move(frame).TakePieces()) {
    if (auto* memory = std::get_if<BytesPiece>(&piece)) {
      memory_bytes_ += static_cast<int64_t>(memory->size);
      items_.emplace_back(std::move(*memory));
    } else {
      items_.emplace_back(std::move(std::get<FilePiece>(piece)));
    }
  }
}

SendQueue::Outcome SendQueue::Flush(Transport* transport, int64_t quota,
                                    char* scratch, size_t scratch_size,
                                    Sent* sent) {
  int64_t limit = sent->bytes + quota;
  while (!items_.empty()) {
    int64_t rest = limit - sent->bytes;
    if (rest <= 0) return Outcome::kQuota;
    const auto* file = std::get_if<FilePiece>(&items_.front());
    Outcome outcome =
        file != nullptr && file->length > kSmallFile
            ? SendFileChunk(transport, sent)
            : SendMemory(transport, rest, scratch, scratch_size, sent);
    if (outcome != Outcome::kEmpty) return outcome;
  }
  return Outcome::kEmpty;
}

// Collects what one sendmsg can take: memory, and small files by way of
// `scratch`. kEmpty: go on with what was gathered.
SendQueue::Outcome SendQueue::Gather(char* scratch, size_t scratch_size,
                                     int64_t quota, Gathered* gathered) const {
  size_t skip = front_done_;
  size_t scratch_used = 0;
  auto add = [&](const char* data, size_t size) {
    size_t taken = std::min(size, static_cast<size_t>(quota - gathered->bytes));
    gathered->parts[gathered->count++] = {const_cast<char*>(data), taken};
    gathered->bytes += static_cast<int64_t>(taken);
  };
  for (const Item& item : items_) {
    if (gathered->count == kMaxParts || gathered->bytes >= quota) {
      gathered->more = true;
      break;
    }
    if (const auto* length = std::get_if<Length>(&item)) {
      add(length->bytes + skip, sizeof(length->bytes) - skip);
    } else if (const auto* memory = std::get_if<BytesPiece>(&item)) {
      add(memory->data + skip, memory->size - skip);
    } else {
      const FilePiece& file = std::get<FilePiece>(item);
      auto size = static_cast<size_t>(file.length);
      if (file.length > kSmallFile || size > scratch_size - scratch_used) {
        gathered->more = true;
        break;
      }
      bool in_front = &item == &items_.front();
      ReadOutcome read =
          ReadFile(file.fd, file.position, size, scratch + scratch_used,
                   in_front && warm_bytes_ >= file.length);
      if (read != ReadOutcome::kRead) {
        // What is before it may go; then it will be in front.
        gathered->more = read == ReadOutcome::kCold;
        if (!in_front) break;
        if (read == ReadOutcome::kCold) return Outcome::kCold;
        return Outcome::kFileChanged;
      }
      add(scratch + scratch_used, size);
      scratch_used += size;
    }
    skip = 0;
  }
  return Outcome::kEmpty;
}

SendQueue::Outcome SendQueue::SendMemory(Transport* transport, int64_t quota,
                                         char* scratch, size_t scratch_size,
                                         Sent* sent) {
  Gathered gathered;
  Outcome outcome = Gather(scratch, scratch_size, quota, &gathered);
  if (outcome == Outcome::kCold) {
    cold_bytes_ = std::get<FilePiece>(items_.front()).length;
    return outcome;
  }
  if (outcome == Outcome::kFileChanged) {
    return FileChanged(std::get<FilePiece>(items_.front()), "read");
  }
  ssize_t n = transport->Write(gathered.parts, gathered.count, gathered.more);
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Outcome::kBlocked;
    error_number_ = errno;
    return Outcome::kSocketError;
  }
  sent->bytes += n;
  Consume(n);
  return n < gathered.bytes ? Outcome::kBlocked : Outcome::kEmpty;
}

SendQueue::Outcome SendQueue::SendFileChunk(Transport* transport,
                                            Sent* sent) {
  const FilePiece& piece = std::get<FilePiece>(items_.front());
  int64_t chunk =
      piece.length <= kFileChunk + kFileRest ? piece.length : kFileChunk;
  if (warm_bytes_ > 0) {
    chunk = std::min(chunk, warm_bytes_);
  } else {
    ReadOutcome probe = Probe(piece, chunk);
    if (probe == ReadOutcome::kCold) {
      cold_bytes_ = std::min(piece.length, kColdChunk);
      return Outcome::kCold;
    }
    if (probe != ReadOutcome::kRead) return FileChanged(piece, "probe");
    warm_bytes_ = chunk;
  }
  ssize_t n =
      transport->SendFile(piece.fd, piece.position, static_cast<size_t>(chunk));
  if (n == 0) return FileChanged(piece, "sendfile");
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Outcome::kBlocked;
    if (!IsSocketError(errno)) return FileChanged(piece, strerror(errno));
    error_number_ = errno;
    return Outcome::kSocketError;
  }
  sent->bytes += n;
  sent->by_sendfile += n;
  Consume(n);
  return Outcome::kEmpty;
}

SendQueue::Outcome SendQueue::FileChanged(const FilePiece& piece,
                                          const char* what) {
  error_ = fmt::format("fd {} has not {} bytes at {} ({})", piece.fd,
                       piece.length, piece.position, what);
  return Outcome::kFileChanged;
}

FilePiece SendQueue::cold() const {
  FilePiece piece = std::get<FilePiece>(items_.front());
  piece.length = cold_bytes_;
  return piece;
}

void SendQueue::Consume(int64_t bytes) {
  while (bytes > 0) {
    Item& item = items_.front();
    if (auto* file = std::get_if<FilePiece>(&item)) {
      int64_t taken = std::min(bytes, file->length);
      file->position += taken;
      file->length -= taken;
      warm_bytes_ = std::max<int64_t>(0, warm_bytes_ - taken);
      bytes -= taken;
      if (file->length > 0) return;
      warm_bytes_ = 0;
    } else {
      auto* memory = std::get_if<BytesPiece>(&item);
      size_t size = memory != nullptr ? memory->size : sizeof(Length::bytes);
      size_t taken = std::min(static_cast<size_t>(bytes), size - front_done_);
      front_done_ += taken;
      memory_bytes_ -= static_cast<int64_t>(taken);
      bytes -= static_cast<int64_t>(taken);
      if (front_done_ < size) return;
      front_done_ = 0;
    }
    items_.pop_front();
  }
}

}  // namespace sillok::net
