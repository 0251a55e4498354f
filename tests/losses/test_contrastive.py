"""PatchNCE against its formula written plainly, in float64, and against what the authors' code computed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.losses.contrastive import PatchNCE, draw_positions, patch_nce, sample_patches
from tests import golden

SHAPES = [(2, 5, 6, 4), (2, 3, 3, 2)]
TEMPERATURES = (0.07, 1.0)


def maps(seed: int) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=random, dtype=torch.float64) for shape in SHAPES]


def small(**options) -> PatchNCE:
    """With large weights, so that no vector is next to nothing."""
    torch.manual_seed(0)
    loss = PatchNCE(channels=[5, 3], width=8, **options).double()
    for head in loss.heads:
        head[0].weight.data *= 50
        head[2].weight.data *= 50
    return loss


def plain_loss(query: Tensor, key: Tensor, temperature: float, *, whole_batch: bool) -> Tensor:
    """Equation 3 patch by patch, with the published constant logit."""
    images, patches = query.shape[:2]
    losses = torch.empty(images, patches, dtype=query.dtype)
    for n in range(images):
        for p in range(patches):
            own = torch.exp(query[n, p] @ key[n, p] / temperature)
            others = torch.exp(torch.tensor(-10.0, dtype=query.dtype) / temperature)
            for m in range(images) if whole_batch else [n]:
                for o in range(patches):
                    others = others + torch.exp(query[n, p] @ key[m, o] / temperature) * ((m, o) != (n, p))
            losses[n, p] = -torch.log(own / (own + others))
    return losses


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("negatives", ["image", "batch"])
def test_the_loss_of_a_patch_is_equation_3(negatives: str, temperature: float) -> None:
    query, key = small().project(sample_patches(maps(0), draw_positions(maps(0), 6)))[0].detach().split(1)
    query, key = torch.cat([query, key.flip(2)]), torch.cat([key, query.flip(1)])
    found = patch_nce(query, key, temperature=temperature, negatives=negatives)
    expected = plain_loss(query, key, temperature, whole_batch=negatives == "batch")
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_the_loss_is_the_mean_of_layers_of_different_numbers_of_patches() -> None:
    loss = small(patches=9, temperature=0.5)
    positions = draw_positions(maps(0), 9)
    assert [len(at) for at in positions] == [9, 6], "a map of fewer pixels is compared as a whole"
    query, key = (loss.project(sample_patches(maps(seed), positions)) for seed in (0, 1))
    expected = [plain_loss(q, k, 0.5, whole_batch=False).mean() for q, k in zip(query, key, strict=True)]
    torch.testing.assert_close(loss(maps(0), maps(1), positions), torch.stack(expected).mean(), rtol=1e-12, atol=0)


def test_projections_are_heads_of_length_one() -> None:
    loss, patches = small(), [torch.randn(2, 4, 5).double(), torch.randn(2, 4, 3).double()]
    for head, each, vector in zip(loss.heads, patches, loss.project(patches), strict=True):
        hidden = (each @ head[0].weight.T + head[0].bias).clamp(min=0)
        expected = hidden @ head[2].weight.T + head[2].bias
        length = expected.square().sum(2, keepdim=True).sqrt()
        torch.testing.assert_close(vector, expected / (length + 1e-7), rtol=1e-12, atol=1e-14)


def test_positions_are_different_pixels_and_the_same_for_the_batch() -> None:
    columns = torch.arange(12.0).reshape(1, 1, 3, 4).repeat(2, 2, 1, 1)  # its own positions
    torch.manual_seed(0)
    (positions,) = draw_positions([columns], 7)
    assert len(set(positions.tolist())) == 7 and positions.max() < 12 and positions.min() >= 0
    assert draw_positions([columns], 7)[0].tolist() != positions.tolist()
    (patches,) = sample_patches([columns], [positions])
    assert torch.equal(patches, positions[None, :, None].expand(2, -1, 2).float())


def test_the_gradient_reaches_the_query_and_the_heads_only() -> None:
    loss, query, key = small(patches=4), maps(0), maps(1)
    for each in (*query, *key):
        each.requires_grad_()
    positions = draw_positions(key, 4)
    loss(query, key, positions).backward()
    assert all(each.grad is None for each in key)
    for each, at in zip(query, positions, strict=True):
        touched = each.grad.abs().sum((0, 1)).flatten().nonzero().flatten()
        assert touched.tolist() == sorted(at.tolist())
    # A head's gradient is that of the queries alone: keys are constants.
    own = [weight.grad.clone() for weight in loss.parameters()]
    constants = [vectors.detach() for vectors in loss.project(sample_patches(maps(1), positions))]
    queries = loss.project(sample_patches(maps(0), positions))
    pairs = zip(queries, constants, strict=True)
    plain = torch.stack([plain_loss(*vectors, 0.07, whole_batch=False).mean() for vectors in pairs]).mean()
    torch.testing.assert_close(own, list(torch.autograd.grad(plain, list(loss.parameters()))), rtol=1e-9, atol=1e-15)


def test_heads_start_as_published() -> None:
    torch.manual_seed(0)
    for head, channels in zip(PatchNCE(channels=[300, 64]).heads, (300, 64), strict=True):
        for layer, inputs in ((head[0], channels), (head[2], 256)):
            assert layer.weight.std().item() == pytest.approx(0.02 * (2 / (inputs + 256)) ** 0.5, rel=0.02)
            assert not layer.bias.any()


def test_the_loss_is_as_exact_under_autocast() -> None:
    query, key = (torch.nn.functional.normalize(torch.randn(1, 64, 32), dim=2) for _ in range(2))
    expected = patch_nce(query, key)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(patch_nce(query, key), expected)


@pytest.mark.parametrize("name", ["cut_patchnce_nc64", "cut_patchnce_nc256_b1"])
def test_patchnce_is_that_of_the_authors(shared: Path, name: str) -> None:
    recorded = np.load(shared / "golden" / "networks" / f"{name}.npz")
    options, total, norms = (json.loads(str(recorded[field])) for field in ("options", "total", "gradient_norms"))
    layers = {layer: (options["batch"], *shape) for layer, shape in options["layers"].items()}
    query, key = (
        [golden.normal(f"{name}.{side}.{layer}", shape).double() for layer, shape in layers.items()] for side in "qk"
    )
    positions = [torch.from_numpy(recorded[f"ids_{layer}"]) for layer in layers]
    loss = PatchNCE(channels=[each.shape[1] for each in key], width=options["netF_nc"], patches=options["num_patches"])
    keys = {
        ours: theirs for ours, theirs in zip(loss.state_dict(), json.loads(str(recorded["state_dict"])), strict=True)
    }
    golden.fill(loss.double(), keys)
    for each in query:
        each.requires_grad_()

    vectors = [loss.project(sample_patches(side, positions)) for side in (query, key)]
    for layer, queries, constants in zip(layers, *vectors, strict=True):
        golden.assert_recorded(constants.flatten(0, 1), recorded, f"projected_{layer}")
        for field, negatives in ((f"loss_{layer}", "image"), (f"loss_all_{layer}", "batch")):
            found = patch_nce(queries, constants, temperature=options["nce_T"], negatives=negatives).flatten()
            golden.assert_recorded(found, recorded, field)
    loss.negatives = "batch"
    assert loss(query, key, positions).item() == pytest.approx(total["loss_all"], rel=golden.LOSSES)
    loss.negatives = "image"
    found = loss(query, key, positions)
    assert found.item() == pytest.approx(total["loss"], rel=golden.LOSSES)
    found.backward()
    gradients = {f"q.{layer}": each.grad for layer, each in zip(layers, query, strict=True)}
    gradients |= {keys[ours]: weight.grad for ours, weight in loss.named_parameters()}
    for theirs, norm in norms.items():
        assert gradients[theirs].norm().item() == pytest.approx(norm, rel=1e-7, abs=1e-9), theirs
