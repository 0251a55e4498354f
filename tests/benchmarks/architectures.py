"""Every architecture of spandrel through our loader, against spandrel's own call: the table of tests/README.md.

    python -m tests.benchmarks.architectures [ARCHITECTURE ...] [--rounds 3] [--no-export] [--table table.md]

Networks are small, with random weights, and read from a file. "error" is the largest difference of our result from
spandrel's own call, "tiles" what `translate` does with a large image, and the largest difference of its tiles from the
whole image in grey levels. "export" is the proof of `i2i export`, "time" that of translating one photo of SPEED_SIZE in
that of a plain loop over spandrel's call, with tiles of 256 pixels that overlap by 16, as chaiNNer's: they take turns,
and the medians count. All of them take about ten minutes; with `--table` rows are appended to a file, and those that
it has are not measured again.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import spandrel
import torch
from safetensors.torch import save_file

from i2i import inference
from i2i.export import export
from i2i.export.proof import picture
from i2i.networks.generators.spandrel import ArchitectureGenerator
from i2i_runtime.images import from_float, to_float
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import translate_image
from tests.architectures import SMALL, random_state

SPEED_SIZE = 320, 400  # pixels, height and width
PLAIN_TILE, PLAIN_OVERLAP = 256, 16  # of chaiNNer
ROW = "| {:13} | {:12} | {:>7} | {:32} | {:60} | {:>5} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE", help="all by default")
    parser.add_argument("--rounds", type=int, default=3, help="of the time")
    parser.add_argument("--no-export", action="store_true")
    parser.add_argument("--table", type=Path, help="file of rows to go on with")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # of spandrel's networks
    there = options.table.read_text().splitlines() if options.table and options.table.is_file() else []
    if not there:
        _add(options.table, "architecture", "network", "error", "tiles", "export", "time")
        _add(options.table, *["---"] * 6)
    measured = {row.split()[1] for row in there}
    for name in options.architectures or SMALL:
        if name not in measured:
            _add(options.table, name, *measure(name, rounds=options.rounds, exports=not options.no_export))


def _add(table: Path | None, *cells: str) -> None:
    row = ROW.format(*cells)
    print(row, flush=True)
    if table:
        with table.open("a") as file:
            print(row, file=file)


def measure(name: str, *, rounds: int, exports: bool) -> list[str]:
    """The cells of an architecture's row."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in random_state(name).items()}, file)
        descriptor = spandrel.ModelLoader().load_from_state_dict(random_state(name)).eval()
        try:
            ours = inference.load(file, device="cpu")
        except ValueError as refusal:
            return ["", "", "", str(refusal).partition(": ")[2], ""]
        return [
            f"x{ours.card.scale}, {ours.card.in_channels} to {ours.card.out_channels}",
            f"{largest_error(ours, descriptor):.0e}",
            tiles(ours),
            exported(ours, Path(folder) / "network.onnx") if exports else "",
            f"{relative_time(ours, descriptor, rounds):.2f}" if rounds and not only_side(ours) else "",
        ]


def largest_error(ours: inference.Translator, descriptor: spandrel.ImageModelDescriptor) -> float:
    """Largest difference of our result from spandrel's own call, in [0, 1], on an image of any size, if it may be."""
    side = only_side(ours) or max(ours.card.min_size, 64)
    height, width = (side, side) if only_side(ours) else (side + 5, side + 11)
    pixels = picture(0, height, width, ours.card.in_channels)
    image = torch.from_numpy(pixels)
    torch.manual_seed(0)
    expected = descriptor(image[None].clone())[0]
    return float((ours(image) - expected).abs().max())


def only_side(ours: inference.Translator) -> int | None:
    """The only side of images, in pixels, that a network takes; None for others."""
    generator = ours._generator
    return generator.only_side if isinstance(generator, ArchitectureGenerator) else None


def tiles(ours: inference.Translator) -> str:
    """How large images go through, and the difference of tiles from the whole image in grey levels."""
    card = ours.card
    if not card.overlap:
        return "whole images only"
    tiling = Tiling(card)
    step = card.tile_step or card.multiple_of
    tile = tiling._smallest + step
    height = -(-max(card.min_size, 48) // step) * step
    image = from_float(picture(1, height, 2 * tile // step * step, card.in_channels).transpose(1, 2, 0), np.uint8)
    whole, cut = (translate_image(ours.network, card, image, tiling=Tiling(card, each)) for each in (0, tile))
    worst = int(np.abs(whole.astype(int) - cut).max())
    return f"overlap {card.overlap}, steps of {step}: {worst}"


def exported(ours: inference.Translator, file: Path) -> str:
    """The proof of an exported file, of any size or else of one, or the reason why there is none."""
    generator = ours._generator
    refusal = ""
    side = only_side(ours) or -(-max(ours.card.min_size, 64) // ours.card.multiple_of) * ours.card.multiple_of
    for size, kind in ((None, "any size"), ((1, side, side), "--static")):
        try:
            _, proof = export(generator, ours.card, file, size=size)
            return f"{kind}: {proof.max_error:.0e}"
        except ValueError as error:
            refusal = refusal or str(error)
    return " ".join(refusal.split())[:100]


def relative_time(ours: inference.Translator, descriptor: spandrel.ImageModelDescriptor, rounds: int) -> float:
    """Time of our translation of a photo in that of the plain loop; more than 1 is slower."""
    height, width = SPEED_SIZE
    image = from_float(picture(2, height, width, ours.card.in_channels).transpose(1, 2, 0), np.uint8)
    contenders: list[Callable[[], object]] = [lambda: ours(image), lambda: plain_loop(descriptor, image)]
    taken: list[list[float]] = [[], []]
    for turn in range(1 + rounds):
        for contender, seconds in zip(contenders, taken, strict=True):
            begin = time.process_time()  # of the processors, whatever else they do
            contender()
            if turn:  # the first one warms up
                seconds.append(time.process_time() - begin)
    return statistics.median(taken[0]) / statistics.median(taken[1])


def plain_loop(descriptor: spandrel.ImageModelDescriptor, image: np.ndarray) -> np.ndarray:
    """Upscale in tiles whose overlapping edges are cut off."""
    scale = descriptor.scale
    height, width = image.shape[:2]
    pixels = torch.from_numpy(to_float(image)).permute(2, 0, 1)[None]
    result = np.empty((height * scale, width * scale, descriptor.output_channels), np.uint8)
    for top in range(0, height, PLAIN_TILE):
        for left in range(0, width, PLAIN_TILE):
            above, before = max(0, top - PLAIN_OVERLAP), max(0, left - PLAIN_OVERLAP)
            bottom, right = min(height, top + PLAIN_TILE), min(width, left + PLAIN_TILE)
            below, behind = min(height, bottom + PLAIN_OVERLAP), min(width, right + PLAIN_OVERLAP)
            tile = descriptor(pixels[..., above:below, before:behind])[0].permute(1, 2, 0).numpy()
            tile = tile[(top - above) * scale : (bottom - above) * scale, (left - before) * scale :]
            tile = tile[:, : (right - left) * scale]
            part = result[top * scale : bottom * scale, left * scale : right * scale]
            part[...] = (tile * 255).round()
    return result


if __name__ == "__main__":
    main()
