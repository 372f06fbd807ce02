#include "proto/record/compression.h"

#include <fmt/format.h>
#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"

namespace sillok::record {
namespace {

constexpr size_t kChunkBytes = size_t{64} << 10;

// The header by which snappy-java ("xerial") streams begin.
constexpr std::string_view kXerialMagic("\x82SNAPPY\0", 8);
constexpr size_t kXerialHeaderBytes = 16;
constexpr size_t kXerialBlockBytes = size_t{32} << 10;

absl::Status Corrupt(Codec codec, std::string_view what) {
  return ErrorStatus(ErrorCode::CORRUPT_MESSAGE,
                     fmt::format("{} data of a batch: {}", CodecName(codec),
                                 what));
}

// Counts what came out against the limits.
class Budget {
 public:
  Budget(Codec codec, size_t input, const DecompressLimits& limits)
      : codec_(codec), input_(input) {
    const size_t by_ratio = input > limits.max_bytes / limits.max_ratio
                                ? limits.max_bytes
                                : input * limits.max_ratio;
    left_ = std::min(limits.max_bytes, std::max(limits.free_bytes, by_ratio));
  }
  absl::Status Take(size_t bytes) {
    if (bytes <= left_) {
      left_ -= bytes;
      return absl::OkStatus();
    }
    return ErrorStatus(
        ErrorCode::MESSAGE_TOO_LARGE,
        fmt::format("{} bytes of {} data grow beyond the decompression limit",
                    input_, CodecName(codec_)));
  }

 private:
  Codec codec_;
  size_t input_;
  size_t left_;
};

// Hands out the pieces of the input one after another.
class PieceFeed {
 public:
  explicit PieceFeed(Bytes input) : input_(std::move(input)) {}
  // Moves on when the current piece is used up; false at the end.
  bool Fill() {
    while (view_.empty() && next_ < input_.pieces().size()) {
      view_ = input_.pieces()[next_++].view();
    }
    return !view_.empty();
  }
  std::string_view view() const { return view_; }
  void Consume(size_t bytes) { view_.remove_prefix(bytes); }

 private:
  Bytes input_;
  size_t next_ = 0;
  std::string_view view_;
};

class PlainReader final : public Decompressor {
 public:
  explicit PlainReader(Bytes input) : feed_(std::move(input)) {}
  absl::StatusOr<std::string_view> Next() override {
    feed_.Consume(feed_.view().size());
    feed_.Fill();
    return feed_.view();
  }

 private:
  PieceFeed feed_;
};

// The loop that gzip, lz4 and zstd share: pour pieces in until some output
// comes out. `Step` decompresses from the feed's view into the buffer.
class StreamReader : public Decompressor {
 public:
  StreamReader(Codec codec, Bytes input, const DecompressLimits& limits)
      : codec_(codec),
        budget_(codec, input.size(), limits),
        feed_(std::move(input)),
        buffer_(new char[kChunkBytes]) {}

  absl::StatusOr<std::string_view> Next() final {
    while (true) {
      const bool input_left = feed_.Fill();
      if (!input_left && between_frames_ && started_) return std::string_view();
      const std::string_view in = feed_.view();
      StepResult step = Step(in, buffer_.get(), kChunkBytes);
      if (!step.error.empty()) return Corrupt(codec_, step.error);
      feed_.Consume(step.consumed);
      started_ = true;
      between_frames_ = step.frame_ended;
      if (step.produced > 0) {
        if (absl::Status status = budget_.Take(step.produced); !status.ok()) {
          return status;
        }
        return std::string_view(buffer_.get(), step.produced);
      }
      if (!input_left && !between_frames_) {
        return Corrupt(codec_, "it is cut short");
      }
      if (step.consumed == 0 && input_left && !step.frame_ended) {
        return Corrupt(codec_, "it makes no progress");
      }
    }
  }

