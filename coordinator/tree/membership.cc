#include "coordinator/tree/membership.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/tree/ensemble_text.h"
#include "coordinator/tree/row_format.h"
#include "fmt/format.h"

namespace sillok::coord {
namespace {

// Protobuf's wire format, as far as a Txn uses it.
constexpr uint32_t kVarint = 0;
constexpr uint32_t kFixed64 = 1;
constexpr uint32_t kBytes = 2;
constexpr uint32_t kFixed32 = 5;

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

bool Skip(std::string_view* text, uint64_t bytes) {
  if (bytes > text->size()) return false;
  text->remove_prefix(bytes);
  return true;
}

// One of the outermost fields is a reconfiguration.
bool HasReconfig(std::string_view txn) {
  while (!txn.empty()) {
    uint64_t tag, value;
    if (!TakeVarint(&txn, &tag)) return false;
    if (tag >> 3 == v1::Txn::kReconfigFieldNumber) return true;
    bool skipped = false;
    switch (tag & 7) {
      case kVarint:
        skipped = TakeVarint(&txn, &value);
        break;
      case kFixed64:
        skipped = Skip(&txn, 8);
        break;
      case kBytes:
        skipped = TakeVarint(&txn, &value) && Skip(&txn, value);
        break;
      case kFixed32:
        skipped = Skip(&txn, 4);
        break;
    }
    if (!skipped) return false;
  }
  return false;
}

bool Observes(MemberId id, const std::vector<v1::EnsembleMember>& members) {
  return std::any_of(members.begin(), members.end(),
                     [&](const v1::EnsembleMember& member) {
                       return member.id() == id.value() && member.observer();
                     });
}

std::string Describe(const std::vector<v1::EnsembleMember>& members) {
  std::string text;
  for (const v1::EnsembleMember& member : members) {
    text += fmt::format("{}{}={}{}", text.empty() ? "" : ", ", member.id(),
                        member.peer_address(),
                        member.observer() ? " (observer)" : "");
  }
  return text;
}

}  // namespace

std::vector<zab::EnsembleMember> ToZabMembers(
    const std::vector<v1::EnsembleMember>& members) {
  std::vector<zab::EnsembleMember> all;
  all.reserve(members.size());
  for (const v1::EnsembleMember& member : members) {
    all.push_back(
        {MemberId(member.id()), !member.observer(), member.peer_address()});
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return all;
}

zab::Membership ToMembership(const Ensemble& ensemble) {
  return {ensemble.version, ToZabMembers(ensemble.members)};
}

std::optional<std::vector<zab::EnsembleMember>> MembershipOf(
    std::string_view txn) {
  if (!HasReconfig(txn)) return std::nullopt;
  v1::Txn parsed;
  if (!parsed.ParseFromArray(txn.data(), static_cast<int>(txn.size())) ||
      !parsed.has_reconfig()) {
    return std::nullopt;
  }
  return ToZabMembers({parsed.reconfig().members().begin(),
                       parsed.reconfig().members().end()});
}

absl::StatusOr<Ensemble> ReadEnsembleRow(std::string_view value) {
  Ensemble ensemble;
  if (value.empty()) return ensemble;
  ASSIGN_OR_RETURN(const EnsembleFields fields, DecodeEnsemble(value));
  v1::ReconfigTxn members;
  if (!members.ParseFromArray(fields.members.data(),
                              static_cast<int>(fields.members.size()))) {
    return absl::DataLossError("the row of the ensemble cannot be read");
  }
  ensemble.version = Zxid(fields.version);
  ensemble.members.assign(members.members().begin(), members.members().end());
  return ensemble;
}

absl::StatusOr<std::string> CheckMember(
    MemberId self, const std::vector<v1::EnsembleMember>& file,
    const Ensemble& stored) {
  if (stored.version == Zxid()) return "";
  const bool stays = stored.Find(self) != nullptr;
  if (!stays && Observes(self, file)) {
    return fmt::format(
        "member {} is on its way into the ensemble: its state is as of the "
        "change of members {:#x}, before it was added",
        self.value(), stored.version.value());
  }
  if (!stays) {
    return absl::FailedPreconditionError(fmt::format(
        "member {} was removed from the ensemble by the change of members "
        "{:#x}; the members were then {}. To have it join again, empty its data "
        "directory (but myid), start it with itself as an observer, and add it: "
        "sillok coord add",
        self.value(), stored.version.value(), Describe(stored.members)));
  }
  const std::string in_file = Describe(file);
  const std::string in_store = Describe(stored.members);
  if (in_file == in_store) return "";
  return fmt::format(
      "the members are {} since the change {:#x}, not {} as in the "
      "configuration file, which does not count any more",
      in_store, stored.version.value(), in_file);
}

}  // namespace sillok::coord
