#include "coordinator/tree/auth.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>

namespace sillok {
namespace {

void Add(std::string_view scheme, std::string_view id,
         IdentityList* identities) {
  const bool known = std::any_of(
      identities->begin(), identities->end(), [&](const v1::Identity& other) {
        return other.scheme() == scheme && other.id() == id;
      });
  if (known) return;
  v1::Identity* identity = identities->Add();
  identity->set_scheme(std::string(scheme));
  identity->set_id(std::string(id));
}

}  // namespace

std::string DigestId(std::string_view credentials) {
  unsigned char hash[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(credentials.data()),
       credentials.size(), hash);
  // Four characters for three bytes, and a NUL.
  unsigned char text[4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1];
  const int size = EVP_EncodeBlock(text, hash, SHA_DIGEST_LENGTH);
  std::string id(credentials.substr(0, credentials.find(':')));
  id += ':';
  id.append(reinterpret_cast<const char*>(text), size);
  return id;
}

IdentityList FirstIdentities(std::string_view client_ip) {
  IdentityList identities;
  Add("ip", client_ip, &identities);
  return identities;
}

bool Authenticate(std::string_view scheme, std::string_view credentials,
                  std::string_view super_digest, IdentityList* identities) {
  if (scheme == "ip") return true;
  if (scheme != "digest" || identities->size() >= kMaxIdentities) return false;
  const std::string id = DigestId(credentials);
  if (!super_digest.empty() && id == super_digest) Add("super", "", identities);
  Add("digest", id, identities);
  return true;
}

IdentityList DescribeIdentities(const IdentityList& identities) {
  IdentityList described = identities;
  for (v1::Identity& identity : described) {
    if (identity.scheme() != "digest") continue;
    identity.set_id(identity.id().substr(0, identity.id().find(':')));
  }
  return described;
}

}  // namespace sillok
