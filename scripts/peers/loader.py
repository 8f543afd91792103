#!/usr/bin/env python3
"""The Python side of `eosin bench loader --peer`: views of the tiles of a store.

usage: loader.py --variant pil|v2 --store DIR --views JSON --images N [--workers N --batch B]

Without workers in this process: no collate, one thread. With them torch's DataLoader, whose batches are taken and dropped.

pil: h5py, Pillow, torchvision's transforms on PIL pictures.  v2: h5py, torchvision's decoder, transforms.v2 on tensors.
JSON holds the effective keys of the views (eosin config explain). Prints one JSON object.
"""
import argparse
import io
import json

from peer import Stopwatch, TileStore, need

need("torch", "torchvision", "h5py", "numpy", "PIL")
import torch
import torchvision.transforms as v1
from PIL import Image, ImageFilter
from torchvision.io import decode_jpeg
from torchvision.transforms import v2

torch.set_num_threads(1)
torch.manual_seed(0)


class PillowBlur:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, picture):
        radius = float(torch.empty(1).uniform_(self.low, self.high))
        return picture.filter(ImageFilter.GaussianBlur(radius))


def make_view(tensors, c, group):
    t = v2 if tensors else v1
    size, area = (c["local_size_px"], c["local"]) if group == 2 else (c["global_size_px"], c["global"])
    filters = {"bilinear": t.InterpolationMode.BILINEAR, "bicubic": t.InterpolationMode.BICUBIC, "lanczos": t.InterpolationMode.LANCZOS}
    crop = dict(scale=tuple(area), ratio=tuple(c["ratio"]), interpolation=filters[c["filter"]])
    if tensors:
        crop["antialias"] = True
    steps = [t.RandomResizedCrop(size, **crop)]
    if c["flip"] != "none":
        steps.append(t.RandomHorizontalFlip())
    if c["flip"] in ("both", "d4"):
        steps.append(t.RandomVerticalFlip())
    if c["jitter_p"] > 0:
        steps.append(t.RandomApply([t.ColorJitter(*c["jitter"])], c["jitter_p"]))
    if c["gray_p"] > 0:
        steps.append(t.RandomGrayscale(c["gray_p"]))
    blur_p = 1 - c["blur_p"][group] if c["blur"] == "meta_effective" else c["blur_p"][group]
    if blur_p > 0:
        pillow = c["blur_kind"] == "box" and not tensors
        blur = PillowBlur(*c["blur_sigma"]) if pillow else t.GaussianBlur(9, tuple(c["blur_sigma"]))
        steps.append(t.RandomApply([blur], blur_p))
    if c["solarize_p"][group] > 0:
        steps.append(t.RandomSolarize(c["solarize_threshold"], c["solarize_p"][group]))
    steps.append(v2.ToDtype(torch.float32, scale=True) if tensors else v1.ToTensor())
    steps.append(t.Normalize(tuple(c["mean"]), tuple(c["std"])))
    return t.Compose(steps)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", choices=["pil", "v2"], required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--views", type=json.loads, required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()

    tensors = args.variant == "v2"
    groups = [0] + [1] * (args.views["n_global"] - 1) + [2] * args.views["n_local"]
    views = [make_view(tensors, args.views, g) for g in groups]
    store = TileStore(args.store)
    order = torch.randperm(len(store)).tolist()

    def load(k):
        data = store.record(order[k % len(order)])
        tile = decode_jpeg(torch.from_numpy(data)) if tensors else Image.open(io.BytesIO(data.tobytes())).convert("RGB")
        return [view(tile) for view in views]

    class Views(torch.utils.data.Dataset):
        def __len__(self):
            return args.images

        def __getitem__(self, k):
            return load(k)

    name = f"{args.variant}: h5py + {'torchvision v2' if tensors else 'Pillow + torchvision'}"
    load(0)
    watch = Stopwatch()
    if args.workers > 0:
        for _ in torch.utils.data.DataLoader(Views(), batch_size=args.batch, num_workers=args.workers):
            pass
        name += f", DataLoader of {args.workers} workers"
    else:
        for k in range(args.images):
            load(k)
    watch.print(name, args.images)


if __name__ == "__main__":
    main()
