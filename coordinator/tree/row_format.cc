#include "coordinator/tree/row_format.h"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sillok {
namespace {

constexpr char kFormat = 1;
// A znode that has more than a plain one.
constexpr char kFullNodeFormat = 2;
// What of a znode is as it was created is left out. Others are only read.
constexpr char kShortNodeFormat = 3;
// In a short row: which fields follow.
constexpr uint64_t kMzxidMark = 1;
constexpr uint64_t kPzxidMark = 2;
constexpr uint64_t kMtimeMark = 4;
constexpr uint64_t kVersionMark = 8;
constexpr uint64_t kCreatesMark = 16;
constexpr uint64_t kChildrenMark = 32;
constexpr uint64_t kOwnerMark = 64;
constexpr uint64_t kFullMark = 128;
constexpr size_t kChecksumBytes = 8;
constexpr uint64_t kContainerFlag = 1;
constexpr uint64_t kNullDataFlag = 2;

void PutFixed64(uint64_t value, char* out) {
  for (int i = 0; i < 8; ++i) {
    out[i] = static_cast<char>(value >> (8 * i));
  }
}

uint64_t GetFixed64(const char* in) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) {
    value |= uint64_t{static_cast<unsigned char>(in[i])} << (8 * i);
  }
  return value;
}

void PutVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^
         static_cast<uint64_t>(value >> 63);
}

int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

// Takes fields off the front of a row; once one is missing, ok() is false and
// the rest read as 0.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool ok() const { return ok_; }
  std::string_view rest() const { return text_; }
  std::string_view Text() {
    const uint64_t size = Varint();
    if (size > text_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view text = text_.substr(0, size);
    text_.remove_prefix(size);
    return text;
  }

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (text_.empty()) break;
      const auto byte = static_cast<unsigned char>(text_[0]);
      text_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  int64_t Signed() { return UnZigZag(Varint()); }

 private:
  std::string_view text_;
  bool ok_ = true;
};

uint64_t Checksum(std::string_view key, std::string_view body) {
  const uint64_t seed = XXH3_64bits(key.data(), key.size());
  return XXH3_64bits_withSeed(body.data(), body.size(), seed);
}

// Room for the checksum, then the format byte.
std::string BeginRow(size_t expected_bytes, char format = kFormat) {
  std::string row;
  row.reserve(kChecksumBytes + 1 + expected_bytes);
  row.assign(kChecksumBytes, '\0');
  row.push_back(format);
  return row;
}

void FinishRow(std::string_view key, std::string* row) {
  PutFixed64(Checksum(key, std::string_view(*row).substr(kChecksumBytes)),
             row->data());
}

absl::Status Damaged(std::string_view key, const char* what) {
  return absl::DataLossError("row " + DescribeKey(key) + ": " + what);
}

absl::StatusOr<Reader> OpenRow(std::string_view key, std::string_view value,
                               char last_format = kFormat) {
  if (absl::Status status = VerifyRow(key, value); !status.ok()) return status;
  if (value[kChecksumBytes] < kFormat || value[kChecksumBytes] > last_format) {
    return Damaged(key, "unknown format (written by a later version?)");
  }
  return Reader(value.substr(kChecksumBytes + 1));
}

}  // namespace

std::string EnsembleKey() { return std::string(1, kEnsembleRow); }

std::string MetaKey() { return std::string(1, kMetaRow); }

std::string NodeKey(std::string_view path) {
  std::string key;
  key.reserve(path.size() + 1);
  key.push_back(kNodeRow);
  key.append(path);
  return key;
}

std::string SessionKey(SessionId id) {
  std::string key(9, kSessionRow);
  for (int i = 0; i < 8; ++i) {
    key[1 + i] = static_cast<char>(id.value() >> (8 * (7 - i)));
  }
  return key;
}

absl::StatusOr<SessionId> DecodeSessionKey(std::string_view key) {
  if (key.size() != 9 || key[0] != kSessionRow) {
    return Damaged(key, "not the key of a session");
  }
  uint64_t id = 0;
  for (int i = 1; i <= 8; ++i) {
    id = (id << 8) | static_cast<unsigned char>(key[i]);
  }
  return SessionId(id);
}

std::string EncodeEnsemble(const EnsembleFields& fields) {
  std::string row = BeginRow(10 + fields.members.size());
  PutVarint(fields.version, &row);
  row.append(fields.members);
  FinishRow(EnsembleKey(), &row);
  return row;
}

