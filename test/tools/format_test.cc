#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "gtest/gtest.h"
#include "tools/offset_range.h"
#include "tools/record_format.h"
#include "tools/text_coding.h"

namespace sillok::tools {
namespace {

client::ConsumerRecord Sample() {
  client::ConsumerRecord record;
  record.topic = "orders";
  record.partition = 3;
  record.offset = 258;
  record.timestamp_ms = 1'700'000'000'123;
  record.leader_epoch = 7;
  record.key = "k1";
  record.value = "va\"l";
  record.header_count = 2;
  // Two headers: h=1 and n=null, as a record holds them.
  static const char kHeaders[] = {2, 'h', 2, '1', 2, 'n', 1};
  record.raw_headers = std::string_view(kHeaders, sizeof(kHeaders));
  return record;
}

std::string Print(const std::string& format) {
  auto printer = RecordPrinter::Create(format);
  if (!printer.ok()) return std::string(printer.status().message());
  std::string out;
  printer->Print(Sample(), &out);
  return out;
}

TEST(RecordPrinterTest, EveryVerbAndModifier) {
  struct Case {
    std::string format;
    std::string want;
  };
  using std::string_literals::operator""s;
  const Case cases[] = {
      {"%v\\n", "va\"l\n"},
      {"%t-%p@%o %k=%s", "orders-3@258 k1=va\"l"},
      {"%%|\\t\\x41\\\\", "%|\tA\\"},
      {"%K %V %T %H %e %i", "2 4 6 2 7 0"},
      {"%o{hex} %o{hex8} %o{hex32}", "102 02 00000102"},
      {"%o{big16}%o{little16}%p{byte}", "\x01\x02\x02\x01\x03"},
      {"%R%v", "\0\0\0\x04va\"l"s},
      {"%v{hex} %v{base64} %v{json}", "7661226c dmEibA== \"va\\\"l\""},
      {"%d %d{s} %d{iso}",
       "1700000000123 1700000000 2023-11-14T22:13:20.123Z"},
      {"%d{strftime[%F]}", "2023-11-14"},
      {"%h{%k:%v(%V) }", "h:1(1) n:(-1) "},
  };
  for (const Case& c : cases) EXPECT_EQ(Print(c.format), c.want) << c.format;
}

TEST(RecordPrinterTest, JsonIsOneObjectALine) {
  EXPECT_EQ(Print("json"),
            "{\"topic\":\"orders\",\"partition\":3,\"offset\":258,"
            "\"timestamp\":1700000000123,\"key\":\"k1\",\"value\":\"va\\\"l\","
            "\"headers\":[{\"key\":\"h\",\"value\":\"1\"},{\"key\":\"n\"}]}\n");
  client::ConsumerRecord record;
  record.topic = "t";
  record.key = "\xff";
  EXPECT_EQ(RecordToJson(record),
            "{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"timestamp\":-1,"
            "\"key_b64\":\"/w==\",\"tombstone\":true}");
}

TEST(RecordPrinterTest, WrongFormatsNameThePlace) {
  for (const char* format : {"%q", "%", "%v{hex", "%o{json}", "%h", "\\q",
                             "%v{hex64}", "\\x4"}) {
    auto printer = RecordPrinter::Create(format);
    ASSERT_FALSE(printer.ok()) << format;
    EXPECT_EQ(ErrorCodeOf(printer.status()), ErrorCode::INVALID_CONFIG);
  }
}

// Feeds `input` in pieces of `step` bytes.
absl::StatusOr<std::vector<ParsedRecord>> ParseAll(const std::string& format,
                                                   const std::string& input,
                                                   size_t step) {
  size_t at = 0;
  auto parser = RecordParser::Create(format, [&](char* out, size_t size) {
    size_t take = std::min({size, step, input.size() - at});
    std::memcpy(out, input.data() + at, take);
    at += take;
    return take;
  });
  if (!parser.ok()) return parser.status();
  std::vector<ParsedRecord> records;
  ParsedRecord record;
  while (true) {
    auto more = parser->Next(&record);
    if (!more.ok()) return more.status();
    if (!*more) return records;
    records.push_back(record);
  }
}

TEST(RecordParserTest, LinesKeysAndValues) {
  for (size_t step : {1, 3, 1000}) {
    auto lines = ParseAll("%v\\n", "a\n\nlast", step).value();
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_EQ(lines[0].value, "a");
    EXPECT_EQ(lines[1].value, "");
    EXPECT_EQ(lines[2].value, "last");
    EXPECT_FALSE(lines[0].key.has_value());
    auto pairs =
        ParseAll("%k\\t%v\\n", "k1\tv\twith tab\n\tempty key\n", step).value();
    ASSERT_EQ(pairs.size(), 2u);
    EXPECT_EQ(pairs[0].key, "k1");
    EXPECT_EQ(pairs[0].value, "v\twith tab");
    EXPECT_EQ(pairs[1].key, "");
  }
}

TEST(RecordParserTest, LengthsNumbersHeadersAndCodings) {
  auto sized = ParseAll("%K{big16}%k%V{byte}%v", std::string("\0\2k1\3a\nb", 8),
                        2)
                   .value();
  ASSERT_EQ(sized.size(), 1u);
  EXPECT_EQ(sized[0].key, "k1");
  EXPECT_EQ(sized[0].value, "a\nb");
  auto all = ParseAll("%t %p %d %v{hex}\\n", "topic 2 99 6869\n", 5).value();
  EXPECT_EQ(all[0].topic, "topic");
  EXPECT_EQ(all[0].partition, 2);
  EXPECT_EQ(all[0].timestamp_ms, 99);
  EXPECT_EQ(all[0].value, "hi");
  auto headers = ParseAll("%H:%h{%k=%v;}%v\\n", "2:a=1;b=2;value\n", 4).value();
  ASSERT_EQ(headers[0].headers.size(), 2u);
  EXPECT_EQ(headers[0].headers[1].first, "b");
  EXPECT_EQ(headers[0].value, "value");
}

TEST(RecordParserTest, WhatItPrintsItReads) {
  std::string printed = Print("%K %k%V{big32}%v|%p\\n");
  auto back = ParseAll("%K %k%V{big32}%v|%p\\n", printed, 7).value();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].key, "k1");
  EXPECT_EQ(back[0].value, "va\"l");
  EXPECT_EQ(back[0].partition, 3);
}

