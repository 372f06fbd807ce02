#include "coordinator/zookeeper/request_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

namespace sillok::coord {
namespace {

using jute::Op;

constexpr Refusal kMalformed = {v1::MARSHALLING_ERROR, false};
constexpr Refusal kUnknown = {v1::UNIMPLEMENTED, true};

// How many bytes the well-formed character at the front of `text` has; 0 when
// it is not well-formed (overlong, a surrogate, above U+10FFFF, cut off).
size_t CharacterBytes(std::string_view text) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = at(0);
  if (first < 0x80) return 1;
  size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  bool bad = (first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f) ||
             (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f);
  return bad ? 0 : size;
}

// --- operations that a multi may hold as well ---

void FillAcl(const std::vector<jute::Acl>& from,
             google::protobuf::RepeatedPtrField<v1::Acl>* to) {
  for (const jute::Acl& entry : from) {
    v1::Acl* acl = to->Add();
    acl->set_permissions(static_cast<uint32_t>(entry.permissions));
    acl->set_scheme(MendUtf8(entry.scheme));
    acl->set_id(MendUtf8(entry.id));
  }
}

bool ReadCreate(Op op, jute::Decoder& decoder, v1::CreateOp* create) {
  jute::CreateTtlRequest record;
  decoder(record.create);
  if (op == Op::kCreateTtl) decoder(record.ttl_ms);
  if (!decoder.ok()) return false;
  create->set_path(MendUtf8(record.create.path));
  create->set_data(record.create.data.bytes.data(),
                   record.create.data.bytes.size());
  create->set_null_data(record.create.data.null);
  // Unknown numbers are for the tree to refuse, in their place of the order.
  create->set_mode(static_cast<v1::CreateMode>(record.create.flags));
  FillAcl(record.create.acl, create->mutable_acl());
  create->set_acl_required(true);
  create->set_ttl_ms(record.ttl_ms);
  return true;
}

bool ReadWrite(Op op, jute::Decoder& decoder, v1::WriteOp* write) {
  switch (op) {
    case Op::kDelete:
    case Op::kCheck: {
      jute::PathVersion record;
      decoder(record);
      auto fill = [&](auto* to) {
        to->set_path(MendUtf8(record.path));
        to->set_version(record.version);
      };
      if (op == Op::kDelete) {
        fill(write->mutable_delete_());
      } else {
        fill(write->mutable_check());
      }
      return decoder.ok();
    }
    case Op::kSetData: {
      jute::SetDataRequest record;
      decoder(record);
      v1::SetDataOp* set = write->mutable_set_data();
      set->set_path(MendUtf8(record.path));
      set->set_data(record.data.bytes.data(), record.data.bytes.size());
      set->set_null_data(record.data.null);
      set->set_version(record.version);
      return decoder.ok();
    }
    case Op::kSetAcl: {
      jute::SetAclRequest record;
      decoder(record);
      v1::SetAclOp* set = write->mutable_set_acl();
      set->set_path(MendUtf8(record.path));
      set->set_version(record.version);
      FillAcl(record.acl, set->mutable_acl());
      return decoder.ok();
    }
    default:
      return ReadCreate(op, decoder, write->mutable_create());
  }
}

// A create that asks for a time to live and has no place for one. Alone it is
// for the tree to refuse.
bool LacksTtl(Op op, const v1::WriteOp& write) {
  return (op == Op::kCreate || op == Op::kCreate2) &&
         (write.create().mode() == v1::PERSISTENT_WITH_TTL ||
          write.create().mode() == v1::PERSISTENT_SEQUENTIAL_WITH_TTL);
}

bool MayBeInMulti(Op op) {
  return op == Op::kCreate || op == Op::kCreate2 ||
         op == Op::kCreateContainer || op == Op::kCreateTtl ||
         op == Op::kDelete || op == Op::kSetData || op == Op::kCheck;
}

// Calls `part` with each operation until the terminator. False when the framing
// is broken or a part is.
template <typename Part>
bool ReadMulti(jute::Decoder& decoder, std::string* ops, Part part) {
  while (true) {
    jute::MultiHeader header;
    decoder(header);
    if (!decoder.ok()) return false;
    if (header.done) return true;
    if (!part(static_cast<Op>(header.type))) return false;
    ops->push_back(static_cast<char>(header.type));
  }
}

// --- reads and the rest ---

template <typename Op>
bool ReadPathWatch(jute::Decoder& decoder, Op* op) {
  jute::PathWatch record;
  decoder(record);
  op->set_path(MendUtf8(record.path));
  op->set_watch(record.watch);
  return decoder.ok();
}

bool ReadPath(jute::Decoder& decoder, std::string* path) {
  jute::PathOnly record;
  decoder(record);
  *path = MendUtf8(record.path);
  return decoder.ok();
}

bool ReadMultiRead(jute::Decoder& decoder, v1::MultiReadOp* reads,
                   std::string* ops) {
  return ReadMulti(decoder, ops, [&](Op op) {
    v1::CoordRequest* read = reads->add_reads();
    if (op == Op::kGetData) {
      return ReadPathWatch(decoder, read->mutable_get_data());
    }
    return op == Op::kGetChildren &&
           ReadPathWatch(decoder, read->mutable_get_children());
  });
}

std::optional<Refusal> ReadWatches(Op op, jute::Decoder& decoder,
                                   v1::RemoveWatchesOp* remove) {
  jute::PathType record;
  decoder(record);
  if (!decoder.ok() || record.type < v1::CHILDREN_WATCHER ||
      record.type > v1::PERSISTENT_RECURSIVE_WATCHER) {
    return kMalformed;
  }
  remove->set_path(MendUtf8(record.path));
  remove->set_type(static_cast<v1::WatcherType>(record.type));
  remove->set_check_only(op == Op::kCheckWatches);
  return std::nullopt;
}

bool ReadAddWatch(jute::Decoder& decoder, v1::AddWatchOp* add) {
  jute::PathType record;
  decoder(record);
  add->set_path(MendUtf8(record.path));
  add->set_mode(static_cast<v1::AddWatchMode>(record.type));
  return decoder.ok() && (record.type == v1::PERSISTENT_WATCH ||
                          record.type == v1::PERSISTENT_RECURSIVE_WATCH);
}

bool ReadSetWatches(Op op, jute::Decoder& decoder,
                    v1::SetWatchesRequest* request) {
  jute::SetWatches2Request record;
  decoder(record.one_time);
  if (op == Op::kSetWatches2) {
    decoder(record.persistent, record.persistent_recursive);
  }
  if (!decoder.ok()) return false;
  request->set_last_zxid_seen(static_cast<uint64_t>(
      std::max<int64_t>(record.one_time.relative_zxid, 0)));
  auto fill = [](const std::vector<std::string_view>& from, auto* to) {
    for (std::string_view path : from) *to->Add() = MendUtf8(path);
  };
  fill(record.one_time.data, request->mutable_data());
  fill(record.one_time.exists, request->mutable_exists());
  fill(record.one_time.children, request->mutable_children());
  fill(record.persistent, request->mutable_persistent());
  fill(record.persistent_recursive, request->mutable_persistent_recursive());
  return true;
}

// The parts of "a, b,,c" without the blanks around them; empty ones are none.
std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    size_t end = std::min(text.find_first_of(",\n"), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    size_t first = part.find_first_not_of(" \t\r");
    if (first == part.npos) continue;
    size_t last = part.find_last_not_of(" \t\r");
    parts.push_back(MendUtf8(part.substr(first, last - first + 1)));
  }
  return parts;
}

