// What `sillok coord` reads and writes as text: ACLs, times to live, addresses of
// members, znodes for people. Pure.
#ifndef SILLOK_TOOLS_COORD_TEXT_H_
#define SILLOK_TOOLS_COORD_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "proto/coordinator.pb.h"

namespace sillok::tools {

// "rwcda" in any order -> bits; "" is none. InvalidArgument names the letter.
absl::StatusOr<uint32_t> ParsePermissions(const std::string& text);
// "cdrwa", as ZooKeeper prints them.
std::string FormatPermissions(uint32_t permissions);

// "scheme:id:permissions", the id with colons in it or empty: "world:anyone:r",
// "digest:ann:base64hash=:cdrwa", "auth::rw". "digest-password:ann:secret:rw" is
// hashed here. InvalidArgument says what is wrong with what.
absl::StatusOr<v1::Acl> ParseAcl(const std::string& text);
// Several, separated by commas.
absl::StatusOr<std::vector<v1::Acl>> ParseAcls(const std::string& text);
std::string FormatAcl(const v1::Acl& acl);
nlohmann::ordered_json AclJson(const v1::Acl& acl);
// "user:base64(sha1(user:password))", the id of the digest scheme.
std::string DigestId(const std::string& user_and_password);

// "500ms", "10s", "5m", "2h", "1d" or milliseconds -> milliseconds, from 1 to
// 2^40 - 1.
absl::StatusOr<int64_t> ParseTtl(const std::string& text);

// What is wrong with a path, "" = nothing: it begins with a slash, has no empty
// name, no "." or "..", and does not end with a slash.
std::string WhyNoPath(const std::string& path);
std::string ParentOf(const std::string& path);
// "/" and "a" -> "/a".
std::string ChildOf(const std::string& path, const std::string& name);

nlohmann::ordered_json StatJson(const v1::Stat& stat);
// "NODE_CREATED" -> "created".
std::string EventName(v1::WatchEventType type);
nlohmann::ordered_json EventJson(const v1::WatchEvent& event);
// Data as it goes into JSON: {"data": text} or {"data_b64": ...}, null data as
// null.
void AddData(const std::string& data, bool null_data,
             nlohmann::ordered_json* document);

// What a person knows of a session id: "0x1a2b".
std::string Hex(uint64_t number);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_COORD_TEXT_H_
