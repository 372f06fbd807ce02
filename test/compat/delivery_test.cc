#include "test/compat/delivery.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sillok::compat_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<Delivered> kLog = {
    {"t", 0, 0, "p1-1"}, {"t", 0, 1, "p1-3"}, {"t", 1, 0, "p1-2"}};

TEST(DeliveryTest, AWholeLogWithAllThatWasAcknowledgedIsGood) {
  EXPECT_THAT(CheckDelivery(kLog, kLog, {true, true}), IsEmpty());
  // An answer that never came may have been written all the same.
  EXPECT_THAT(CheckDelivery({kLog[0]}, kLog, {true, true}), IsEmpty());
}

TEST(DeliveryTest, AnAcknowledgedRecordThatNobodyReadIsLost) {
  EXPECT_THAT(CheckDelivery(kLog, {kLog[0], kLog[2]}, {true, true}),
              ElementsAre(HasSubstr("LOST: p1-3")));
  EXPECT_THAT(CheckDelivery({{"t", 0, -1, "p1-9"}}, kLog, {}),
              ElementsAre(HasSubstr("LOST: p1-9")));
}

TEST(DeliveryTest, AnAcknowledgedRecordAtAnotherOffsetIsFound) {
  EXPECT_THAT(CheckDelivery({{"t", 0, 0, "p1-3"}}, kLog, {}),
              ElementsAre(HasSubstr("where p1-1 stands")));
  EXPECT_THAT(CheckDelivery({{"t", 0, 7, "p1-3"}}, kLog, {}),
              ElementsAre(HasSubstr("where nothing stands")));
  EXPECT_THAT(CheckDelivery({{"t", 5, 0, "p1-3"}}, kLog, {}),
              ElementsAre(HasSubstr("another partition")));
}

TEST(DeliveryTest, AnOffsetReadInTwoWaysIsFound) {
  std::vector<Delivered> read = kLog;
  read.push_back(kLog[1]);  // again, the same: a rebalance does that
  EXPECT_THAT(CheckDelivery(kLog, read, {true, true}), IsEmpty());
  read.push_back({"t", 0, 1, "p1-4"});
  EXPECT_THAT(CheckDelivery(kLog, read, {}),
              ElementsAre(HasSubstr("p1-3 and as p1-4")));
}

TEST(DeliveryTest, AHoleInTheLogIsFoundWhereTheWholeLogWasRead) {
  std::vector<Delivered> read = {kLog[1], kLog[2]};
  EXPECT_THAT(CheckDelivery({}, read, {false, true}),
              ElementsAre(HasSubstr("offset 1 after -1")));
  EXPECT_THAT(CheckDelivery({}, read, {false, false}), IsEmpty());
}

TEST(DeliveryTest, ADuplicateIsFoundWhereIdempotenceForbidsIt) {
  std::vector<Delivered> read = kLog;
  read.push_back({"t", 0, 2, "p1-3"});
  EXPECT_THAT(CheckDelivery(kLog, read, {true, true}),
              ElementsAre(HasSubstr("p1-3 stands twice")));
  EXPECT_THAT(CheckDelivery(kLog, read, {false, true}), IsEmpty());
}

TEST(DeliveryTest, AChangedOrderIsFoundWhereIdempotenceForbidsIt) {
  std::vector<Delivered> read = {{"t", 0, 0, "p1-2"}, {"t", 0, 1, "p2-1"},
                                 {"t", 0, 2, "p1-1"}};
  EXPECT_THAT(CheckDelivery({}, read, {true, true}),
              ElementsAre(HasSubstr("p1-1 stands after 2")));
  EXPECT_THAT(CheckDelivery({}, read, {false, true}), IsEmpty());
}

TEST(DeliveryTest, LinesAreReadWholeAndOthersAreNotOverlooked) {
  std::string path = testing::TempDir() + "/lines";
  std::ofstream(path) << "t\t1\t7\tp1-1\nTraceback\nt\t1\t8\tp1-";
  std::vector<Delivered> lines = ReadDeliveries(path);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].partition, 1);
  EXPECT_EQ(lines[0].offset, 7);
  EXPECT_EQ(lines[0].value, "p1-1");
  EXPECT_THAT(CheckDelivery(lines, {lines[0]}, {false, false}),
              ElementsAre(HasSubstr("not a delivery line: Traceback")));
}

}  // namespace
}  // namespace sillok::compat_test
