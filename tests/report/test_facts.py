"""Logs, run information and evaluations of a run as facts, curves, warnings and notes."""

import json
from pathlib import Path

import pytest
import torch

from i2i.report import RunImages, collect_contents, find_run
from i2i.report.contents import Curve
from i2i.report.curves import HELD_OUT, read_curves
from i2i.report.evaluation import read_evaluation
from i2i.report.facts import duration, run_facts
from i2i.report.run_warnings import find_warnings
from i2i.training import run_info
from i2i.training.context import Interrupted
from tests.report.pages import LOSSES, image_result, page_of, write_run


def test_values_that_are_not_finite_give_a_warning_and_a_gap(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=5)
    (folder / "losses.csv").write_text(LOSSES + "1,5,1,1\n2,5,nan,1\n3,5,inf,1\n4,5,3,\n")
    gan, real = [curve for curve in read_curves(folder) if curve.name in ("gan", "real")]
    assert gan.values == [1, None, None, 3] and gan.broken == [2, 3]
    assert real.steps == [1, 2, 3] and not real.broken, "an empty cell is no value"
    contents = collect_contents(folder, "run", RunImages())
    assert any("Not finite: generator gan, first logged at step 2" in warning for warning in contents.warnings)
    assert "NaN" not in page_of([contents], tmp_path / "page.html")


def test_an_incomplete_last_row_is_skipped(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=3)
    with (folder / "losses.csv").open("a") as stream:
        stream.write("4,5.")
    assert all(curve.steps[-1] == 3 for curve in read_curves(folder))


def test_long_curves_are_averaged_over_neighbours(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=1)
    (folder / "losses.csv").write_text("step,g.x\n" + "".join(f"{step},{step}\n" for step in range(1, 6001)))
    (curve,) = [curve for curve in read_curves(folder) if curve.name == "x"]
    assert len(curve.steps) == 2000 and curve.steps[-1] == 6000 and curve.values[0] == 2


def test_mode_collapse_gives_a_warning_at_the_step_of_the_second_low_value(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    diversity = [0.8, 0.2, 0.6, 0.1, 0.1, 0.1]
    rows = "".join(f"{10 * step},{share},0.5\n" for step, share in enumerate(diversity, 1))
    (folder / "diversity.csv").write_text("step,a_to_b.diversity,a_to_b.separation\n" + rows)
    (warning,) = [each for each in find_warnings({}, read_curves(folder), [], []) if each.startswith("Mode collapse")]
    assert "step 50" in warning and "a to b" in warning


@pytest.mark.parametrize(("steps", "count"), [([10, 20], 0), ([990, 1000], 1)])
def test_low_diversity_from_the_start_is_a_collapse_only_after_the_first_steps(steps: list[int], count: int) -> None:
    curve = Curve(HELD_OUT, "a to b: diversity", steps, [0.1, 0.1], [])
    assert len(find_warnings({}, [curve], [], [])) == count


def test_a_saturated_discriminator_gives_a_warning(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "diversity.csv").write_text("step,a_to_b.diversity,a_to_b.separation\n10,0.8,1.0\n20,0.7,1.0\n")
    (warning,) = find_warnings({}, read_curves(folder), [], [])
    assert "discriminator of a to b" in warning


@pytest.mark.parametrize(("best", "count"), [(10, 1), (20, 0)])
def test_an_early_best_score_gives_a_warning(best: int, count: int, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "scores.csv").write_text(f"step,score\n{best},0.1\n30,0.2\n")
    warnings = find_warnings({}, read_curves(folder), [], [])
    assert len([each for each in warnings if f"not improved since step {best} of 30" in each]) == count


def test_few_held_out_images_give_a_warning(tmp_path: Path) -> None:
    curves = read_curves(write_run(tmp_path / "run"))
    few, enough = ([image_result(str(number), 0, 9) for number in range(count)] for count in (3, 8))
    assert any("3 held-out images" in each for each in find_warnings({}, curves, [], few))
    assert not find_warnings({}, curves, [], enough)


def test_metrics_of_evaluation_json_are_shown(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    kid, psnr = {"value": 0.5, "error": 0.25, "note": "of 9 images"}, {"value": "inf", "error": None, "note": ""}
    table = {
        "step": 30,
        "metrics": {"KID(x)": kid, "PSNR": psnr},
        "images": [
            {"name": "a", "PSNR": 9, "L1": 1},
            {"name": "b", "PSNR": "inf", "L1": 3},
            {"name": "c", "PSNR": None, "L1": 2},
        ],
        "left_out": ["FID: no weights"],
    }
    (folder / "evaluation.json").write_text(json.dumps(table))
    found = read_evaluation(folder)
    assert found.metrics == [("KID(x)", "0.5 ± 0.25", "of 9 images"), ("PSNR", "inf", "")]
    assert found.extremes == [
        ("PSNR", "a (9), b (inf)", "b (inf), a (9)"),
        ("L1", "b (3), c (2), a (1)", "a (1), c (2), b (3)"),
    ], "the worst, then the best"
    assert found.notes == ["Measured by i2i evaluate at step 30.", "Not measured: FID: no weights"]
    assert "0.5 ± 0.25" in page_of([collect_contents(folder, "run", RunImages())], tmp_path / "page.html")


def test_a_damaged_evaluation_gives_a_note(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text('{"metrics": [')
    assert "cannot be read" in read_evaluation(tmp_path).notes[0]


def test_run_info_has_every_start_and_how_it_ended(tmp_path: Path) -> None:
    folder, steps = write_run(tmp_path / "run"), iter([0, 10, 10, 12])
    cpu, data = torch.device("cpu"), {"files": 2, "listing": "0"}
    with pytest.raises(Interrupted), run_info.record_run_info(folder, cpu, data, lambda: next(steps)):
        raise Interrupted
    with pytest.raises(ArithmeticError), run_info.record_run_info(folder, cpu, data, lambda: next(steps)):
        raise ArithmeticError("loss is nan")
    first, second = run_info.read_run_info(folder)
    assert (first["from_step"], first["to_step"], first["ended"]) == (0, 10, "stopped")
    assert (second["to_step"], second["ended"]) == (12, "loss is nan")
    assert first["versions"]["torch"] == torch.__version__ and first["seconds"] >= 0
    contents = collect_contents(folder, "run", RunImages())
    assert "in 2 starts" in contents.facts["time"] and "torch" in contents.facts["versions"]
    assert contents.warnings[0] == "The run ended with an error: loss is nan"


def test_durations_as_text_and_the_time_of_all_starts(tmp_path: Path) -> None:
    assert [duration(seconds) for seconds in (9, 90, 7260)] == ["9 s", "1 min 30 s", "2 h 1 min"]
    assert run_facts(tmp_path, {}, [], [{"seconds": 40}, {"seconds": 50}])["time"] == "1 min 30 s in 2 starts"


def test_a_run_is_found_by_its_checkpoints(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "checkpoints/00000010").mkdir(parents=True)
    (folder / "latest").symlink_to("checkpoints/00000010", target_is_directory=True)
    for path in (folder, folder / "latest", folder / "checkpoints/00000010"):
        assert find_run(path).resolve() == folder.resolve()
    with pytest.raises(ValueError, match=f"no run there; runs below it: {folder}"):
        find_run(tmp_path)
