#include "data/device_feeder.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

namespace eosin::data {

/// The copy stream. Torch's device-neutral names are used: the CUDA library may not be linked (core/tensor/device.h).
class DeviceFeeder::Lane {
 public:
  explicit Lane(c10::Device device) : device_(device), stream_(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device)) {}

  /// Starts the batch on its way; `arrived` is recorded behind it.
  ViewBatch send(ViewBatch batch, c10::Event& arrived) const {
    const c10::StreamGuard guard(stream_);
    ViewBatch sent = to_device(std::move(batch), device_);
    arrived.record(stream_);
    return sent;
  }
  /// Makes the stream that computes wait for the batch, and the allocator keep its memory until that stream is done with it.
  void receive(const ViewBatch& batch, const c10::Event& arrived) const {
    const c10::Stream computing = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
    arrived.block(computing);
    for (const std::vector<Tensor>* views : {&batch.views_BCHW, &batch.undistorted_BCHW})
      for (const Tensor& v : *views) v.record_stream(computing);
    for (const Tensor& t : {batch.labels_B, batch.masks_BN})
      if (t.defined()) t.record_stream(computing);
  }

 private:
  c10::Device device_;
  c10::Stream stream_;
};

/// A batch, or what went wrong when it was asked for; and the source's state before it.
struct DeviceFeeder::Arriving {
  State before;
  ViewBatch batch;
  std::optional<c10::Event> arrived;
  std::exception_ptr failure;
};

DeviceFeeder::DeviceFeeder(std::shared_ptr<BatchSource<ViewBatch>> source, c10::Device device)
    : DeviceFeeder(std::move(source), device, device.is_cpu() ? 0 : kAhead) {}

DeviceFeeder::DeviceFeeder(std::shared_ptr<BatchSource<ViewBatch>> source, c10::Device device, int64_t ahead)
    : source_(std::move(source)), device_(device), ahead_(ahead), lane_(device.is_cpu() ? nullptr : std::make_unique<Lane>(device)) {}

DeviceFeeder::~DeviceFeeder() = default;

ViewBatch DeviceFeeder::next() {
  while (std::ssize(arriving_) <= ahead_ && (arriving_.empty() || !arriving_.back().failure)) fetch();
  Arriving next = std::move(arriving_.front());
  arriving_.pop_front();
  if (next.failure) std::rethrow_exception(next.failure);
  if (lane_) lane_->receive(next.batch, *next.arrived);
  return std::move(next.batch);
}

void DeviceFeeder::fetch() {
  Arriving a;
  if (ahead_ > 0) a.before = source_->state();  // else it is handed out before anyone can ask
  try {
    if (lane_)
      a.batch = lane_->send(source_->next(), a.arrived.emplace(device_.type()));
    else
      a.batch = to_device(source_->next(), device_);
  } catch (...) {
    a.failure = std::current_exception();
  }
  arriving_.push_back(std::move(a));
}

State DeviceFeeder::state() { return arriving_.empty() ? source_->state() : arriving_.front().before; }

void DeviceFeeder::load_state(const State& state) {
  arriving_.clear();
  source_->load_state(state);
}

}  // namespace eosin::data
