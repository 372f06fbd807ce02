#include "proto/jute/codec.h"

namespace sillok::jute {
namespace {

template <typename Unsigned>
Unsigned LoadBigEndian(std::string_view bytes) {
  Unsigned value = 0;
  for (char byte : bytes) {
    value = static_cast<Unsigned>(value << 8) | static_cast<unsigned char>(byte);
  }
  return value;
}

template <typename Unsigned>
void AppendBigEndian(Unsigned value, std::string* out) {
  char bytes[sizeof(value)];
  for (size_t i = sizeof(value); i-- > 0; value >>= 8) {
    bytes[i] = static_cast<char>(value & 0xff);
  }
  out->append(bytes, sizeof(bytes));
}

}  // namespace

void Decoder::Fail() {
  ok_ = false;
  rest_ = {};
}

std::string_view Decoder::Take(int64_t size) {
  if (size < 0 || static_cast<size_t>(size) > rest_.size()) {
    Fail();
    return {};
  }
  std::string_view taken = rest_.substr(0, static_cast<size_t>(size));
  rest_.remove_prefix(static_cast<size_t>(size));
  return taken;
}

void Decoder::Read(bool& field) {
  std::string_view byte = Take(1);
  field = !byte.empty() && byte[0] != 0;
}

void Decoder::Read(int32_t& field) {
  field = static_cast<int32_t>(LoadBigEndian<uint32_t>(Take(4)));
}

void Decoder::Read(int64_t& field) {
  field = static_cast<int64_t>(LoadBigEndian<uint64_t>(Take(8)));
}

void Decoder::Read(std::string_view& field) {
  Buffer buffer;
  Read(buffer);
  field = buffer.bytes;
}

void Decoder::Read(Buffer& field) {
  int32_t size = 0;
  Read(size);
  field = {};
  if (!ok_) return;
  field.null = size == -1;
  if (!field.null) field.bytes = Take(size);
}

void Encoder::Write(int32_t field) {
  AppendBigEndian(static_cast<uint32_t>(field), &out_);
}

void Encoder::Write(int64_t field) {
  AppendBigEndian(static_cast<uint64_t>(field), &out_);
}

void Encoder::Write(std::string_view field) {
  Write(static_cast<int32_t>(field.size()));
  out_.append(field);
}

void Encoder::Write(const Buffer& field) {
  if (field.null) {
    Write(int32_t{-1});
  } else {
    Write(field.bytes);
  }
}

}  // namespace sillok::jute
