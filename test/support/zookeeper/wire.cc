#include "test/support/zookeeper/wire.h"

#include <algorithm>
#include <map>

namespace sillok::zk {

std::string OpName(int32_t op) {
  static const auto* names = new std::map<int32_t, std::string>{
      {kCreate, "create"},
      {kDelete, "delete"},
      {kExists, "exists"},
      {kGetData, "getData"},
      {kSetData, "setData"},
      {kGetAcl, "getACL"},
      {kSetAcl, "setACL"},
      {kGetChildren, "getChildren"},
      {kSync, "sync"},
      {kPing, "ping"},
      {kGetChildren2, "getChildren2"},
      {kCheck, "check"},
      {kMulti, "multi"},
      {kCreate2, "create2"},
      {kCheckWatches, "checkWatches"},
      {kRemoveWatches, "removeWatches"},
      {kCreateContainer, "createContainer"},
      {kCreateTtl, "createTTL"},
      {kMultiRead, "multiRead"},
      {kAuth, "auth"},
      {kSetWatches, "setWatches"},
      {kGetEphemerals, "getEphemerals"},
      {kGetAllChildrenNumber, "getAllChildrenNumber"},
      {kSetWatches2, "setWatches2"},
      {kAddWatch, "addWatch"},
      {kWhoAmI, "whoAmI"},
      {kCloseSession, "closeSession"}};
  auto it = names->find(op);
  return it == names->end() ? "op " + std::to_string(op) : it->second;
}

Writer& Writer::Int(int32_t value) {
  auto bits = static_cast<uint32_t>(value);
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes_ += static_cast<char>(bits >> shift);
  }
  return *this;
}

Writer& Writer::Long(int64_t value) {
  auto bits = static_cast<uint64_t>(value);
  Int(static_cast<int32_t>(bits >> 32));
  return Int(static_cast<int32_t>(bits));
}

Writer& Writer::Bool(bool value) {
  bytes_ += value ? '\1' : '\0';
  return *this;
}

Writer& Writer::Bytes(const std::optional<std::string>& value) {
  if (!value.has_value()) return Int(-1);
  Int(static_cast<int32_t>(value->size()));
  bytes_ += *value;
  return *this;
}

Writer& Writer::Strings(const std::vector<std::string>& values) {
  Int(static_cast<int32_t>(values.size()));
  for (const std::string& value : values) Bytes(value);
  return *this;
}

Writer& Writer::Acls(const std::optional<std::vector<Acl>>& acls) {
  if (!acls.has_value()) return Int(-1);
  Int(static_cast<int32_t>(acls->size()));
  for (const Acl& acl : *acls) Int(acl.perms).Bytes(acl.scheme).Bytes(acl.id);
  return *this;
}

