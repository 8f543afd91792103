#pragma once
// Pictures that other programs keep in HDF5: CLAM's old bags, and data sets of JPEG streams.
#include "data/image_table.h"

#include <string>
#include <utility>
#include <vector>

namespace eosin::data {

enum class PictureHdf5 { kClamBag, kJpegStreams, kCoords, kNone };

/// What the first file that can be read holds, looked for in this order: `/imgs`; a data set of byte lists; `/coords`. None without files.
/// Errors   Io, Data: the first file's, if none can be read.
PictureHdf5 picture_hdf5_kind(const std::vector<std::string>& files);

/// HDF5 files (*.h5, *.hdf5) of a folder, of its folder `patches`, or the one file, by name. Empty if there are none.
std::vector<std::string> hdf5_files(const std::string& path);

/// CLAM's `create_patches`: `/imgs` u8 [N, H, W, 3] and `/coords` [N, 2] in pixels of the patch level, which become level-0 pixels by the
/// attributes `downsample`, `level_dim` and `downsampled_level_dim`. One slide a file; the id of a picture is `<slide>/<row>`.
/// Errors   as import_images; Data naming file and what is wrong: shapes, types, different numbers of rows, a missing attribute.
/// Checked  tests/data/test_picture_hdf5.cpp.
ImageTable read_clam_bags(const std::string& path, const ImportConfig& config);

/// One one-dimensional data set of byte lists (h5py: vlen_dtype(uint8)), each a JPEG or PNG file. Data sets of as many rows are columns: those
/// named as the table's columns would be (id, label or class, group, patient, slide, split, caption, and coords [N, 2] in level-0 pixels).
/// Without slides a file is one.
/// Errors   as import_images; Data naming the file: no such data set or several (name it with columns.file), different numbers of rows.
/// Checked  tests/data/test_picture_hdf5.cpp, on a file that h5py wrote.
ImageTable read_jpeg_hdf5(const std::string& path, const ImportConfig& config);

}  // namespace eosin::data
