#include "data/device_feeder.h"

#include "data/store_source.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/tensor/device.h"
#include "data/loader.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

namespace eosin::data {
namespace {

MultiCropConfig small_views() {
  MultiCropConfig config = view_preset("pathology");
  config.global_size_px = 13, config.local_size_px = 7, config.n_local = 3;
  return config;
}

class DeviceFeeding : public testing::Test {
 protected:
  void SetUp() override { write_store(folder_ / "store", {5, 6, 8}); }

  std::shared_ptr<ViewLoader> loader(ViewForm form = ViewForm::kFloat, int64_t threads = 2, MultiCropConfig views = small_views(),
                                     bool pinned = false) {
    const LoaderPlace place{.seed = 17, .local_batch = 4, .threads = threads, .pinned = pinned, .form = form};
    return std::make_shared<ViewLoader>(std::make_shared<StoreSource>(std::vector<std::string>{folder_ / "store"}), views, LoaderConfig{}, place);
  }
  TemporaryFolder folder_;
};

void expect_near(const ViewBatch& a, const ViewBatch& b, double tolerance) {
  ASSERT_EQ(a.views_BCHW.size(), b.views_BCHW.size());
  for (size_t v = 0; v < a.views_BCHW.size(); ++v) {
    ASSERT_EQ(a.views_BCHW[v].scalar_type(), at::kFloat);
    ASSERT_EQ(a.views_BCHW[v].sizes(), b.views_BCHW[v].sizes());
    EXPECT_LE((a.views_BCHW[v].cpu() - b.views_BCHW[v].cpu()).abs().max().item<double>(), tolerance) << "view " << v;
  }
  EXPECT_EQ(a.first_position, b.first_position);
  ASSERT_EQ(a.ids.size(), b.ids.size());
  for (size_t k = 0; k < a.ids.size(); ++k) EXPECT_EQ(a.ids[k].x, b.ids[k].x);
}

constexpr double kOneLevel = 1 / (255 * 0.224);

TEST_F(DeviceFeeding, PassesBatchesThroughOnACpu) {
  DeviceFeeder feeder(loader(), at::kCPU);
  const auto plain = loader();
  for (int i = 0; i < 3; ++i) expect_near(feeder.next(), plain->next(), 0);
  EXPECT_EQ(feeder.state().values, plain->state().values);
}

TEST_F(DeviceFeeding, DrawnViewsAreRenderedOnArrival) {
  DeviceFeeder feeder(loader(ViewForm::kDrawn), at::kCPU), other_threads(loader(ViewForm::kDrawn, 3), at::kCPU);
  const auto plain = loader();
  for (int i = 0; i < 3; ++i) {
    const ViewBatch batch = feeder.next();
    EXPECT_FALSE(batch.drawn);
    expect_near(batch, plain->next(), kOneLevel);
    expect_near(other_threads.next(), batch, 0);
  }
}

TEST_F(DeviceFeeding, UndistortedViewsComeApart) {
  MultiCropConfig views = small_views();
  views.undistorted_size_px = 26;
  const ViewBatch plain = loader(ViewForm::kFloat, 2, views)->next();
  ASSERT_EQ(plain.views_BCHW.size(), 5u);
  ASSERT_EQ(plain.undistorted_BCHW.size(), 2u);
  EXPECT_EQ(plain.undistorted_BCHW[1].sizes(), (std::vector<int64_t>{4, 3, 26, 26}));
  DeviceFeeder drawn(loader(ViewForm::kDrawn, 2, views), at::kCPU), half(loader(ViewForm::kBfloat16, 2, views), at::kCPU);
  const ViewBatch rendered = drawn.next(), rounded = half.next();
  expect_near(rendered, plain, kOneLevel);
  for (size_t v = 0; v < 2; ++v) {
    EXPECT_LE((rendered.undistorted_BCHW[v] - plain.undistorted_BCHW[v]).abs().max().item<double>(), kOneLevel) << v;
    EXPECT_TRUE(rounded.undistorted_BCHW[v].equal(plain.undistorted_BCHW[v].to(at::kBFloat16).to(at::kFloat))) << v;
  }
}

TEST_F(DeviceFeeding, BytesOfABatchOnTheBus) {
  const ViewBatch drawn = loader(ViewForm::kDrawn)->next();
  ASSERT_TRUE(drawn.drawn);
  EXPECT_EQ(drawn.drawn->tiles_BHWC.nbytes(), 4u * kTestHeight * kTestWidth * 3);
  ASSERT_EQ(drawn.drawn->groups.size(), 2u);
  EXPECT_EQ(drawn.drawn->groups[1].records.nbytes(), 3u * 4 * 64);
  for (const Tensor& views : loader(ViewForm::kBfloat16)->next().views_BCHW) EXPECT_EQ(views.scalar_type(), at::kBFloat16);
}

TEST_F(DeviceFeeding, Bfloat16IsTheRoundedFloatAndStaysOneSlab) {
  const ViewBatch batch = DeviceFeeder(loader(ViewForm::kBfloat16), at::kCPU).next(), plain = loader()->next();
  for (size_t v = 0; v < plain.views_BCHW.size(); ++v)
    EXPECT_TRUE(at::equal(batch.views_BCHW[v], plain.views_BCHW[v].to(at::kBFloat16).to(at::kFloat))) << "view " << v;
  EXPECT_TRUE(batch.views_BCHW[0].is_alias_of(batch.views_BCHW[1]));
  EXPECT_EQ(batch.views_BCHW[1].storage_offset(), batch.views_BCHW[0].numel());
}

TEST_F(DeviceFeeding, StateIsThatOfConsumedBatches) {
  const auto plain = loader();
  DeviceFeeder ahead(loader(), at::kCPU, 2);
  EXPECT_EQ(ahead.state().values, plain->state().values);
  for (int i = 0; i < 2; ++i) expect_near(ahead.next(), plain->next(), 0);
  EXPECT_EQ(ahead.state().values, plain->state().values);
  DeviceFeeder resumed(loader(), at::kCPU, 2);
  resumed.next();
  resumed.load_state(ahead.state());
  for (int i = 0; i < 2; ++i) expect_near(resumed.next(), plain->next(), 0);
}

/// Numbers its batches and fails at the third.
class FailingSource final : public BatchSource<ViewBatch> {
 public:
  ViewBatch next() override {
    if (n_ == 2 && !failed_) {
      failed_ = true;
      fail(ErrorKind::Data, "the third");
    }
    return {.views_BCHW = {}, .ids = {}, .first_position = n_++, .drawn = {}};
  }
  State state() override { return {}; }
  void load_state(const State&) override {}
  double wait_seconds() const override { return 0; }

