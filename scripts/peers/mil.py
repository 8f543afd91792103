#!/usr/bin/env python3
"""The Python side of `eosin bench mil --peer`: gated attention models one after another in PyTorch, a bag a step, as CLAM's loop trains them.

usage: mil.py --bags N --tiles N --dim D --epochs N --models N --widths 8,16 --dropout 0.25 --threads N
"""
import argparse

from peer import Stopwatch, need

need("torch")
import torch
from torch import nn
from torch.nn import functional as F


class GatedAttention(nn.Module):
    def __init__(self, dim, width, dropout):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(dim, width), nn.ReLU(), nn.Dropout(dropout))
        self.a = nn.Sequential(nn.Linear(width, width // 2), nn.Tanh(), nn.Dropout(dropout))
        self.b = nn.Sequential(nn.Linear(width, width // 2), nn.Sigmoid(), nn.Dropout(dropout))
        self.c = nn.Linear(width // 2, 1)
        self.classifier = nn.Linear(width, 2)

    def forward(self, x):
        h = self.embed(x)
        weights = self.c(self.a(h) * self.b(h)).softmax(0)
        return self.classifier(weights.t() @ h)


def main():
    parser = argparse.ArgumentParser()
    for name in ("bags", "tiles", "dim", "epochs", "models", "threads"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--widths", required=True)
    parser.add_argument("--dropout", type=float, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    bags = [torch.randn(args.tiles, args.dim) for _ in range(args.bags)]
    labels = [torch.tensor([b % 2]) for b in range(args.bags)]
    widths = [int(w) for w in args.widths.split(",")]

    watch = Stopwatch()
    for i in range(args.models):
        model = GatedAttention(args.dim, widths[i % len(widths)], args.dropout)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-5)
        for _ in range(args.epochs):
            for b in torch.randperm(args.bags).tolist():
                loss = F.cross_entropy(model(bags[b]), labels[b])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                loss.item()
    watch.print("PyTorch, one by one", args.models * args.bags * args.epochs)


if __name__ == "__main__":
    main()
