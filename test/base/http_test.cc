#include "base/http.h"

#include <cstdio>
#include <fstream>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "httplib.h"

namespace sillok {
namespace {

using testing::HasSubstr;

TEST(MetricsTest, CountsFromManyThreadsAreExact) {
  MetricsRegistry registry;
  Counter* counter = registry.AddCounter("sillok_test_things_total", "Things.");
  Histogram* histogram =
      registry.AddHistogram("sillok_test_seconds", "Time.", {1, 10});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        counter->Add();
        histogram->Observe(i % 20);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter->value(), 40'000);
  EXPECT_EQ(histogram->counts(), (std::vector<uint64_t>{4000, 18000, 18000}));
  EXPECT_EQ(histogram->sum(), 4 * 500 * 190);
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameMetric) {
  MetricsRegistry registry;
  Counter* a = registry.AddCounter("x_total", "X.", {{"api", "produce"}});
  EXPECT_EQ(a, registry.AddCounter("x_total", "X.", {{"api", "produce"}}));
  EXPECT_NE(a, registry.AddCounter("x_total", "X.", {{"api", "fetch"}}));
}

TEST(HttpTest, PromtoolAcceptsTheMetrics) {
  MetricsRegistry registry;
  registry.AddProcessMetrics("test");
  registry.AddCounter("sillok_api_requests_total", "Requests.",
                      {{"api", "a\"b\\c\nd"}})
      ->Add(3);
  registry.AddHistogram("sillok_api_request_seconds", "Request time.",
                        Histogram::LatencyBounds())
      ->Observe(0.001);
  registry.AddCallback("sillok_log_size_bytes", "Log size.",
                       MetricsRegistry::Kind::kGauge, [] {
                         return std::vector<MetricsRegistry::Sample>{
                             {{{"topic", "t"}}, 5}};
                       });
  auto http = HttpEndpoint::Start("127.0.0.1:0", &registry,
                                  [] { return absl::OkStatus(); });
  ASSERT_TRUE(http.ok()) << http.status();
  httplib::Client client("127.0.0.1", (*http)->port());
  auto reply = client.Get("/metrics");
  ASSERT_TRUE(reply);
  EXPECT_THAT(reply->body, HasSubstr("sillok_log_size_bytes{topic=\"t\"} 5"));
  EXPECT_THAT(reply->body, HasSubstr("process_resident_memory_bytes"));
  std::string path = testing::TempDir() + "/metrics.txt";
  std::ofstream(path) << reply->body;
  FILE* promtool =
      popen(("promtool check metrics < " + path + " 2>&1").c_str(), "r");
  std::string said;
  for (int c; (c = fgetc(promtool)) != EOF;) said += static_cast<char>(c);
  EXPECT_EQ(pclose(promtool), 0) << said;
}

TEST(HttpTest, HealthzSaysWhyItIsNotWell) {
  MetricsRegistry registry;
  absl::Status health = absl::UnavailableError("no quorum");
  auto http =
      HttpEndpoint::Start("127.0.0.1:0", &registry, [&] { return health; });
  ASSERT_TRUE(http.ok());
  (*http)->AddJson("/commands/x", [] { return std::string("{\"a\":1}"); });
  httplib::Client client("127.0.0.1", (*http)->port());
  auto reply = client.Get("/healthz");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(reply->body, "no quorum\n");
  health = absl::OkStatus();
  EXPECT_EQ(client.Get("/healthz")->status, 200);
  EXPECT_EQ(client.Get("/commands/x")->body, "{\"a\":1}");
  EXPECT_EQ(client.Get("/nothing")->status, 404);
}

TEST(HttpTest, ATakenPortIsAnErrorThatNamesIt) {
  MetricsRegistry registry;
  auto ok = [] { return absl::OkStatus(); };
  auto first = HttpEndpoint::Start("127.0.0.1:0", &registry, ok);
  ASSERT_TRUE(first.ok());
  std::string address = "127.0.0.1:" + std::to_string((*first)->port());
  auto second = HttpEndpoint::Start(address, &registry, ok);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

}  // namespace
}  // namespace sillok
