// The format language of `sillok produce` and `sillok consume` (rpk's, mostly):
// text with %verbs, and \t \n \r \\ \xNN. Pure.
//
//   %k key  %v value (%s too)  %t topic  %p partition  %o offset  %d timestamp
//   %e leader epoch  %h{...} headers (inside: %k %v)  %i running number  %% a %
//   %K %V %T lengths of key, value, topic  %H number of headers  %R value's
//   length as 4 bytes, big-endian
//   numbers:  %o{hex} {hex64} .. {hex4} {big64} .. {big8} {little64} .. {little8}
//             {byte} {ascii}
//   text:     %v{hex} {base64} {json} {utf8}
//   time:     %d{iso} %d{s} %d{ms} %d{us} %d{strftime[%F %T]} (UTC)
//
// Null keys and values are written as nothing; their length as -1.
#ifndef SILLOK_TOOLS_RECORD_FORMAT_H_
#define SILLOK_TOOLS_RECORD_FORMAT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/consumer.h"

namespace sillok::tools {

// One piece of a parsed format: literal text (verb 0), or a verb.
struct FormatPiece {
  char verb = 0;
  std::string literal;
  std::string modifier;             // "" = none
  std::vector<FormatPiece> header;  // of %h
};

// INVALID_CONFIG names the place that is wrong.
absl::StatusOr<std::vector<FormatPiece>> ParseFormat(std::string_view text);

// Writes records. Presets: `json` (one object a line).
class RecordPrinter {
 public:
  static absl::StatusOr<RecordPrinter> Create(const std::string& format);
  void Print(const client::ConsumerRecord& record, std::string* out);

 private:
  bool json_ = false;
  std::vector<FormatPiece> pieces_;
  int64_t count_ = 0;
};

// One record as the `json` preset writes it, without a newline.
std::string RecordToJson(const client::ConsumerRecord& record);

// What one reading of the format gave.
struct ParsedRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::optional<std::string> topic;
  std::optional<int32_t> partition;
  std::optional<int64_t> timestamp_ms;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Reads records from a stream of bytes. A text verb reaches to the literal that
// follows it (to the end of input when none does), or has the length that an
// earlier %K, %V or %T gave.
class RecordParser {
 public:
  // Fills `buffer` with up to `size` bytes; 0 = the end.
  using Source = std::function<size_t(char* buffer, size_t size)>;

  static absl::StatusOr<RecordParser> Create(const std::string& format,
                                             Source source);
  // False at the end. An input that breaks off in a record, or a number that is
  // none, is CORRUPT_MESSAGE with the record's number.
  absl::StatusOr<bool> Next(ParsedRecord* record);

 private:
  absl::Status Read(const std::vector<FormatPiece>& pieces, bool in_header,
                    ParsedRecord* record);
  absl::StatusOr<std::string> ReadField(const FormatPiece& piece,
                                        std::string_view until,
                                        std::optional<int64_t> length);
  absl::StatusOr<int64_t> ReadNumber(const FormatPiece& piece,
                                     std::string_view until);
  // The bytes up to `until`, which is taken too; the rest of the input when
  // `until` is empty.
  absl::StatusOr<std::string> TakeUntil(std::string_view until);
  absl::StatusOr<std::string> TakeExactly(size_t size);
  bool Fill();  // more bytes into buffer_; false at the end
  bool AtEnd();
  absl::Status Broken(const std::string& what) const;

  std::vector<FormatPiece> pieces_;
  Source source_;
  std::string buffer_;
  size_t start_ = 0;
  bool ended_ = false;
  int64_t number_ = 0;
  std::optional<int64_t> key_length_, value_length_, topic_length_;
  int64_t header_count_ = 0;
  // Of the header being read.
  std::string header_key_, header_value_;
};

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_RECORD_FORMAT_H_
