// The bugs that can be planted into a member above its ZAB core, by name.
#ifndef SILLOK_TEST_SIM_MEMBER_PLANTED_BUGS_H_
#define SILLOK_TEST_SIM_MEMBER_PLANTED_BUGS_H_

#include <string_view>

#include "coordinator/server/member_faults.h"

namespace sillok::sim {

struct MemberBug {
  std::string_view name;
  bool coord::MemberFaults::*flag;
};

inline constexpr MemberBug kMemberBugs[] = {
    {"sync_without_round", &coord::MemberFaults::sync_without_round},
    {"refuse_without_round", &coord::MemberFaults::refuse_without_round},
    {"reply_before_commit", &coord::MemberFaults::reply_before_commit},
    {"leak_ephemerals", &coord::MemberFaults::leak_ephemerals},
    {"ignore_moved", &coord::MemberFaults::ignore_moved},
    {"answer_before_applied", &coord::MemberFaults::answer_before_applied},
    {"answer_before_events", &coord::MemberFaults::answer_before_events},
    {"answer_reconfig_early", &coord::MemberFaults::answer_reconfig_early},
    {"file_members_at_start", &coord::MemberFaults::file_members_at_start},
    {"forget_snapshot_members",
     &coord::MemberFaults::forget_snapshot_members},
    {"forget_file_members", &coord::MemberFaults::forget_file_members},
    {"start_though_removed", &coord::MemberFaults::start_though_removed},
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_MEMBER_PLANTED_BUGS_H_
