"""Small networks with random weights of every architecture that spandrel makes from parameters."""

import importlib
from typing import Any

import torch
from torch import Tensor

# Architecture of spandrel's registry -> class and options: few features, and defaults where spandrel does not read an
# option back from a file.
_SWIN = {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2], "mlp_ratio": 2.0}
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "Compact": ("Compact", {"num_feat": 8, "num_conv": 3, "upscale": 2}),
    "SwiftSRGAN": ("SwiftSRGAN", {"num_channels": 8, "num_blocks": 2, "upscale_factor": 2}),
    "HAT": (
        "HAT",
        _SWIN | {"window_size": 8, "upscale": 2, "compress_ratio": 3, "squeeze_factor": 4, "num_feat": 8},
    ),
    "GRL": (
        "GRL",
        {
            "embed_dim": 16,
            "depths": [2, 2],
            "num_heads_window": [2, 2],
            "num_heads_stripe": [2, 2],
            "mlp_ratio": 2.0,
            "anchor_window_down_factor": 4,
        },
    ),
    "Swin2SR": ("Swin2SR", _SWIN | {"window_size": 8, "upscale": 2, "upsampler": "pixelshuffledirect"}),
    "SwinIR": ("SwinIR", _SWIN | {"window_size": 8, "upscale": 2, "upsampler": "pixelshuffledirect"}),
    "GFPGAN": ("GFPGAN", {}),
    "RestoreFormer": (
        "RestoreFormer",
        {
            "n_embed": 32,
            "embed_dim": 16,
            "z_channels": 16,
            "ch": 32,
            "ch_mult": [1, 1, 1, 1, 1, 2],
            "num_res_blocks": 1,
        },
    ),
    "LaMa": ("LaMa", {}),
    "OmniSR": ("OmniSR", {"num_feat": 16, "res_num": 1, "up_scale": 2}),
    "SCUNet": ("SCUNet", {"config": [1, 1, 1, 1, 1, 1, 1], "dim": 64}),
    "FBCNN": ("FBCNN", {"nc": [8, 8, 16, 512], "nb": 2}),  # its last is fixed
    "Uformer": ("Uformer", {"embed_dim": 8, "depths": [1] * 9, "num_heads": [1, 1, 2, 2, 2, 2, 2, 1, 1]}),
    "RGT": ("RGT", {"embed_dim": 16, "depth": [2, 2], "num_heads": [2, 2], "mlp_ratio": 2.0, "split_size": [8, 8]}),
    "DAT": (
        "DAT",
        {"embed_dim": 16, "depth": [2, 2], "num_heads": [2, 2], "expansion_factor": 2.0, "split_size": [8, 8]},
    ),
    "CRAFT": ("CRAFT", {"embed_dim": 24, "depths": [1, 1], "num_heads": [2, 2], "upscale": 2}),
    "KBNet": ("KBNet_s", {"width": 8, "middle_blk_num": 1, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}),
    "DITN": ("DITN", {"dim": 16, "ITL_blocks": 1, "SAL_blocks": 1, "UFONE_blocks": 1, "upscale": 2}),
    "MMRealSR": (
        "MMRealSR",
        {
            "num_in_ch": 3,
            "num_out_ch": 3,
            "num_feat": 16,
            "num_block": 1,
            "num_grow_ch": 8,
            "num_feats": [8, 8, 8, 8],
            "num_blocks": [1, 1, 1, 1],
        },
    ),
    "SPAN": ("SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "upscale": 2}),
    "RealCUGAN": ("UpCunet2x", {}),
    "SAFMN": ("SAFMN", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    "SAFMNBCIE": ("SAFMNBCIE", {"dim": 16, "n_blocks": 1, "num_layers": 1, "upscaling_factor": 2}),
    "DCTLSA": ("DCTLSA", {"nf": 20, "num_modules": 6, "upscale": 2}),
    "FFTformer": ("FFTformer", {"dim": 16, "num_blocks": [1, 1, 1], "num_refinement_blocks": 1}),
    "NAFNet": ("NAFNet", {"width": 8, "middle_blk_num": 1, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}),
    "ATD": (
        "ATD",
        {
            "embed_dim": 24,
            "depths": [2, 2],
            "num_heads": [2, 2],
            "num_tokens": 16,
            "upscale": 2,
            "upsampler": "pixelshuffledirect",
        },
    ),
    "MixDehazeNet": ("MixDehazeNet", {}),
    "DRUNet": ("DRUNet", {"in_nc": 4, "out_nc": 3, "nc": [8, 8, 16, 16], "nb": 2}),
    "DnCNN": ("DnCNN", {"in_nc": 3, "out_nc": 3, "nc": 8, "nb": 8, "act_mode": "R"}),
    "IPT": ("IPT", {"n_feats": 8, "num_heads": 12, "num_layers": 1, "scale": [2]}),
    "DRCT": (
        "DRCT",
        {
            "embed_dim": 16,
            "depths": [1, 1],
            "num_heads": [2, 2],
            "window_size": 8,
            "upscale": 2,
            "upsampler": "pixelshuffle",
            "gc": 8,
        },
    ),
    "ESRGAN": ("ESRGAN", {"num_filters": 8, "num_blocks": 1, "scale": 2, "plus": True}),
    "PLKSR": ("RealPLKSR", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2, "kernel_size": 9}),
    "RetinexFormer": ("RetinexFormer", {"n_feat": 8, "stage": 1, "num_blocks": [1, 1, 1]}),
    "HVICIDNet": ("HVICIDNet", {"channels": [8, 8, 16, 16], "heads": [1, 2, 2, 2]}),
    "SeemoRe": ("SeemoRe", {"scale": 2, "num_experts": 3, "num_layers": 2, "embedding_dim": 16}),
    "MoSR": ("MoSR", {"upscale": 2, "n_block": 2, "dim": 16}),
    "MoESR": ("MoESR", {"scale": 2, "dim": 16, "n_blocks": 2, "n_block": 2}),
    "RCAN": ("RCAN", {"scale": 2, "n_resgroups": 2, "n_resblocks": 2, "n_feats": 16, "norm": True}),
    "FDAT": (
        "FDAT",
        {
            "scale": 2,
            "embed_dim": 16,
            "num_groups": 1,
            "depth_per_group": 1,
            "num_heads": 2,
            "upsampler_type": "pixelshuffledirect",
        },
    ),
    "AuraSR": (
        "AuraSR",
        {
            "dim": 8,
            "image_size": None,
            "input_image_size": None,
            "style_network": {"dim_in": 16, "dim_out": 64, "depth": 2},
        },
    ),
}


def random_state(architecture: str) -> dict[str, Tensor]:
    """State dict of a small network with random weights, the same at every call."""
    name, options = SMALL[architecture]
    module = importlib.import_module(f"spandrel.architectures.{architecture}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return getattr(module, name)(**options).state_dict()
