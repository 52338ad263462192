"""`mmx explain`, `mmx list`, `mmx export`, run as a person would over logged directories."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx_core.cli import inventory, main
from mmx_core.events import add_explanation, read_explanations
from tb_mmx_plugin import loader
from tests.browser.pixels import color_table
from tests.support.explanations import make_explanation
from tests.support.tiny_models import make_tiny

STEPS = (0, 300, 900)
PLACE = "--run a --sample val/2".split()


@pytest.fixture(scope="module")
def logdir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for run in ("a", "b"):
        for step in STEPS:
            for sample in ("2", "10"):
                add_explanation(
                    folder / run, f"val/{sample}", make_explanation(seed=step, id=sample), step
                )
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny = make_tiny()
    for part in (tiny.model, tiny.image_processor, tiny.tokenizer):
        part.save_pretrained(folder)
    return folder


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "street.png"
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save(path)
    return path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def refused(capsys, *arguments: object) -> str:
    """The one sentence that wrong input gets."""
    assert run(*arguments) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1].startswith("mmx: ") and "Traceback" not in "".join(told)
    return told[-1]


def logged(logdir: Path, sample: str = "2", step: int = 900):
    tag = f"mmx/val/{sample}"
    return next(e for e in read_explanations(logdir, run="a") if (e.tag, e.step) == (tag, step))


def test_explain_logs_the_answer_and_prints_its_tokens(checkpoint, picture, tmp_path, capsys):
    answer = "a red circle is left of a blue square ."
    target = tmp_path / "runs" / "x"
    status = run(
        *("explain", "--model", checkpoint, "--image", picture, "--prompt", "describe the image ."),
        *("--answer", answer, "--scales", 1, 2, "--logdir", target, "--step", 7),
    )
    assert status == 0
    (explanation,) = read_explanations(target)
    assert (explanation.tag, explanation.step) == ("mmx/default/street", 7)
    assert explanation.answer == answer
    assert [scale.factor for scale in explanation.scales] == [1, 2]
    told = capsys.readouterr().out.splitlines()
    assert told[0] == answer
    assert told[-2:] == [f"mmx show {target}", f"tensorboard --logdir {target}"]
    (line,) = [line for line in told if line.startswith("circle")]
    assert line.split()[1:] == [
        f"{explanation.base.probability[2]:.3f}",
        f"{explanation.grounding[2]:.3f}",
    ]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"--image": "nowhere.png"}, "no such file"),
        ({"--image": __file__}, "that Pillow can read"),
        ({"--model": "/nowhere/at/all"}, "no such directory"),
        ({"--scales": "2"}, "expected 1.0 among them"),
        ({"--scales": "-1"}, "above 0"),
        ({"--prompt": " "}, "expected text"),
        ({"--answer": "zebra"}, "special tokens"),
        ({"--device": "abacus"}, "cpu always works"),
        ({"--tag": "val/"}, "val/0007"),
    ],
)
def test_explain_refuses_wrong_input_in_one_sentence(
    checkpoint, picture, tmp_path, capsys, changed, told
):
    given = {
        "--model": checkpoint,
        "--image": picture,
        "--prompt": "describe the image .",
        "--answer": "a red circle .",
        "--logdir": tmp_path / "runs",
        **changed,
    }
    pairs = [part for pair in given.items() for part in pair]
    assert told in refused(capsys, "explain", *pairs)
    assert not (tmp_path / "runs").exists()


def test_a_directory_that_is_no_model_is_refused(picture, tmp_path, capsys):
    told = refused(
        capsys,
        *("explain", "--model", tmp_path, "--image", picture, "--prompt", "x"),
        *("--logdir", tmp_path / "runs"),
    )
    assert "supported model" in told


def test_list_counts_runs_samples_steps_and_bytes(logdir, capsys):
    assert run("list", logdir, "--json") == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [entry["run"] for entry in runs] == ["a", "b"]
    first = runs[0]
    assert [sample["sample"] for sample in first["samples"]] == ["val/2", "val/10"]
    for sample in first["samples"]:
        assert (sample["steps"], sample["first_step"], sample["last_step"]) == (3, 0, 900)
    on_disk = sum(path.stat().st_size for path in (logdir / "a").rglob("events.*"))
    assert first["bytes_on_disk"] == on_disk
    blobs = sum(sample["bytes"] for sample in first["samples"])
    assert first["mean_bytes"] == round(blobs / 6)
    assert blobs < first["memory_bytes"] < on_disk
    assert run("list", logdir) == 0
    text = capsys.readouterr().out
    assert "val/2 … val/10" in text and "in memory" in text


def test_list_bounds_the_memory_by_the_steps_that_tensorboard_keeps():
    assert inventory.STEPS_KEPT == loader.STEPS_KEPT


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "/nowhere"), "expected a directory"),
        (["export", "LOGDIR", *"--run aa --sample val/2 --format npz".split()], "did you mean a"),
        (["export", "LOGDIR", *"--run a --sample val/3 --format npz".split()], "val/2"),
        (
            ["export", "LOGDIR", *PLACE, *"--step 310 --format npz".split()],
            "near it are",
        ),
        (["export", "LOGDIR", *PLACE, *"--step all --format png".split()], "html can hold all"),
        (["export", "LOGDIR", *PLACE, *"--token 99 --format png".split()], "from 0 to 4"),
        (("export", "LOGDIR"), "--help"),
        ((), "--help"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(logdir, capsys, arguments, told):
    given = [logdir if part == "LOGDIR" else part for part in arguments]
    assert told in refused(capsys, *given)


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_arrays_come_back_as_they_were_logged(logdir, tmp_path, kind):
    out = tmp_path / f"sample.{kind}"
    place = ("--run", "a", "--sample", "val/2", "--step", 300)
    assert run("export", logdir, *place, "--format", kind, "--out", out) == 0
    if kind == "npz":
        with np.load(out) as file:
            arrays = dict(file)
        metadata = json.loads(str(arrays.pop("metadata")))
    else:
        from safetensors import safe_open

        with safe_open(out, "np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = json.loads(file.metadata()["metadata"])
    explanation = logged(logdir, step=300)
    assert np.array_equal(arrays["heatmaps"], explanation.heatmap)
    for scale in explanation.scales:
        assert np.array_equal(arrays[f"maps.scale_{scale.factor:g}"], scale.map)
        assert np.array_equal(arrays[f"rank.scale_{scale.factor:g}"], scale.rank)
    assert np.array_equal(arrays["relevance"], explanation.relevance, equal_nan=True)
    assert np.array_equal(arrays["grounding"], explanation.grounding)
    assert arrays["image_file"].tobytes() == explanation.image.data
    assert (metadata["run"], metadata["tag"], metadata["step"]) == ("a", "mmx/val/2", 300)
    assert metadata["answer"] == explanation.answer


def test_the_picture_shows_each_cell_in_its_colour_over_the_grey_image(logdir, tmp_path):
    from mmx_core.export.contact_sheet import MARGIN, tile_size
    from mmx_core.export.heat import OPACITY

    out = tmp_path / "sheet.png"
    place = ("--run", "a", "--sample", "val/2", "--token", 1)
    assert run("export", logdir, *place, "--format", "png", "--out", out) == 0
    explanation = logged(logdir)
    pixels = np.asarray(Image.open(out).convert("RGB")).astype(float)
    width, height = tile_size(explanation)
    tile = pixels[MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    rows, columns = explanation.heatmap.shape[1:]
    middles = np.ix_(
        ((np.arange(rows) + 0.5) * height / rows).astype(int),
        ((np.arange(columns) + 0.5) * width / columns).astype(int),
    )
    share = np.clip(explanation.heatmap[1] / explanation.heatmap.max(), 0, 1)
    alpha = OPACITY * np.minimum(1, 2 * share)[..., None]
    behind = tile[middles] - alpha * color_table("inferno")[np.rint(255 * share).astype(int)]
    # What is left is the grey image, as far as it shows through.
    assert np.ptp(behind, axis=2).max() <= 4
    assert (behind >= -3).all() and (behind <= 255 * (1 - alpha) + 3).all()


def test_missing_values_are_hatched_in_the_picture():
    from mmx_core.export.heat import lay_over

    ground = np.full((40, 40, 3), 100, np.uint8)
    values = np.array([[np.nan, 0.0]])
    drawn = lay_over(ground, values, 1.0)
    assert set(np.unique(drawn[:, :20])) >= {0, 255}
    assert (drawn[:, 20:] == 100).all()


def test_the_colours_are_the_panel_s():
    from mmx_core.export.inferno import INFERNO

    assert np.array_equal(INFERNO, color_table("inferno"))


def test_the_command_starts_without_torch():
    code = "import sys, mmx_core.cli; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_default_names_are_safe_file_names(logdir, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("export", logdir, "--run", "a", "--sample", "val/10", "--format", "npz") == 0
    assert capsys.readouterr().out.strip() == "a-val-10-900.npz"
    assert (tmp_path / "a-val-10-900.npz").is_file()


def test_output_survives_a_terminal_of_another_encoding(logdir, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert run("list", logdir) == 0
    stream.flush()
    assert b"val/2" in stream.buffer.getvalue()


def test_arrays_of_several_images_are_named_by_image() -> None:
    from mmx_core.export.arrays import named_arrays
    from tests.events.golden import several

    explanation = several(seed=3)
    arrays = named_arrays(explanation)
    assert arrays["heatmaps.image_1"].shape == (3, 2, 3) and "heatmaps" not in arrays
    assert arrays["maps.scale_0.5.image_2"].shape == (3, 2, 3)
    assert arrays["alternatives.image_0"].shape == (2, 4, 5)
    assert arrays["image_grounding"].shape == (3, 3)
    np.testing.assert_array_equal(arrays["image_gain"], explanation.image_gain)
    np.testing.assert_array_equal(arrays["image_gains"], explanation.image_gains)
    assert "image_file.image_0" in arrays and "image_file.image_2" not in arrays
