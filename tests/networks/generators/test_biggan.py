import io

import onnxruntime
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from i2i import recipe, registry
from i2i.data.batch import Images
from i2i.networks.generators.biggan import BigGANGenerator
from i2i.networks.layers import set_test_time
from i2i.recipe import components
from i2i.training.update import TrainingUpdate
from i2i_runtime.seeds import latents as seed_latents

KINDS = ["separate", "shared", "hierarchical"]


def small(**options) -> BigGANGenerator:
    torch.manual_seed(0)
    return BigGANGenerator(**{"features": 2, "latent": 12, "classes": 3, **options})


def latents(generator: BigGANGenerator, number: int) -> torch.Tensor:
    return torch.randn(number, generator.latent, generator=torch.Generator().manual_seed(1))


def parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("features", "latent", "conditioning", "count"),
    [
        # At 128 pixels for 1000 classes: the whole paper, and what the authors' code says of itself without its tricks.
        (96, 120, "hierarchical", 70_433_988),
        (96, 128, "separate", 85_556_164),
        (64, 128, "separate", 42_017_412),
    ],
)
def test_parameter_counts_are_the_published_ones(features, latent, conditioning, count):
    quick = {"spectral_norm": False, "init": "normal"}
    options = {"features": features, "latent": latent, "conditioning": conditioning, **quick}
    with torch.device("meta"):
        generator = BigGANGenerator(size=128, classes=1000, attention=64, **options)
    assert parameters(generator) == count


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512])
def test_every_published_size_gives_images_in_range(size):
    generator = small(size=size, features=1, classes=0, attention=0)
    image = generator(latents(generator, 1))
    assert image.shape == (1, 3, size, size) and image.abs().max() <= 1


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("conditioning", KINDS)
def test_every_parameter_learns(conditioning, classes):
    generator = small(conditioning=conditioning, classes=classes, attention=16)
    nn.init.ones_(generator.blocks[1].attention.gamma)
    label = torch.tensor([0, 1, 2, 1]) if classes else None
    generator(latents(generator, 4), label).square().sum().backward()
    still = {name for name, weight in generator.named_parameters() if weight.grad is None or not weight.grad.any()}
    # A norm takes away what is the same everywhere: the constant in front of it, but for the shortcut's way around it.
    assert still <= {f"blocks.{block}.conv1.bias" for block in range(3)}


@pytest.mark.parametrize("conditioning", KINDS)
def test_the_class_changes_the_image_and_the_others_of_a_batch_do_not(conditioning):
    generator = small(conditioning=conditioning).eval()
    z = latents(generator, 1).expand(3, -1)
    one, two, again = generator(z, torch.tensor([0, 1, 0]))
    assert not torch.allclose(one, two, atol=1e-3)
    torch.testing.assert_close(one, again)


def test_gradients_reach_the_embedding_of_the_classes_seen_and_no_other():
    generator = small(conditioning="shared")
    generator(latents(generator, 2), torch.tensor([0, 2])).square().sum().backward()
    reached = generator.embedding.weight.grad.abs().sum(1) > 0
    assert reached.tolist() == [True, False, True]


def test_every_part_of_a_hierarchical_latent_acts():
    generator = small(conditioning="hierarchical", classes=0).eval()
    z = latents(generator, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(generator(z).square().sum(), z)
    assert generator.parts == 4 and (gradient.reshape(4, 3).abs().sum(1) > 0).all()


def test_without_classes_labels_change_nothing():
    generator = small(classes=0, conditioning="hierarchical").eval()
    z = latents(generator, 2)
    assert torch.equal(generator(z), generator(z, torch.tensor([0, 1])))


def test_less_truncation_more_variety():
    generator = small().eval()
    label = torch.zeros(64, dtype=torch.int64)
    spread = [
        generator(torch.from_numpy(seed_latents(range(64), 12, truncation=truncation)), label).var(0).mean()
        for truncation in (0.1, 0.5, 1.0)
    ]
    assert spread[0] < spread[1] < spread[2]


def test_spectral_norm_is_on_every_convolution_and_linear_layer_or_on_none():
    for spectral_norm in (True, False):
        generator = small(conditioning="shared", attention=8, spectral_norm=spectral_norm)
        layers = [each for each in generator.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
        assert all(nn.utils.parametrize.is_parametrized(layer) == spectral_norm for layer in layers) and layers
        assert not nn.utils.parametrize.is_parametrized(generator.embedding)


def test_averaged_weights_are_normed_by_values_of_their_own():
    generator = small(features=4)
    average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)
    for seed in range(4):  # far apart, as over a long run
        other = small(features=4, init="normal")
        torch.manual_seed(seed)
        draw = {key: torch.randn_like(weight) for key, weight in other.named_parameters() if "original" in key}
        other.load_state_dict(draw, strict=False)
        other(latents(other, 2), torch.tensor([0, 1]))
        average.update_parameters(other)
    layers = [each for each in set_test_time(average, "eval").modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    largest = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in layers]
    assert largest == pytest.approx([1] * len(layers), abs=0.1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 48}, "size = 48 is refused; choose from: 32, 64, 128, 256, 512"),
        ({"attention": 64}, "attention = 64 is refused; choose from: 0, 8, 16, 32"),
        ({"conditioning": "share"}, "unknown conditioning 'share'; did you mean 'shared'"),
        (
            {"conditioning": "hierarchical", "latent": 10},
            "latent = 10 is refused; allowed with hierarchical conditioning: a multiple of 4",
        ),
        ({"classes": -1}, "classes = -1 is too small; allowed: 0 or more"),
    ],
)
def test_what_cannot_be_built_is_refused_with_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        small(**options)


def test_its_graph_for_any_batch_gives_the_same_images():
    generator = small(conditioning="hierarchical", attention=8)
    nn.init.ones_(generator.blocks[0].attention.gamma)
    example, names = (latents(generator, 2), torch.tensor([0, 2])), ["latent", "label"]
    for _ in range(3):  # so that the running statistics are some
        generator(*example)
    generator.eval()
    batch, file = {0: torch.export.Dim("batch", min=1, max=4096)}, io.BytesIO()
    torch.onnx.export(
        generator, example, dynamo=True, verbose=False, input_names=names, dynamic_shapes=(batch, batch)
    ).save(file)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    z, label = latents(generator, 5), torch.tensor([2, 1, 0, 1, 2])
    (found,) = session.run(None, {"latent": z.numpy(), "label": label.numpy()})
    with torch.no_grad():
        expected = generator(z, label)
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [0, 10])
def test_steps_of_the_recipe_at_full_size_change_both_networks(classes):
    checked = recipe.load(recipe.find("biggan"), ["somewhere"], [f"method.classes={classes}", "method.critic_steps=1"])
    torch.manual_seed(0)
    method = components.build(registry.methods, checked.method)
    assert parameters(method.generator) > 4_000_000 and parameters(method.discriminator) > 4_000_000
    update = TrainingUpdate(method.players(), checked.optimizer)
    before = {name: weight.clone() for name, weight in method.named_parameters()}
    method.training_step(Images(2 * torch.rand(2, 3, 32, 32) - 1, torch.tensor([0, 1]) % max(classes, 1)), update)
    assert all(term.isfinite() for term in update.terms.values()) and "generator.orthogonal" in update.terms
    moved = [name for name, weight in method.named_parameters() if not torch.equal(weight, before[name])]
    assert len(moved) > 0.9 * len(before)
