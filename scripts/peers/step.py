#!/usr/bin/env python3
"""The Python side of `eosin bench step --peer`: training steps of a self-supervised method with timm's ViT and torch, on random views.

usage: step.py --method dinov2 --settings JSON --model JSON --views JSON --batch N --steps N --threads N [--device cuda] [--precision bf16] [--compile]

As a careful user of torch writes them: views of one size go through the student together, attention is torch's fused one, AdamW is torch's fused one,
the teacher's average is torch._foreach, masks are drawn once. Losses are in the plain form of the released code. Prints one JSON object.
"""
import argparse
import json

from peer import Stopwatch, need

need("torch", "timm")
import timm
import torch
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn import functional as F


class Vit(nn.Module):
    """Normalised tokens of images, of which patches may be masked (a token in their place) or left out."""

    def __init__(self, model):
        super().__init__()
        self.vit = timm.create_model(model["timm_name"], num_classes=0, dynamic_img_size=True, img_size=model["image_size_px"],
                                     patch_size=model["patch_size"], drop_path_rate=model["drop_path_rate"])
        self.dim = self.vit.num_features
        self.mask_token = nn.Parameter(torch.zeros(self.dim))

    def forward(self, x, mask=None, visible=None):
        x = self.vit.patch_embed(x)
        if mask is not None:
            x = torch.where(mask.view(*x.shape[:3], 1), self.mask_token.to(x.dtype), x)
        x = self.vit._pos_embed(x)
        if visible is not None:
            x = torch.cat([x[:, :1], x[:, 1:].gather(1, visible.unsqueeze(-1).expand(-1, -1, self.dim))], 1)
        return self.vit.norm(self.vit.blocks(x))


class DinoHead(nn.Module):
    def __init__(self, dim, c, prototypes):
        super().__init__()
        hidden, out = c["hidden_dim"], c["bottleneck_dim"]
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, out))
        self.last = nn.utils.parametrizations.weight_norm(nn.Linear(out, prototypes, bias=False))
        self.last.parametrizations.weight.original0.requires_grad_(not c["norm_last_layer"])

    def forward(self, x):
        return self.last(F.normalize(self.mlp(x), dim=-1))


def projector(dim, hidden, out, layers, last_norm=None):
    parts = []
    for i in range(layers):
        last = i + 1 == layers
        parts.append(nn.Linear(dim if i == 0 else hidden, out if last else hidden, bias=False))
        if not last:
            parts += [nn.BatchNorm1d(hidden), nn.ReLU()]
        elif last_norm is not None:
            parts.append(nn.BatchNorm1d(out, affine=last_norm))
    return nn.Sequential(*parts)


def net(model, **parts):
    """A backbone and what stands behind it, each part made from the backbone's width."""
    backbone = Vit(model)
    return nn.ModuleDict({"backbone": backbone, **{name: make(backbone.dim) for name, make in parts.items()}})


class Method(nn.Module):
    """A student, perhaps a teacher that follows it, and the loss of a step."""

    def __init__(self):
        super().__init__()
        self.teacher = None

    def followed_by(self, teacher):
        teacher.load_state_dict(self.student.state_dict(), strict=False)
        self.teacher = teacher.requires_grad_(False)


class Dino(Method):
    def __init__(self, model, c, views, batch, device):
        super().__init__()
        head = lambda dim: DinoHead(dim, c, c["n_prototypes"])
        self.c, self.n_views = c, views["n_global"] + views["n_local"]
        self.student = net(model, head=head)
        self.followed_by(net(model, head=head))
        self.register_buffer("center", torch.zeros(1, c["n_prototypes"]))

    def forward(self, groups):
        with torch.no_grad():
            teacher = self.teacher["head"](self.teacher["backbone"](groups[0])[:, 0])
            targets = F.softmax((teacher.float() - self.center) / self.c["teacher_temp"], dim=-1).chunk(2)
            self.center.lerp_(teacher.float().mean(0, keepdim=True), 1 - self.c["center_momentum"])
        student = self.student["head"](torch.cat([self.student["backbone"](g)[:, 0] for g in groups]))
        log_student = [F.log_softmax(s.float() / self.c["student_temp"], dim=-1) for s in student.chunk(self.n_views)]
        terms = [-(t * s).sum(-1).mean() for i, t in enumerate(targets) for v, s in enumerate(log_student) if v != i]
        return sum(terms) / len(terms)


def sinkhorn(logits, temp, iterations):
    q = torch.exp(logits.float() / temp).t()
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(1, keepdim=True)
        q /= q.shape[0]
        q /= q.sum(0, keepdim=True)
        q /= q.shape[1]
    return (q * q.shape[1]).t()


def koleo(x):
    x = F.normalize(x.float(), dim=-1)
    with torch.no_grad():
        dots = (x @ x.t()).fill_diagonal_(-1)
        near = dots.max(1).indices
    return -torch.log(F.pairwise_distance(x, x[near]) + 1e-8).mean()


