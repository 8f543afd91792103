#include "train/tensorboard.h"

#include "core/base/crc32c.h"
#include "core/base/error.h"

#include <unistd.h>

#include <bit>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>

namespace eosin::train {
namespace {

// --------------------------------------------------------------------------------------------------- protobuf wire format
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

template <class T>
void little_endian(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}
void varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
void key(std::string& out, uint32_t field, WireType type) { varint(out, field << 3 | type); }
void put_int(std::string& out, uint32_t field, int64_t value) {
  key(out, field, kVarint);
  varint(out, static_cast<uint64_t>(value));
}
void put_double(std::string& out, uint32_t field, double value) {
  key(out, field, kFixed64);
  little_endian(out, std::bit_cast<uint64_t>(value));
}
void put_float(std::string& out, uint32_t field, float value) {
  key(out, field, kFixed32);
  little_endian(out, std::bit_cast<uint32_t>(value));
}
void put_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  key(out, field, kBytes);
  varint(out, bytes.size());
  out += bytes;
}

// --------------------------------------------------------------------------------------------------- messages of event.proto
double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// Event{1 wall_time, 2 step, `field`: body}.
std::string event(int64_t step, uint32_t field, std::string_view body) {
  std::string out;
  put_double(out, 1, now());
  put_int(out, 2, step);
  put_bytes(out, field, body);
  return out;
}
constexpr uint32_t kFileVersion = 3, kSummary = 5, kSessionLog = 7;

uint32_t masked(uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8u; }

}  // namespace

std::string tfrecord(std::string_view payload) {
  std::string out;
  little_endian(out, static_cast<uint64_t>(payload.size()));
  little_endian(out, masked(crc32c(out)));
  out += payload;
  little_endian(out, masked(crc32c(payload)));
  return out;
}

EventWriter::EventWriter(const std::string& folder, int64_t first_step) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  char host[256] = "localhost";
  gethostname(host, sizeof(host) - 1);
  path_ = fmt::format("{}/events.out.tfevents.{}.{}.{}", folder, static_cast<int64_t>(now()), host, getpid());
  out_.open(path_, std::ios::binary | std::ios::app);
  if (!out_) fail_errno("[tensorboard] cannot write " + path_, errno);
  write(event(0, kFileVersion, "brain.Event:2"));
  restart(first_step);
}

void EventWriter::restart(int64_t first_step) {
  std::string session;
  put_int(session, 1, 1);  // SessionLog{1 status: START}
  write(event(first_step, kSessionLog, session));
}

void EventWriter::scalar(std::string_view tag, int64_t step, double value) {
  std::string entry, summary;
  put_bytes(entry, 1, tag);
  put_float(entry, 2, static_cast<float>(value));
  put_bytes(summary, 1, entry);
  write(event(step, kSummary, summary));
}

void EventWriter::image(std::string_view tag, int64_t step, std::string_view bytes, int64_t height, int64_t width, int64_t channels) {
  std::string picture, entry, summary;
  put_int(picture, 1, height);
  put_int(picture, 2, width);
  put_int(picture, 3, channels);
  put_bytes(picture, 4, bytes);
  put_bytes(entry, 1, tag);
  put_bytes(entry, 4, picture);
  put_bytes(summary, 1, entry);
  write(event(step, kSummary, summary));
}

void EventWriter::flush() { out_.flush(); }

void EventWriter::write(std::string_view event) {
  const std::string record = tfrecord(event);
  out_.write(record.data(), static_cast<std::streamsize>(record.size()));
  if (!out_) fail_errno("[tensorboard] cannot write " + path_, errno);
}

}  // namespace eosin::train
