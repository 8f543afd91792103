"""Files that torch.save really writes: every tensor comes back with the same type, shape and bits, and checkpoints of timm, DINO and
DINOv2 become the encoders that they hold.

Usage: python torch_archives.py BIN_FOLDER     (holds eosin and torch_tensors; needs torch, timm, safetensors)
"""

import argparse
import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import load_file


def tensors_of(value, path=()):
    """The paths that torch_archive.h promises, in Python's own words."""
    if isinstance(value, torch.Tensor):
        yield "/".join(path), value.detach()
    elif isinstance(value, (dict, collections.Counter)):
        for key, item in value.items():
            yield from tensors_of(item, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from tensors_of(item, (*path, str(i)))


def same_bits(a, b):
    bits = lambda t: t.contiguous().reshape(-1).view(torch.uint8)
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))


def check_tensors(bin_folder, name, value, folder, **how):
    source, target = folder / "in.pt", folder / "out.safetensors"
    torch.save(value, source, **how)
    subprocess.run([bin_folder / "torch_tensors", source, target], check=True)
    want, got = dict(tensors_of(value)), load_file(target)
    assert set(want) == set(got), (name, sorted(set(want) ^ set(got))[:5])
    for key, tensor in want.items():
        assert same_bits(tensor, got[key]), (name, key)
    print(f"{name:40s} {len(got):4d} tensors, bit for bit")


def trained(model):
    """A model and an optimizer after a step, so that the optimizer has a state."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    return optimizer


def odd_tensors(protocol):
    base = torch.randn(5, 7, 11)
    return {
        "transposed": base.permute(2, 0, 1),
        "every_other": base[:, ::2, 3:],
        "expanded": torch.randn(1, 7).expand(3, 7),
        "shared": [base, base.view(-1)[9:20], base[2]],
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "fixed_parameter": torch.nn.Parameter(torch.randn(3), requires_grad=False),
        "types": {str(t): torch.arange(-3, 4).to(t) for t in
                  (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool)},
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(2.5),
        "channels_last": torch.randn(2, 3, 5, 7).to(memory_format=torch.channels_last),
        "beside": [None, True, 3, 2**70, 1.5, "text", b"bytes", {1, 2}, np.float32(3), torch.device("cpu"), torch.float16,
                   torch.Size([2, 3]), torch.strided, 1 + 2j, argparse.Namespace(lr=0.1, crops=[2, 8])],
        "numpy": np.arange(4) if protocol < 5 else None,  # pickled by a function of numpy's own from 5 on
        "count": collections.Counter({"seen": 3}),
        "ordered": collections.OrderedDict(a=torch.ones(2), b=(torch.zeros(1), torch.ones(1))),
        7: {"step": torch.tensor(4)},
    }


def imported(bin_folder, path, out, *words):
    command = [bin_folder / "eosin", "import", path, f"out={out}", *words, "--json"]
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout)
    assert result["missing"] == [] and result["unexpected"] == [], result
    return load_file(out / "model.safetensors"), result


def check_import(bin_folder, name, checkpoint, want, folder, *words):
    path = folder / f"{name}.pth"
    torch.save(checkpoint, path)
    got, result = imported(bin_folder, path, folder / name, *words)
    assert set(got) == set(want), sorted(set(got) ^ set(want))[:5]
    for key, tensor in want.items():
        assert torch.equal(got[key], tensor.float()), (name, key)
    print(f"{name:40s} {len(got):4d} weights as {result['origin']}")


def main():
    bin_folder = Path(sys.argv[1]).resolve()
    print(f"timm {timm.__version__}, torch {torch.__version__}")
    torch.manual_seed(1)
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=5)
    optimizer = trained(model)
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith("head.")}
    everything = {"state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "args": argparse.Namespace(model="vit")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_tensors(bin_folder, "timm model and AdamW", everything, folder)
        check_tensors(bin_folder, "the same, format before torch 1.6", everything, folder, _use_new_zipfile_serialization=False)
        for protocol in (2, 3, 4, 5):
            check_tensors(bin_folder, f"odd tensors, protocol {protocol}", odd_tensors(protocol), folder, pickle_protocol=protocol)
        check_tensors(bin_folder, "model.half()", {k: v.half() for k, v in weights.items()}, folder)
        check_tensors(bin_folder, "one tensor, as CLAM's pt_files", torch.randn(17, 23), folder)

        words = ("model.num_heads=3",)
        check_import(bin_folder, "plain", weights, weights, folder, *words)
        check_import(bin_folder, "timm", everything, weights, folder, *words)
        check_import(bin_folder, "bfloat16", {"model": {k: v.bfloat16() for k, v in weights.items()}}, {k: v.bfloat16() for k, v in weights.items()}, folder, *words)
        wrapped = {"backbone." + k: v for k, v in weights.items()} | {"head.mlp.0.weight": torch.ones(3)}
        student = {"module." + k: v + 1 for k, v in wrapped.items()}
        both = {"student": student, "teacher": wrapped, "optimizer": optimizer.state_dict(), "epoch": 1, "args": argparse.Namespace(arch="vit")}
        check_import(bin_folder, "dino", both, weights, folder, *words)
        check_import(bin_folder, "dino_student", both, {k: v + 1 for k, v in weights.items()}, folder, "key=student", *words)
        check_import(bin_folder, "dinov2_teacher", {"teacher": wrapped}, weights, folder, *words)
        two = subprocess.run([bin_folder / "eosin", "import", folder / "timm.pth", "key=optimizer"], stderr=subprocess.PIPE, text=True)
        assert two.returncode == 2 and "'state_dict' (" in two.stderr, two.stderr


if __name__ == "__main__":
    main()
