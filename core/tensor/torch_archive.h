#pragma once
// What torch.save wrote, without Python: checkpoints (.pth, .pt, .bin) as tensors by path. Reading one runs nothing that is in it.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>

namespace eosin {

/// Reads every tensor of a file of torch.save: the zip archive (torch >= 1.6) or the stream before it. A tensor's name is its path through
/// dictionary keys and list positions, "teacher/backbone.cls_token", "optimizer/state/0/exp_avg"; a file that is one tensor has the
/// empty name. All are contiguous and on the CPU, whatever device they were saved from; those that shared a storage share its memory
/// (copy-on-write of the mapped file) where they need no rearranging. Numbers, texts, numpy arrays and argparse.Namespace are skipped.
///
/// Errors   Io if it cannot be opened; Data naming file and rule: those of read_stored_zip and pickle::parse, a global that is not on the list
///          (torch_archive.cpp), a record that is missing or whose CRC-32 differs (`check_crc`; torch.load does not compare it), a
///          tensor beyond its storage, sizes that overflow, two tensors of one path, more than 1,000 levels.
/// Differs  the stream before torch 1.6 carries no checksums. torch's weights-only reader refuses protocols 4 and 5; this one reads them.
/// Checked  golden data.pickle_reader; tests/tensor/test_torch_archive.cpp; tests/python/torch_archives.py (files of torch and timm).
TensorMap read_torch_archive(const std::string& path, bool check_crc = true);
/// The same from memory; `where` names the source in messages.
TensorMap parse_torch_archive(std::span<const uint8_t> bytes, const std::string& where, bool check_crc = true);

}  // namespace eosin
