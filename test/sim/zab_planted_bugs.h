// The bugs that can be planted into the ZAB core, by name.
#ifndef SILLOK_TEST_SIM_ZAB_PLANTED_BUGS_H_
#define SILLOK_TEST_SIM_ZAB_PLANTED_BUGS_H_

#include <string_view>

#include "coordinator/zab/options.h"

namespace sillok::sim {

struct PlantedBug {
  std::string_view name;
  bool zab::ZabFaults::*flag;
};

inline constexpr PlantedBug kPlantedBugs[] = {
    {"ack_before_persist", &zab::ZabFaults::ack_before_persist},
    {"promise_before_persist", &zab::ZabFaults::promise_before_persist},
    {"current_epoch_before_history",
     &zab::ZabFaults::current_epoch_before_history},
    {"commit_without_quorum", &zab::ZabFaults::commit_without_quorum},
    {"skip_truncate", &zab::ZabFaults::skip_truncate},
    {"accept_gaps", &zab::ZabFaults::accept_gaps},
    {"vote_by_id_only", &zab::ZabFaults::vote_by_id_only},
    {"snapshot_over_newer", &zab::ZabFaults::snapshot_over_newer},
    {"barrier_without_round", &zab::ZabFaults::barrier_without_round},
    {"accept_stale_epoch", &zab::ZabFaults::accept_stale_epoch},
    {"promise_twice", &zab::ZabFaults::promise_twice},
    {"serve_before_quorum", &zab::ZabFaults::serve_before_quorum},
    {"only_new_quorum", &zab::ZabFaults::only_new_quorum},
    {"keep_pending", &zab::ZabFaults::keep_pending},
    {"forget_at_start", &zab::ZabFaults::forget_at_start},
    {"snapshot_without_membership",
     &zab::ZabFaults::snapshot_without_membership},
    {"reconfig_while_pending", &zab::ZabFaults::reconfig_while_pending},
    {"removed_leader_counts", &zab::ZabFaults::removed_leader_counts},
    {"seal_before_commit", &zab::ZabFaults::seal_before_commit},
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_ZAB_PLANTED_BUGS_H_
