"""The loop of a simulator, as the manual shows it: Gymnasium with MuJoCo, rendered on the CPU."""

from pathlib import Path

import numpy as np
import pytest

from i2i_runtime.stream import open_live
from tests.runtime.engines.test_onnxruntime import write


def test_rendered_frames_go_through_the_loop_of_a_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "egl")  # Mesa's, which needs neither a GPU nor a screen
    for package in ("gymnasium", "mujoco"):
        pytest.importorskip(package, reason=f"the simulator's loop needs: pip install {package}")
    import gymnasium

    env = gymnasium.make("Ant-v5", render_mode="rgb_array", height=48, width=64)
    env.reset(seed=0)
    try:
        env.render()
    except Exception as error:
        pytest.skip(f"MuJoCo cannot render on this machine: {error}")
    live = open_live(write(tmp_path / "blur.onnx"), size=(48, 64), stabilise=0.5, engine="onnxruntime")
    results = []
    for _ in range(4):
        env.step(env.action_space.sample())
        results.append(live.translate(env.render()))
    assert {(result.shape, result.dtype) for result in results} == {((96, 128, 3), np.dtype(np.uint8))}
    assert live.timings.frames == 4 and results[0].std() > 5