 private:
  int64_t n_ = 0;
  bool failed_ = false;
};

TEST(DeviceFeeder, AnErrorComesWhenItsBatchIsAskedFor) {
  DeviceFeeder feeder(std::make_shared<FailingSource>(), at::kCPU, 2);
  EXPECT_EQ(feeder.next().first_position, 0);
  EXPECT_EQ(feeder.next().first_position, 1);
  EXPECT_EQ(message_of([&] { feeder.next(); }, ErrorKind::Data), "the third");
  EXPECT_EQ(feeder.next().first_position, 2);
}

TEST_F(DeviceFeeding, RefusesViewsThatADeviceCannotRender) {
  const auto refused = [&](auto change) {
    MultiCropConfig views = small_views();
    change(views);
    EXPECT_NO_THROW(loader(ViewForm::kBfloat16, 1, views));
    return message_of([&] { loader(ViewForm::kDrawn, 1, views); }, ErrorKind::Config);
  };
  EXPECT_THAT(refused([](MultiCropConfig& c) { c.macenko_p = 0.1; }), testing::HasSubstr("[macenko_p]"));
  EXPECT_THAT(refused([](MultiCropConfig& c) { c.randstainna_p = 0.1; }), testing::HasSubstr("[randstainna_p]"));
  EXPECT_THAT(refused([](MultiCropConfig& c) { c.arithmetic = "exact"; }), testing::HasSubstr("[arithmetic]"));
}

TEST_F(DeviceFeeding, SameBatchesOnCuda) {
  if (!device::cuda().available) GTEST_SKIP() << device::cuda().why_not;
  for (const ViewForm form : {ViewForm::kDrawn, ViewForm::kBfloat16}) {
    DeviceFeeder feeder(loader(form, 2, small_views(), true), at::Device(at::kCUDA, 0)),
        again(loader(form, 3, small_views(), true), at::Device(at::kCUDA, 0));
    const auto plain = loader();
    for (int i = 0; i < 6; ++i) {
      const ViewBatch batch = feeder.next();
      EXPECT_TRUE(batch.views_BCHW[0].is_cuda());
      expect_near(batch, plain->next(), kOneLevel);
      expect_near(again.next(), batch, 0);
    }
    EXPECT_EQ(feeder.state().values, plain->state().values);
  }
}

}  // namespace
}  // namespace eosin::data
