// The commands that change a cluster, on real brokers: what they do, say and
// answer.
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "test/cluster/cluster_fixture.h"
#include "test/cluster/run_command.h"

namespace sillok::cluster_test {
namespace {

using nlohmann::json;

class AdminCliTest : public ClusterTest {
 protected:
  void SetUp() override {
    tools::DevClusterSpec spec;
    spec.coordinators = 1;
    spec.brokers = 2;
    spec.broker_sets = {"offsets.topic.replication.factor=1"};
    StartCluster(spec);
  }
  CommandOutcome Sillok(const std::string& arguments,
                        const std::string& input = "") {
    return RunCommand("env -u SILLOK_BOOTSTRAP tools/sillok -b " +
                          cluster_->BrokerAddresses() + " --timeout 30 " +
                          arguments,
                      input);
  }
  json Json(const std::string& arguments) {
    CommandOutcome outcome = Sillok(arguments + " --json");
    json document = json::parse(outcome.out, nullptr, /*exceptions=*/false);
    EXPECT_FALSE(document.is_discarded())
        << arguments << ": " << outcome.out << outcome.err;
    return document;
  }
  // `count` records in partition 0, read by group `readers` which then leaves.
  void ProduceAndRead(const std::string& topic, int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) lines += std::to_string(i) + "\n";
    CommandOutcome produced =
        Sillok("produce " + topic + " -p 0 -f '%v\\n'", lines);
    ASSERT_EQ(produced.code, 0) << produced.err;
    CommandOutcome consumed =
        Sillok("consume " + topic + " -g readers -o start -e");
    ASSERT_EQ(consumed.code, 0) << consumed.err;
  }
};

TEST_F(AdminCliTest, TopicsGrow) {
  CreateTopic("orders", 2, 1);
  CommandOutcome grown = Sillok("topic add-partitions orders -n 1");
  EXPECT_EQ(grown.code, 0) << grown.err;
  EXPECT_EQ(grown.out,
            "TOPIC   PARTITIONS  STATUS\n"
            "orders  3           GROWN\n");
  EXPECT_EQ(Json("topic add-partitions orders --to 5 --dry-run")[0]["status"],
            "VALID");
  EXPECT_EQ(Json("topic describe orders")[0]["partitions"].size(), 3u);
  EXPECT_EQ(Sillok("topic add-partitions orders --to 5 --assign 2,1").code, 0);
  json partitions = Json("topic describe orders")[0]["partitions"];
  ASSERT_EQ(partitions.size(), 5u);
  EXPECT_EQ(partitions[3]["replicas"], json({2}));
  EXPECT_EQ(partitions[4]["replicas"], json({1}));
  CommandOutcome smaller = Sillok("topic add-partitions orders --to 2");
  EXPECT_EQ(smaller.code, 1);
  EXPECT_NE(smaller.err.find("INVALID_PARTITIONS"), std::string::npos);
  EXPECT_EQ(Sillok("topic add-partitions nope -n 1").code, 1);
  EXPECT_EQ(Sillok("topic add-partitions orders").code, 2);
  EXPECT_EQ(Sillok("topic add-partitions orders -n 1 --to 9").code, 2);
}

TEST_F(AdminCliTest, ConfigurationsAreShownAndChanged) {
  CreateTopic("orders", 1, 1);
  CommandOutcome set = Sillok("config set topic/orders retention.ms=3600000");
  EXPECT_EQ(set.code, 0) << set.err;
  EXPECT_EQ(set.out,
            "KEY           CHANGE  VALUE    STATUS\n"
            "retention.ms  set     3600000  CHANGED\n");
  auto value = [this](const std::string& entity, const std::string& key) {
    return Json("config get '" + entity + "' " + key)[0];
  };
  EXPECT_TRUE(Eventually(20, [&] {
    return value("topic/orders", "retention.ms")["value"] == "3600000";
  }));
  json shown = value("topic/orders", "retention.ms");
  EXPECT_EQ(shown["source"], "TOPIC");
  EXPECT_GE(shown["synonyms"].size(), 2u) << shown;
  json changed = Json("config list topic/orders --changed");
  EXPECT_TRUE(std::any_of(changed.begin(), changed.end(), [](const json& c) {
    return c["name"] == "retention.ms";
  }));
  EXPECT_EQ(Sillok("topic config orders --unset retention.ms").code, 0);
  EXPECT_TRUE(Eventually(20, [&] {
    return value("topic/orders", "retention.ms")["source"] != "TOPIC";
  }));
  CommandOutcome wrong = Sillok("config set topic/orders retention.ms=soon");
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.err.find("INVALID_CONFIG"), std::string::npos);
  EXPECT_NE(wrong.err.find("retention.ms"), std::string::npos) << wrong.err;
  EXPECT_EQ(Sillok("config set topic/orders no.such.key=1").code, 1);
  EXPECT_EQ(Sillok("config get topic/orders no.such.key").code, 2);
  EXPECT_EQ(Sillok("config get topic/nope retention.ms").code, 1);
  EXPECT_EQ(Sillok("config list nonsense").code, 2);
  EXPECT_EQ(Sillok("config set topic/orders").code, 2);
  EXPECT_GT(Json("config list broker/1").size(), 10u);
  EXPECT_EQ(Sillok("config list broker/99").code, 1);
}

