#include "tools/coord_text.h"

#include <openssl/sha.h>

#include <charconv>

#include "fmt/format.h"
#include "tools/text_coding.h"

namespace sillok::tools {
namespace {

using Json = nlohmann::ordered_json;

struct Permission {
  char letter;
  uint32_t bit;
};
constexpr Permission kPermissions[] = {
    {'c', 4}, {'d', 8}, {'r', 1}, {'w', 2}, {'a', 16}};

absl::Status Wrong(const std::string& text) {
  return absl::InvalidArgumentError(text);
}

}  // namespace

absl::StatusOr<uint32_t> ParsePermissions(const std::string& text) {
  uint32_t bits = 0;
  for (char letter : text) {
    uint32_t bit = 0;
    for (const Permission& one : kPermissions) {
      if (one.letter == letter) bit = one.bit;
    }
    if (bit == 0) {
      return Wrong(fmt::format(
          "'{}' in '{}' is no permission; they are r(ead), w(rite), c(reate), "
          "d(elete), a(dmin)",
          letter, text));
    }
    bits |= bit;
  }
  return bits;
}

std::string FormatPermissions(uint32_t permissions) {
  std::string text;
  for (const Permission& one : kPermissions) {
    if ((permissions & one.bit) != 0) text += one.letter;
  }
  return text;
}

absl::StatusOr<v1::Acl> ParseAcl(const std::string& text) {
  size_t first = text.find(':');
  size_t last = text.rfind(':');
  if (first == std::string::npos || first == last || first == 0) {
    return Wrong("'" + text + "' is no ACL; one is scheme:id:permissions, like "
                 "world:anyone:r or digest:ann:HASH:cdrwa");
  }
  absl::StatusOr<uint32_t> permissions = ParsePermissions(text.substr(last + 1));
  if (!permissions.ok()) return permissions.status();
  v1::Acl acl;
  acl.set_permissions(*permissions);
  acl.set_scheme(text.substr(0, first));
  acl.set_id(text.substr(first + 1, last - first - 1));
  if (acl.scheme() == "digest-password") {
    if (acl.id().find(':') == std::string::npos) {
      return Wrong("'" + text +
                   "': digest-password takes user:password:permissions");
    }
    acl.set_scheme("digest");
    acl.set_id(DigestId(acl.id()));
  }
  return acl;
}

absl::StatusOr<std::vector<v1::Acl>> ParseAcls(const std::string& text) {
  std::vector<v1::Acl> acls;
  for (size_t start = 0; start <= text.size();) {
    size_t end = std::min(text.find(',', start), text.size());
    absl::StatusOr<v1::Acl> acl = ParseAcl(text.substr(start, end - start));
    if (!acl.ok()) return acl.status();
    acls.push_back(*std::move(acl));
    start = end + 1;
  }
  return acls;
}

std::string FormatAcl(const v1::Acl& acl) {
  return acl.scheme() + ":" + acl.id() + ":" +
         FormatPermissions(acl.permissions());
}

Json AclJson(const v1::Acl& acl) {
  return {{"scheme", acl.scheme()},
          {"id", acl.id()},
          {"permissions", FormatPermissions(acl.permissions())}};
}

std::string DigestId(const std::string& user_and_password) {
  unsigned char hash[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(user_and_password.data()),
       user_and_password.size(), hash);
  return user_and_password.substr(0, user_and_password.find(':')) + ":" +
         ToBase64({reinterpret_cast<const char*>(hash), SHA_DIGEST_LENGTH});
}

absl::StatusOr<int64_t> ParseTtl(const std::string& text) {
  constexpr int64_t kMax = (int64_t{1} << 40) - 1;
  struct Unit {
    const char* name;
    int64_t ms;
  };
  constexpr Unit kUnits[] = {{"", 1},       {"ms", 1},
                             {"s", 1'000},  {"m", 60'000},
                             {"h", 3'600'000}, {"d", 86'400'000}};
  int64_t number = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  for (const Unit& one : kUnits) {
    int64_t ms = 0;
    if (error == std::errc() && unit == one.name &&
        !__builtin_mul_overflow(number, one.ms, &ms) && ms > 0 && ms <= kMax) {
      return ms;
    }
  }
  return Wrong("'" + text +
               "' is no time to live; one is like 500ms, 10s, 5m, 2h or 1d "
               "(1 ms to 2^40 - 1 ms)");
}

std::string WhyNoPath(const std::string& path) {
  std::string is_none = "'" + path + "' is no path: ";
  if (path.empty() || path[0] != '/') return is_none + "one begins with /";
  if (path.size() > 1 && path.back() == '/') {
    return is_none + "none ends with /, but for / itself";
  }
  for (size_t start = 1; start < path.size();) {
    size_t end = std::min(path.find('/', start), path.size());
    std::string name = path.substr(start, end - start);
    if (name.empty()) return is_none + "there is an empty name in it";
    if (name == "." || name == "..") {
      return is_none + "'" + name + "' is no name";
    }
    start = end + 1;
  }
  return "";
}

std::string ParentOf(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string ChildOf(const std::string& path, const std::string& name) {
  return (path == "/" ? "" : path) + "/" + name;
}

Json StatJson(const v1::Stat& stat) {
  return {{"czxid", stat.czxid()},
          {"mzxid", stat.mzxid()},
          {"pzxid", stat.pzxid()},
          {"ctime_ms", stat.ctime_ms()},
          {"mtime_ms", stat.mtime_ms()},
          {"version", stat.version()},
          {"cversion", stat.cversion()},
          {"aversion", stat.aversion()},
          {"ephemeral_owner", stat.ephemeral_owner()},
          {"data_length", stat.data_length()},
          {"num_children", stat.num_children()}};
}

std::string EventName(v1::WatchEventType type) {
  switch (type) {
    case v1::NODE_CREATED:
      return "created";
    case v1::NODE_DELETED:
      return "deleted";
    case v1::NODE_DATA_CHANGED:
      return "changed";
    case v1::NODE_CHILDREN_CHANGED:
      return "children";
    default:
      return "unknown";
  }
}

Json EventJson(const v1::WatchEvent& event) {
  return {{"event", EventName(event.type())},
          {"path", event.path()},
          {"zxid", event.zxid()}};
}

void AddData(const std::string& data, bool null_data, Json* document) {
  if (null_data) {
    (*document)["data"] = nullptr;
  } else if (IsUtf8(data)) {
    (*document)["data"] = data;
  } else {
    (*document)["data_b64"] = ToBase64(data);
  }
}

std::string Hex(uint64_t number) { return fmt::format("{:#x}", number); }

}  // namespace sillok::tools