std::string EncodeMeta(const MetaFields& fields) {
  std::string row = BeginRow(40);
  PutVarint(fields.applied, &row);
  PutVarint(fields.znodes, &row);
  PutVarint(fields.sessions, &row);
  PutVarint(fields.digest, &row);
  FinishRow(MetaKey(), &row);
  return row;
}

namespace {

uint64_t MarksOf(const NodeFields& fields) {
  return (fields.mzxid != fields.czxid ? kMzxidMark : 0) |
         (fields.pzxid != fields.czxid ? kPzxidMark : 0) |
         (fields.mtime_ms != fields.ctime_ms ? kMtimeMark : 0) |
         (fields.version != 0 ? kVersionMark : 0) |
         (fields.creates != 0 ? kCreatesMark : 0) |
         (fields.num_children != 0 ? kChildrenMark : 0) |
         (fields.ephemeral_owner != 0 ? kOwnerMark : 0) |
         (fields.plain() ? 0 : kFullMark);
}

void PutFullFields(const NodeFields& fields, std::string* row) {
  PutVarint((fields.container ? kContainerFlag : 0) |
                (fields.null_data ? kNullDataFlag : 0),
            row);
  PutVarint(ZigZag(fields.ttl_ms), row);
  PutVarint(ZigZag(fields.aversion), row);
  PutVarint(fields.acl.size(), row);
  row->append(fields.acl);
}

// False if there are flags of a later version.
bool ReadFullFields(Reader* reader, NodeFields* fields) {
  const uint64_t flags = reader->Varint();
  fields->container = (flags & kContainerFlag) != 0;
  fields->null_data = (flags & kNullDataFlag) != 0;
  fields->ttl_ms = reader->Signed();
  fields->aversion = static_cast<int32_t>(reader->Signed());
  fields->acl = reader->Text();
  return flags <= (kContainerFlag | kNullDataFlag);
}

// Formats 1 and 2.
bool ReadLongNode(bool full, Reader* reader, NodeFields* fields) {
  fields->czxid = reader->Varint();
  fields->mzxid = reader->Varint();
  fields->pzxid = reader->Varint();
  fields->ctime_ms = reader->Signed();
  fields->mtime_ms = reader->Signed();
  fields->version = static_cast<int32_t>(reader->Signed());
  fields->creates = reader->Signed();
  fields->num_children = reader->Varint();
  fields->ephemeral_owner = reader->Varint();
  return !full || ReadFullFields(reader, fields);
}

// Sums and differences of 64 bits wrap, as those of the writer did.
bool ReadShortNode(Reader* reader, NodeFields* fields) {
  const uint64_t marks = reader->Varint();
  fields->czxid = reader->Varint();
  fields->ctime_ms = reader->Signed();
  fields->mzxid = fields->pzxid = fields->czxid;
  fields->mtime_ms = fields->ctime_ms;
  if (marks & kMzxidMark) fields->mzxid += reader->Varint();
  if (marks & kPzxidMark) fields->pzxid += reader->Varint();
  if (marks & kMtimeMark) {
    fields->mtime_ms =
        static_cast<int64_t>(static_cast<uint64_t>(fields->ctime_ms) +
                             static_cast<uint64_t>(reader->Signed()));
  }
  if (marks & kVersionMark) {
    fields->version = static_cast<int32_t>(reader->Signed());
  }
  if (marks & kCreatesMark) fields->creates = reader->Signed();
  if (marks & kChildrenMark) fields->num_children = reader->Varint();
  if (marks & kOwnerMark) fields->ephemeral_owner = reader->Varint();
  if (marks >= 2 * kFullMark) return false;
  return (marks & kFullMark) == 0 || ReadFullFields(reader, fields);
}

}  // namespace

std::string EncodeNode(std::string_view key, const NodeFields& fields) {
  const uint64_t marks = MarksOf(fields);
  std::string row = BeginRow(
      (marks == 0 ? 16 : 64) + fields.acl.size() + fields.data.size(),
      kShortNodeFormat);
  PutVarint(marks, &row);
  PutVarint(fields.czxid, &row);
  PutVarint(ZigZag(fields.ctime_ms), &row);
  if (marks & kMzxidMark) PutVarint(fields.mzxid - fields.czxid, &row);
  if (marks & kPzxidMark) PutVarint(fields.pzxid - fields.czxid, &row);
  if (marks & kMtimeMark) {
    PutVarint(ZigZag(static_cast<int64_t>(
                  static_cast<uint64_t>(fields.mtime_ms) -
                  static_cast<uint64_t>(fields.ctime_ms))),
              &row);
  }
  if (marks & kVersionMark) PutVarint(ZigZag(fields.version), &row);
  if (marks & kCreatesMark) PutVarint(ZigZag(fields.creates), &row);
  if (marks & kChildrenMark) PutVarint(fields.num_children, &row);
  if (marks & kOwnerMark) PutVarint(fields.ephemeral_owner, &row);
  if (marks & kFullMark) PutFullFields(fields, &row);
  row.append(fields.data);
  FinishRow(key, &row);
  return row;
}