TEST(RecordParserTest, DamagedInputNamesTheRecord) {
  auto cut = ParseAll("%k\\t%v\\n", "a\tb\nno tab\n", 100);
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(std::string(cut.status().message()).find("record 2"),
            std::string::npos);
  EXPECT_FALSE(ParseAll("%p %v\\n", "x y\n", 100).ok());
  EXPECT_FALSE(ParseAll("%V{big32}%v", std::string("\0\0\0\7ab", 6), 1).ok());
  EXPECT_FALSE(ParseAll("%v{hex}\\n", "zz\n", 9).ok());
  EXPECT_FALSE(ParseAll("%k%v\\n", "", 1).ok()) << "no way to tell them apart";
  EXPECT_FALSE(ParseAll("%o\\n", "", 1).ok());
}

TEST(OffsetRangeTest, EveryForm) {
  constexpr int64_t kNow = 1'700'000'000'000;
  struct Case {
    std::string text;
    OffsetPoint::Kind kind;
    int64_t number;
    std::optional<int64_t> until;
  };
  const Case cases[] = {
      {"start", OffsetPoint::kStart, 0, {}},
      {"beginning", OffsetPoint::kStart, 0, {}},
      {"end", OffsetPoint::kEnd, 0, {}},
      {"+5", OffsetPoint::kStart, 5, {}},
      {"-5", OffsetPoint::kEnd, -5, {}},
      {"42", OffsetPoint::kOffset, 42, {}},
      {"42:", OffsetPoint::kOffset, 42, {}},
      {":42", OffsetPoint::kStart, 0, 42},
      {"10:20", OffsetPoint::kOffset, 10, 20},
      {":end", OffsetPoint::kStart, 0, 0},
      {"@1700000000000", OffsetPoint::kTime, kNow, {}},
      {"@1700000000", OffsetPoint::kTime, kNow, {}},
      {"@-1h", OffsetPoint::kTime, kNow - 3'600'000, {}},
      {"@30m:10m", OffsetPoint::kTime, kNow - 1'800'000, kNow - 600'000},
      {"@2023-11-14", OffsetPoint::kTime, 1'699'920'000'000, {}},
      {"@2023-11-14T22:13:20Z", OffsetPoint::kTime, kNow, {}},
      {"@2023-11-14T22:13:20Z:end", OffsetPoint::kTime, kNow, 0},
  };
  for (const Case& c : cases) {
    auto range = ParseOffsetRange(c.text, kNow);
    ASSERT_TRUE(range.ok()) << c.text << " " << range.status();
    EXPECT_EQ(range->from.kind, c.kind) << c.text;
    EXPECT_EQ(range->from.number, c.number) << c.text;
    EXPECT_EQ(range->until.has_value(), c.until.has_value()) << c.text;
    if (c.until && range->until) {
      EXPECT_EQ(range->until->number, *c.until) << c.text;
    }
  }
  for (const char* wrong : {"", "x", "1:x", "@", "@yesterday", "+-5", "5h"}) {
    EXPECT_FALSE(ParseOffsetRange(wrong, kNow).ok()) << wrong;
  }
}

TEST(TextCodingTest, Utf8IsTold) {
  for (const char* good : {"", "a", "\xc3\xa9", "\xe2\x82\xac",
                           "\xf0\x9f\x98\x80"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80",
                          "\xe2\x82", "\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(bad)) << ToHex(bad);
  }
}

}  // namespace
}  // namespace sillok::tools
