"""DINO's training steps against plain ones of timm's ViT and torch: equal weights and views in, equal losses and weights out.

Usage: python dino_parity.py BIN_FOLDER     (holds dino_steps; needs torch, timm, safetensors)
"""

import math
import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

STEPS, BATCH, PROTOTYPES = 8, 6, 512
SIZES = (64, 64, 32, 32, 32)  # two global crops, three local ones
# In float64: Adam divides a gradient by its size, so that in float32 rounding decides where a gradient is nothing else (the key's bias).
# timm resamples positions in float32 all the same (the local crops), which leaves about 1e-7.
TOLERANCE = 1e-6


class Head(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, 2048), nn.GELU(), nn.Linear(2048, 2048), nn.GELU(), nn.Linear(2048, 256))
        self.last_layer = nn.ParameterDict({"weight_g": torch.ones(PROTOTYPES, 1), "weight_v": torch.empty(PROTOTYPES, 256)})
        self.last_layer["weight_g"].requires_grad_(False)

    def forward(self, x):
        v = self.last_layer["weight_v"]
        return F.linear(F.normalize(self.mlp(x), dim=-1), self.last_layer["weight_g"] * v / v.norm(dim=1, keepdim=True))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = timm.create_model("vit_tiny_patch16_224", img_size=SIZES[0], depth=3, num_classes=0, dynamic_img_size=True)
        self.head = Head(self.backbone.num_features)

    def forward(self, views):
        return torch.cat([self.head(self.backbone(v)) for v in views])


def dino_loss(student, teacher, center):
    log_student = [F.log_softmax(s / 0.1, dim=-1) for s in student.chunk(len(SIZES))]
    targets = F.softmax((teacher - center) / 0.04, dim=-1).chunk(2)
    terms = [-(t * s).sum(-1).mean() for i, t in enumerate(targets) for v, s in enumerate(log_student) if v != i]
    return sum(terms) / len(terms)


def train(views, first):
    student, teacher = Net().double(), Net().double()
    for net, name in ((student, "student"), (teacher, "teacher")):
        net.load_state_dict({k.removeprefix(f"first.{name}."): v for k, v in first.items() if k.startswith(f"first.{name}.")})
    trained = [p for p in student.parameters() if p.requires_grad]
    groups = [{"params": [p for p in trained if p.dim() > 1]}, {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=5e-4, weight_decay=0.04)
    center, losses = torch.zeros(1, PROTOTYPES, dtype=torch.float64), []
    for step in range(STEPS):
        crops = [v[step].double() for v in views]
        with torch.no_grad():
            target = teacher(crops[:2])
        loss = dino_loss(student(crops), target, center)
        optimizer.zero_grad()
        loss.backward()
        for p in trained:
            nn.utils.clip_grad_norm_([p], 3.0)
        if step < 2:
            student.head.last_layer["weight_v"].grad = None
        optimizer.step()
        momentum = 1 - (1 - 0.996) * (1 + math.cos(math.pi * step / STEPS)) / 2
        with torch.no_grad():
            for p, q in zip(teacher.parameters(), student.parameters()):
                p.mul_(momentum).add_(q, alpha=1 - momentum)
            center = center * 0.9 + target.mean(0, keepdim=True) * 0.1
        losses.append(loss.item())
    return student, teacher, center, losses


def main():
    bin_folder = Path(sys.argv[1]).resolve()
    generator = torch.Generator().manual_seed(1)
    views = [torch.randn(STEPS, BATCH, 3, size, size, generator=generator) for size in SIZES]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.safetensors", Path(folder) / "out.safetensors"
        save_file({f"views.{i}": v for i, v in enumerate(views)}, source)
        subprocess.run([bin_folder / "dino_steps", source, target], check=True)
        ours = load_file(target)
    student, teacher, center, losses = train(views, ours)

    worst = {"loss": (ours["losses"] - torch.tensor(losses, dtype=torch.float64)).abs().max().item()}
    worst["center"] = (ours["last.center"] - center).abs().max().item()
    moved = 0.0
    for name, net in (("student", student), ("teacher", teacher)):
        theirs = net.state_dict()
        assert {f"last.{name}.{k}" for k in theirs} == {k for k in ours if k.startswith(f"last.{name}.")}
        worst[name] = max((ours[f"last.{name}.{k}"] - v).abs().max().item() for k, v in theirs.items())
        moved = max(moved, max((ours[f"last.{name}.{k}"] - ours[f"first.{name}.{k}"]).abs().max().item() for k in theirs))
    print(f"largest differences after {STEPS} steps: {worst}; the weights moved by up to {moved}")
    assert moved > 1e-3, "nothing was trained"
    assert max(worst.values()) < TOLERANCE, worst


if __name__ == "__main__":
    main()
