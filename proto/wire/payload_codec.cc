#include "proto/wire/payload_codec.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace sillok {
namespace {

constexpr int kProducePartitionsField = 4;
constexpr int kFetchPartitionsField = 3;

enum WireType { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// Reads forward over the pieces of a message.
class Cursor {
 public:
  explicit Cursor(const Bytes& bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }
  bool AtEnd(size_t end) const { return position_ >= end; }

  bool ReadVarint(size_t end, uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (position_ >= end) return false;
      auto byte = static_cast<uint8_t>(Byte());
      *value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }

  // Moves over `length` bytes; appends them to `copy` when it is not null.
  bool Skip(size_t end, uint64_t length, std::string* copy) {
    if (length > end - position_) return false;
    while (length > 0) {
      const BytesPiece& piece = bytes_.pieces()[piece_];
      size_t here = std::min<uint64_t>(length, piece.size - in_piece_);
      if (copy != nullptr) copy->append(piece.data + in_piece_, here);
      Advance(here);
      length -= here;
    }
    return true;
  }

 private:
  char Byte() {
    char byte = bytes_.pieces()[piece_].data[in_piece_];
    Advance(1);
    return byte;
  }
  void Advance(size_t count) {
    position_ += count;
    in_piece_ += count;
    if (in_piece_ == bytes_.pieces()[piece_].size) {
      ++piece_;
      in_piece_ = 0;
    }
  }

  const Bytes& bytes_;
  size_t position_ = 0;
  size_t piece_ = 0;
  size_t in_piece_ = 0;
};

void PutVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

constexpr uint64_t Tag(int field, WireType type) {
  return (static_cast<uint64_t>(field) << 3) | type;
}

// Moves over the value of one field, copying it.
bool CopyValue(Cursor* cursor, size_t end, uint64_t tag, std::string* out) {
  uint64_t value;
  switch (tag & 7) {
    case kVarint:
      if (!cursor->ReadVarint(end, &value)) return false;
      PutVarint(value, out);
      return true;
    case kFixed64:
      return cursor->Skip(end, 8, out);
    case kFixed32:
      return cursor->Skip(end, 4, out);
    case kLength:
      if (!cursor->ReadVarint(end, &value)) return false;
      PutVarint(value, out);
      return cursor->Skip(end, value, out);
    default:
      return false;  // groups are not used
  }
}

// One partition: everything but the payload goes to `skeleton`.
bool SplitPartition(Cursor* cursor, size_t end, const Bytes& wire,
                    std::string* skeleton, Bytes* payload) {
  uint64_t tag, length;
  while (!cursor->AtEnd(end)) {
    if (!cursor->ReadVarint(end, &tag)) return false;
    if (tag != Tag(kPayloadField, kLength)) {
      PutVarint(tag, skeleton);
      if (!CopyValue(cursor, end, tag, skeleton)) return false;
      continue;
    }
    if (!cursor->ReadVarint(end, &length)) return false;
    size_t position = cursor->position();
    if (!cursor->Skip(end, length, nullptr)) return false;
    *payload = wire.Sub(position, length);  // the last one counts, as always
  }
  return true;
}

bool Split(const Bytes& wire, int partitions_field, std::string* skeleton,
           std::vector<Bytes>* payloads) {
  Cursor cursor(wire);
  uint64_t tag, length;
  std::string partition;
  while (!cursor.AtEnd(wire.size())) {
    if (!cursor.ReadVarint(wire.size(), &tag)) return false;
    PutVarint(tag, skeleton);
    if (tag != Tag(partitions_field, kLength)) {
      if (!CopyValue(&cursor, wire.size(), tag, skeleton)) return false;
      continue;
    }
    if (!cursor.ReadVarint(wire.size(), &length) ||
        length > wire.size() - cursor.position()) {
      return false;
    }
    partition.clear();
    Bytes payload;
    if (!SplitPartition(&cursor, cursor.position() + length, wire, &partition,
                        &payload)) {
      return false;
    }
    PutVarint(partition.size(), skeleton);
    skeleton->append(partition);
    payloads->push_back(std::move(payload));
  }
  return true;
}

template <typename Message>
absl::Status Parse(const Bytes& wire, int partitions_field, const char* what,
                   Message* message, std::vector<Bytes>* payloads) {
  std::string skeleton;
  payloads->clear();
  if (!Split(wire, partitions_field, &skeleton, payloads) ||
      !message->ParseFromString(skeleton) ||
      static_cast<size_t>(message->partitions_size()) != payloads->size()) {
    return absl::InvalidArgumentError(std::string("not a valid ") + what);
  }
  return absl::OkStatus();
}

template <typename Message>
Bytes Serialize(Message message, int partitions_field,
                const std::vector<Bytes>& payloads) {
  // Everything but the partitions is written by the generated code.
  std::decay_t<decltype(message.partitions())> partitions;
  partitions.Swap(message.mutable_partitions());
  std::string head = message.SerializeAsString();
  Bytes wire;
  for (int i = 0; i < partitions.size(); ++i) {
    const auto& partition = partitions[i];
    const Bytes& payload = payloads[i];
    std::string payload_head;
    if (!payload.empty()) {
      PutVarint(Tag(kPayloadField, kLength), &payload_head);
      PutVarint(payload.size(), &payload_head);
    }
    PutVarint(Tag(partitions_field, kLength), &head);
    PutVarint(partition.ByteSizeLong() + payload_head.size() + payload.size(),
              &head);
    partition.AppendToString(&head);
    head += payload_head;
    if (payload.empty()) continue;
    wire.Append(Bytes::FromString(std::exchange(head, {})));
    wire.Append(payload);
  }
  if (!head.empty()) wire.Append(Bytes::FromString(std::move(head)));
  return wire;
}

}  // namespace

absl::Status ParseProduceRequest(const Bytes& wire,
                                 v1::ProduceRequest* message,
                                 std::vector<Bytes>* batches) {
  return Parse(wire, kProducePartitionsField, "ProduceRequest", message,
               batches);
}

absl::Status ParseFetchResponse(const Bytes& wire, v1::FetchResponse* message,
                                std::vector<Bytes>* batches) {
  return Parse(wire, kFetchPartitionsField, "FetchResponse", message, batches);
}

Bytes SerializeProduceRequest(v1::ProduceRequest message,
                              const std::vector<Bytes>& batches) {
  return Serialize(std::move(message), kProducePartitionsField, batches);
}

Bytes SerializeFetchResponse(v1::FetchResponse message,
                             const std::vector<Bytes>& batches) {
  return Serialize(std::move(message), kFetchPartitionsField, batches);
}

}  // namespace sillok
