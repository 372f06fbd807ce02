// Who may do what to a znode: ZooKeeper's ACLs and identities. Pure functions.
#ifndef SILLOK_COORDINATOR_TREE_ACL_H_
#define SILLOK_COORDINATOR_TREE_ACL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "proto/coordinator.pb.h"

namespace sillok {

inline constexpr uint32_t kReadPermission = 1;
inline constexpr uint32_t kWritePermission = 2;
inline constexpr uint32_t kCreatePermission = 4;
inline constexpr uint32_t kDeletePermission = 8;
inline constexpr uint32_t kAdminPermission = 16;
inline constexpr uint32_t kAllPermissions = 31;

using AclList = google::protobuf::RepeatedPtrField<v1::Acl>;
using IdentityList = google::protobuf::RepeatedPtrField<v1::Identity>;

// An ACL that nobody changes any more. Null: everybody may do everything.
using AclRef = std::shared_ptr<const AclList>;

// Who asks. The list must outlive this.
struct Requester {
  SessionId session;
  const IdentityList* identities = nullptr;  // null: none
  bool unrestricted = false;  // no ACL holds it (skipACL, or the ensemble itself)
};

// One of `permissions` is granted to one of the requester's identities. An
// identity of the scheme "super" is granted everything.
bool IsAllowed(const AclRef& acl, uint32_t permissions,
               const Requester& requester);

// What a client asks for -> what is kept: rules that are there twice are dropped,
// "auth" becomes the identities of the requester that were proved. INVALID_ACL
// when `asked` is empty, has a scheme this server does not know or an id that is
// not one of its scheme, or "auth" without a proved identity. `*resolved` is
// empty when everybody may do everything.
v1::CoordCode ResolveAcl(const AclList& asked, const Requester& requester,
                         AclList* resolved);

// The rules without what proves an identity: "user:x" for a digest.
AclList MaskDigests(const AclList& acl);

// Equal lists give equal bytes, as they are kept in rows.
std::string EncodeAcl(const AclList& acl);
// How many bytes that is at most.
int64_t AclBytes(const AclList& acl);
// False when `bytes` is not what EncodeAcl makes.
bool DecodeAcl(std::string_view bytes, AclList* acl);

// `address` lies in `range`: an address, or address/bits. IPv4 and IPv6.
bool IpMatches(std::string_view address, std::string_view range);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_ACL_H_
