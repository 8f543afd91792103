"""Weights travel between eosin and transformers, and from timm's DINOv3: strict loading and equal features, at the native and at another size.

Usage: python hf_parity.py BIN_FOLDER     (holds eosin and encoder_features; needs torch, timm, transformers, safetensors)
"""

import sys
import tempfile
from pathlib import Path

import timm
import torch
import transformers
from safetensors.torch import save_file

from exchange import eosin, features_of

TOLERANCE = 1e-4
NATIVE, OTHER = (64, 64), (96, 48)
SIZES = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, image_size=64, patch_size=16)

# name of the case -> class of the model, its config, expected origin
HF_CASES = {
    "vit": ("ViT", dict(intermediate_size=80), "hf_vit"),
    "vit_eps": ("ViT", dict(intermediate_size=80, layer_norm_eps=1e-5), "hf_vit"),
    "vit_no_qkv_bias": ("ViT", dict(intermediate_size=80, qkv_bias=False), "hf_vit"),
    "dinov2": ("Dinov2", dict(mlp_ratio=4), "hf_dinov2"),
    "dinov2_swiglu": ("Dinov2", dict(mlp_ratio=4, use_swiglu_ffn=True), "hf_dinov2"),
    "dinov2_registers": ("Dinov2WithRegisters", dict(mlp_ratio=2, num_register_tokens=3), "hf_dinov2_reg"),
    "dinov3": ("DINOv3ViT", dict(intermediate_size=80, num_register_tokens=2, rope_theta=70.0), "hf_dinov3"),
    "dinov3_gated": ("DINOv3ViT", dict(intermediate_size=80, num_register_tokens=4, use_gated_mlp=True, hidden_act="silu"), "hf_dinov3"),
}
TIMM_DINOV3 = {
    "timm_dinov3": ("vit_small_patch16_dinov3", {}),
    "timm_dinov3_qkv_bias": ("vit_small_patch16_dinov3_qkvb", {}),
    "timm_dinov3_gated": ("vit_huge_plus_patch16_dinov3_qkvb", dict(embed_dim=96, num_heads=4)),
}


def randomise(model):
    """Every parameter away from its initial value, so that a swapped or forgotten one shows."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=generator) * 0.05)
    return model.eval()


def images_of(size):
    return torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(2))


def check(name, differences):
    print(f"{name:36s} largest difference of features {max(differences):.2e}")
    assert max(differences) < TOLERANCE, (name, differences)


def worst(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return (a - b).abs().max().item()


def hf_features(model, images):
    """ViT and Dinov2WithRegisters take other sizes only when told; the others always do."""
    told = {"interpolate_pos_encoding": True} if model.config.model_type == "vit" else {}
    with torch.no_grad():
        return model(images, **told).last_hidden_state[:, 0]


def check_hf(bin_folder, name, family, args, origin, folder):
    config = getattr(transformers, family + "Config")(**SIZES, **args)
    model_class = getattr(transformers, family + "Model")
    model = randomise(model_class(config, **({"add_pooling_layer": False} if family == "ViT" else {})))
    published, inside = folder / "published", folder / "inside"
    model.save_pretrained(published)
    inside.mkdir()
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, inside / "model.safetensors")
    (inside / "config.json").write_text((published / "config.json").read_text())

    differences = []
    for source in (published, inside):
        imported = eosin(bin_folder, "import", source / "model.safetensors", f"out={folder / (source.name + '-imported')}")
        assert imported["origin"] == origin and imported["missing"] == [] and imported["unexpected"] == [], imported
        for size in (NATIVE, OTHER):
            images = images_of(size)
            differences.append(worst(features_of(bin_folder, folder / (source.name + "-imported"), images, folder), hf_features(model, images)))
    check(name, differences)

    exported = folder / "exported"
    eosin(bin_folder, "export", published, "format=hf", f"out={exported}")
    back, info = model_class.from_pretrained(exported, output_loading_info=True, **({"add_pooling_layer": False} if family == "ViT" else {}))
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
    processor = transformers.AutoImageProcessor.from_pretrained(exported)
    assert list(processor.image_mean) == [0.485, 0.456, 0.406], processor
    images = images_of(NATIVE)
    check(name + ", exported", [worst(hf_features(back.eval(), images), hf_features(model, images))])


def check_mae(bin_folder, folder):
    """The encoder of a ViTMAE, beside its decoder; all patches are seen, in order, when nothing is masked."""
    config = transformers.ViTMAEConfig(**SIZES, intermediate_size=80, mask_ratio=0.0, decoder_hidden_size=32, decoder_num_attention_heads=2,
                                       decoder_num_hidden_layers=1, decoder_intermediate_size=48)
    model = randomise(transformers.ViTMAEForPreTraining(config))
    model.save_pretrained(folder / "mae")
    imported = eosin(bin_folder, "import", folder / "mae/model.safetensors", f"out={folder / 'imported'}")
    assert imported["origin"] == "hf_vit" and any("decoder" in k for k in imported["dropped"]), imported
    images = images_of(NATIVE)
    with torch.no_grad():
        want = model.vit(images, noise=torch.arange(16.0).repeat(3, 1)).last_hidden_state[:, 0]
    check("vit_mae encoder", [worst(features_of(bin_folder, folder / "imported", images, folder), want)])


def check_timm_dinov3(bin_folder, name, architecture, args, folder):
    model = randomise(timm.create_model(architecture, img_size=NATIVE, depth=2, num_classes=0, dynamic_img_size=True, global_pool="token", **args))
    weights = folder / "timm"
    weights.mkdir()
    save_file(model.state_dict(), weights / "model.safetensors")
    heads = args.get("num_heads", 6)
    imported = eosin(bin_folder, "import", weights / "model.safetensors", f"model.num_heads={heads}", f"out={folder / 'imported'}")
    assert imported["origin"] == "timm_eva" and imported["missing"] == [], imported
    assert imported["parameters"] >= sum(p.numel() for p in model.parameters()), imported
    differences = []
    for size in (NATIVE, OTHER):
        images = images_of(size)
        with torch.no_grad():
            differences.append(worst(features_of(bin_folder, folder / "imported", images, folder), model(images)))
    check(name, differences)

    eosin(bin_folder, "export", folder / "imported", "format=dinov3", f"out={folder / 'hub'}")
    with torch.no_grad():
        check(name + ", as DINOv3", [worst(features_of(bin_folder, folder / "hub", images_of(OTHER), folder), model(images_of(OTHER)))])


def main():
    bin_folder = Path(sys.argv[1]).resolve()
    transformers.logging.set_verbosity_error()
    print(f"transformers {transformers.__version__}, timm {timm.__version__}, torch {torch.__version__}")
    for name, (family, args, origin) in HF_CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            check_hf(bin_folder, name, family, args, origin, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        check_mae(bin_folder, Path(folder))
    for name, (architecture, args) in TIMM_DINOV3.items():
        with tempfile.TemporaryDirectory() as folder:
            check_timm_dinov3(bin_folder, name, architecture, args, Path(folder))


if __name__ == "__main__":
    main()
