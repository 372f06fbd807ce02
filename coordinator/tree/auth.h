// How a client proves who it is: schemes and their hashes. Pure functions.
#ifndef SILLOK_COORDINATOR_TREE_AUTH_H_
#define SILLOK_COORDINATOR_TREE_AUTH_H_

#include <string>
#include <string_view>

#include "coordinator/tree/acl.h"

namespace sillok {

// They go with every write, so nobody may gather them without end.
inline constexpr int kMaxIdentities = 100;

// "user:password" -> "user:base64(sha1(user:password))", the id of the scheme
// "digest".
std::string DigestId(std::string_view credentials);

// The identities of a client as it comes: its address.
IdentityList FirstIdentities(std::string_view client_ip);

// Adds the identities that `credentials` prove. False for a scheme that nobody
// can authenticate with, or above kMaxIdentities; `*identities` is untouched
// then. Schemes: "digest" (any user and password prove themselves;
// `super_digest`, when not empty, gives the identity "super" as well) and "ip"
// (the address, which is there already).
bool Authenticate(std::string_view scheme, std::string_view credentials,
                  std::string_view super_digest, IdentityList* identities);

// As who_am_i shows them: users without their hashes.
IdentityList DescribeIdentities(const IdentityList& identities);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_AUTH_H_