class Masked(Method):
    """iBOT and DINOv2: class tokens of all crops, masked patches of the global ones."""

    def __init__(self, model, c, views, batch, device):
        super().__init__()
        self.c, self.n_local = c, views["n_local"]
        heads = {"head": lambda dim: DinoHead(dim, c, c["n_prototypes"])}
        if c.get("separate_heads"):
            own = {**c, **{k: c["ibot_" + k] or c[k] for k in ("n_prototypes", "hidden_dim", "bottleneck_dim")}}
            heads["patch_head"] = lambda dim: DinoHead(dim, own, own["n_prototypes"])
        self.student = net(model, **heads)
        self.followed_by(net(model, **heads))
        side = views["global_size_px"] // model["patch_size"]
        crops, patches = 2 * batch, side * side
        masked = int(crops * c["mask_probability"])
        ratios = torch.linspace(*c["mask_ratio"][:2], masked + 1)
        mask = torch.zeros(crops, patches, dtype=torch.bool)
        for i, crop in enumerate(torch.randperm(crops)[:masked].tolist()):
            mask[crop, torch.randperm(patches)[:int(patches * (ratios[i] + ratios[i + 1]) / 2)]] = True
        self.mask, self.index = mask.to(device), mask.flatten().nonzero().flatten().to(device)
        self.weight = (1 / mask.sum(-1).clamp(min=1)).unsqueeze(-1).expand_as(mask)[mask].to(device)

    def heads(self, net, cls, tokens):
        patches = tokens[:, 1:].flatten(0, 1)[self.index]
        if "patch_head" in net:
            return net["head"](cls), net["patch_head"](patches)
        return net["head"](torch.cat([cls, patches])).split([len(cls), len(patches)])

    def targets(self, logits, temp):
        if self.c.get("centering") == "sinkhorn_knopp":
            return sinkhorn(logits, temp, self.c["sinkhorn_iterations"])
        return F.softmax(logits.float() / temp, dim=-1)  # a moving centre costs a row more

    def forward(self, groups):
        c = self.c
        with torch.no_grad():
            tokens = self.teacher["backbone"](groups[0])
            cls, patches = self.heads(self.teacher, torch.cat(tokens[:, 0].chunk(2)[::-1]), tokens)
            cls_targets, patch_targets = self.targets(cls, c["teacher_temp"]).chunk(2), self.targets(patches, c["teacher_temp"])
        tokens = self.student["backbone"](groups[0], self.mask)
        own = tokens[:, 0]
        local = [self.student["backbone"](g)[:, 0] for g in groups[1:]]
        cls, patches = self.heads(self.student, torch.cat([own] + local), tokens)
        crops = [F.log_softmax(s.float() / c["student_temp"], dim=-1) for s in cls.chunk(2 + self.n_local)]
        loss = 0
        for v, log_p in enumerate(crops):
            for t, q in enumerate(cls_targets):
                if v >= 2 or v == t:
                    loss = loss - (q * log_p).sum(-1).mean()
        loss = loss / (2 + 2 * self.n_local)
        log_p = F.log_softmax(patches.float() / c["student_temp"], dim=-1)
        loss = loss - ((patch_targets * log_p).sum(-1) * self.weight).sum() / len(self.mask)
        if c.get("koleo_weight"):
            loss = loss + c["koleo_weight"] * sum(koleo(v) for v in own.chunk(2))
        return loss


class Mae(Method):
    def __init__(self, model, c, views, batch, device):
        super().__init__()
        self.c, self.patch = c, model["patch_size"]
        backbone, dim = Vit(model), c["decoder_dim"]
        backbone.vit.pos_embed.requires_grad_(False)
        side = model["image_size_px"] // self.patch
        self.student = nn.ModuleDict({
            "backbone": backbone, "embed": nn.Linear(backbone.dim, dim),
            "blocks": nn.Sequential(*[Block(dim, c["decoder_num_heads"], qkv_bias=True) for _ in range(c["decoder_depth"])]),
            "norm": nn.LayerNorm(dim), "pred": nn.Linear(dim, self.patch**2 * 3)})
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.register_buffer("pos", torch.randn(1, side * side + 1, dim) * 0.02)

    def forward(self, groups):
        images, net = groups[0], self.student
        n = (images.shape[-1] // self.patch)**2
        order = torch.rand(len(images), n, device=images.device).argsort(1)
        restore, keep = order.argsort(1), int(n * (1 - self.c["mask_ratio"]))
        x = net["embed"](net["backbone"](images, visible=order[:, :keep]))
        patches = torch.cat([x[:, 1:], self.token.to(x.dtype).expand(len(x), n - keep, -1)], 1)
        patches = patches.gather(1, restore.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        pred = net["pred"](net["norm"](net["blocks"](torch.cat([x[:, :1], patches], 1) + self.pos)))[:, 1:]
        p = self.patch
        target = images.unfold(2, p, p).unfold(3, p, p).permute(0, 2, 3, 4, 5, 1).flatten(1, 2).flatten(2)
        if self.c["norm_pix"]:
            target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
        mask = (restore >= keep).float()
        return (((pred.float() - target)**2).mean(-1) * mask).sum() / mask.sum()


def nt_xent(z0, z1, c):
    z = F.normalize(torch.cat([z0, z1]), dim=-1)
    logits = (z @ z.t() / c["temperature"]).fill_diagonal_(-torch.inf)
    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z0)))


