"""MAE's pass against transformers' ViTMAE: equal weights, images and noise in; equal loss, mask, predictions and gradients out.

Usage: python mae_parity.py BIN_FOLDER     (holds mae_pass; needs torch, transformers, safetensors)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import ViTMAEConfig, ViTMAEForPreTraining

SIDE, PATCH, BATCH = 64, 16, 5
TOLERANCE = 1e-9  # everything in float64

# Theirs to ours. Attention is handled apart: their q, k and v are one weight here.
PARTS = {
    "vit.embeddings.patch_embeddings.projection": "backbone.patch_embed.proj",
    "vit.layernorm": "backbone.norm",
    "decoder.decoder_embed": "decoder.embed",
    "decoder.decoder_norm": "decoder.norm",
    "decoder.decoder_pred": "decoder.pred",
}
TOKENS = {
    "vit.embeddings.cls_token": "backbone.cls_token",
    "vit.embeddings.position_embeddings": "backbone.pos_embed",
    "decoder.mask_token": "decoder.mask_token",
    "decoder.decoder_pos_embed": "decoder.pos_embed",
}
BLOCK = {
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "attention.o_proj": "attn.proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def name_pairs(blocks):
    """(theirs, ours, third): `third` says which third of our weight theirs is, or None for the whole."""
    yield from ((theirs, ours, None) for theirs, ours in TOKENS.items())
    layers = dict(PARTS)
    for theirs, ours, count in (("vit.layers", "backbone.blocks", blocks[0]), ("decoder.decoder_layers", "decoder.blocks", blocks[1])):
        for i in range(count):
            layers |= {f"{theirs}.{i}.{a}": f"{ours}.{i}.{b}" for a, b in BLOCK.items()}
            for third, word in enumerate("qkv"):
                for kind in ("weight", "bias"):
                    yield f"{theirs}.{i}.attention.{word}_proj.{kind}", f"{ours}.{i}.attn.qkv.{kind}", third
    for theirs, ours in layers.items():
        for kind in ("weight", "bias"):
            yield f"{theirs}.{kind}", f"{ours}.{kind}", None


def main():
    bin_folder = Path(sys.argv[1]).resolve()
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(BATCH, 3, SIDE, SIDE, generator=generator)
    noise = torch.rand(BATCH, (SIDE // PATCH) ** 2, generator=generator, dtype=torch.float64)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.safetensors", Path(folder) / "out.safetensors"
        save_file({"images": images, "noise": noise}, source)
        subprocess.run([bin_folder / "mae_pass", source, target], check=True)
        ours = load_file(target)

    config = ViTMAEConfig(
        hidden_size=192, num_hidden_layers=3, num_attention_heads=3, intermediate_size=768, image_size=SIDE, patch_size=PATCH, layer_norm_eps=1e-6,
        decoder_hidden_size=128, decoder_num_hidden_layers=2, decoder_num_attention_heads=4, decoder_intermediate_size=512, norm_pix_loss=True,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = ViTMAEForPreTraining(config).double()
    pairs = list(name_pairs((3, 2)))
    part = lambda tensor, third: tensor if third is None else tensor.chunk(3)[third]
    model.load_state_dict({theirs: part(ours[f"weight.{own}"], third) for theirs, own, third in pairs})
    result = model(pixel_values=images.double(), noise=noise)
    result.loss.backward()

    worst = {
        "loss": (ours["loss"] - result.loss).abs().item(),
        "mask": (ours["mask"] - result.mask).abs().max().item(),
        "pred": (ours["pred"] - result.logits).abs().max().item(),
    }
    parameters = dict(model.named_parameters())
    worst["grad"] = 0.0
    for theirs, own, third in pairs:
        if parameters[theirs].grad is not None:
            worst["grad"] = max(worst["grad"], (part(ours[f"grad.{own}"], third) - parameters[theirs].grad).abs().max().item())
    print(f"largest differences: {worst}")
    assert max(worst.values()) < TOLERANCE, worst


if __name__ == "__main__":
    main()
