#pragma once
// Brings batches to where training computes, ahead of it.
#include <deque>
#include <exception>
#include <memory>
#include <optional>

#include "data/batch.h"

namespace eosin::data {

/// A source whose batches lie on `device`, rendered. For a CUDA device they cross on a stream of their own, `ahead` of them while one is in
/// use; on a CPU nothing is to be gained and batches pass through. The state is that of consumed batches, and an error comes when its
/// batch is asked for.
///
/// Checked  tests/data/test_device_feeder.cpp, of which the part on CUDA needs a device.
class DeviceFeeder final : public BatchSource<ViewBatch> {
 public:
  static constexpr int64_t kAhead = 2;

  DeviceFeeder(std::shared_ptr<BatchSource<ViewBatch>> source, c10::Device device);
  DeviceFeeder(std::shared_ptr<BatchSource<ViewBatch>> source, c10::Device device, int64_t ahead);
  ~DeviceFeeder() override;

  ViewBatch next() override;
  State state() override;
  void load_state(const State& state) override;
  double wait_seconds() const override { return source_->wait_seconds(); }

 private:
  class Lane;
  struct Arriving;

  void fetch();

  const std::shared_ptr<BatchSource<ViewBatch>> source_;
  const c10::Device device_;
  const int64_t ahead_;
  std::unique_ptr<Lane> lane_;  // none on a CPU
  std::deque<Arriving> arriving_;
};

}  // namespace eosin::data
