#include "coordinator/zookeeper/answer_writer.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <vector>

#include "proto/jute/records.h"

namespace sillok::coord {
namespace {

using jute::Op;

// Leaves room for the length of a frame and fills it in at the end.
class Frame {
 public:
  explicit Frame(std::string* out) : out_(*out), start_(out->size()) {
    out_.append(4, '\0');
  }
  ~Frame() {
    auto size = static_cast<uint32_t>(out_.size() - start_ - 4);
    for (size_t i = 4; i-- > 0; size >>= 8) {
      out_[start_ + i] = static_cast<char>(size & 0xff);
    }
  }

 private:
  std::string& out_;
  const size_t start_;
};

int32_t Narrow(int64_t value) {
  return static_cast<int32_t>(
      std::min<int64_t>(value, std::numeric_limits<int32_t>::max()));
}

jute::Stat ToJute(const v1::Stat& stat) {
  jute::Stat record;
  record.czxid = static_cast<int64_t>(stat.czxid());
  record.mzxid = static_cast<int64_t>(stat.mzxid());
  record.ctime = stat.ctime_ms();
  record.mtime = stat.mtime_ms();
  record.version = stat.version();
  // Counts on as a 32-bit number does, as ZooKeeper's own.
  record.cversion = static_cast<int32_t>(static_cast<uint64_t>(stat.cversion()));
  record.aversion = stat.aversion();
  record.ephemeral_owner = static_cast<int64_t>(stat.ephemeral_owner());
  record.data_length = stat.data_length();
  record.num_children = stat.num_children();
  record.pzxid = static_cast<int64_t>(stat.pzxid());
  return record;
}

jute::Buffer Data(const v1::CoordResponse& response) {
  return {response.data(), response.null_data()};
}

template <typename Strings>
std::vector<std::string_view> Views(const Strings& strings) {
  return {strings.begin(), strings.end()};
}

std::vector<jute::Acl> Acls(const v1::CoordResponse& response) {
  std::vector<jute::Acl> list;
  for (const v1::Acl& acl : response.acl()) {
    list.push_back({static_cast<int32_t>(acl.permissions()), acl.scheme(),
                    acl.id()});
  }
  return list;
}

// Of a digest identity only the user is shown.
std::vector<jute::ClientInfo> Clients(const v1::CoordResponse& response) {
  std::vector<jute::ClientInfo> list;
  for (const v1::Identity& identity : response.identities()) {
    std::string_view id = identity.id();
    if (identity.scheme() == "digest") id = id.substr(0, id.find(':'));
    list.push_back({identity.scheme(), id});
  }
  return list;
}

void WriteFailedPart(v1::CoordCode code, jute::Encoder& encoder) {
  encoder(jute::MultiHeader{static_cast<int32_t>(Op::kError), false, code},
          static_cast<int32_t>(code));
}

void WritePart(Op op, const v1::WriteResult& result, jute::Encoder& encoder) {
  auto header = [&](Op type) {
    encoder(jute::MultiHeader{static_cast<int32_t>(type), false, 0});
  };
  switch (op) {
    case Op::kCreate:
      header(op);
      encoder(jute::PathOnly{result.path()});
      break;
    case Op::kCreate2:
    case Op::kCreateContainer:
    case Op::kCreateTtl:
      header(Op::kCreate2);
      encoder(jute::PathStat{result.path(), ToJute(result.stat())});
      break;
    case Op::kSetData:
      header(op);
      encoder(jute::StatOnly{ToJute(result.stat())});
      break;
    default:  // delete, check
      header(op);
  }
}

void WriteMulti(const AskedFor& asked, const v1::CoordResponse& response,
                jute::Encoder& encoder) {
  for (size_t i = 0; i < asked.detail.size(); ++i) {
    const v1::WriteResult& result = response.multi(static_cast<int>(i));
    if (response.code() == v1::OK) {
      WritePart(static_cast<Op>(asked.detail[i]), result, encoder);
    } else {
      WriteFailedPart(result.code(), encoder);
    }
  }
  encoder(jute::kMultiEnd);
}

void WriteMultiRead(const AskedFor& asked, const v1::CoordResponse& response,
                    jute::Encoder& encoder) {
  for (size_t i = 0; i < asked.detail.size(); ++i) {
    const v1::CoordResponse& read = response.reads(static_cast<int>(i));
    auto op = static_cast<Op>(asked.detail[i]);
    if (read.code() != v1::OK) {
      WriteFailedPart(read.code(), encoder);
      continue;
    }
    encoder(jute::MultiHeader{static_cast<int32_t>(op), false, 0});
    if (op == Op::kGetData) {
      encoder(jute::DataStat{Data(read), ToJute(read.stat())});
    } else {
      encoder(Views(read.children()));
    }
  }
  encoder(jute::kMultiEnd);
}

// The body of an answer that is OK.
void WriteBody(const AskedFor& asked, const v1::CoordResponse& response,
               jute::Encoder& encoder) {
  switch (asked.op) {
    case Op::kCreate:
      return encoder(jute::PathOnly{response.write().path()});
    case Op::kCreate2:
    case Op::kCreateContainer:
    case Op::kCreateTtl:
      return encoder(jute::PathStat{response.write().path(),
                                    ToJute(response.write().stat())});
    case Op::kSetData:
    case Op::kSetAcl:
      return encoder(jute::StatOnly{ToJute(response.write().stat())});
    case Op::kExists:
      return encoder(jute::StatOnly{ToJute(response.stat())});
    case Op::kGetData:
    case Op::kReconfig:
      return encoder(jute::DataStat{Data(response), ToJute(response.stat())});
    case Op::kGetAcl:
      return encoder(jute::AclStat{Acls(response), ToJute(response.stat())});
    case Op::kGetChildren:
    case Op::kGetEphemerals:
      return encoder(Views(response.children()));
    case Op::kGetChildren2:
      return encoder(Views(response.children()), ToJute(response.stat()));
    case Op::kSync:
      return encoder(jute::PathOnly{asked.detail});
    case Op::kGetAllChildrenNumber:
      return encoder(jute::IntOnly{Narrow(response.count())});
    case Op::kAddWatch:
      return encoder(jute::IntOnly{0});
    case Op::kWhoAmI:
      return encoder(jute::WhoAmIResponse{Clients(response)});
    case Op::kMulti:
      return WriteMulti(asked, response, encoder);
    case Op::kMultiRead:
      return WriteMultiRead(asked, response, encoder);
    default:  // delete, watches, close: the header says it
      return;
  }
}

}  // namespace

void AppendHeader(int32_t xid, int64_t zxid, v1::CoordCode code,
                  std::string* out) {
  Frame frame(out);
  jute::Encoder encoder(out);
  encoder(jute::ReplyHeader{xid, zxid, code});
}

void AppendAnswer(int32_t xid, int64_t zxid, const AskedFor& asked,
                  const v1::CoordResponse& response, std::string* out) {
  // A multi that was decided upon has a result for each part and is OK as a
  // request. One that was not (its session is gone, say) has none.
  size_t results = static_cast<size_t>(
      asked.op == Op::kMulti ? response.multi_size() : response.reads_size());
  bool in_parts = asked.op == Op::kMulti || asked.op == Op::kMultiRead;
  bool with_body = in_parts ? results == asked.detail.size() &&
                                  (results > 0 || response.code() == v1::OK)
                            : response.code() == v1::OK;
  Frame frame(out);
  jute::Encoder encoder(out);
  encoder(jute::ReplyHeader{xid, zxid,
                            in_parts && with_body ? v1::OK : response.code()});
  if (with_body) WriteBody(asked, response, encoder);
}

void AppendEvent(const v1::WatchEvent& event, std::string* out) {
  Frame frame(out);
  jute::Encoder encoder(out);
  encoder(jute::ReplyHeader{jute::kNotificationXid,
                            static_cast<int64_t>(event.zxid()), 0},
          jute::WatcherEvent{event.type(), jute::kSyncConnected,
                             event.path()});
}

void AppendConnected(const v1::ConnectResponse& response, bool with_read_only,
                     std::string* out) {
  static const std::string no_password(jute::kPasswordBytes, '\0');
  jute::ConnectResponse record;
  record.has_read_only = with_read_only;
  record.password.bytes = no_password;
  if (response.code() == v1::OK) {
    record.timeout_ms = Narrow(response.timeout_ms());
    record.session_id = static_cast<int64_t>(response.session_id());
    record.password.bytes = response.password();
    record.read_only = response.read_only();
  }
  Frame frame(out);
  jute::AppendConnectResponse(record, out);
}

}  // namespace sillok::coord
