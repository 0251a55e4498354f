from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i import recipe, registry
from i2i.checkpoints import run as checkpoint
from i2i.data.batch import LabelledUnpaired, Unpaired
from i2i.label_maps import one_hot
from i2i.methods.cut import CUT
from i2i.methods.sim2real import Sim2Real
from i2i.networks.segmenters.base import Segmenter
from i2i.recipe import components
from i2i.training.build import resolve_paths
from tests.methods.test_every_method import Gradients
from tests.worlds import TINY

CLASSES = 8


def build(name: str, *options: str) -> Any:
    chosen = recipe.load(recipe.find(name), ["unused"], [*TINY[name], *options])
    torch.manual_seed(0)
    return components.build(registry.methods, chosen.method).double()


def build_sim2real(*options: str) -> Sim2Real:
    return build("sim2real", "method.segmenter_steps=0", *options)


@pytest.fixture
def batch() -> LabelledUnpaired:
    random = torch.Generator().manual_seed(0)
    a, b = (2 * torch.rand(2, 3, 32, 40, generator=random, dtype=torch.float64) - 1 for _ in range(2))
    labels = torch.randint(CLASSES, (2, 32, 40), generator=random, dtype=torch.uint8)
    return LabelledUnpaired(a, b, labels, torch.full_like(labels, 255))


def step(method: Any, batch: Any, at: int = 0) -> Gradients:
    update = Gradients(method)
    update.step = at
    torch.manual_seed(1)
    method.training_step(batch, update)
    return update


def test_the_segmenter_learns_first_and_stays_as_it_is(batch: LabelledUnpaired) -> None:
    method = build("sim2real", "method.segmenter_steps=2")
    players = [[player for player, _, _ in step(method, batch, at).calls] for at in range(4)]
    assert players == [["segmenter"]] * 2 + [["discriminator", "generator", "labeller"]] * 2
    for at, updated in enumerate(players):
        assert set(method.resting(at)) == set(method.players()) - set(updated)


def test_the_labeller_continues_from_the_segmenter(batch: LabelledUnpaired) -> None:
    method = build("sim2real", "method.segmenter_steps=1")
    weights = [dict(each.named_parameters()) for each in (method.segmenter, method.labeller)]
    step(method, batch, 1)
    torch.testing.assert_close(*weights, rtol=0, atol=0)
    with torch.no_grad():
        method.labeller.head.weight.zero_()
    step(method, batch, 2)
    assert not method.labeller.head.weight.any(), "once"


def test_the_labeller_learns_from_translations_with_the_labels_of_their_sources(batch: LabelledUnpaired) -> None:
    method = build_sim2real()
    seen: list[Tensor] = []
    method.labeller.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    *_, (_, terms, gradients) = step(method, batch).calls
    real, translated = seen
    assert torch.equal(real, batch.b) and not translated.requires_grad
    *_, (_, same, _) = step(method, batch._replace(b_labels=batch.a_labels)).calls
    *_, (_, other, _) = step(method, batch._replace(a_labels=(batch.a_labels + 1) % CLASSES)).calls
    assert terms == same and terms != other
    assert any(gradient.any() for gradient in gradients if gradient is not None)


def test_the_segmenter_learns_from_the_label_maps_of_a_alone(batch: LabelledUnpaired) -> None:
    method = build("sim2real", "method.segmenter_steps=1")
    ((_, _, gradients),) = step(method, batch).calls
    ((_, _, same),) = step(method, batch._replace(b=-batch.b)).calls
    ((_, _, other),) = step(method, batch._replace(a_labels=(batch.a_labels + 1) % CLASSES)).calls
    assert all(torch.equal(one, two) for one, two in zip(gradients, same, strict=True))
    assert any(not torch.allclose(one, two) for one, two in zip(gradients, other, strict=True))


def test_without_its_own_parts_the_step_is_that_of_cut(batch: LabelledUnpaired) -> None:
    network = ["method.generator.residual=false", "method.generator.upsampling=transposed"]
    ours = build_sim2real(
        *network,
        "method.class_balance=false",
        "method.semantic_weight=0",
    )
    r1 = ["method.adversarial.r1_weight=10", "method.adversarial.r1_every=2"]
    theirs: CUT = build("cut", "method.identity=false", *r1, *(f"method.{name}" for name in NO_ANTIALIAS))
    theirs.load_state_dict(
        {key: value for key, value in ours.state_dict().items() if key.split(".")[0] not in ("segmenter", "labeller")}
    )
    for (player, terms, gradients), (also, same_terms, same) in zip(
        step(ours, batch).calls[:2], step(theirs, Unpaired(batch.a, batch.b)).calls, strict=True
    ):
        assert player == also
        assert {name: terms[name].item() for name in same_terms} == pytest.approx(
            {name: term.item() for name, term in same_terms.items()}, rel=1e-12
        )
        assert all(torch.allclose(one, two, atol=1e-14) for one, two in zip(gradients, same, strict=True))


NO_ANTIALIAS = (
    "generator.antialias_down=false",
    "generator.antialias_up=false",
    "discriminator.antialias=false",
)