 protected:
  struct StepResult {
    size_t consumed = 0;
    size_t produced = 0;
    bool frame_ended = false;
    std::string error;
  };
  virtual StepResult Step(std::string_view in, char* out, size_t size) = 0;

 private:
  Codec codec_;
  Budget budget_;
  PieceFeed feed_;
  std::unique_ptr<char[]> buffer_;
  bool started_ = false;
  bool between_frames_ = false;
};

class GzipReader final : public StreamReader {
 public:
  GzipReader(Bytes input, const DecompressLimits& limits)
      : StreamReader(Codec::kGzip, std::move(input), limits) {
    ready_ = inflateInit2(&stream_, 15 + 16) == Z_OK;
  }
  ~GzipReader() override {
    if (ready_) inflateEnd(&stream_);
  }

 private:
  StepResult Step(std::string_view in, char* out, size_t size) override {
    StepResult result;
    if (!ready_) return result.error = "no memory for the decoder", result;
    if (ended_ && !in.empty()) {  // RFC 1952: members may be concatenated
      inflateReset(&stream_);
      ended_ = false;
    }
    const size_t offered =
        std::min<size_t>(in.size(), std::numeric_limits<uInt>::max());
    stream_.next_in =
        reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(offered);
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(size);
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      ended_ = true;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      result.error = stream_.msg != nullptr ? stream_.msg : "damaged";
    }
    result.consumed = offered - stream_.avail_in;
    result.produced = size - stream_.avail_out;
    result.frame_ended = ended_;
    return result;
  }

  z_stream stream_{};
  bool ready_ = false;
  bool ended_ = false;
};

// Decoder contexts are large and made for reuse: each thread keeps one.
struct FreeLz4 {
  void operator()(LZ4F_dctx* context) const {
    LZ4F_freeDecompressionContext(context);
  }
};
struct FreeZstd {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
using Lz4Context = std::unique_ptr<LZ4F_dctx, FreeLz4>;
using ZstdContext = std::unique_ptr<ZSTD_DCtx, FreeZstd>;
thread_local Lz4Context spare_lz4;
thread_local ZstdContext spare_zstd;

class Lz4Reader final : public StreamReader {
 public:
  Lz4Reader(Bytes input, const DecompressLimits& limits)
      : StreamReader(Codec::kLz4, std::move(input), limits),
        context_(std::move(spare_lz4)) {
    if (context_ != nullptr) {
      LZ4F_resetDecompressionContext(context_.get());
      return;
    }
    LZ4F_dctx* context = nullptr;
    if (LZ4F_isError(
            LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) == 0) {
      context_.reset(context);
    }
  }
  ~Lz4Reader() override { spare_lz4 = std::move(context_); }

 private:
  StepResult Step(std::string_view in, char* out, size_t size) override {
    StepResult result;
    if (context_ == nullptr) return result.error = "no memory", result;
    size_t consumed = in.size();
    size_t produced = size;
    const size_t code = LZ4F_decompress(context_.get(), out, &produced,
                                        in.data(), &consumed, nullptr);
    if (LZ4F_isError(code)) {
      result.error = LZ4F_getErrorName(code);
      return result;
    }
    result.consumed = consumed;
    result.produced = produced;
    result.frame_ended = code == 0;
    return result;
  }

  Lz4Context context_;
};

class ZstdReader final : public StreamReader {
 public:
  ZstdReader(Bytes input, const DecompressLimits& limits)
      : StreamReader(Codec::kZstd, std::move(input), limits),
        context_(std::move(spare_zstd)) {
    if (context_ == nullptr) context_.reset(ZSTD_createDCtx());
    if (context_ != nullptr) {
      ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
    }
  }
  ~ZstdReader() override { spare_zstd = std::move(context_); }

