#!/usr/bin/env python3
"""The Python side of `eosin bench step --peer`: training steps of DINO with timm's ViT and torch, on random views.

usage: step.py --model vit_small_patch16_224 --batch N --steps N --threads N --prototypes N --views JSON [--device cuda]

Views of one size go through the student together, AdamW is torch's fused one, the teacher's average is torch._foreach. Prints one JSON object.
"""
import argparse
import json

from peer import Stopwatch, need

need("torch", "timm")
import timm
import torch
from torch import nn
from torch.nn import functional as F


class Head(nn.Module):
    def __init__(self, dim, prototypes):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, 2048), nn.GELU(), nn.Linear(2048, 2048), nn.GELU(), nn.Linear(2048, 256))
        self.last = nn.utils.parametrizations.weight_norm(nn.Linear(256, prototypes, bias=False))

    def forward(self, x):
        return self.last(F.normalize(self.mlp(x), dim=-1))


class Net(nn.Module):
    def __init__(self, model, prototypes):
        super().__init__()
        self.backbone = timm.create_model(model, num_classes=0, dynamic_img_size=True, drop_path_rate=0.1)
        self.head = Head(self.backbone.num_features, prototypes)

    def forward(self, groups):
        return self.head(torch.cat([self.backbone(g) for g in groups]))


def dino_loss(student, teacher, center, n_views):
    log_student = [F.log_softmax(s / 0.1, dim=-1) for s in student.chunk(n_views)]
    targets = F.softmax((teacher - center) / 0.04, dim=-1).chunk(2)
    terms = [-(t * s).sum(-1).mean() for i, t in enumerate(targets) for v, s in enumerate(log_student) if v != i]
    return sum(terms) / len(terms)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prototypes", type=int, required=True)
    parser.add_argument("--views", type=json.loads, required=True)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    device = torch.device(args.device)
    student, teacher = Net(args.model, args.prototypes).to(device), Net(args.model, args.prototypes).to(device)
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, weight_decay=0.04, fused=True)
    center = torch.zeros(1, args.prototypes, device=device)
    c = args.views
    sizes = [(c["n_global"], c["global_size_px"]), (c["n_local"], c["local_size_px"])]
    groups = [torch.randn(n * args.batch, 3, s, s, device=device) for n, s in sizes if n > 0]

    def step():
        with torch.no_grad():
            target = teacher(groups[:1])
        loss = dino_loss(student(groups), target, center, c["n_global"] + c["n_local"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 3.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 0.004)
            center.lerp_(target.mean(0, keepdim=True), 0.1)
        if device.type == "cuda":
            torch.cuda.synchronize()

    step()
    watch = Stopwatch()
    for _ in range(args.steps):
        step()
    watch.print("timm + torch", args.steps * args.batch)


if __name__ == "__main__":
    main()
