// A consumer as clients are: joins, syncs, heartbeats, commits, tries again.
#ifndef SILLOK_TEST_BROKER_GROUP_SIMULATION_CLIENT_H_
#define SILLOK_TEST_BROKER_GROUP_SIMULATION_CLIENT_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "test/broker/group/simulation/agenda.h"
#include "test/broker/group/simulation/checker.h"
#include "test/broker/group/simulation/server.h"

namespace sillok::group_sim {

// A consumer's subscription to the topic "t".
inline const std::string kSubscription("\0\0\0\0\0\1\0\1t\xff\xff\xff\xff", 13);

class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(std::string name, std::string instance, Server* server,
         Agenda* agenda, Random* random, Checker* checker)
      : name_(std::move(name)),
        instance_(std::move(instance)),
        server_(server),
        agenda_(agenda),
        random_(random),
        checker_(checker),
        can_skip_(random->Chance(50)) {
    // The group always has a protocol that all know; not all like it best.
    if (random->Chance(40)) protocols_.push_back("sticky");
    const bool likes_coop = random->Chance(50);
    protocols_.push_back(likes_coop ? "coop" : "range");
    protocols_.push_back(likes_coop ? "range" : "coop");
  }

  bool alive() const { return alive_; }
  bool stable() const { return stable_; }
  int32_t generation() const { return generation_; }
  const std::string& instance() const { return instance_; }
  const std::string& member_id() const { return member_id_; }
  const std::string& assignment() const { return assignment_; }

  void Crash() { alive_ = false; }
  void LeaveAndStop() {
    v1::LeaveGroupRequest request;
    request.set_group_id(kGroup);
    v1::LeavingMember* member = request.add_members();
    member->set_member_id(member_id_);
    member->set_group_instance_id(instance_);
    alive_ = false;
    Send([server = server_, request] { server->Leave(request); });
  }

