#include "proto/record/record_walker.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "proto/record/varint.h"

namespace sillok::record {
namespace {

// Beyond the end of a record that the fast walk takes there must be so many
// bytes, so that its reads of small varints need no check of their own.
constexpr ptrdiff_t kSlack = 8;

// A varint of up to three bytes, which nearly all in a record are. Null when
// it is longer; reads no byte beyond p + 2. Each size has its own way out, so
// that what follows waits for a guess of the size, not for the byte.
inline const char* ReadSmallVarint(const char* p, int32_t* value) {
  const auto byte = [p](int i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(p[i]));
  };
  const auto plain = [](uint32_t raw) {
    return static_cast<int32_t>(raw >> 1) ^ -static_cast<int32_t>(raw & 1);
  };
  uint32_t raw = byte(0);
  if (raw < 0x80) [[likely]] {
    *value = plain(raw);
    return p + 1;
  }
  raw = (raw & 0x7f) | byte(1) << 7;
  if (byte(1) < 0x80) [[likely]] {
    *value = plain(raw);
    return p + 2;
  }
  if (byte(2) >= 0x80) return nullptr;
  *value = plain((raw & 0x3fff) | byte(2) << 14);
  return p + 3;
}

// Over a record's headers; null when they do not fit.
const char* SkipHeaders(const char* p, const char* record_end, int32_t count) {
  for (; count > 0 && p != nullptr; --count) {
    int32_t size = 0;
    p = ReadVarint32(p, record_end, &size);
    if (p == nullptr || size < 0 || size > record_end - p) return nullptr;
    p = ReadVarint32(p + size, record_end, &size);
    if (p == nullptr || size < -1 || size > record_end - p) return nullptr;
    if (size > 0) p += size;
  }
  return p;
}

}  // namespace

RecordWalker::RecordWalker(const BatchHeader& header, const Bytes& batch,
                           const DecompressLimits& limits)
    : header_(header), batch_(batch) {
  if (header.codec() == Codec::kNone) return;
  auto reader = Decompressor::Create(
      header.codec(),
      batch.Sub(kBatchHeaderBytes, batch.size() - kBatchHeaderBytes), limits);
  if (reader.ok()) {
    decompressor_ = *std::move(reader);
  } else {
    status_ = reader.status();
  }
}

bool RecordWalker::Fail(std::string_view what) {
  if (status_.ok()) {
    status_ = ErrorStatus(ErrorCode::INVALID_RECORD,
                          fmt::format("record {} of {}: {}", walked_,
                                      header_.records_count, what));
  }
  return false;
}

// Makes chunk_ non-empty; false at the end of the input or on an error.
bool RecordWalker::Fill() {
  if (!chunk_.empty()) return true;
  if (decompressor_ != nullptr) {
    absl::StatusOr<std::string_view> chunk = decompressor_->Next();
    if (!chunk.ok()) {
      status_ = chunk.status();
      return false;
    }
    chunk_ = *chunk;
    return !chunk_.empty();
  }
  while (chunk_.empty() && next_piece_ < batch_.pieces().size()) {
    chunk_ = batch_.pieces()[next_piece_++].view();
    const size_t skip = std::min(skip_, chunk_.size());
    chunk_.remove_prefix(skip);
    skip_ -= skip;
  }
  return !chunk_.empty();
}

bool RecordWalker::Next(RecordMeta* meta) {
  if (!status_.ok()) return false;
  if (walked_ == header_.records_count) {
    // An empty compressed batch has no stream that could have ended well.
    if (header_.records_count == 0 && batch_.size() == kBatchHeaderBytes) {
      return false;
    }
    if (Fill()) Fail("bytes follow the last record");
    return false;
  }
  if (!Fill()) return Fail("there are fewer records than the header says");
  meta->index = walked_;
  if (!NextInChunk(meta)) {
    if (!status_.ok() || !NextAcrossChunks(meta)) return false;
  }
  ++walked_;
  return true;
}

// The usual case: the whole record is in the chunk. False without an error
// when it is not.
bool RecordWalker::NextInChunk(RecordMeta* meta) {
  const char* p = chunk_.data();
  const char* const end = p + chunk_.size();
  int32_t length = 0;
  p = ReadVarint32(p, end, &length);
  if (p == nullptr || length > end - p) return false;
  if (length < 1) return Fail("its length is not positive");
  const char* const record_end = p + length;
  ++p;  // attributes, all unused
  int32_t size = 0;
  p = ReadVarint64(p, record_end, &meta->timestamp_delta);
  if (p != nullptr) p = ReadVarint32(p, record_end, &meta->offset_delta);
  if (p != nullptr) p = ReadVarint32(p, record_end, &size);
  if (p == nullptr || size < -1 || size > record_end - p) {
    return Fail("its key does not fit");
  }
  meta->has_key = size >= 0;
  if (size > 0) p += size;
  p = ReadVarint32(p, record_end, &size);
  if (p == nullptr || size < -1 || size > record_end - p) {
    return Fail("its value does not fit");
  }
  if (size > 0) p += size;
  int32_t headers = 0;
  p = ReadVarint32(p, record_end, &headers);
  if (p == nullptr || headers < 0) return Fail("its header count is wrong");
  for (; headers > 0; --headers) {
    p = ReadVarint32(p, record_end, &size);
    if (p == nullptr || size < 0 || size > record_end - p) {
      return Fail("a header key does not fit");
    }
    p += size;
    p = ReadVarint32(p, record_end, &size);
    if (p == nullptr || size < -1 || size > record_end - p) {
      return Fail("a header value does not fit");
    }
    if (size > 0) p += size;
  }
  if (p != record_end) return Fail("it is shorter than its length");
  chunk_.remove_prefix(static_cast<size_t>(p - chunk_.data()));
  return true;
}