 private:
  StepResult Step(std::string_view in, char* out, size_t size) override {
    StepResult result;
    if (context_ == nullptr) return result.error = "no memory", result;
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out, size, 0};
    const size_t code =
        ZSTD_decompressStream(context_.get(), &output, &input);
    if (ZSTD_isError(code)) {
      result.error = ZSTD_getErrorName(code);
      return result;
    }
    result.consumed = input.pos;
    result.produced = output.pos;
    result.frame_ended = code == 0;
    return result;
  }

  ZstdContext context_;
};

// Snappy has no streaming form of its own: one raw block, or snappy-java's
// framing of many. The input is flattened, the output comes block by block.
class SnappyReader final : public Decompressor {
 public:
  SnappyReader(Bytes input, const DecompressLimits& limits)
      : budget_(Codec::kSnappy, input.size(), limits),
        input_(std::move(input)),
        rest_(input_.Flat(&flat_)),
        xerial_(rest_.substr(0, kXerialMagic.size()) == kXerialMagic) {}

  absl::StatusOr<std::string_view> Next() override {
    if (!xerial_) {
      if (started_) return std::string_view();
      started_ = true;
      return Block(std::exchange(rest_, {}));
    }
    while (rest_.substr(0, kXerialMagic.size()) == kXerialMagic) {
      if (rest_.size() < kXerialHeaderBytes) {
        return Corrupt(Codec::kSnappy, "its header is cut short");
      }
      rest_.remove_prefix(kXerialHeaderBytes);
    }
    if (rest_.empty()) return std::string_view();
    if (rest_.size() < 4) {
      return Corrupt(Codec::kSnappy, "a block length is cut short");
    }
    uint32_t size = 0;
    for (int i = 0; i < 4; ++i) {
      size = size << 8 | static_cast<uint8_t>(rest_[static_cast<size_t>(i)]);
    }
    rest_.remove_prefix(4);
    if (size == 0 || size > rest_.size()) {
      return Corrupt(Codec::kSnappy, "a block is cut short");
    }
    const std::string_view block = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return Block(block);
  }

 private:
  absl::StatusOr<std::string_view> Block(std::string_view block) {
    size_t size = 0;
    if (!snappy::GetUncompressedLength(block.data(), block.size(), &size)) {
      return Corrupt(Codec::kSnappy, "a block has no length");
    }
    if (absl::Status status = budget_.Take(size); !status.ok()) return status;
    // A length is a claim: the content is checked before memory is taken.
    if (!snappy::IsValidCompressedBuffer(block.data(), block.size())) {
      return Corrupt(Codec::kSnappy, "a block is damaged");
    }
    output_.resize(size);
    snappy::RawUncompress(block.data(), block.size(), output_.data());
    if (output_.empty()) return xerial_ ? Next() : std::string_view();
    return std::string_view(output_);
  }

  Budget budget_;
  Bytes input_;
  std::string flat_;
  std::string_view rest_;
  bool xerial_;
  bool started_ = false;
  std::string output_;
};

absl::Status BadLevel(Codec codec, int level, int low, int high) {
  return ErrorStatus(ErrorCode::INVALID_CONFIG,
                     fmt::format("{} level {}: allowed are {} to {}",
                                 CodecName(codec), level, low, high));
}

absl::StatusOr<std::string> CompressGzip(std::string_view input, int level) {
  if (level == kDefaultLevel) level = Z_DEFAULT_COMPRESSION;
  if (level < -1 || level > 9) return BadLevel(Codec::kGzip, level, -1, 9);
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return absl::ResourceExhaustedError("no memory for gzip");
  }
  std::string out(deflateBound(&stream, input.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&stream, Z_FINISH);
  const size_t size = out.size() - stream.avail_out;
  deflateEnd(&stream);
  if (code != Z_STREAM_END) return absl::InternalError("gzip did not finish");
  out.resize(size);
  return out;
}

std::string CompressSnappy(std::string_view input) {
  std::string out(kXerialMagic);
  const auto put = [&out](size_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      out.push_back(static_cast<char>(number >> shift));
    }
  };
  put(1);  // version
  put(1);  // oldest version that can read it
  std::string block;
  for (size_t at = 0; at < input.size(); at += kXerialBlockBytes) {
    snappy::Compress(input.data() + at,
                     std::min(kXerialBlockBytes, input.size() - at), &block);
    put(block.size());
    out += block;
  }
  return out;
}