TEST_F(AdminCliTest, AGroupIsResetOnlyWhenToldTo) {
  CreateTopic("orders", 1, 1);
  ProduceAndRead("orders", 10);
  CommandOutcome dry = Sillok("group reset readers -t orders --to-earliest");
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_EQ(dry.out,
            "GROUP    TOPIC   PARTITION  CURRENT  NEW  DELTA\n"
            "readers  orders  0          10       0    -10\n");
  EXPECT_NE(dry.err.find("dry run: nothing changed"), std::string::npos);
  auto committed = [this] {
    return Json("group describe readers")[0]["partitions"][0]["committed"];
  };
  EXPECT_EQ(committed(), 10);
  EXPECT_EQ(Json("group reset readers --all-topics --shift-by -3 --execute")
                [0]["new"],
            7);
  EXPECT_EQ(committed(), 7);
  EXPECT_EQ(Json("group lag readers")[0]["total_lag"], 3);
  EXPECT_EQ(Sillok("group lag --fail-above 3").code, 0);
  EXPECT_EQ(Sillok("group lag --fail-above 2").code, 1);
  // A plan saved and carried out later.
  CommandOutcome plan =
      Sillok("group reset readers -t orders:0 --to-offset 4 --export csv");
  EXPECT_EQ(plan.out, "orders,0,4\n");
  std::string file = testing::TempDir() + "/plan.csv";
  std::ofstream(file) << plan.out;
  EXPECT_EQ(Sillok("group reset readers --from-file " + file + " --execute")
                .code,
            0);
  EXPECT_EQ(committed(), 4);
  CommandOutcome beyond =
      Sillok("group reset readers -t orders --to-offset 99 --execute");
  EXPECT_EQ(beyond.code, 0);
  EXPECT_NE(beyond.err.find("orders-0 has offsets 0 to 10; taking 10"),
            std::string::npos)
      << beyond.err;
  EXPECT_EQ(Sillok("group reset readers -t orders --to-datetime 1970-01-02 "
                   "--execute")
                .code,
            0);
  EXPECT_EQ(committed(), 0);
  EXPECT_EQ(Sillok("group reset readers -t orders").code, 2);
  EXPECT_EQ(Sillok("group reset readers --to-latest").code, 2);
  EXPECT_EQ(
      Sillok("group reset readers -t orders --to-latest --to-earliest").code,
      2);
  EXPECT_EQ(Sillok("group reset readers -t nope --to-latest").code, 1);
}

