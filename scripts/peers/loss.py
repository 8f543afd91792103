#!/usr/bin/env python3
"""The Python side of `eosin bench loss --peer`: the masked patches' loss of DINOv2 in its plain form, from points to gradients.

usage: loss.py --rows N --prototypes K --dim D --iterations 3 --threads N [--precision bf16] [--device cuda]

Last layer, Sinkhorn-Knopp and cross-entropy as dinov2/loss/ibot_patch_loss.py has them. The peak is what the pass needs above its inputs.
"""
import argparse
import ctypes

from peer import Stopwatch, need

need("torch")
import torch
from torch.nn import functional as F


def own_status(key):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key + ":"))


def sinkhorn(logits, temp, iterations):
    q = torch.exp(logits.float() / temp).t()
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(1, keepdim=True)
        q /= q.shape[0]
        q /= q.sum(0, keepdim=True)
        q /= q.shape[1]
    q *= q.shape[1]
    return q.t()


def main():
    parser = argparse.ArgumentParser()
    for name in ("rows", "prototypes", "dim", "iterations", "threads"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    points, teacher_points = (F.normalize(torch.randn(args.rows, args.dim, device=device)) for _ in range(2))
    prototypes, teacher_prototypes = (F.normalize(torch.randn(args.prototypes, args.dim, device=device)) for _ in range(2))
    points.requires_grad_(), prototypes.requires_grad_()

    def step():
        with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
            with torch.no_grad():
                targets = sinkhorn(F.linear(teacher_points, teacher_prototypes), 0.07, args.iterations)
            logits = F.linear(points, prototypes)
            loss = -torch.sum(targets * F.log_softmax(logits.float() / 0.1, dim=-1), dim=-1).mean()
        loss.backward()
        points.grad = prototypes.grad = None
        return loss.item()

    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")
        before = own_status("VmRSS")
    watch = Stopwatch()
    step()
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else own_status("VmHWM")
    watch.print("DINOv2's plain form", args.rows, peak - before)


if __name__ == "__main__":
    main()
