#pragma once
// TensorBoard event files without protobuf: the few messages that scalars and images need are encoded by hand.
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace eosin::train {

/// One record of an event file: length, masked CRC-32C of the length, payload, masked CRC-32C of the payload; little-endian.
std::string tfrecord(std::string_view payload);

/// Appends to a new file `events.out.tfevents.<seconds>.<host>.<pid>` in `folder`; a run has one per start.
///
/// Errors   Io if the folder or the file cannot be written.
/// Checked  tests/train/test_tensorboard.cpp (bytes), tests/python/read_events.py (the real package).
class EventWriter {
 public:
  /// `first_step`: steps from there on that an earlier file of the run holds are dropped by the reader.
  EventWriter(const std::string& folder, int64_t first_step);

  void scalar(std::string_view tag, int64_t step, double value);
  /// `bytes`: a PNG or JPEG file.
  void image(std::string_view tag, int64_t step, std::string_view bytes, int64_t height, int64_t width, int64_t channels);
  /// Steps from `first_step` on that were written are dropped by the reader.
  void restart(int64_t first_step);
  void flush();
  const std::string& path() const { return path_; }

 private:
  void write(std::string_view event);

  std::string path_;
  std::ofstream out_;
};

}  // namespace eosin::train