std::optional<Refusal> ReadReconfig(jute::Decoder& decoder,
                                    v1::ReconfigOp* reconfig) {
  jute::ReconfigRequest record;
  decoder(record);
  if (!decoder.ok()) return kMalformed;
  for (std::string& server : SplitList(record.joining)) {
    reconfig->add_joining(std::move(server));
  }
  for (std::string& server : SplitList(record.new_members)) {
    reconfig->add_new_members(std::move(server));
  }
  for (const std::string& text : SplitList(record.leaving)) {
    int32_t id = 0;
    auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Refusal{v1::BAD_ARGUMENTS, false};
    }
    reconfig->add_leaving(id);
  }
  reconfig->set_from_version(record.from_config);
  return std::nullopt;
}

bool ReadAuth(jute::Decoder& decoder, v1::AuthRequest* auth) {
  jute::AuthPacket record;
  decoder(record);
  auth->set_scheme(MendUtf8(record.scheme));
  auth->set_credentials(record.auth.bytes.data(), record.auth.bytes.size());
  return decoder.ok();
}

std::optional<Refusal> OkOr(bool ok, Refusal refusal) {
  if (ok) return std::nullopt;
  return refusal;
}

}  // namespace

std::string MendUtf8(std::string_view text) {
  size_t good = 0;
  while (good < text.size()) {
    size_t size = CharacterBytes(text.substr(good));
    if (size == 0) break;
    good += size;
  }
  std::string mended(text.substr(0, good));
  for (size_t i = good; i < text.size();) {
    size_t size = CharacterBytes(text.substr(i));
    mended += size == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(i, size);
    i += std::max<size_t>(size, 1);
  }
  return mended;
}

