"""LPIPS against the published formula, and refusal of files that are not its weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.metrics.lpips import Lpips

lpips = pytest.importorskip("lpips")
torchvision = pytest.importorskip("torchvision")

# The layers of SqueezeNet whose outputs LPIPS compares, and torchvision's normalisation for images in [-1, 1].
TAPPED = (1, 4, 7, 9, 10, 11, 12)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


@pytest.fixture
def backbone(tmp_path: Path) -> tuple[nn.Module, Path]:
    """A SqueezeNet of random weights, and the file that holds them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1().eval()
    torch.save(network.state_dict(), tmp_path / "squeeze.pth")
    return network, tmp_path / "squeeze.pth"


def pictures(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


def by_the_formula(network: nn.Module, image: Tensor, truth: Tensor) -> Tensor:
    """Equation 1 of the paper, with the weights w that the package ships."""
    file = Path(lpips.__file__).parent / "weights/v0.1/squeeze.pth"
    heads = torch.load(file, map_location="cpu", weights_only=True)
    shift, scale = (torch.tensor(values).view(3, 1, 1) for values in (SHIFT, SCALE))
    x, y = ((2 * each - 1 - shift) / scale for each in (image, truth))
    total = torch.zeros(len(image))
    for index, layer in enumerate(network.features):
        x, y = layer(x), layer(y)
        if index in TAPPED:
            weights = heads[f"lin{TAPPED.index(index)}.model.1.weight"]
            difference = (F.normalize(x, eps=1e-10) - F.normalize(y, eps=1e-10)).square()
            total += (weights * difference).sum(1).mean((1, 2))
    return total


def test_lpips_equals_equation_1_with_the_network_of_the_file(backbone: tuple[nn.Module, Path]) -> None:
    network, file = backbone
    image, truth = pictures(2, 3, 40, 50)
    measure = Lpips(file)
    assert measure.name == "LPIPS-squeeze"
    with torch.inference_mode():
        torch.testing.assert_close(measure(image, truth), by_the_formula(network, image, truth), rtol=1e-4, atol=1e-6)


def test_opening_lpips_draws_no_random_numbers_and_gives_no_warning(
    backbone: tuple[nn.Module, Path], recwarn: pytest.WarningsRecorder
) -> None:
    before = torch.get_rng_state()
    Lpips(backbone[1])
    assert torch.equal(before, torch.get_rng_state()) and not recwarn


def test_small_images_raise(backbone: tuple[nn.Module, Path]) -> None:
    with pytest.raises(ValueError, match="LPIPS-squeeze: 40x16 pixels are less than 17"):
        Lpips(backbone[1])(*pictures(1, 3, 16, 40))


def test_missing_weights_raise_with_the_address_and_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"download https://.*--lpips-weights") as error:
        Lpips()
    assert str(tmp_path / "hub/checkpoints/alexnet-owt-7be5be79.pth") in str(error.value)
    assert not list(tmp_path.rglob("*.pth")), "nothing was downloaded"


def test_other_files_raise_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("nothing")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    torch.save(torchvision.models.squeezenet1_0().state_dict(), tmp_path / "older.pth")
    files = {"gone": "no such file", "text": "damaged", "other": "choose from", "older": "is not torchvision's"}
    for name, said in files.items():
        with pytest.raises(ValueError, match=said) as error:
            Lpips(tmp_path / f"{name}.pth")
        assert f"{name}.pth" in str(error.value) and "\n" not in str(error.value)


def test_real_lpips_is_zero_for_equal_images_and_grows_with_blur(shared: Path) -> None:
    from i2i_runtime import images

    measure = Lpips(shared / "weights/squeezenet1_1.pth")
    photo = torch.from_numpy(images.to_float(images.read(shared / "data/Set5/butterfly.png"))).permute(2, 0, 1)[None]
    truth = photo[..., :96, :96]
    blurred = [F.avg_pool2d(truth, size, 1, size // 2, count_include_pad=False) for size in (1, 3, 5, 9)]
    distances = [measure(image, truth).item() for image in blurred]
    assert distances[0] == 0 and distances == sorted(set(distances)) and 0.1 < distances[-1] < 1