Writer& Writer::Raw(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

bool Reader::Take(size_t size, std::string_view* bytes) {
  if (!ok_ || rest_.size() < size) {
    ok_ = false;
    rest_ = {};
    return false;
  }
  *bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

int32_t Reader::Int() {
  std::string_view bytes;
  if (!Take(4, &bytes)) return 0;
  uint32_t bits = 0;
  for (char c : bytes) bits = bits << 8 | static_cast<unsigned char>(c);
  return static_cast<int32_t>(bits);
}

int64_t Reader::Long() {
  auto high = static_cast<uint32_t>(Int());
  auto low = static_cast<uint32_t>(Int());
  return static_cast<int64_t>(uint64_t{high} << 32 | low);
}

bool Reader::Bool() {
  std::string_view byte;
  return Take(1, &byte) && byte[0] != '\0';
}

std::optional<std::string> Reader::Bytes() {
  int32_t size = Int();
  if (size == -1) return std::nullopt;
  std::string_view bytes;
  if (size < 0 || !Take(static_cast<size_t>(size), &bytes)) {
    ok_ = false;
    return std::nullopt;
  }
  return std::string(bytes);
}

// Every element takes four bytes at least: a count that cannot be ends here.
int32_t Reader::Count() {
  int32_t count = Int();
  if (count > static_cast<int64_t>(rest_.size() / 4)) ok_ = false;
  return ok_ ? std::max(count, 0) : 0;
}

std::vector<std::string> Reader::Strings() {
  std::vector<std::string> all;
  for (int32_t left = Count(); left > 0 && ok_; --left) all.push_back(String());
  return all;
}

std::vector<Acl> Reader::Acls() {
  std::vector<Acl> all;
  for (int32_t left = Count(); left > 0 && ok_; --left) {
    Acl acl;
    acl.perms = Int();
    acl.scheme = String();
    acl.id = String();
    all.push_back(std::move(acl));
  }
  return all;
}

Stat Reader::ReadStat() {
  Stat stat;
  stat.czxid = Long();
  stat.mzxid = Long();
  stat.ctime = Long();
  stat.mtime = Long();
  stat.version = Int();
  stat.cversion = Int();
  stat.aversion = Int();
  stat.ephemeral_owner = Long();
  stat.data_length = Int();
  stat.num_children = Int();
  stat.pzxid = Long();
  return stat;
}

namespace {

void WriteParts(const Op& op, Writer* out) {
  for (const Op& part : op.parts) {
    out->Int(part.op).Bool(false).Int(-1).Raw(EncodeBody(part));
  }
  out->Int(-1).Bool(true).Int(-1);
}

void WriteSetWatches(const Op& op, Writer* out) {
  out->Long(op.relative_zxid);
  const size_t lists = op.op == kSetWatches ? 3 : 5;
  for (size_t i = 0; i < lists; ++i) {
    out->Strings(i < op.watches.size() ? op.watches[i]
                                       : std::vector<std::string>());
  }
}

void WriteFields(const Op& op, Writer* out) {
  switch (op.op) {
    case kCreate:
    case kCreate2:
    case kCreateContainer:
    case kCreateTtl:
      out->Bytes(op.path).Bytes(op.data).Acls(op.acls).Int(op.flags);
      if (op.op == kCreateTtl) out->Long(op.ttl);
      return;
    case kDelete:
    case kCheck:
      out->Bytes(op.path).Int(op.version);
      return;
    case kExists:
    case kGetData:
    case kGetChildren:
    case kGetChildren2:
      out->Bytes(op.path).Bool(op.watch);
      return;
    case kSetData:
      out->Bytes(op.path).Bytes(op.data).Int(op.version);
      return;
    case kSetAcl:
      out->Bytes(op.path).Acls(op.acls).Int(op.version);
      return;
    case kGetAcl:
    case kSync:
    case kGetEphemerals:
    case kGetAllChildrenNumber:
      out->Bytes(op.path);
      return;
    case kCheckWatches:
    case kRemoveWatches:
    case kAddWatch:
      out->Bytes(op.path).Int(op.mode);
      return;
    case kMulti:
    case kMultiRead:
      WriteParts(op, out);
      return;
    case kAuth:
      out->Int(0).Bytes(op.scheme).Bytes(op.data);
      return;
    case kSetWatches:
    case kSetWatches2:
      WriteSetWatches(op, out);
      return;
    default:
      return;
  }
}

std::string Quoted(const std::optional<std::string>& text) {
  if (!text.has_value()) return "null";
  std::string quoted = "'";
  for (char c : *text) {
    if (c >= ' ' && c < '\x7f') {
      quoted += c;
    } else {
      static constexpr char kHex[] = "0123456789abcdef";
      auto byte = static_cast<unsigned char>(c);
      quoted += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  if (quoted.size() > 60) {
    quoted = quoted.substr(0, 50) + "...(" + std::to_string(text->size()) + ")";
  }
  return quoted + "'";
}

std::string DescribeAcls(const Op& op) {
  if (!op.acls.has_value()) return " acl=null";
  if (op.acls->size() == 1 && (*op.acls)[0].scheme == "world" &&
      (*op.acls)[0].id == "anyone" && (*op.acls)[0].perms == kAllRights) {
    return "";
  }
  std::string text = " acl=[";
  for (const Acl& acl : *op.acls) {
    text += " " + acl.scheme + ":" + Quoted(acl.id) + ":" +
            std::to_string(acl.perms);
  }
  return text + " ]";
}

bool IsCreate(int32_t op) {
  return op == kCreate || op == kCreate2 || op == kCreateContainer ||
         op == kCreateTtl;
}

}  // namespace

std::string EncodeBody(const Op& op) {
  Writer out;
  WriteFields(op, &out);
  std::string bytes = out.bytes();
  bytes.resize(bytes.size() -
               std::min(bytes.size(), static_cast<size_t>(op.cut)));
  return bytes;
}

std::string EncodeRequest(int32_t xid, const Op& op) {
  return Writer().Int(xid).Int(op.op).Raw(EncodeBody(op)).bytes();
}

std::string Describe(const Op& op) {
  std::string text = OpName(op.op);
  if (op.op == kAuth) return text + " " + op.scheme + " " + Quoted(op.data);
  if (op.op == kMulti || op.op == kMultiRead) {
    text += " {";
    for (const Op& part : op.parts) text += " " + Describe(part) + ";";
    text += " }";
  } else if (op.op == kSetWatches || op.op == kSetWatches2) {
    text += " since " + std::to_string(op.relative_zxid);
    for (const auto& list : op.watches) {
      text += " [";
      for (const std::string& path : list) text += " " + Quoted(path);
      text += " ]";
    }
  } else {
    text += " " + Quoted(op.path);
  }
  if (IsCreate(op.op)) {
    text += " " + Quoted(op.data) + " flags=" + std::to_string(op.flags) +
            DescribeAcls(op);
  }
  if (op.op == kCreateTtl) text += " ttl=" + std::to_string(op.ttl);
  if (op.op == kSetData) text += " " + Quoted(op.data);
  if (op.op == kSetAcl) text += DescribeAcls(op);
  if (op.op == kSetData || op.op == kDelete || op.op == kCheck ||
      op.op == kSetAcl) {
    text += " version=" + std::to_string(op.version);
  }
  if (op.watch) text += " watch";
  if (op.op == kAddWatch || op.op == kRemoveWatches || op.op == kCheckWatches) {
    text += " mode=" + std::to_string(op.mode);
  }
  if (op.cut > 0) text += " cut=" + std::to_string(op.cut);
  return text;
}

std::string Encode(const ConnectRequest& request) {
  return Writer()
      .Int(0)
      .Long(request.last_zxid_seen)
      .Int(request.timeout_ms)
      .Long(request.session_id)
      .Bytes(request.password)
      .Bool(request.read_only)
      .bytes();
}

std::optional<ConnectResponse> DecodeConnectResponse(std::string_view frame) {
  Reader reader(frame);
  reader.Int();
  ConnectResponse response;
  response.timeout_ms = reader.Int();
  response.session_id = reader.Long();
  response.password = reader.String();
  response.read_only = reader.Bool();
  if (!reader.ok() || !reader.done()) return std::nullopt;
  return response;
}

ReplyHeader ReadReplyHeader(Reader* reader) {
  ReplyHeader header;
  header.xid = reader->Int();
  header.zxid = reader->Long();
  header.error = reader->Int();
  return header;
}

}  // namespace sillok::zk