std::string EncodeSession(std::string_view key, const SessionFields& fields) {
  std::string row = BeginRow(10 + fields.password.size());
  PutVarint(ZigZag(fields.timeout_ms), &row);
  row.append(fields.password);
  FinishRow(key, &row);
  return row;
}

absl::StatusOr<EnsembleFields> DecodeEnsemble(std::string_view value) {
  const std::string key = EnsembleKey();
  absl::StatusOr<Reader> reader = OpenRow(key, value);
  if (!reader.ok()) return reader.status();
  EnsembleFields fields;
  fields.version = reader->Varint();
  if (!reader->ok()) return Damaged(key, "too short");
  fields.members = reader->rest();
  return fields;
}

absl::StatusOr<MetaFields> DecodeMeta(std::string_view value) {
  const std::string key = MetaKey();
  absl::StatusOr<Reader> reader = OpenRow(key, value);
  if (!reader.ok()) return reader.status();
  MetaFields fields;
  fields.applied = reader->Varint();
  fields.znodes = reader->Varint();
  fields.sessions = reader->Varint();
  fields.digest = reader->Varint();
  if (!reader->ok()) return Damaged(key, "too short");
  return fields;
}

absl::StatusOr<NodeFields> DecodeNode(std::string_view key,
                                      std::string_view value) {
  absl::StatusOr<Reader> reader = OpenRow(key, value, kShortNodeFormat);
  if (!reader.ok()) return reader.status();
  NodeFields fields;
  const char format = value[kChecksumBytes];
  const bool known =
      format == kShortNodeFormat
          ? ReadShortNode(&*reader, &fields)
          : ReadLongNode(format == kFullNodeFormat, &*reader, &fields);
  if (!reader->ok()) return Damaged(key, "too short");
  if (!known) {
    return Damaged(key, "unknown flags (written by a later version?)");
  }
  fields.data = reader->rest();
  return fields;
}

absl::StatusOr<SessionFields> DecodeSession(std::string_view key,
                                            std::string_view value) {
  absl::StatusOr<Reader> reader = OpenRow(key, value);
  if (!reader.ok()) return reader.status();
  SessionFields fields;
  fields.timeout_ms = reader->Signed();
  if (!reader->ok()) return Damaged(key, "too short");
  fields.password = reader->rest();
  return fields;
}

absl::Status VerifyRow(std::string_view key, std::string_view value) {
  if (value.size() <= kChecksumBytes) return Damaged(key, "too short");
  if (GetFixed64(value.data()) !=
      Checksum(key, value.substr(kChecksumBytes))) {
    return Damaged(key, "checksum does not match");
  }
  return absl::OkStatus();
}

std::string DescribeKey(std::string_view key) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text.push_back(c);
    } else {
      text += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return "'" + text + "'";
}

uint64_t NodeDigest(std::string_view path, const NodeFields& fields) {
  const uint64_t words[] = {
      fields.czxid,
      fields.mzxid,
      fields.pzxid,
      static_cast<uint64_t>(fields.ctime_ms),
      static_cast<uint64_t>(fields.mtime_ms),
      static_cast<uint64_t>(fields.version),
      static_cast<uint64_t>(fields.creates),
      fields.num_children,
      fields.ephemeral_owner,
      fields.data.size(),
  };
  const uint64_t digest = XXH3_64bits_withSeed(
      words, sizeof(words), XXH3_64bits(path.data(), path.size()));
  if (fields.plain()) return digest;
  const uint64_t more[] = {
      static_cast<uint64_t>(fields.container),
      static_cast<uint64_t>(fields.null_data),
      static_cast<uint64_t>(fields.ttl_ms),
      static_cast<uint64_t>(fields.aversion),
      XXH3_64bits(fields.acl.data(), fields.acl.size()),
  };
  return XXH3_64bits_withSeed(more, sizeof(more), digest);
}

uint64_t SessionDigest(SessionId id, const SessionFields& fields) {
  const uint64_t words[] = {id.value(),
                            static_cast<uint64_t>(fields.timeout_ms)};
  return XXH3_64bits_withSeed(
      words, sizeof(words),
      XXH3_64bits(fields.password.data(), fields.password.size()));
}

}  // namespace sillok
