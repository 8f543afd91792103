#pragma once
// What is measured of segmented pictures, picture by picture: for means with intervals that resample patients.
#include "eval/label_maps.h"
#include "eval/protocol_result.h"

#include <string>
#include <vector>

namespace eosin::eval {

/// A row a picture: `measures` hold a value for each, of pictures that have one.
struct SegmentationScores {
  std::vector<std::string> ids;    // of the pictures that are measured
  std::vector<std::string> empty;  // no instance on either side: left out
  std::vector<RowMeasure> measures;
};

/// Of instances: panoptic quality with its parts, aggregated Jaccard index (plain and one-to-one) and Dice, means over the pictures (HoVer-Net); and
/// pq_pooled, the quality over the instances of all pictures (PanNuke).
///
/// Errors   Data naming the picture: sizes differ, no picture with an instance. Those of read_label_map, panoptic_quality.
/// Checked  tests/eval/test_segmentation_scores.cpp.
SegmentationScores score_instances(const std::vector<MapPair>& maps, double match_iou);

/// Of classes 0 ... num_classes-1: IoU and Dice of each over the pixels of all pictures, and the share of pixels that are right.
///
/// Errors   as score_instances; Data for a label outside the classes (names the picture).
SegmentationScores score_classes(const std::vector<MapPair>& maps, int64_t num_classes);

}  // namespace eosin::eval