std::optional<Refusal> ReadRequest(int32_t type, std::string_view body,
                                   v1::SessionRequest* out,
                                   AskedFor* asked) {
  jute::Decoder decoder(body);
  const Op op = static_cast<Op>(type);
  asked->op = op;
  auto request = [&] { return out->mutable_request(); };
  auto ok = [&](bool well) { return OkOr(well, kMalformed); };
  switch (op) {
    case Op::kPing:
      out->mutable_ping();
      return std::nullopt;
    case Op::kCloseSession:
      out->mutable_close();
      return std::nullopt;
    case Op::kAuth:
      // Who cannot be understood cannot be anybody: ZooKeeper hangs up, too.
      return OkOr(ReadAuth(decoder, out->mutable_auth()),
                  {v1::MARSHALLING_ERROR, true});
    case Op::kSasl:
      return Refusal{v1::AUTH_FAILED, true};
    case Op::kCreate:
    case Op::kCreate2:
    case Op::kCreateContainer:
    case Op::kCreateTtl:
    case Op::kDelete:
    case Op::kSetData:
    case Op::kSetAcl:
      return ok(ReadWrite(op, decoder, request()->mutable_write()));
    case Op::kMulti:
      request()->mutable_multi();
      return ok(ReadMulti(decoder, &asked->detail, [&](Op part) {
        if (!MayBeInMulti(part)) return false;
        v1::WriteOp* write = request()->mutable_multi()->add_ops();
        return ReadWrite(part, decoder, write) && !LacksTtl(part, *write);
      }));
    case Op::kMultiRead:
      return ok(ReadMultiRead(decoder, request()->mutable_multi_read(),
                              &asked->detail));
    case Op::kExists:
      return ok(ReadPathWatch(decoder, request()->mutable_exists()));
    case Op::kGetData:
      return ok(ReadPathWatch(decoder, request()->mutable_get_data()));
    case Op::kGetChildren:
    case Op::kGetChildren2:
      return ok(ReadPathWatch(decoder, request()->mutable_get_children()));
    case Op::kSync:
      if (!ReadPath(decoder, &asked->detail)) return kMalformed;
      request()->mutable_sync()->set_path(asked->detail);
      return std::nullopt;
    case Op::kGetAcl:
      return ok(ReadPath(decoder, request()->mutable_get_acl()->mutable_path()));
    case Op::kGetEphemerals:
      return ok(ReadPath(decoder,
                         request()->mutable_get_ephemerals()->mutable_prefix()));
    case Op::kGetAllChildrenNumber:
      return ok(ReadPath(
          decoder, request()->mutable_count_descendants()->mutable_path()));
    case Op::kWhoAmI:
      request()->mutable_who_am_i();
      return std::nullopt;
    case Op::kCheckWatches:
    case Op::kRemoveWatches:
      return ReadWatches(op, decoder, request()->mutable_remove_watches());
    case Op::kAddWatch:
      return ok(ReadAddWatch(decoder, request()->mutable_add_watch()));
    case Op::kSetWatches:
    case Op::kSetWatches2:
      return ok(ReadSetWatches(op, decoder, out->mutable_set_watches()));
    case Op::kReconfig:
      return ReadReconfig(decoder, request()->mutable_reconfig());
    case Op::kCheck:            // only in a multi
    case Op::kCreateSession:    // members' own
    case Op::kDeleteContainer:  // members' own
    case Op::kError:
    case Op::kNotification:
      return kUnknown;
  }
  return kUnknown;
}

}  // namespace sillok::coord
