#include "coordinator/tree/acl.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace sillok {
namespace {

constexpr std::string_view kSuperScheme = "super";
constexpr std::string_view kWorldScheme = "world";
constexpr std::string_view kAnyone = "anyone";
constexpr std::string_view kAuthScheme = "auth";
constexpr std::string_view kDigestScheme = "digest";
constexpr std::string_view kIpScheme = "ip";

bool IsAnyone(const v1::Acl& rule) {
  return rule.scheme() == kWorldScheme && rule.id() == kAnyone;
}

struct Address {
  unsigned char bytes[16] = {};
  int bits = 0;  // 32 or 128
};

std::optional<Address> ParseAddress(std::string_view text) {
  const std::string copy(text);
  Address address;
  if (inet_pton(AF_INET, copy.c_str(), address.bytes) == 1) {
    address.bits = 32;
  } else if (inet_pton(AF_INET6, copy.c_str(), address.bytes) == 1) {
    address.bits = 128;
  } else {
    return std::nullopt;
  }
  return address;
}

struct AddressRange {
  Address address;
  int prefix_bits = 0;
};

std::optional<AddressRange> ParseRange(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<Address> address = ParseAddress(text.substr(0, slash));
  if (!address) return std::nullopt;
  AddressRange range{*address, address->bits};
  if (slash == std::string_view::npos) return range;
  const std::string_view bits = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(
      bits.data(), bits.data() + bits.size(), range.prefix_bits);
  if (error != std::errc() || end != bits.data() + bits.size() ||
      range.prefix_bits < 0 || range.prefix_bits > address->bits) {
    return std::nullopt;
  }
  return range;
}

// "user:hash", neither more nor less. An empty user is one.
bool IsDigestId(std::string_view id) {
  const size_t colon = id.find(':');
  return colon != std::string_view::npos && colon + 1 < id.size() &&
         id.find(':', colon + 1) == std::string_view::npos;
}

bool IsValidId(const v1::Acl& rule) {
  if (IsAnyone(rule)) return true;
  if (rule.scheme() == kDigestScheme) return IsDigestId(rule.id());
  if (rule.scheme() == kIpScheme) return ParseRange(rule.id()).has_value();
  return false;
}

bool Matches(const v1::Acl& rule, const v1::Identity& identity) {
  if (rule.scheme() != identity.scheme()) return false;
  if (rule.scheme() == kIpScheme) return IpMatches(identity.id(), rule.id());
  return rule.id() == identity.id();
}

bool Contains(const AclList& list, const v1::Acl& rule) {
  return std::any_of(list.begin(), list.end(), [&](const v1::Acl& other) {
    return other.permissions() == rule.permissions() &&
           other.scheme() == rule.scheme() && other.id() == rule.id();
  });
}

// An address says where a client is, not who.
bool IsProof(const v1::Identity& identity) {
  return identity.scheme() == kDigestScheme;
}

bool ExpandAuth(uint32_t permissions, const Requester& requester,
                AclList* out) {
  bool any = false;
  if (requester.identities == nullptr) return false;
  for (const v1::Identity& identity : *requester.identities) {
    if (!IsProof(identity)) continue;
    any = true;
    v1::Acl* rule = out->Add();
    rule->set_permissions(permissions);
    rule->set_scheme(identity.scheme());
    rule->set_id(identity.id());
  }
  return any;
}

void PutVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

bool TakeVarint(std::string_view* text, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !text->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(text->front());
    text->remove_prefix(1);
    *value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool TakeText(std::string_view* text, std::string* out) {
  uint64_t size;
  if (!TakeVarint(text, &size) || size > text->size()) return false;
  out->assign(text->substr(0, size));
  text->remove_prefix(size);
  return true;
}

}  // namespace

bool IpMatches(std::string_view address, std::string_view range) {
  const std::optional<Address> given = ParseAddress(address);
  const std::optional<AddressRange> wanted = ParseRange(range);
  if (!given || !wanted || given->bits != wanted->address.bits) return false;
  const int bytes = wanted->prefix_bits / 8;
  if (std::memcmp(given->bytes, wanted->address.bytes, bytes) != 0) {
    return false;
  }
  const int rest = wanted->prefix_bits % 8;
  if (rest == 0) return true;
  return ((given->bytes[bytes] ^ wanted->address.bytes[bytes]) >>
          (8 - rest)) == 0;
}

bool IsAllowed(const AclRef& acl, uint32_t permissions,
               const Requester& requester) {
  if (acl == nullptr || requester.unrestricted) return true;
  for (const v1::Acl& rule : *acl) {
    if ((rule.permissions() & permissions) != 0 && IsAnyone(rule)) return true;
  }
  if (requester.identities == nullptr) return false;
  for (const v1::Identity& identity : *requester.identities) {
    if (identity.scheme() == kSuperScheme) return true;
    for (const v1::Acl& rule : *acl) {
      if ((rule.permissions() & permissions) != 0 && Matches(rule, identity)) {
        return true;
      }
    }
  }
  return false;
}

v1::CoordCode ResolveAcl(const AclList& asked, const Requester& requester,
                         AclList* resolved) {
  resolved->Clear();
  if (asked.empty()) return v1::INVALID_ACL;
  AclList unique;
  for (const v1::Acl& rule : asked) {
    if (!Contains(unique, rule)) *unique.Add() = rule;
  }
  for (const v1::Acl& rule : unique) {
    if (rule.scheme() == kAuthScheme) {
      if (!ExpandAuth(rule.permissions(), requester, resolved)) {
        return v1::INVALID_ACL;
      }
    } else if (IsValidId(rule)) {
      *resolved->Add() = rule;
    } else {
      return v1::INVALID_ACL;
    }
  }
  if (resolved->size() == 1 && IsAnyone((*resolved)[0]) &&
      (*resolved)[0].permissions() == kAllPermissions) {
    resolved->Clear();
  }
  return v1::OK;
}

AclList MaskDigests(const AclList& acl) {
  AclList masked = acl;
  for (v1::Acl& rule : masked) {
    if (rule.scheme() != kDigestScheme) continue;
    const size_t colon = rule.id().find(':');
    if (colon == std::string::npos) continue;
    rule.set_id(rule.id().substr(0, colon) + ":x");
  }
  return masked;
}

std::string EncodeAcl(const AclList& acl) {
  std::string bytes;
  for (const v1::Acl& rule : acl) {
    PutVarint(rule.permissions(), &bytes);
    PutVarint(rule.scheme().size(), &bytes);
    bytes += rule.scheme();
    PutVarint(rule.id().size(), &bytes);
    bytes += rule.id();
  }
  return bytes;
}

int64_t AclBytes(const AclList& acl) {
  size_t bytes = 0;
  for (const v1::Acl& rule : acl) {
    bytes += 3 * 5 + rule.scheme().size() + rule.id().size();
  }
  return static_cast<int64_t>(bytes);
}

bool DecodeAcl(std::string_view bytes, AclList* acl) {
  acl->Clear();
  while (!bytes.empty()) {
    v1::Acl* rule = acl->Add();
    uint64_t permissions;
    if (!TakeVarint(&bytes, &permissions) || permissions > UINT32_MAX ||
        !TakeText(&bytes, rule->mutable_scheme()) ||
        !TakeText(&bytes, rule->mutable_id())) {
      return false;
    }
    rule->set_permissions(static_cast<uint32_t>(permissions));
  }
  return true;
}

}  // namespace sillok