absl::StatusOr<std::string> CompressLz4(std::string_view input, int level) {
  if (level == kDefaultLevel) level = 0;
  if (level < 0 || level > 17) return BadLevel(Codec::kLz4, level, 0, 17);
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.compressionLevel = level;
  std::string out(LZ4F_compressFrameBound(input.size(), &preferences), '\0');
  const size_t size =
      LZ4F_compressFrame(out.data(), out.size(), input.data(), input.size(),
                         &preferences);
  if (LZ4F_isError(size)) {
    return absl::InternalError(std::string("lz4: ") + LZ4F_getErrorName(size));
  }
  out.resize(size);
  return out;
}

absl::StatusOr<std::string> CompressZstd(std::string_view input, int level) {
  if (level == kDefaultLevel) level = ZSTD_CLEVEL_DEFAULT;
  if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel()) {
    return BadLevel(Codec::kZstd, level, ZSTD_minCLevel(), ZSTD_maxCLevel());
  }
  thread_local std::unique_ptr<ZSTD_CCtx, FreeZstd> context(ZSTD_createCCtx());
  if (context == nullptr) return absl::ResourceExhaustedError("no memory");
  std::string out(ZSTD_compressBound(input.size()), '\0');
  const size_t size =
      ZSTD_compressCCtx(context.get(), out.data(), out.size(), input.data(),
                        input.size(), level);
  if (ZSTD_isError(size)) {
    return absl::InternalError(std::string("zstd: ") + ZSTD_getErrorName(size));
  }
  out.resize(size);
  return out;
}

absl::Status UnknownCodec(Codec codec) {
  return ErrorStatus(
      ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
      fmt::format("codec {}: known are none, gzip, snappy, lz4 and zstd",
                  static_cast<int>(codec)));
}

}  // namespace

absl::StatusOr<std::string> Compress(Codec codec, std::string_view input,
                                     int level) {
  switch (codec) {
    case Codec::kNone:
      return std::string(input);
    case Codec::kGzip:
      return CompressGzip(input, level);
    case Codec::kSnappy:
      return CompressSnappy(input);
    case Codec::kLz4:
      return CompressLz4(input, level);
    case Codec::kZstd:
      return CompressZstd(input, level);
  }
  return UnknownCodec(codec);
}

absl::StatusOr<std::unique_ptr<Decompressor>> Decompressor::Create(
    Codec codec, Bytes input, const DecompressLimits& limits) {
  std::unique_ptr<Decompressor> reader;
  switch (codec) {
    case Codec::kNone:
      reader = std::make_unique<PlainReader>(std::move(input));
      return reader;
    case Codec::kGzip:
      reader = std::make_unique<GzipReader>(std::move(input), limits);
      return reader;
    case Codec::kSnappy:
      reader = std::make_unique<SnappyReader>(std::move(input), limits);
      return reader;
    case Codec::kLz4:
      reader = std::make_unique<Lz4Reader>(std::move(input), limits);
      return reader;
    case Codec::kZstd:
      reader = std::make_unique<ZstdReader>(std::move(input), limits);
      return reader;
  }
  return UnknownCodec(codec);
}

absl::StatusOr<std::string> Decompress(Codec codec, const Bytes& input,
                                       const DecompressLimits& limits) {
  auto reader = Decompressor::Create(codec, input, limits);
  if (!reader.ok()) return reader.status();
  std::string out;
  while (true) {
    absl::StatusOr<std::string_view> chunk = (*reader)->Next();
    if (!chunk.ok()) return chunk.status();
    if (chunk->empty()) return out;
    out.append(*chunk);
  }
}

}  // namespace sillok::record