// Takes the records that lie whole in the chunk and are small enough in every
// field, and stops before the first that is not, or is wrong: Next judges that
// one.
void RecordWalker::SummarizeRun(RecordSummary* summary) {
  const char* const begin = chunk_.data();
  const auto size = static_cast<ptrdiff_t>(chunk_.size());
  // Where the next record begins comes from the length of this one, not from
  // where its fields turn out to end: so the processor has several records at
  // work. A position, not a pointer, or the compiler takes the latter, as the
  // two are equal.
  ptrdiff_t at = 0;
  RecordSummary sum = *summary;
  int32_t index = walked_;
  for (; index < header_.records_count && size - at > kSlack; ++index) {
    int32_t length = 0;
    const char* p = ReadSmallVarint(begin + at, &length);
    if (p == nullptr || length < 1) break;
    const ptrdiff_t record_end = p - begin + length;
    if (record_end > size - kSlack) break;
    const char* const end = begin + record_end;
    int64_t timestamp_delta = 0;
    int32_t small = 0;
    ++p;  // attributes, all unused
    if (const char* after = ReadSmallVarint(p, &small); after != nullptr) {
      p = after;
      timestamp_delta = small;
    } else {
      p = ReadVarint64(p, end, &timestamp_delta);
      if (p == nullptr) break;
    }
    int32_t offset_delta = 0;
    int32_t key_size = 0;
    int32_t value_size = 0;
    int32_t headers = 0;
    p = ReadSmallVarint(p, &offset_delta);
    if (p == nullptr || p > end) break;
    p = ReadSmallVarint(p, &key_size);
    if (p == nullptr || key_size < -1 || key_size > end - p) break;
    p = ReadSmallVarint(p + std::max(key_size, 0), &value_size);
    if (p == nullptr || value_size < -1 || value_size > end - p) break;
    p = ReadSmallVarint(p + std::max(value_size, 0), &headers);
    if (p == nullptr || p > end || headers < 0) break;
    if (headers > 0) [[unlikely]] p = SkipHeaders(p, end, headers);
    if (p != end) break;
    const auto timestamp =
        static_cast<int64_t>(static_cast<uint64_t>(header_.base_timestamp) +
                             static_cast<uint64_t>(timestamp_delta));
    sum.Add(index, offset_delta, timestamp, key_size >= 0);
    at = record_end;
  }
  *summary = sum;
  walked_ = index;
  chunk_.remove_prefix(static_cast<size_t>(at));
}

bool RecordWalker::Summarize(RecordSummary* summary) {
  RecordMeta meta;
  do {
    if (status_.ok() && Fill()) SummarizeRun(summary);
    if (!Next(&meta)) return status_.ok();
    summary->Add(meta.index, meta.offset_delta,
                 static_cast<int64_t>(
                     static_cast<uint64_t>(header_.base_timestamp) +
                     static_cast<uint64_t>(meta.timestamp_delta)),
                 meta.has_key);
  } while (true);
}

bool RecordWalker::GetByte(uint8_t* byte) {
  if (record_left_ <= 0 || !Fill()) return false;
  *byte = static_cast<uint8_t>(chunk_.front());
  chunk_.remove_prefix(1);
  --record_left_;
  return true;
}

bool RecordWalker::GetVarint(int64_t* value) {
  uint64_t raw = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    uint8_t byte = 0;
    if (!GetByte(&byte)) return false;
    raw |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) {
      if (shift == 63 && byte > 1) return false;
      *value = UnZigZag(raw);
      return true;
    }
  }
  return false;
}

bool RecordWalker::GetLength(int64_t* value) {
  return GetVarint(value) && *value >= -1 && *value <= record_left_;
}

bool RecordWalker::Skip(int64_t count) {
  if (count > record_left_) return false;
  record_left_ -= std::max<int64_t>(count, 0);
  while (count > 0) {
    if (!Fill()) return false;
    const size_t step =
        std::min(chunk_.size(), static_cast<size_t>(count));
    chunk_.remove_prefix(step);
    count -= static_cast<int64_t>(step);
  }
  return true;
}

// A record that begins in one chunk and ends in another, byte by byte except
// for the payload.
bool RecordWalker::NextAcrossChunks(RecordMeta* meta) {
  record_left_ = kMaxVarint32Bytes;
  int64_t length = 0;
  if (!GetVarint(&length) || length < 1 ||
      length > std::numeric_limits<int32_t>::max()) {
    return Fail("its length is wrong or cut short");
  }
  record_left_ = length;
  int64_t delta = 0;
  int64_t size = 0;
  if (!Skip(1) || !GetVarint(&meta->timestamp_delta) || !GetVarint(&delta) ||
      delta != static_cast<int32_t>(delta) || !GetLength(&size) ||
      !Skip(size)) {
    return Fail("its key does not fit");
  }
  meta->offset_delta = static_cast<int32_t>(delta);
  meta->has_key = size >= 0;
  if (!GetLength(&size) || !Skip(size)) return Fail("its value does not fit");
  int64_t headers = 0;
  if (!GetVarint(&headers) || headers < 0 ||
      headers > std::numeric_limits<int32_t>::max()) {
    return Fail("its header count is wrong");
  }
  for (; headers > 0; --headers) {
    if (!GetLength(&size) || size < 0 || !Skip(size) || !GetLength(&size) ||
        !Skip(size)) {
      return Fail("a header does not fit");
    }
  }
  if (record_left_ != 0) return Fail("it is shorter than its length");
  return true;
}

}  // namespace sillok::record
