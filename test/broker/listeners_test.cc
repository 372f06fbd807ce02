#include "broker/listeners.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sillok {
namespace {

ListenerConfig Config(std::string listeners, std::string advertised = "",
                      std::string map = kDefaultProtocolMap) {
  return {std::move(listeners), std::move(advertised), std::move(map)};
}

TEST(ListenersTest, WhatListensIsAdvertisedUnlessSaidOtherwise) {
  auto plan = PlanListeners(Config("GRPC://127.0.0.1:9094, PLAINTEXT://h:9092"));
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->listen.size(), 2u);
  EXPECT_EQ(plan->listen, plan->advertise);
  EXPECT_EQ(plan->listen[0].security_protocol, kGrpcProtocol);
  EXPECT_EQ(plan->listen[1],
            (BrokerEndpoint{"PLAINTEXT", kPlaintextProtocol, "h", 9092}));
}

TEST(ListenersTest, NamesOfTheOperatorSpeakWhatTheMapSays) {
  auto plan = PlanListeners(
      Config("GRPC://a:1,INSIDE://a:2,OUTSIDE://a:3",
             "GRPC://a:1,INSIDE://inside:2,OUTSIDE://nat.example:30003",
             "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT"));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->advertise[2], (BrokerEndpoint{"OUTSIDE", kPlaintextProtocol,
                                                "nat.example", 30003}));
}

TEST(ListenersTest, IPv6HostsStandInBracketsAndNoHostMeansAll) {
  auto plan = PlanListeners(Config("GRPC://[::1]:9094,PLAINTEXT://:9092"));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->listen[0].host, "::1");
  EXPECT_EQ(HostPort(plan->listen[0]), "[::1]:9094");
  EXPECT_EQ(HostPort(plan->listen[1]), "0.0.0.0:9092");
}

TEST(ListenersTest, WrongOnesAreRefusedWithKeyAndReason) {
  struct Row {
    ListenerConfig config;
    std::vector<std::string> says;
  };
  const std::vector<Row> rows = {
      {Config(""), {"listeners:", "no listener"}},
      {Config("nonsense"), {"listeners:", "'nonsense'", "NAME://"}},
      {Config("GRPC://a"), {"listeners:", "port"}},
      {Config("GRPC://a:70000"), {"0 to 65535"}},
      {Config("GRPC://a:9x"), {"0 to 65535"}},
      {Config("GRPC://::1:9094"), {"brackets"}},
      {Config("PLAINTEXT://a:1"), {"listeners:", "GRPC"}},
      {Config("GRPC://a:1,GRPC://a:2"), {"'GRPC'", "twice"}},
      {Config("GRPC://a:1,PLAINTEXT://a:1"), {"two listeners at a:1"}},
      {Config("GRPC://a:1,KAFKA://a:2"),
       {"'KAFKA'", "listener.security.protocol.map"}},
      {Config("GRPC://a:1", "", "GRPC"),
       {"listener.security.protocol.map:", "NAME:PROTOCOL"}},
      {Config("GRPC://a:1", "", "X:SSL"),
       {"listener.security.protocol.map:", "'SSL'", "PLAINTEXT"}},
      {Config("GRPC://a:1", "", "X:GRPC,X:GRPC"), {"'X'", "twice"}},
      {Config("GRPC://a:1", "PLAINTEXT://a:1"),
       {"advertised.listeners:", "'PLAINTEXT'", "not among"}},
      {Config("GRPC://a:1", "GRPC://0.0.0.0:1"),
       {"advertised.listeners:", "nobody can connect"}},
      {Config("GRPC://a:1,PLAINTEXT://a:2", "PLAINTEXT://a:2"),
       {"advertised.listeners:", "GRPC"}},
  };
  for (const Row& row : rows) {
    auto plan = PlanListeners(row.config);
    ASSERT_FALSE(plan.ok()) << row.config.listeners;
    for (const std::string& part : row.says) {
      EXPECT_NE(std::string(plan.status().message()).find(part),
                std::string::npos)
          << plan.status() << " lacks " << part;
    }
  }
}

}  // namespace
}  // namespace sillok
