"""ResNet, ConvNeXt, Swin, CTransPath and CONCH's image tower: the same weights give the features of timm and of the authors' code.

Weights are random, running statistics too, in evaluation mode, at the native and at another size; timm reads what eosin exports.
CTransPath is timm's Swin with the patch embedding of its repository; CONCH timm's ViT with open_clip's pooler on torch's MultiheadAttention.

Usage: python backbone_parity.py BIN_FOLDER     (holds eosin and encoder_features; needs torch, timm, safetensors)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from exchange import eosin, features_of

TOLERANCE = 1e-4

# timm architecture -> other size, arguments that let it take one
CASES = {
    "resnet18": ((160, 200), {}),
    "resnet50": ((160, 200), {}),
    "convnext_tiny": ((160, 192), {}),
    "swin_tiny_patch4_window7_224": ((288, 160), dict(strict_img_size=False)),
}


def randomise(model):
    """Every parameter and running statistic away from its initial value, so that a swapped or forgotten one shows."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.add_(torch.randn(p.shape, generator=generator) * (0.02 if p.ndim > 1 else 0.05))
        for name, b in model.named_buffers():
            if name.endswith("running_mean"):
                b.copy_(torch.randn(b.shape, generator=generator) * 0.1)
            elif name.endswith("running_var"):
                b.copy_(torch.rand(b.shape, generator=generator) + 0.5)
    return model.eval()


def images_of(size):
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(2))


def worst(a, b):
    """Relative to the largest feature: magnitudes of random networks differ."""
    assert a.shape == b.shape, (a.shape, b.shape)
    return ((a - b).abs().max() / b.abs().max().clamp(min=1)).item()


def check(name, differences):
    print(f"{name:36s} largest difference of features {max(differences):.2e}")
    assert max(differences) < TOLERANCE, (name, differences)


def check_timm(bin_folder, architecture, other, args, folder):
    model = randomise(timm.create_model(architecture, num_classes=5, **args))
    path = folder / "weights.safetensors"
    save_file(model.state_dict(), path)
    imported = eosin(bin_folder, "import", path, f"model.name={architecture.split('_patch4')[0]}", f"out={folder / 'imported'}")
    assert imported["missing"] == [] and imported["unexpected"] == [], imported
    assert len(imported["dropped"]) == 2, imported
    assert imported["parameters"] == sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in model.get_classifier().parameters()), imported

    eosin(bin_folder, "export", folder / "imported", "format=timm", f"out={folder / 'exported'}")
    back = timm.create_model(f"local-dir:{folder / 'exported'}", pretrained=True).eval()
    back.load_state_dict(load_file(folder / "exported" / "model.safetensors"), strict=True)
    differences = []
    for size in ((224, 224), other):
        images = images_of(size)
        with torch.no_grad():
            want, again = model.forward_head(model.forward_features(images), pre_logits=True), back(images)
        got = features_of(bin_folder, folder / "imported", images, folder)
        differences += [worst(got, want), worst(again, want)]
    check(architecture, differences)


class ConvStem(nn.Module):
    """The patch embedding of CTransPath: two convolutions with stride 2, and one of 1 x 1."""

    def __init__(self, img_size=224, patch_size=4, in_chans=3, embed_dim=96, norm_layer=None, **_):
        super().__init__()
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        layers, channels = [], in_chans
        for width in (embed_dim // 8, embed_dim // 4):
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        self.proj = nn.Sequential(*layers, nn.Conv2d(channels, embed_dim, 1))
        self.norm = norm_layer(embed_dim)

    def forward(self, x):
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


def check_ctranspath(bin_folder, folder):
    model = randomise(timm.models.swin_transformer.SwinTransformer(embed_layer=ConvStem, num_classes=0, strict_img_size=False))
    old = {}  # the names of the file: a stage shrinks at its end, masks and indices are stored, the dictionary is called model
    for key, value in model.state_dict().items():
        parts = key.split(".")
        if parts[0] == "layers" and parts[2] == "downsample":
            parts[1] = str(int(parts[1]) - 1)
        old[".".join(parts)] = value
    old["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
    old["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    torch.save({"model": old}, folder / "ctranspath.pth")
    imported = eosin(bin_folder, "import", folder / "ctranspath.pth", "preset=ctranspath", f"out={folder / 'imported'}")
    assert imported["origin"] == "ctranspath" and imported["features"] == 768 and imported["missing"] == [], imported
    differences = []
    for size in ((224, 224), (288, 160)):
        images = images_of(size)
        with torch.no_grad():
            differences.append(worst(features_of(bin_folder, folder / "imported", images, folder), model(images)))
    check("ctranspath", differences)
    refused = subprocess.run([bin_folder / "eosin", "export", folder / "imported", "format=timm", f"out={folder / 'no'}"], stderr=subprocess.PIPE, text=True)
    assert refused.returncode == 2 and "format=eosin" in refused.stderr, refused


class Pooler(nn.Module):
    """open_clip's AttentionalPooler."""

    def __init__(self, dim, context, queries):
        super().__init__()
        self.query = nn.Parameter(torch.randn(queries, dim))
        self.attn = nn.MultiheadAttention(dim, 8, kdim=context, vdim=context, batch_first=True)
        self.ln_q, self.ln_k = nn.LayerNorm(dim), nn.LayerNorm(context)

    def forward(self, x):
        x = self.ln_k(x)
        return self.attn(self.ln_q(self.query).expand(x.shape[0], -1, -1), x, x, need_weights=False)[0]


class Tower(nn.Module):
    """CONCH's image tower up to the feature before its projection."""

    def __init__(self):
        super().__init__()
        self.trunk = timm.create_model("vit_base_patch16_224", img_size=448, num_classes=0, dynamic_img_size=True)
        self.attn_pool_contrast, self.attn_pool_caption = Pooler(512, 768, 1), Pooler(768, 768, 256)
        self.ln_contrast, self.ln_caption = nn.LayerNorm(512), nn.LayerNorm(768)
        self.proj_contrast = nn.Parameter(torch.randn(512, 512))

    def forward(self, x):
        return self.ln_contrast(self.attn_pool_contrast(self.trunk.forward_features(x))[:, 0])


def check_conch(bin_folder, folder):
    model = randomise(Tower())
    weights = {"visual." + key: value for key, value in model.state_dict().items()}
    weights |= {"logit_scale": torch.tensor(2.0), "text.positional_embedding": torch.zeros(4, 8)}
    torch.save(weights, folder / "conch.bin")
    imported = eosin(bin_folder, "import", folder / "conch.bin", "preset=conch", f"out={folder / 'imported'}")
    assert imported["origin"] == "conch" and imported["features"] == 512 and imported["missing"] == [], imported
    differences = []
    for size in ((448, 448), (224, 272)):
        images = images_of(size)
        with torch.no_grad():
            differences.append(worst(features_of(bin_folder, folder / "imported", images, folder), model(images)))
    check("conch", differences)


def main():
    bin_folder = Path(sys.argv[1]).resolve()
    print(f"timm {timm.__version__}, torch {torch.__version__}")
    for architecture, (other, args) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            check_timm(bin_folder, architecture, other, args, Path(folder))
    for check_file in (check_ctranspath, check_conch):
        with tempfile.TemporaryDirectory() as folder:
            check_file(bin_folder, Path(folder))


if __name__ == "__main__":
    main()