  void Join() {
    if (!alive_) return;
    stable_ = false;
    const uint64_t turn = ++turn_;
    v1::JoinGroupRequest request;
    request.set_group_id(kGroup);
    request.set_client_id(name_);
    request.set_member_id(member_id_);
    request.set_group_instance_id(instance_);
    request.set_protocol_type("consumer");
    request.set_session_timeout_ms(kSessionMs);
    request.set_rebalance_timeout_ms(kRebalanceMs);
    for (const std::string& name : protocols_) {
      v1::GroupProtocol* protocol = request.add_protocols();
      protocol->set_name(name);
      protocol->set_metadata(kSubscription);
    }
    Send([self = shared_from_this(), request, turn] {
      self->server_->Join(
          request, self->can_skip_, [self, turn](v1::JoinGroupResponse r) {
            self->Receive(turn, [self, r] { self->OnJoined(r); });
          });
    });
    RetryAfter(12'000, turn);
  }

 private:
  void OnJoined(const v1::JoinGroupResponse& r) {
    switch (r.error_code()) {
      case v1::NONE:
        member_id_ = r.member_id();
        generation_ = r.generation_id();
        EXPECT_EQ(std::count(protocols_.begin(), protocols_.end(),
                             r.protocol_name()),
                  1)
            << "the protocol is one that a member does not know";
        // Too late for the old assignment: must be refused.
        if (random_->Chance(10)) Commit();
        Sync(r);
        return;
      case v1::MEMBER_ID_REQUIRED:
        member_id_ = r.member_id();
        Join();
        return;
      default:
        OnError(r.error_code());
    }
  }

  void Sync(const v1::JoinGroupResponse& joined) {
    const uint64_t turn = ++turn_;
    v1::SyncGroupRequest request;
    request.set_group_id(kGroup);
    request.set_member_id(member_id_);
    request.set_group_instance_id(instance_);
    request.set_generation_id(generation_);
    if (joined.leader() == member_id_ && !joined.skip_assignment()) {
      // Disjoint by making: partition p goes to member p mod n.
      const int members = joined.members_size();
      for (int i = 0; i < members; ++i) {
        std::string partitions;
        for (int p = i; p < kPartitions; p += members) {
          partitions += std::to_string(p) + " ";
        }
        v1::MemberAssignment* given = request.add_assignments();
        given->set_member_id(joined.members(i).member_id());
        given->set_assignment(partitions);
      }
    }
    Send([self = shared_from_this(), request, turn] {
      self->server_->Sync(request, [self, turn](v1::SyncGroupResponse r) {
        self->Receive(turn, [self, r] { self->OnSynced(r); });
      });
    });
    RetryAfter(12'000, turn);
  }

  void OnSynced(const v1::SyncGroupResponse& r) {
    if (r.error_code() != v1::NONE) return OnError(r.error_code());
    ++turn_;
    stable_ = true;
    assignment_ = r.assignment();
    checker_->OnAssigned(generation_,
                         instance_.empty() ? member_id_ : instance_,
                         assignment_);
    Beat(turn_);
  }

  void Beat(uint64_t turn) {
    if (!alive_ || turn != turn_) return;
    v1::HeartbeatRequest request;
    request.set_group_id(kGroup);
    request.set_member_id(member_id_);
    request.set_group_instance_id(instance_);
    request.set_generation_id(generation_);
    Send([self = shared_from_this(), request, turn] {
      const auto error = self->server_->Heartbeat(request);
      if (!error.has_value() || *error == v1::NONE) return;
      self->Receive(turn, [self, error] { self->OnError(*error); });
    });
    if (random_->Chance(50)) Commit();
    agenda_->After(1'000, [self = shared_from_this(), turn] {
      self->Beat(turn);
    });
  }

  void Commit() {
    std::istringstream owned(assignment_);
    int partition = -1;
    if (!(owned >> partition)) return;
    v1::OffsetCommitRequest request;
    request.set_group_id(kGroup);
    request.set_member_id(member_id_);
    request.set_group_instance_id(instance_);
    request.set_generation_id(generation_);
    v1::CommittedOffset* offset = request.add_offsets();
    // A topic that nobody subscribes to now and then: its offsets expire.
    const bool other = server_->trouble && random_->Chance(10);
    offset->set_topic(other ? "other" : "t");
    offset->set_partition(partition);
    offset->set_offset(agenda_->now_ms());
    Send([self = shared_from_this(), request, turn = turn_] {
      self->server_->Commit(
          request, [self, turn](v1::OffsetCommitResponse r) {
            if (r.error_code() == v1::NONE ||
                r.error_code() == v1::COORDINATOR_NOT_AVAILABLE ||
                r.error_code() == v1::REBALANCE_IN_PROGRESS) {
              return;
            }
            self->Receive(turn, [self, r] { self->OnError(r.error_code()); });
          });
    });
  }

  void OnError(v1::ErrorCode error) {
    stable_ = false;
    if (error == v1::FENCED_INSTANCE_ID) {
      alive_ = false;  // another process has its place
      return;
    }
    if (error == v1::INCONSISTENT_GROUP_PROTOCOL) {
      // The record of a group keeps a member's chosen protocol alone: after a
      // failover who does not know that one is refused, as in Kafka.
      alive_ = false;
      return;
    }
    if (error == v1::UNKNOWN_MEMBER_ID) member_id_.clear();
    const uint64_t turn = ++turn_;
    agenda_->After(100, [self = shared_from_this(), turn] {
      if (turn == self->turn_) self->Join();
    });
  }

  // To the server, late, never, or twice.
  void Send(std::function<void()> deliver) {
    if (!server_->trouble) return agenda_->After(5, std::move(deliver));
    if (random_->Chance(3)) return;
    if (random_->Chance(2)) agenda_->After(random_->Below(20'000), deliver);
    agenda_->After(random_->Below(random_->Chance(3) ? 15'000 : 200),
                   std::move(deliver));
  }
  // From the server; only if it is still waited for.
  void Receive(uint64_t turn, std::function<void()> act) {
    if (server_->trouble && random_->Chance(2)) return;
    agenda_->After(random_->Below(50),
                   [self = shared_from_this(), turn, act = std::move(act)] {
                     if (self->alive_ && turn == self->turn_) act();
                   });
  }
  void RetryAfter(int64_t delay_ms, uint64_t turn) {
    agenda_->After(delay_ms, [self = shared_from_this(), turn] {
      if (self->alive_ && turn == self->turn_) self->Join();
    });
  }

  const std::string name_;
  const std::string instance_;
  Server* const server_;
  Agenda* const agenda_;
  Random* const random_;
  Checker* const checker_;
  bool alive_ = true;
  bool stable_ = false;
  const bool can_skip_;
  std::vector<std::string> protocols_;
  std::string member_id_;
  int32_t generation_ = -1;
  std::string assignment_;
  uint64_t turn_ = 0;  // what it waits for; older answers are ignored
};

}  // namespace sillok::group_sim

#endif  // SILLOK_TEST_BROKER_GROUP_SIMULATION_CLIENT_H_
