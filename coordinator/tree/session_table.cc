#include "coordinator/tree/session_table.h"

namespace sillok {

bool SessionTable::Authenticate(SessionId id,
                                const std::string& password) const {
  const SessionInfo* session = Find(id);
  if (session == nullptr || session->password.size() != password.size()) {
    return false;
  }
  // Looks at every byte, so that the time taken tells nothing of the password.
  unsigned char difference = 0;
  for (size_t i = 0; i < password.size(); ++i) {
    difference |= static_cast<unsigned char>(password[i]) ^
                  static_cast<unsigned char>(session->password[i]);
  }
  return difference == 0;
}

}  // namespace sillok