TEST_F(AdminCliTest, AGroupWithMembersIsNeitherResetNorDeleted) {
  CreateTopic("orders", 1, 1);
  ProduceAndRead("orders", 3);
  auto config = ConsumerConfig("readers");
  auto consumer = client::Consumer::Create(config).value();
  ASSERT_TRUE(consumer->Subscribe({"orders"}).ok());
  ASSERT_TRUE(Eventually(30, [&] {
    (void)consumer->Poll(absl::Milliseconds(50));
    return !consumer->Assignment().empty();
  }));
  CommandOutcome reset =
      Sillok("group reset readers -t orders --to-earliest --execute");
  EXPECT_EQ(reset.code, 1);
  EXPECT_NE(reset.err.find("NON_EMPTY_GROUP"), std::string::npos) << reset.err;
  CommandOutcome gone = Sillok("group delete readers --yes");
  EXPECT_EQ(gone.code, 1);
  EXPECT_NE(gone.out.find("NON_EMPTY_GROUP"), std::string::npos) << gone.out;
  CommandOutcome offsets =
      Sillok("group offset-delete readers -t orders --yes");
  EXPECT_EQ(offsets.code, 1);
  EXPECT_NE(offsets.out.find("GROUP_SUBSCRIBED_TO_TOPIC"), std::string::npos)
      << offsets.out;
  ASSERT_TRUE(consumer->Close(absl::Seconds(10)).ok());
  EXPECT_EQ(Sillok("group offset-delete readers -t orders --yes").code, 0);
  EXPECT_EQ(Sillok("group offset-delete readers -t orders --yes").code, 1);
  EXPECT_EQ(Sillok("group delete readers").code, 2) << "nobody to ask";
  EXPECT_EQ(Json("group delete readers --yes")[0]["status"], "DELETED");
  EXPECT_EQ(Sillok("group delete readers --yes").code, 1);
}

TEST_F(AdminCliTest, RecordsAreDeletedUpToAnOffset) {
  CreateTopic("orders", 2, 1);
  ProduceAndRead("orders", 10);
  EXPECT_EQ(Sillok("topic delete-records orders --before 4").code, 2);
  CommandOutcome trimmed =
      Sillok("topic delete-records orders --before 4 -p 0 --yes");
  EXPECT_EQ(trimmed.code, 0) << trimmed.err;
  EXPECT_EQ(trimmed.out,
            "TOPIC   PARTITION  LOG-START  STATUS\n"
            "orders  0          4          DELETED\n");
  EXPECT_EQ(Sillok("consume orders -o start -e -f '%v\\n'").out,
            "4\n5\n6\n7\n8\n9\n");
  CommandOutcome beyond =
      Sillok("topic delete-records orders --before 99 -p 0 --yes");
  EXPECT_EQ(beyond.code, 1);
  EXPECT_NE(beyond.err.find("OFFSET_OUT_OF_RANGE"), std::string::npos);
  json all = Json("topic trim orders --before end --yes");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["log_start_offset"], 10);
  EXPECT_EQ(Sillok("consume orders -o start -e").out, "");
}

TEST_F(AdminCliTest, PreferredLeadersComeBackWhenAskedTo) {
  CreateTopic("orders", 1, 2);
  json before = Json("topic describe orders")[0]["partitions"][0];
  int preferred = before["replicas"][0];
  std::string name = "broker-" + std::to_string(preferred);
  Kill(name);
  ASSERT_TRUE(Eventually(60, [&] {
    int leader = LeaderOf("orders", 0);
    return leader >= 0 && leader != preferred;
  }));
  StartAgain(name);
  ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated("orders"); }));
  json elected = Json("elect orders:0");
  ASSERT_EQ(elected.size(), 1u);
  // The cluster may have done it by itself meanwhile.
  EXPECT_TRUE(elected[0]["status"] == "ELECTED" ||
              elected[0]["status"] == "NOT-NEEDED")
      << elected;
  EXPECT_TRUE(
      Eventually(30, [&] { return LeaderOf("orders", 0) == preferred; }));
  EXPECT_EQ(Json("leader elect orders")[0]["status"], "NOT-NEEDED");
  EXPECT_EQ(Sillok("elect").code, 2);
  EXPECT_EQ(Sillok("elect orders --unclean").code, 2) << "nobody to ask";
  EXPECT_EQ(Sillok("elect nope").code, 1);
}

}  // namespace
}  // namespace sillok::cluster_test
