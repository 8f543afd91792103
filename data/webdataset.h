#pragma once
// WebDataset sets: tars whose consecutive members `key.ext` make a sample each.
#include "data/image_table.h"

#include <string>

namespace eosin::data {

/// Lists a tar, or the tars of a folder in name order. A sample is a picture (jpg, jpeg, png) with what stands beside it: `cls` (its class),
/// `txt` (its caption), `json` (an object; of its keys those of a table are taken: slide, patient, class or label, group, split, x, y, level0_size,
/// mpp, caption). Samples without a picture and other extensions are passed over. The id is the key; where keys repeat in another tar, tar
/// and key. Without a slide the sample's slide is its group, patient, folder inside the tar, or tar.
///
/// Errors   as for_each_tar_member(); Data naming tar and key: two pictures or two texts of one kind in a sample, no pictures at all, a text
///          apart from its picture (one without any is counted in the log). A text of more than 4,096 bytes, or a JSON that is none, is the
///          sample's own fault.
/// Checked  tests/data/test_webdataset.cpp; tests/python/interchange.py with the package webdataset.
ImageTable read_webdataset(const std::string& path, const ImportConfig& config);

}  // namespace eosin::data
