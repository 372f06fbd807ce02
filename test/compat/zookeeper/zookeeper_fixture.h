// What the tests of ZooKeeper's own clients share: three servers, ours or (with
// SILLOK_ZOOKEEPER=debian) Debian's ZooKeeper as the control.
#ifndef SILLOK_TEST_COMPAT_ZOOKEEPER_ZOOKEEPER_FIXTURE_H_
#define SILLOK_TEST_COMPAT_ZOOKEEPER_ZOOKEEPER_FIXTURE_H_

#include <filesystem>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "test/support/zookeeper/ensemble.h"

namespace sillok::compat_test {

// The super user's password is test.
inline constexpr char kSuperDigest[] = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";

class ZooKeeperClientTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    zk::EnsembleSpec spec;
    spec.kind = zk::Ensemble::KindFromEnvironment();
    spec.directory = testing::TempDir() + "/ensemble";
    std::filesystem::remove_all(spec.directory);
    std::filesystem::create_directories(spec.directory);
    const std::string super =
        std::string("DigestAuthenticationProvider.superDigest=") + kSuperDigest;
    spec.java_flags = {"-Dzookeeper.extendedTypesEnabled=true",
                       "-Dzookeeper." + super};
    spec.settings = {"reconfigEnabled=true"};
    if (spec.kind == zk::EnsembleSpec::Kind::kSillok) {
      spec.settings.push_back("extendedTypesEnabled=true");
      spec.settings.push_back(super);
    }
    ensemble_ = std::make_unique<zk::Ensemble>(spec);
    ensemble_->WaitForLeader();
  }
  static void TearDownTestSuite() { ensemble_.reset(); }

  void TearDown() override {
    for (int id = 1; id <= ensemble_->members(); ++id) {
      if (!ensemble_->running(id)) ensemble_->Start(id);
    }
    ensemble_->WaitForLeader();
  }

  static zk::Ensemble& ensemble() { return *ensemble_; }

 private:
  static inline std::unique_ptr<zk::Ensemble> ensemble_;
};

}  // namespace sillok::compat_test

#endif  // SILLOK_TEST_COMPAT_ZOOKEEPER_ZOOKEEPER_FIXTURE_H_