def contrast(q, k, c):
    logits = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).t() / c["temperature"]
    return 2 * c["temperature"] * F.cross_entropy(logits, torch.arange(len(q), device=q.device))


def alignment(p, z, c):
    return 2 - 2 * F.cosine_similarity(p, z).mean()


def off_diagonal(m):
    return m.square().sum() - m.diagonal().square().sum()


def barlow_twins(z0, z1, c):
    norm = lambda z: (z - z.mean(0)) / z.std(0, unbiased=False)
    correlation = norm(z0).t() @ norm(z1) / len(z0)
    return (1 - correlation.diagonal()).square().sum() + c["lambda"] * off_diagonal(correlation)


def vicreg(z0, z1, c):
    spread = lambda z: F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()
    covariance = lambda z: off_diagonal((z - z.mean(0)).t() @ (z - z.mean(0)) / (len(z) - 1)) / z.shape[1]
    return (c["invariance_weight"] * F.mse_loss(z0, z1) + c["variance_weight"] / 2 * (spread(z0) + spread(z1)) +
            c["covariance_weight"] * (covariance(z0) + covariance(z1)))


class Pair(Method):
    """Two views of an image through a backbone and a projector; the loss compares them."""

    loss, layers, last_norm = staticmethod(nt_xent), None, None

    def __init__(self, model, c, views, batch, device):
        super().__init__()
        self.c = c
        self.student = net(model, projector=self.projector)

    def projector(self, dim):
        return projector(dim, self.c["hidden_dim"], self.c["out_dim"], self.layers or self.c["projector_layers"], self.last_norm)

    def forward(self, groups):
        z = self.student["projector"](self.student["backbone"](groups[0])[:, 0]).float()
        return self.loss(*z.chunk(2), self.c)


class SimClr(Pair):
    last_norm = True


class BarlowTwins(Pair):
    loss = staticmethod(barlow_twins)


class VicReg(Pair):
    loss = staticmethod(vicreg)


class Byol(Pair):
    """Predictions of one view against the teacher's embedding of the other."""

    loss, layers = staticmethod(alignment), 2

    def __init__(self, model, c, views, batch, device):
        super().__init__(model, c, views, batch, device)
        teacher = net(model, projector=self.projector)
        self.followed_by(teacher)
        self.student["predictor"] = projector(c["out_dim"], c["hidden_dim"], c["out_dim"], 2, self.last_norm)

    def forward(self, groups):
        embed = lambda net: [net["projector"](view) for view in net["backbone"](groups[0])[:, 0].chunk(2)]
        with torch.no_grad():
            z = [view.float() for view in embed(self.teacher)]
        p = [self.student["predictor"](view).float() for view in embed(self.student)]
        return self.loss(p[0], z[1], self.c) + self.loss(p[1], z[0], self.c)


class MocoV3(Byol):
    loss, layers, last_norm = staticmethod(contrast), 3, False


METHODS = {"dino": Dino, "ibot": Masked, "dinov2": Masked, "mae": Mae, "simclr": SimClr, "byol": Byol, "moco_v3": MocoV3,
           "barlow_twins": BarlowTwins, "vicreg": VicReg}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--settings", type=json.loads, required=True)
    parser.add_argument("--model", type=json.loads, required=True)
    parser.add_argument("--views", type=json.loads, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    device = torch.device(args.device)
    method = METHODS[args.method](args.model, args.settings, args.views, args.batch, device).to(device)
    if args.compile:
        method.compile()
    trained = [p for p in method.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.04, fused=True)
    averages = []
    if method.teacher is not None:
        students = dict(method.student.named_parameters())
        averages = [(t, students[name]) for name, t in method.teacher.named_parameters()]
    c = args.views
    sizes = [(c["n_global"], c["global_size_px"]), (c["n_local"], c["local_size_px"])]
    groups = [torch.randn(n * args.batch, 3, s, s, device=device) for n, s in sizes if n > 0]

    def step():
        with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
            loss = method(groups)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 3.0)
        optimizer.step()
        if averages:
            with torch.no_grad():
                torch._foreach_lerp_(*map(list, zip(*averages)), 0.004)
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(3 if args.compile else 1):
        step()
    watch = Stopwatch()
    for _ in range(args.steps):
        step()
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    watch.print("timm + torch.compile" if args.compile else "timm + torch", args.steps * args.batch, peak)


if __name__ == "__main__":
    main()
