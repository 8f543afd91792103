"""Weights travel between eosin and timm: strict loading and equal features, both ways, at the native and at another size.

Usage: python timm_parity.py BIN_FOLDER     (holds eosin and encoder_features; needs torch, timm, safetensors)
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file

from exchange import eosin, features_of

TOLERANCE = 1e-4
NATIVE, OTHER = (48, 64), (80, 32)

# name of the case -> timm architecture and arguments; dynamic sizes so that another resolution can be compared
CASES = {
    "plain": ("vit_tiny_patch16_224", dict(depth=3)),
    "patch8_layerscale_qknorm": ("vit_tiny_patch16_224", dict(depth=2, patch_size=8, init_values=0.1, qk_norm=True)),
    "registers_no_embed_class": ("vit_small_patch16_224", dict(depth=2, reg_tokens=4, no_embed_class=True)),
    "registers_embed_all": ("vit_small_patch16_224", dict(depth=2, reg_tokens=4)),
    "average_pool": ("vit_tiny_patch16_224", dict(depth=2, global_pool="avg")),
    "no_class_token": ("vit_tiny_patch16_224", dict(depth=2, class_token=False, global_pool="avg")),
    "swiglu": ("vit_giant_patch14_dinov2", dict(depth=2, patch_size=16, embed_dim=96, num_heads=4)),
    "no_qkv_bias": ("vit_tiny_patch16_224", dict(depth=2, qkv_bias=False)),
}


def randomise(model):
    """Every parameter away from its initial value, so that a swapped or forgotten one shows."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=generator) * 0.05)


def worst(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return (a - b).abs().max().item()


def check_case(bin_folder, name, architecture, args, folder):
    model = timm.create_model(architecture, img_size=NATIVE, num_classes=0, dynamic_img_size=True, **args).eval()
    randomise(model)
    weights = folder / "timm"
    weights.mkdir()
    save_file(model.state_dict(), weights / "model.safetensors")
    model_args = dict(args, img_size=NATIVE, dynamic_img_size=True)
    (weights / "config.json").write_text(json.dumps({"architecture": architecture, "num_classes": 0, "model_args": model_args}))

    imported = eosin(bin_folder, "import", weights / "model.safetensors", f"out={folder / 'imported'}")
    assert imported["missing"] == [] and imported["unexpected"] == [], imported
    assert imported["parameters"] == sum(p.numel() for p in model.parameters()), imported

    exported = folder / "exported"
    eosin(bin_folder, "export", folder / "imported", "format=timm", f"out={exported}")
    back = timm.create_model(f"local-dir:{exported}", pretrained=True).eval()
    back.load_state_dict(load_file(exported / "model.safetensors"), strict=True)
    for key, value in model.state_dict().items():
        assert torch.equal(value, back.state_dict()[key]), key

    differences = []
    for size in (NATIVE, OTHER):
        images = torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            want, again = model(images), back(images)
        got = features_of(bin_folder, folder / "imported", images, folder)
        differences += [worst(got, want), worst(again, want)]
    print(f"{name:28s} largest difference of features {max(differences):.2e}")
    assert max(differences) < TOLERANCE, (name, differences)


def check_bare_state_dict(bin_folder, folder):
    """A file alone, with a classifier and without config.json: everything follows from the weights."""
    model = timm.create_model("vit_small_patch16_224", img_size=64, num_classes=7, depth=12, dynamic_img_size=True).eval()
    randomise(model)
    path = folder / "weights.safetensors"
    save_file(model.state_dict(), path)
    imported = eosin(bin_folder, "import", path, "model.name=vit_small")
    assert imported["dropped"] == ["head.bias", "head.weight"], imported
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        want = model.forward_head(model.forward_features(images), pre_logits=True)
    difference = worst(features_of(bin_folder, path, images, folder), want)
    print(f"{'bare state dict':28s} largest difference of features {difference:.2e}")
    assert difference < TOLERANCE

    wrong = subprocess.run([bin_folder / "eosin", "import", path, "model.name=vit_base"], stderr=subprocess.PIPE, text=True)
    assert wrong.returncode == 5 and "error: " in wrong.stderr, wrong


def check_preset(bin_folder, folder):
    """A published encoder's file: its images and pooling come from the preset, and another model's file is refused."""
    model = timm.create_model("vit_small_patch16_224", num_classes=0, dynamic_img_size=True).eval()
    randomise(model)
    path = folder / "weights.safetensors"
    save_file(model.state_dict(), path)
    imported = eosin(bin_folder, "import", path, "--preset=kaiko_s16", f"out={folder / 'kaiko'}")
    assert imported["features"] == 384 and imported["pooling"] == "token", imported
    config = json.loads((folder / "kaiko" / "config.json").read_text())
    assert config["pretrained_cfg"]["mean"] == [0.5, 0.5, 0.5] and config["pretrained_cfg"]["input_size"] == [3, 224, 224], config
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        difference = worst(features_of(bin_folder, folder / "kaiko", images, folder), model(images))
    print(f"{'preset kaiko_s16':28s} largest difference of features {difference:.2e}")
    assert difference < TOLERANCE

    for preset, code, words in (("uni", 3, "need width 1024"), ("kaiko_s8", 3, "patch 8"), ("unni", 2, "did you mean 'uni'")):
        wrong = subprocess.run([bin_folder / "eosin", "import", path, f"preset={preset}"], stderr=subprocess.PIPE, text=True)
        assert wrong.returncode == code and words in wrong.stderr, wrong


def main():
    bin_folder = Path(sys.argv[1]).resolve()
    print(f"timm {timm.__version__}, torch {torch.__version__}")
    for name, (architecture, args) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            check_case(bin_folder, name, architecture, args, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        check_bare_state_dict(bin_folder, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        check_preset(bin_folder, Path(folder))


if __name__ == "__main__":
    main()