def test_the_discriminator_sees_true_labels_beside_translations_and_predicted_ones_beside_real_frames(
    batch: LabelledUnpaired,
) -> None:
    method = build_sim2real(
        "method.adversarial.r1_weight=0", "method.label_aware=true", "method.discriminator.projection=true"
    )
    seen: list[Tensor] = []
    method.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    step(method, batch)
    fake, real, fake_again = seen
    assert torch.equal(fake[:, :CLASSES], one_hot(batch.a_labels, CLASSES).double())
    assert torch.equal(fake_again[:, :CLASSES], fake[:, :CLASSES])
    assert torch.equal(real[:, :CLASSES], one_hot(method.labeller(batch.b).argmax(1), CLASSES).double())
    assert torch.equal(real[:, CLASSES:], batch.b)


def test_without_label_awareness_the_discriminator_sees_no_labels(batch: LabelledUnpaired) -> None:
    method = build_sim2real("method.class_balance=false")
    other = batch._replace(a_labels=(batch.a_labels + 1) % CLASSES)
    (judge, generator, _), (same, changed, _) = (step(method, each).calls for each in (batch, other))
    assert all(torch.equal(one, two) for one, two in zip(judge[2], same[2], strict=True))
    assert any(
        not torch.allclose(one, two) for one, two in zip(generator[2], changed[2], strict=True) if one is not None
    )


def test_patches_of_real_frames_are_drawn_by_their_classes(batch: LabelledUnpaired) -> None:
    method = build_sim2real()
    with torch.no_grad():
        for weight in method.labeller.head.parameters():
            weight.zero_()
        method.labeller.head.bias[0] = 1  # real frames show class 0 alone: all patches count the same
    plain = build_sim2real("method.class_balance=false")
    plain.load_state_dict({key: value for key, value in method.state_dict().items() if "balance" not in key})
    (_, even, _), *_ = step(method, batch, 5).calls
    (_, same, _), *_ = step(plain, batch, 5).calls
    assert even["real"].item() == pytest.approx(same["real"].item(), rel=1e-12)
    torch.nn.init.normal_(method.labeller.head.weight)  # and now several
    method.balance.shares[0] = torch.linspace(0, 1, CLASSES) / (CLASSES / 2)
    plain.labeller.load_state_dict(method.labeller.state_dict())
    (_, drawn, _), *_ = step(method, batch, 5).calls
    (_, all_of_them, _), *_ = step(plain, batch, 5).calls
    assert drawn["real"].item() != pytest.approx(all_of_them["real"].item(), rel=1e-3)


def test_ignored_pixels_have_no_semantic_loss(batch: LabelledUnpaired) -> None:
    ignored = batch._replace(a_labels=torch.full_like(batch.a_labels, 255))
    _, (_, terms, _), _ = step(build_sim2real(), ignored).calls
    assert terms["semantic"] == 0


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"method\.classes = 1 is refused"):
        build_sim2real("method.classes=1")


def test_pixels_of_kept_classes_are_held_to_their_source(batch: LabelledUnpaired) -> None:
    labels = torch.full_like(batch.a_labels, 3)
    labels[:, :8] = 5
    method = build_sim2real("method.keep=[5]", "method.keep_weight=2")
    _, (_, terms, _), _ = step(method, batch._replace(a_labels=labels)).calls
    distance = (method.generator(batch.a) - batch.a).abs()[:, :, :8]
    assert terms["keep"].item() == pytest.approx(2 * distance.sum().item() / batch.a.numel(), rel=1e-12)


def test_a_class_to_keep_that_no_label_map_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"method\.keep: there is no class 8; choose from: 0 to 7"):
        build_sim2real("method.keep=[0,8]")


def saved_segmenter(folder: Path, classes: int) -> tuple[Segmenter, Path]:
    options = [f"method.classes={classes}", "method.segmenter.features=4", "method.segmenter.depth=2"]
    chosen = recipe.load(recipe.find("segmenter"), ["unused"], options)
    segmenter = components.build(registry.methods, chosen.method).segmenter
    return segmenter, checkpoint.save(folder, 1, {}, {"segmenter": segmenter}, {}) / "segmenter.safetensors"


def test_a_segmenter_from_a_file_takes_the_place_of_one_that_learns(tmp_path: Path, batch: LabelledUnpaired) -> None:
    trained, file = saved_segmenter(tmp_path, CLASSES)
    method = build("sim2real", f"method.segmenter_file={file}", "method.segmenter_steps=9")
    for network in (method.segmenter, method.labeller):
        torch.testing.assert_close(network(batch.a), trained.double()(batch.a), rtol=0, atol=0)
    assert [player for player, _, _ in step(method, batch).calls] == ["discriminator", "generator", "labeller"]
    assert list(method.resting(0)) == ["segmenter"], "whose optimiser has a table in the recipe all the same"


def test_a_run_finds_its_segmenter_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "seg").mkdir()
    monkeypatch.chdir(tmp_path)
    kept = resolve_paths(recipe.load(recipe.find("sim2real"), ["unused"], ["method.segmenter_file=seg"]))
    assert kept.method["segmenter_file"] == str((tmp_path / "seg").resolve())


def test_a_segmenter_of_other_classes_is_refused(tmp_path: Path) -> None:
    _, file = saved_segmenter(tmp_path, 5)
    with pytest.raises(ValueError, match=r"segmenter_file: .* predicts 5 classes, but method\.classes = 8; train one"):
        build_sim2real(f"method.segmenter_file={file}")
