#!/usr/bin/env python3
"""The same run without eosin: DINO of timm's ViT-Ti/16 with torch and torchvision v2, then k-NN and a linear probe with scikit-learn.

usage: peer.py DATA SEED [--threads N]     DATA holds patches-atlas and patches-lc25000; the environment is `scripts/setup --python`'s

Settings are those of configs/ssl/dino_vittiny_cpu.yaml: batch 32, views 2 x 96 and 4 x 48 px, 4,096 prototypes, 300 steps, rate 1e-3 after a warm-up of 30,
momentum 0.996 to 1. Prints one JSON object a network.
"""
import argparse
import copy
import csv
import json
import math
import time
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2

STEPS, BATCH, PROTOTYPES, WARMUP, FROZEN = 300, 32, 4096, 30, 10
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def read(path):
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).contiguous()


def views(size, scale, blur, solarize):
    return v2.Compose([
        v2.RandomResizedCrop(size, scale=scale, interpolation=v2.InterpolationMode.BICUBIC, antialias=True), v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8), v2.RandomGrayscale(0.2), v2.RandomApply([v2.GaussianBlur(9, (0.1, 2.0))], blur),
        v2.RandomSolarize(128, solarize), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = timm.create_model("vit_tiny_patch16_224", img_size=96, num_classes=0, dynamic_img_size=True)
        self.mlp = nn.Sequential(nn.Linear(192, 2048), nn.GELU(), nn.Linear(2048, 2048), nn.GELU(), nn.Linear(2048, 256))
        for layer in self.mlp[::2]:
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        self.prototypes = nn.Parameter(torch.empty(PROTOTYPES, 256))
        nn.init.kaiming_uniform_(self.prototypes, a=math.sqrt(5))

    def forward(self, groups):
        x = self.mlp(torch.cat([self.backbone(g) for g in groups]))
        return F.linear(F.normalize(x, dim=-1), F.normalize(self.prototypes, dim=-1))


def cosine(start, end, i, n):
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * i / n))


def train(tiles):
    """The untrained backbone, the teacher's, the student's."""
    student, teacher = Net(), Net()
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False)
    untrained = copy.deepcopy(student.backbone)
    decayed = [p for p in student.parameters() if p.ndim > 1]
    others = [p for p in student.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed}, {"params": others, "weight_decay": 0}], lr=1e-3)
    first, second, local = views(96, (0.4, 1), 1.0, 0), views(96, (0.4, 1), 0.1, 0.2), views(48, (0.05, 0.4), 0.5, 0)
    center, order, began = torch.zeros(1, PROTOTYPES), [], time.time()
    for i in range(STEPS):
        if len(order) < BATCH:
            order = list(np.random.permutation(len(tiles)))
        batch, order = [tiles[j] for j in order[:BATCH]], order[BATCH:]
        large = torch.stack([first(x) for x in batch] + [second(x) for x in batch])
        small = torch.stack([local(x) for _ in range(4) for x in batch])
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * i / (WARMUP - 1) if i < WARMUP else cosine(1e-3, 1e-6, i - WARMUP, STEPS - WARMUP)
        optimizer.param_groups[0]["weight_decay"] = cosine(0.04, 0.4, i, STEPS)
        with torch.no_grad():
            logits = teacher([large])
        targets = F.softmax((logits - center) / 0.04, -1).chunk(2)
        crops = [F.log_softmax(s / 0.1, -1) for s in student([large, small]).chunk(6)]
        loss = sum(-(t * s).sum(-1).mean() for a, t in enumerate(targets) for v, s in enumerate(crops) if v != a) / 10
        optimizer.zero_grad()
        loss.backward()
        if i < FROZEN:
            student.prototypes.grad = None
        optimizer.step()
        momentum = cosine(0.996, 1.0, i, STEPS)
        with torch.no_grad():
            for t, s in zip(teacher.parameters(), student.parameters()):
                t.mul_(momentum).add_(s, alpha=1 - momentum)
            center = center * 0.9 + logits.mean(0, keepdim=True) * 0.1
        if i % 50 == 49:
            print(json.dumps({"step": i + 1, "loss": round(loss.item(), 4), "seconds": round(time.time() - began)}), flush=True)
    return {"untrained": untrained, "teacher": teacher.backbone, "student": student.backbone}


def evaluate(backbone, images, labels, train_rows):
    with torch.no_grad():
        features = torch.cat([backbone.eval()(x) for x in images.split(128)])
    z = F.normalize(features, dim=1)
    similarity, neighbours = (z[~train_rows] @ z[train_rows].T).topk(20)
    votes = torch.zeros(len(similarity), int(labels.max()) + 1).scatter_add_(1, labels[train_rows][neighbours], (similarity / 0.07).exp())
    mean, std = features[train_rows].mean(0), features[train_rows].std(0)
    x = ((features - mean) / std).numpy()
    probe = LogisticRegression(C=1.0, max_iter=2000).fit(x[train_rows.numpy()], labels[train_rows].numpy())
    return {"knn_accuracy": (votes.argmax(1) == labels[~train_rows]).float().mean().item(),
            "linear_accuracy": float(probe.score(x[~train_rows.numpy()], labels[~train_rows].numpy()))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)

    atlas, lung = args.data / "patches-atlas", args.data / "patches-lc25000"
    nets = train([read(atlas / "images" / r["file"]) for r in csv.DictReader(open(atlas / "manifest.csv"))])
    rows = list(csv.DictReader(open(lung / "groups.csv")))
    whole = v2.Compose([v2.Resize(96, interpolation=v2.InterpolationMode.BICUBIC, antialias=True), v2.CenterCrop(96),
                        v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    images = torch.stack([whole(read(lung / r["file"])) for r in rows])
    classes = sorted({r["class"] for r in rows})
    labels, train_rows = torch.tensor([classes.index(r["class"]) for r in rows]), torch.tensor([r["split"] == "train" for r in rows])
    for name, backbone in nets.items():
        print(json.dumps({"network": name, "seed": args.seed, **evaluate(backbone, images, labels, train_rows)}), flush=True)


main()
