// How a ZAB member is set up.
#ifndef SILLOK_COORDINATOR_ZAB_OPTIONS_H_
#define SILLOK_COORDINATOR_ZAB_OPTIONS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/membership.h"

namespace sillok::zab {

// Bugs planted on purpose, one flag each. Only the simulator's tests set them:
// a checker that does not notice a planted bug would not notice a real one.
struct ZabFaults {
  // A follower acknowledges entries when it logs them, not when durable.
  bool ack_before_persist = false;
  // A follower answers NEWEPOCH without waiting for its promise to be durable.
  bool promise_before_persist = false;
  // current_epoch reaches the disk before the history it stands for.
  bool current_epoch_before_history = false;
  // The leader commits what it has itself.
  bool commit_without_quorum = false;
  // A follower keeps an unknown tail when it joins a leader.
  bool skip_truncate = false;
  // A follower logs proposals whose predecessor it does not have.
  bool accept_gaps = false;
  // Elections go by member id alone, and discovery does not check histories.
  bool vote_by_id_only = false;
  // A snapshot that comes late is installed over a newer history.
  bool snapshot_over_newer = false;
  // A barrier is answered at once, without asking a quorum.
  bool barrier_without_round = false;
  // A follower still takes messages of an epoch it has promised away.
  bool accept_stale_epoch = false;
  // A member that has promised an epoch promises it again after a restart.
  bool promise_twice = false;
  // The leader serves before a quorum holds its history.
  bool serve_before_quorum = false;

  // Of a change of the membership:
  // While it is pending only the new voters count.
  bool only_new_quorum = false;
  // Its truncation leaves it in force.
  bool keep_pending = false;
  // A member that starts does not look for one behind what it has applied.
  bool forget_at_start = false;
  // A snapshot is installed without its membership.
  bool snapshot_without_membership = false;
  // The leader proposes one while another is pending.
  bool reconfig_while_pending = false;
  // A leader that is no voter counts its own disk.
  bool removed_leader_counts = false;
  // The entry that says that it is committed comes before it is.
  bool seal_before_commit = false;
};

// The members that the transaction puts in force; nothing for any other. Called
// for every entry, so it should tell at a glance.
using MembershipOf =
    std::function<std::optional<std::vector<EnsembleMember>>(
        std::string_view txn)>;

struct Options {
  MemberId self{0};
  // Null: the membership never changes.
  MembershipOf membership_of;
  // As of the applied zxid the member starts with. If it names anybody it
  // stands for the two lists below.
  Membership membership;
  // All voting members; 1, 3 or 5 as a rule. The same list on every member.
  std::vector<MemberId> voters;
  // Members that only listen: they are given what is committed, and count for
  // nothing. The same list on every member. `self` is in one of the two lists.
  std::vector<MemberId> observers;

  // Times are in ticks; the shell decides what a tick is (20 to 50 ms). The
  // defaults notice a silent leader in half a second at 50 ms.
  int heartbeat_ticks = 1;
  // A follower that hears nothing from its leader, and a leader that hears
  // nothing from a quorum, gives up after this many. A follower adds up to
  // a quarter at random.
  int silence_ticks = 8;
  // Discovery must end within this many.
  int discovery_ticks = 20;
  // Synchronisation may go this long without any follower making progress (a
  // snapshot being sent counts as progress).
  int sync_ticks = 100;
  // An election waits this long for further votes once a quorum agrees. It does
  // not wait if all voters have been heard, but for those known to be lost.
  int settle_ticks = 2;
  // A looking member repeats its vote, and a follower in discovery its
  // greeting, this often.
  int notify_ticks = 4;
  // A leader repeats what a follower does not acknowledge for this long.
  int resend_ticks = 4;
  // A hand-over whose target does not catch up within this is called off.
  int transfer_ticks = 20;

  // Txn bytes in one kAppend (one larger entry still goes, alone).
  size_t max_append_bytes = 256 * 1024;
  // Unacknowledged txn bytes on their way to one follower.
  size_t window_bytes = 4 * 1024 * 1024;
  // Propose refuses beyond these: what is proposed but not committed.
  size_t max_uncommitted_entries = 10000;
  size_t max_uncommitted_bytes = 64 * 1024 * 1024;
  // Txn bytes of committed entries in one Output.
  size_t max_committed_bytes = 4 * 1024 * 1024;
  // Durable, applied entries kept in memory for followers that lag.
  size_t cache_bytes = 16 * 1024 * 1024;

  bool observes() const {
    if (!membership.members.empty()) return !membership.Votes(self);
    return std::find(voters.begin(), voters.end(), self) == voters.end();
  }

  // A leader whose entries have come to this number in its epoch hands over: the
  // next epoch counts from one again. (At the last number there is it gives up.)
  uint64_t counter_limit = Zxid::kMaxCounter - (uint64_t{1} << 20);

  // Seed of the jitter in timeouts. Differs between members.
  uint64_t seed = 0;

  ZabFaults faults;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_OPTIONS_H_
