// ZooKeeper's encoding ("jute"): big-endian integers, counted strings, buffers
// and vectors, records that are their fields in order.
//
// A record names its fields once, in a static template `Fields(codec, record)`;
// the Decoder and the Encoder here go through it. Strings and buffers are views:
// a decoded record is valid while the frame is.
//
// Null and empty: a length of -1 is null. Clients write one for the other, so a
// null string or vector is read as an empty one; a Buffer keeps the difference,
// because a znode does.
#ifndef SILLOK_PROTO_JUTE_CODEC_H_
#define SILLOK_PROTO_JUTE_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace sillok::jute {

struct Buffer {
  std::string_view bytes;
  bool null = false;
  friend bool operator==(const Buffer&, const Buffer&) = default;
};

// Reads fields from the front of `bytes`. After the first one that is malformed
// everything reads as zero or empty, and ok() is false. No memory is reserved
// that the bytes at hand do not account for.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  std::string_view rest() const { return rest_; }

  template <typename... T>
  void operator()(T&... fields) {
    (Read(fields), ...);
  }

 private:
  void Read(bool& field);
  void Read(int32_t& field);
  void Read(int64_t& field);
  void Read(std::string_view& field);
  void Read(Buffer& field);
  template <typename T>
  void Read(std::vector<T>& field) {
    field.clear();
    int32_t count = 0;
    Read(count);
    // Each element has at least a length or an integer.
    if (count < -1 || (count > 0 && rest_.size() / 4 <
                                        static_cast<size_t>(count))) {
      return Fail();
    }
    if (count <= 0) return;
    field.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count && ok_; ++i) Read(field.emplace_back());
  }
  template <typename Record>
    requires std::is_class_v<Record>
  void Read(Record& record) {
    Record::Fields(*this, record);
  }

  // A view of `size` bytes, or of none when there are not so many.
  std::string_view Take(int64_t size);
  void Fail();

  std::string_view rest_;
  bool ok_ = true;
};

// Appends fields to `out`.
class Encoder {
 public:
  explicit Encoder(std::string* out) : out_(*out) {}

  template <typename... T>
  void operator()(const T&... fields) {
    (Write(fields), ...);
  }

 private:
  void Write(bool field) { out_.push_back(field ? 1 : 0); }
  void Write(int32_t field);
  void Write(int64_t field);
  void Write(std::string_view field);
  void Write(const std::string& field) { Write(std::string_view(field)); }
  void Write(const Buffer& field);
  template <typename T>
  void Write(const std::vector<T>& field) {
    Write(static_cast<int32_t>(field.size()));
    for (const T& element : field) Write(element);
  }
  template <typename Record>
    requires std::is_class_v<Record>
  void Write(const Record& record) {
    Record::Fields(*this, record);
  }

  std::string& out_;
};

// Decodes one record; trailing bytes are left alone, as ZooKeeper does. False
// when it is malformed.
template <typename Record>
bool Decode(std::string_view bytes, Record* record) {
  Decoder decoder(bytes);
  decoder(*record);
  return decoder.ok();
}

template <typename... T>
std::string Encode(const T&... fields) {
  std::string out;
  Encoder encoder(&out);
  encoder(fields...);
  return out;
}

}  // namespace sillok::jute

#endif  // SILLOK_PROTO_JUTE_CODEC_H_
