// A small ensemble of ZAB cores moved by hand, for scenarios in text files.
#ifndef SILLOK_TEST_COORDINATOR_ZAB_SCENARIO_H_
#define SILLOK_TEST_COORDINATOR_ZAB_SCENARIO_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/zab/zab.h"
#include "test/sim/zab_image.h"

namespace sillok::zab {

// Runs one command at a time and returns what happened, a line each. Nothing
// moves by itself: messages wait in one queue until `deliver`, writes on held
// disks until `disk M on`, time stands still but for `tick` and `run`.
//
//   members N [OPTION=VALUE ...]   N members, 1 to N, all down. Options: append,
//                                  window, commit (bytes), in_flight (entries),
//                                  counter (its limit), observers (so many
//                                  more, who do not vote), spares (so many
//                                  more, who do not belong to it: their files
//                                  have them as observers), changing=1 (the
//                                  members may be changed)
//   disk_of M epochs=A/C log=Z,Z.. trim=Z applied=Z   what M finds at its start;
//                                  Z:1+2o is a change of the members, Z:seal
//                                  the seal of one
//   start M...      crash M...     writes under way are lost
//   tick M [N]                     time passes for one
//   run N                          N times: tick all, deliver
//   deliver                        until nothing moves
//   disk M on|off                  off: writes take for ever
//   cut M...        heal           M reaches nobody; messages are lost
//   propose M TXN...               one input, one output
//   reconfig M ID...               M proposes these members; 4o only observes
//   barrier M ID    resign M       lost M PEER: a hint
//   transfer M [PEER]              M is to hand over, to anybody or to PEER
//   trim M Z                       M forgets its log up to Z
//   stream M PEER [fails]          M's snapshot reaches PEER, or not
//   say all|effects|nothing        which lines to print from now on
//   status
class Scenario {
 public:
  std::string Run(const std::string& line);

 private:
  struct Member {
    std::unique_ptr<Zab> core;  // Null while down.
    sim::ZabImage image;
    std::deque<Persist> writes;
    bool disk_on = true;
    Zxid delivered;
  };
  using Words = std::vector<std::string>;
  enum class Say { kAll, kEffects, kNothing };

  void Dispatch(const std::string& command, const Words& words);
  void Members(const Words& words);
  void DiskOf(const Words& words);
  Entry LoggedEntry(const std::string& text);
  void Start(int id);
  void Crash(int id);
  void Tick(int id);
  void Propose(const Words& words);
  void Reconfig(const Words& words);
  Membership MembersAt(int id, Zxid applied) const;
  void Stream(const Words& words);
  void Transfer(const Words& words);
  void Status();

  bool DeliverOne();
  bool WriteOne();
  void Deliver();
  void Drive(int id);
  void CarryOut(int id, Output output);
  void PrintWrite(int id, const Persist& persist);
  std::ostream& Line(int id);

  Options options_;
  // In force behind these zxids, as delivered.
  std::map<Zxid, Membership> changes_;
  std::map<int, Member> members_;
  std::deque<Message> network_;
  std::set<int> cut_;
  Say say_ = Say::kAll;
  std::ostringstream out_;
  std::ostringstream silence_;
};

}  // namespace sillok::zab

#endif  // SILLOK_TEST_COORDINATOR_ZAB_SCENARIO_H_
