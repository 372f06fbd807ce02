#include "tools/record_format.h"

#include <charconv>
#include <cstring>
#include <ctime>

#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "tools/text_coding.h"

namespace sillok::tools {
namespace {

constexpr std::string_view kNumbers = "poedxyiKVTH";
constexpr std::string_view kTexts = "kvst";

absl::Status BadFormat(const std::string& what) {
  return ErrorStatus(ErrorCode::INVALID_CONFIG, "format: " + what);
}

bool IsNumberModifier(const std::string& modifier) {
  static const char* const kAll[] = {
      "ascii", "hex",   "hex64", "hex32", "hex16",    "hex8",     "hex4",
      "big64", "big32", "big16", "big8",  "little64", "little32", "little16",
      "little8", "byte", "bool"};
  for (const char* name : kAll) {
    if (modifier == name) return true;
  }
  return false;
}

bool IsTextModifier(const std::string& modifier) {
  return modifier == "hex" || modifier == "base64" || modifier == "json" ||
         modifier == "utf8";
}

bool IsTimeModifier(const std::string& modifier) {
  return modifier == "iso" || modifier == "s" || modifier == "ms" ||
         modifier == "us" ||
         (modifier.rfind("strftime[", 0) == 0 && modifier.back() == ']');
}

absl::Status CheckModifier(const FormatPiece& piece) {
  if (piece.modifier.empty()) return absl::OkStatus();
  bool fits = kTexts.find(piece.verb) != std::string_view::npos
                  ? IsTextModifier(piece.modifier)
              : piece.verb == 'd' ? IsTimeModifier(piece.modifier) ||
                                        IsNumberModifier(piece.modifier)
                                  : IsNumberModifier(piece.modifier);
  if (fits) return absl::OkStatus();
  return BadFormat("%" + std::string(1, piece.verb) + " does not take {" +
                   piece.modifier + "}");
}

// Reads "{...}" at `i`, minding braces inside; leaves `i` after it.
absl::StatusOr<std::string> ReadBraces(std::string_view text, size_t* i) {
  size_t depth = 0;
  for (size_t end = *i; end < text.size(); ++end) {
    if (text[end] == '{') ++depth;
    if (text[end] == '}' && --depth == 0) {
      std::string inner(text.substr(*i + 1, end - *i - 1));
      *i = end + 1;
      return inner;
    }
  }
  return BadFormat("a { without its }");
}

absl::StatusOr<char> ReadEscape(std::string_view text, size_t* i) {
  char c = *i < text.size() ? text[(*i)++] : '\0';
  switch (c) {
    case 't':
      return '\t';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case '\\':
      return '\\';
    case '0':
      return '\0';
    case 'x': {
      auto byte = FromHex(text.substr(*i, 2));
      if (byte && byte->size() == 1) {
        *i += 2;
        return (*byte)[0];
      }
      break;
    }
    default:
      break;
  }
  return BadFormat("\\ must be followed by t, n, r, \\, 0 or xNN");
}

// Bytes and order of "big32" and the like; false for other modifiers.
bool FixedWidth(const std::string& modifier, size_t* bytes, bool* big) {
  *big = true;
  std::string_view digits;
  if (modifier == "byte") {
    digits = "8";
  } else if (modifier.rfind("big", 0) == 0) {
    digits = std::string_view(modifier).substr(3);
  } else if (modifier.rfind("little", 0) == 0) {
    digits = std::string_view(modifier).substr(6);
    *big = false;
  }
  *bytes = digits == "64" ? 8 : digits == "32" ? 4 : digits == "16" ? 2
           : digits == "8" ? 1 : 0;
  return *bytes != 0;
}

void PutFixed(uint64_t value, size_t bytes, bool big, std::string* out) {
  for (size_t i = 0; i < bytes; ++i) {
    size_t shift = 8 * (big ? bytes - 1 - i : i);
    *out += static_cast<char>(value >> shift);
  }
}

void PrintNumber(int64_t value, const std::string& modifier, std::string* out) {
  size_t bytes = 0;
  bool big = true;
  if (modifier.empty() || modifier == "ascii") {
    *out += std::to_string(value);
  } else if (modifier == "bool") {
    *out += value != 0 ? "true" : "false";
  } else if (modifier.rfind("hex", 0) == 0) {
    // hex64 is 16 digits, hex4 one; plain hex as many as it needs.
    int width = modifier == "hex" ? 0 : std::stoi(modifier.substr(3)) / 4;
    std::string digits = fmt::format("{:0{}x}", static_cast<uint64_t>(value),
                                     width);
    *out += width == 0 ? digits
                       : digits.substr(digits.size() -
                                       static_cast<size_t>(width));
  } else if (FixedWidth(modifier, &bytes, &big)) {
    PutFixed(static_cast<uint64_t>(value), bytes, big, out);
  }
}

void PrintText(std::string_view text, const std::string& modifier,
               std::string* out) {
  if (modifier == "hex") {
    *out += ToHex(text);
  } else if (modifier == "base64") {
    *out += ToBase64(text);
  } else if (modifier == "json") {
    *out += nlohmann::json(std::string(text))
                .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else {
    *out += text;
  }
}

void PrintTime(int64_t ms, const std::string& modifier, std::string* out) {
  if (modifier.empty() || modifier == "ms") {
    *out += std::to_string(ms);
    return;
  }
  if (modifier == "s" || modifier == "us") {
    *out += std::to_string(modifier == "s" ? ms / 1000 : ms * 1000);
    return;
  }
  if (IsNumberModifier(modifier)) {
    PrintNumber(ms, modifier, out);
    return;
  }
  time_t seconds = ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[256];
  std::string pattern = modifier == "iso" ? "%Y-%m-%dT%H:%M:%S"
                                          : modifier.substr(9, modifier.size() - 10);
  size_t size = std::strftime(text, sizeof(text), pattern.c_str(), &parts);
  out->append(text, size);
  if (modifier == "iso") *out += fmt::format(".{:03}Z", ms % 1000);
}

void PrintHeader(const std::vector<FormatPiece>& pieces,
                 const client::ConsumerRecord::Header& header,
                 std::string* out) {
  for (const FormatPiece& piece : pieces) {
    std::string_view value = header.second.value_or("");
    switch (piece.verb) {
      case 'k':
        PrintText(header.first, piece.modifier, out);
        break;
      case 'v':
      case 's':
        PrintText(value, piece.modifier, out);
        break;
      case 'K':
        PrintNumber(static_cast<int64_t>(header.first.size()), piece.modifier,
                    out);
        break;
      case 'V':
        PrintNumber(header.second ? static_cast<int64_t>(value.size()) : -1,
                    piece.modifier, out);
        break;
      default:
        *out += piece.literal;
    }
  }
}

int64_t LengthOf(const std::optional<std::string_view>& bytes) {
  return bytes ? static_cast<int64_t>(bytes->size()) : -1;
}

void PrintPiece(const FormatPiece& piece, const client::ConsumerRecord& record,
                int64_t count, std::string* out) {
  switch (piece.verb) {
    case 0:
      *out += piece.literal;
      return;
    case 'k':
      return PrintText(record.key.value_or(""), piece.modifier, out);
    case 'v':
    case 's':
      return PrintText(record.value.value_or(""), piece.modifier, out);
    case 't':
      return PrintText(record.topic, piece.modifier, out);
    case 'p':
      return PrintNumber(record.partition, piece.modifier, out);
    case 'o':
      return PrintNumber(record.offset, piece.modifier, out);
    case 'e':
      return PrintNumber(record.leader_epoch, piece.modifier, out);
    case 'd':
      return PrintTime(record.timestamp_ms, piece.modifier, out);
    case 'i':
      return PrintNumber(count, piece.modifier, out);
    case 'K':
      return PrintNumber(LengthOf(record.key), piece.modifier, out);
    case 'V':
      return PrintNumber(LengthOf(record.value), piece.modifier, out);
    case 'T':
      return PrintNumber(static_cast<int64_t>(record.topic.size()),
                         piece.modifier, out);
    case 'H':
      return PrintNumber(record.header_count, piece.modifier, out);
    case 'R':
      return PutFixed(static_cast<uint64_t>(LengthOf(record.value)), 4, true,
                      out);
    case 'h':
      for (const auto& header : record.Headers()) {
        PrintHeader(piece.header, header, out);
      }
      return;
    default:
      return;
  }
}

}  // namespace

absl::StatusOr<std::vector<FormatPiece>> ParseFormat(std::string_view text) {
  std::vector<FormatPiece> pieces;
  auto literal = [&](char c) {
    if (pieces.empty() || pieces.back().verb != 0) pieces.emplace_back();
    pieces.back().literal += c;
  };
  for (size_t i = 0; i < text.size();) {
    char c = text[i++];
    if (c == '\\') {
      ASSIGN_OR_RETURN(char escaped, ReadEscape(text, &i));
      literal(escaped);
      continue;
    }
    if (c != '%') {
      literal(c);
      continue;
    }
    if (i == text.size()) return BadFormat("a % at the end; %% is a percent sign");
    FormatPiece piece;
    piece.verb = text[i++];
    if (piece.verb == '%') {
      literal('%');
      continue;
    }
    bool known = kNumbers.find(piece.verb) != std::string_view::npos ||
                 kTexts.find(piece.verb) != std::string_view::npos ||
                 piece.verb == 'h' || piece.verb == 'R';
    if (!known || piece.verb == 'x' || piece.verb == 'y') {
      return BadFormat("unknown verb %" + std::string(1, piece.verb));
    }
    if (i < text.size() && text[i] == '{') {
      ASSIGN_OR_RETURN(piece.modifier, ReadBraces(text, &i));
    }
    if (piece.verb == 'h') {
      if (piece.modifier.empty()) {
        return BadFormat("%h needs a format of its own, like %h{%k=%v }");
      }
      ASSIGN_OR_RETURN(piece.header, ParseFormat(piece.modifier));
      piece.modifier.clear();
    }
    RETURN_IF_ERROR(CheckModifier(piece));
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::string RecordToJson(const client::ConsumerRecord& record) {
  nlohmann::ordered_json object;
  object["topic"] = std::string(record.topic);
  object["partition"] = record.partition;
  object["offset"] = record.offset;
  object["timestamp"] = record.timestamp_ms;
  // What is not UTF-8 travels as base64 under a name that says so.
  auto put = [](nlohmann::ordered_json& into, const std::string& name,
                std::string_view bytes) {
    if (IsUtf8(bytes)) {
      into[name] = std::string(bytes);
    } else {
      into[name + "_b64"] = ToBase64(bytes);
    }
  };
  if (record.key) put(object, "key", *record.key);
  if (record.value) {
    put(object, "value", *record.value);
  } else {
    object["tombstone"] = true;
  }
  if (record.header_count > 0) {
    auto headers = nlohmann::ordered_json::array();
    for (const auto& [key, value] : record.Headers()) {
      nlohmann::ordered_json header;
      put(header, "key", key);
      if (value) put(header, "value", *value);
      headers.push_back(std::move(header));
    }
    object["headers"] = std::move(headers);
  }
  return object.dump();
}

absl::StatusOr<RecordPrinter> RecordPrinter::Create(const std::string& format) {
  RecordPrinter printer;
  printer.json_ = format == "json";
  if (!printer.json_) {
    ASSIGN_OR_RETURN(printer.pieces_, ParseFormat(format));
  }
  return printer;
}

void RecordPrinter::Print(const client::ConsumerRecord& record,
                          std::string* out) {
  if (json_) {
    *out += RecordToJson(record);
    *out += '\n';
    return;
  }
  for (const FormatPiece& piece : pieces_) {
    PrintPiece(piece, record, count_, out);
  }
  ++count_;
}

absl::StatusOr<RecordParser> RecordParser::Create(const std::string& format,
                                                  Source source) {
  RecordParser parser;
  parser.source_ = std::move(source);
  ASSIGN_OR_RETURN(parser.pieces_, ParseFormat(format));
  bool reads = false;
  for (size_t i = 0; i < parser.pieces_.size(); ++i) {
    char verb = parser.pieces_[i].verb;
    if (std::string_view("oeiR").find(verb) != std::string_view::npos &&
        verb != 0) {
      return BadFormat("%" + std::string(1, verb) +
                       " can be written, not read");
    }
    reads = reads || verb != 0;
    // Two texts side by side: where does one end?
    bool last = i + 1 == parser.pieces_.size();
    if (verb != 0 && !last && parser.pieces_[i + 1].verb != 0 &&
        kTexts.find(verb) != std::string_view::npos) {
      bool sized = false;
      for (size_t k = 0; k < i; ++k) {
        sized = sized || parser.pieces_[k].verb == std::toupper(verb == 's' ? 'v' : verb);
      }
      if (!sized) {
        return BadFormat("%" + std::string(1, verb) +
                         " needs text after it, or its length before it");
      }
    }
  }
  if (!reads) return BadFormat("it reads nothing; like '%k\\t%v\\n'");
  return parser;
}

absl::Status RecordParser::Broken(const std::string& what) const {
  return ErrorStatus(ErrorCode::CORRUPT_MESSAGE,
                     "input record " + std::to_string(number_) + ": " + what);
}

bool RecordParser::Fill() {
  if (ended_) return false;
  constexpr size_t kChunk = 256 * 1024;
  if (start_ > 0) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  size_t before = buffer_.size();
  buffer_.resize(before + kChunk);
  size_t got = source_(buffer_.data() + before, kChunk);
  buffer_.resize(before + got);
  ended_ = got == 0;
  return got != 0;
}

bool RecordParser::AtEnd() {
  return start_ == buffer_.size() && !Fill();
}

absl::StatusOr<std::string> RecordParser::TakeUntil(std::string_view until) {
  size_t searched = start_;
  while (true) {
    size_t found = until.empty() ? std::string::npos
                                 : buffer_.find(until, searched);
    if (found != std::string::npos) {
      std::string taken = buffer_.substr(start_, found - start_);
      start_ = found + until.size();
      return taken;
    }
    size_t overlap = until.empty() ? 0 : until.size() - 1;
    size_t pending = buffer_.size() - start_;
    if (!Fill()) break;
    searched = start_ + (pending > overlap ? pending - overlap : 0);
  }
  // The last line may lack its newline.
  if (until.empty() || until == "\n") {
    std::string taken = buffer_.substr(start_);
    start_ = buffer_.size();
    return taken;
  }
  return Broken("the input ends before '" + std::string(until) + "'");
}

absl::StatusOr<std::string> RecordParser::TakeExactly(size_t size) {
  while (buffer_.size() - start_ < size) {
    if (!Fill()) return Broken("the input ends in the middle of a field");
  }
  std::string taken = buffer_.substr(start_, size);
  start_ += size;
  return taken;
}

absl::StatusOr<int64_t> RecordParser::ReadNumber(const FormatPiece& piece,
                                                 std::string_view until) {
  size_t bytes = 0;
  bool big = true;
  if (FixedWidth(piece.modifier, &bytes, &big)) {
    ASSIGN_OR_RETURN(std::string raw, TakeExactly(bytes));
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i) {
      value = value << 8 | static_cast<uint8_t>(raw[big ? i : bytes - 1 - i]);
    }
    if (!until.empty()) {
      ASSIGN_OR_RETURN(std::string skipped, TakeExactly(until.size()));
      if (skipped != until) {
        return Broken("'" + std::string(until) + "' is missing");
      }
    }
    return static_cast<int64_t>(value);
  }
  ASSIGN_OR_RETURN(std::string text, TakeUntil(until));
  int64_t value = 0;
  int base = piece.modifier.rfind("hex", 0) == 0 ? 16 : 10;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Broken("'" + text + "' is no number");
  }
  return value;
}

absl::StatusOr<std::string> RecordParser::ReadField(
    const FormatPiece& piece, std::string_view until,
    std::optional<int64_t> length) {
  std::string text;
  if (length) {
    if (*length < 0 || *length > (int64_t{1} << 30)) {
      return Broken("a length of " + std::to_string(*length));
    }
    ASSIGN_OR_RETURN(text, TakeExactly(static_cast<size_t>(*length)));
    if (!until.empty()) {
      ASSIGN_OR_RETURN(std::string skipped, TakeExactly(until.size()));
      if (skipped != until) {
        return Broken("'" + std::string(until) + "' is missing");
      }
    }
  } else {
    ASSIGN_OR_RETURN(text, TakeUntil(until));
  }
  if (piece.modifier == "hex" || piece.modifier == "base64") {
    auto decoded =
        piece.modifier == "hex" ? FromHex(text) : FromBase64(text);
    if (!decoded) return Broken("'" + text + "' is no " + piece.modifier);
    return *decoded;
  }
  return text;
}

absl::Status RecordParser::Read(const std::vector<FormatPiece>& pieces,
                                bool in_header, ParsedRecord* record) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    const FormatPiece& piece = pieces[i];
    if (piece.verb == 0) {
      ASSIGN_OR_RETURN(std::string seen, TakeExactly(piece.literal.size()));
      if (seen != piece.literal) {
        return Broken("'" + piece.literal + "' is missing");
      }
      continue;
    }
    std::string_view until;
    if (i + 1 < pieces.size() && pieces[i + 1].verb == 0) {
      until = pieces[i + 1].literal;
    }
    switch (piece.verb) {
      case 'k': {
        ASSIGN_OR_RETURN(std::string key,
                         ReadField(piece, until, key_length_));
        (in_header ? header_key_ : record->key.emplace()) = std::move(key);
        break;
      }
      case 'v':
      case 's': {
        ASSIGN_OR_RETURN(std::string value,
                         ReadField(piece, until, value_length_));
        (in_header ? header_value_ : record->value.emplace()) =
            std::move(value);
        break;
      }
      case 't': {
        ASSIGN_OR_RETURN(record->topic, ReadField(piece, until, topic_length_));
        break;
      }
      case 'h': {
        auto lengths = std::pair(key_length_, value_length_);
        for (int64_t left = header_count_; left > 0; --left) {
          key_length_.reset();
          value_length_.reset();
          RETURN_IF_ERROR(Read(piece.header, true, record));
          record->headers.emplace_back(std::move(header_key_),
                                       std::move(header_value_));
        }
        std::tie(key_length_, value_length_) = lengths;
        continue;  // the literal after it is checked as such
      }
      default: {
        ASSIGN_OR_RETURN(int64_t number, ReadNumber(piece, until));
        if (piece.verb == 'p') record->partition = static_cast<int32_t>(number);
        if (piece.verb == 'd') record->timestamp_ms = number;
        if (piece.verb == 'K') key_length_ = number;
        if (piece.verb == 'V') value_length_ = number;
        if (piece.verb == 'T') topic_length_ = number;
        if (piece.verb == 'H') header_count_ = number;
      }
    }
    if (!until.empty()) ++i;  // the field took its literal
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> RecordParser::Next(ParsedRecord* record) {
  if (AtEnd()) return false;
  *record = ParsedRecord();
  ++number_;
  key_length_.reset();
  value_length_.reset();
  topic_length_.reset();
  header_count_ = 0;
  RETURN_IF_ERROR(Read(pieces_, false, record));
  return true;
}

}  // namespace sillok::tools
