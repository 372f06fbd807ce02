#include "coordinator/zab/peer_codec.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace sillok::zab {
namespace {

Message Filled(MessageKind kind) {
  Message m;
  m.kind = kind;
  m.from = MemberId(3);
  m.to = MemberId(1);
  m.epoch = 17;
  return m;
}

// What arrives after serialising, parsing and decoding.
Message Carried(const Message& message) {
  std::string bytes = ToProto(message).SerializeAsString();
  v1::PeerMessage wire;
  EXPECT_TRUE(wire.ParseFromString(bytes));
  absl::StatusOr<Message> decoded = FromProto(std::move(wire));
  EXPECT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->kind, message.kind);
  EXPECT_EQ(decoded->from, message.from);
  EXPECT_EQ(decoded->to, message.to);
  EXPECT_EQ(decoded->epoch, message.epoch);
  return *std::move(decoded);
}

TEST(PeerCodec, CarriesNotifications) {
  for (Role role : {Role::kLooking, Role::kFollowing, Role::kLeading}) {
    Message m = Filled(MessageKind::kNotification);
    m.role = role;
    m.round = uint64_t{1} << 40;
    m.vote = Vote{16, Zxid(16, Zxid::kMaxCounter), MemberId(-1)};
    Message c = Carried(m);
    EXPECT_EQ(c.role, role);
    EXPECT_EQ(c.round, m.round);
    EXPECT_EQ(c.vote, m.vote);
  }
}

TEST(PeerCodec, CarriesTheMembersToOneWhoSeemsNotToKnowThem) {
  Message m = Filled(MessageKind::kNotification);
  EXPECT_EQ(Carried(m).membership, nullptr);
  m.membership = std::make_shared<const Membership>(
      Membership{Zxid(16, 9),
                 {{MemberId(1), true, "one:2888"},
                  {MemberId(4), false, "[::1]:2888"},
                  {MemberId(255), true, ""}}});
  Message c = Carried(m);
  ASSERT_NE(c.membership, nullptr);
  EXPECT_EQ(*c.membership, *m.membership);
}

TEST(PeerCodec, MembersWithoutAVersionAreThoseOfTheFiles) {
  Message m = Filled(MessageKind::kNotification);
  m.membership = std::make_shared<const Membership>(
      Membership{Zxid(), {{MemberId(1), true, "one:2888"}}});
  Message c = Carried(m);
  ASSERT_NE(c.membership, nullptr);
  EXPECT_EQ(c.membership->version, Zxid());
}

TEST(PeerCodec, CarriesThatAMemberWasRemoved) {
  Message m = Filled(MessageKind::kRemoved);
  EXPECT_TRUE(ToProto(m).has_removed());
  Carried(m);
}

TEST(PeerCodec, CarriesDiscovery) {
  Message info = Filled(MessageKind::kFollowerInfo);
  info.accepted_epoch = Zxid::kMaxEpoch;
  EXPECT_EQ(Carried(info).accepted_epoch, info.accepted_epoch);
  Carried(Filled(MessageKind::kNewEpoch));
  for (bool promised : {false, true}) {
    Message ack = Filled(MessageKind::kAckEpoch);
    ack.current_epoch = 12;
    ack.zxid = Zxid(12, 5);
    ack.promised = promised;
    Message c = Carried(ack);
    EXPECT_EQ(c.current_epoch, 12u);
    EXPECT_EQ(c.zxid, ack.zxid);
    EXPECT_EQ(c.promised, promised);
  }
}

TEST(PeerCodec, CarriesEntriesByteForByte) {
  Message m = Filled(MessageKind::kAppend);
  m.zxid = Zxid(16, 4);
  m.commit = Zxid(16, 2);
  m.established = true;
  std::string odd("\0\xff\n", 3);
  m.entries = {MakeEntry(Zxid(17, 1), odd), MakeEntry(Zxid(17, 2), "")};
  Message c = Carried(m);
  EXPECT_EQ(c.zxid, m.zxid);
  EXPECT_EQ(c.commit, m.commit);
  EXPECT_TRUE(c.established);
  ASSERT_EQ(c.entries.size(), 2u);
  EXPECT_EQ(c.entries[0].zxid, Zxid(17, 1));
  EXPECT_EQ(*c.entries[0].txn, odd);
  EXPECT_EQ(*c.entries[1].txn, "");
}

TEST(PeerCodec, CarriesAcknowledgements) {
  Message ack = Filled(MessageKind::kAck);
  ack.zxid = Zxid(17, 9);
  ack.hint = Zxid(17, 4);
  ack.rejected = true;
  Message c = Carried(ack);
  EXPECT_EQ(c.zxid, ack.zxid);
  EXPECT_EQ(c.hint, ack.hint);
  EXPECT_TRUE(c.rejected);

  Message new_leader = Filled(MessageKind::kNewLeader);
  new_leader.zxid = Zxid(16, 4);
  new_leader.commit = Zxid(16, 3);
  new_leader.established = true;
  c = Carried(new_leader);
  EXPECT_EQ(c.zxid, new_leader.zxid);
  EXPECT_EQ(c.commit, new_leader.commit);
  EXPECT_TRUE(c.established);
  Carried(Filled(MessageKind::kAckNewLeader));
  Carried(Filled(MessageKind::kGoodbye));
  Message hand_over = Filled(MessageKind::kHandOver);
  hand_over.vote.leader = MemberId(4);
  EXPECT_EQ(Carried(hand_over).vote.leader, MemberId(4));
}

TEST(PeerCodec, CarriesHeartbeats) {
  Message ping = Filled(MessageKind::kPing);
  ping.sequence = 77;
  ping.zxid = Zxid(17, 3);
  ping.commit = Zxid(17, 2);
  ping.established = true;
  Message c = Carried(ping);
  EXPECT_EQ(c.sequence, 77u);
  EXPECT_EQ(c.zxid, ping.zxid);
  EXPECT_EQ(c.commit, ping.commit);
  EXPECT_TRUE(c.established);
  Message pong = Filled(MessageKind::kPong);
  pong.sequence = 77;
  pong.zxid = Zxid(17, 2);
  pong.hint = Zxid(17, 3);
  pong.joined = true;
  c = Carried(pong);
  EXPECT_EQ(c.sequence, 77u);
  EXPECT_EQ(c.zxid, pong.zxid);
  EXPECT_EQ(c.hint, pong.hint);
  EXPECT_TRUE(c.joined);
}

TEST(PeerCodec, RefusesWhatIsNotZabs) {
  v1::PeerMessage empty;
  EXPECT_FALSE(FromProto(std::move(empty)).ok());
  v1::PeerMessage forward;
  forward.set_forward("x");
  EXPECT_FALSE(FromProto(std::move(forward)).ok());
  v1::PeerMessage chunk;
  chunk.mutable_snapshot_chunk()->set_data("x");
  EXPECT_FALSE(FromProto(std::move(chunk)).ok());
}

TEST(PeerCodec, RefusesNumbersNoMemberWouldSend) {
  v1::PeerMessage epoch;
  epoch.mutable_new_epoch();
  epoch.set_epoch(Zxid::kMaxEpoch + 1);
  EXPECT_FALSE(FromProto(std::move(epoch)).ok());
  v1::PeerMessage role;
  role.mutable_notification()->set_role(
      static_cast<v1::PeerNotification::Role>(9));
  EXPECT_FALSE(FromProto(std::move(role)).ok());
}

}  // namespace
}  // namespace sillok::zab
