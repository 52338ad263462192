"""``mmx evaluate`` on the demo's model: the table, its files, resuming, processes, bad data."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from demo.scenes import make_scene
from demo.sets import evaluation_samples
from mmx_core import read_explanations
from mmx_core.cli import evaluate, main
from mmx_core.evaluation.registry import methods
from mmx_core.evaluation.report import columns
from mmx_core.evaluation.trials import TRIALS
from mmx_core.stages.perturbing import FILLS

ROOT = Path(__file__).parents[2]
MODEL = str(ROOT / "demo" / "checkpoints" / "grounded" / "step-003800")
COST = {"seconds_per_token", "peak_mb"}
FEW = ["--methods", "mmx", "lens", "random", "--steps", "2", "--device", "cpu"]


def run(out: Path, *arguments: str, data: str = "demo:val") -> int:
    return main(["evaluate", "--model", MODEL, "--data", data, "--out", str(out), *arguments])


def figures(out: Path) -> dict:
    """The results, without what a clock and an allocator say."""
    results = json.loads((out / "results.json").read_text())
    for method in results["methods"].values():
        for name in COST:
            method.pop(name)
    return results


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation") / "results"
    more = ("--samples", "3", "--faithfulness-samples", "1", "--logdir", str(folder / "runs"))
    assert run(folder, *FEW, *more) == 0
    return folder


def test_the_names_on_the_command_line_are_those_of_the_library(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert FILLS == evaluate.FILLS
    assert tuple(TRIALS) == evaluate.TRIALS
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    assert f"methods: {' '.join(methods())}" in " ".join(capsys.readouterr().out.split())


def test_the_results_hold_every_metric_of_every_method(out: Path) -> None:
    results = json.loads((out / "results.json").read_text())
    assert (results["data"], results["samples"], results["failed"]) == ("demo:val", 3, [])
    assert list(results["methods"]) == ["mmx", "lens", "random"]
    for name, method in results["methods"].items():
        assert tuple(method) == columns()
        for metric, figure in method.items():
            assert set(figure) == {"mean", "low", "high"}
            if name == "random" and metric in ("func_iou", "f1_iou"):
                assert figure["mean"] is None  # it has no activations of the text
            else:
                assert figure["low"] <= figure["mean"] <= figure["high"]
    mmx, random = results["methods"]["mmx"], results["methods"]["random"]
    assert mmx["pixel_ap"]["mean"] > 0.5 > 0.3 > random["pixel_ap"]["mean"]
    assert mmx["deletion"]["mean"] < random["deletion"]["mean"]
    assert len((out / "results.csv").read_text().splitlines()) == 1 + 3 * len(columns())


def test_every_method_is_logged_as_a_run(out: Path) -> None:
    logged = list(read_explanations(out / "runs"))
    assert {(entry.run, entry.tag) for entry in logged} == {
        (method, f"mmx/evaluate/val-000{index}")
        for method in ("mmx", "lens", "random")
        for index in range(3)
    }
    maps = {e.run: e for e in logged if e.tag.endswith("0")}
    assert len(maps["mmx"].scales) == 3 and len(maps["lens"].scales) == 1
    # A lens at scale 1 is that scale's own map.
    assert np.isnan(maps["lens"].grounding).all()
    assert maps["lens"].provenance["settings"] == {"method": "lens"}
    raw = maps["mmx"].base.map
    assert np.abs(maps["lens"].heatmap - raw).max() <= 2 * raw.max() / 255
    assert {"obj_iou", "pixel_ap"} <= set(maps["random"].metrics)


def test_a_log_at_a_url_is_read_from_it(tmp_path: Path) -> None:
    options = ("--methods", "random", "--steps", "2", "--device", "cpu", "--samples", "1")
    assert run(tmp_path / "out", *options, "--logdir", "memory://evaluation") == 0
    assert [e.run for e in read_explanations("memory://evaluation")] == ["random"]
    fsspec.filesystem("memory").rm("/evaluation", recursive=True)


def test_a_log_that_cannot_be_is_refused_before_the_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "out", *FEW, "--logdir", "http://host/runs") == 2
    assert "a web server takes no files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_killed_evaluation_goes_on_where_it_was(out: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    lines = (out / "samples-0.jsonl").read_bytes().splitlines(keepends=True)
    # The first sample done, the second cut off in mid-line.
    (again / "samples-0.jsonl").write_bytes(lines[0] + lines[1][:40])
    (again / "configuration.json").write_bytes((out / "configuration.json").read_bytes())
    assert run(again, *FEW, "--samples", "3", "--faithfulness-samples", "1") == 0
    assert figures(again) == figures(out)
    assert (again / "samples-0.jsonl").read_bytes().startswith(lines[0])


def test_another_evaluation_is_refused_and_says_what_differs(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(out, "--methods", "lens", "--samples", "3", "--device", "cpu") == 2
    said = capsys.readouterr().err
    assert "began with methods ['mmx', 'lens', 'random'], now ['lens']" in said


TORCHRUN = ("torch.distributed.run", "--nproc_per_node=2", "--standalone")
# Two processes are what accelerate calls "multi_gpu"; where they compute, --device says.
ACCELERATE = (
    "accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--num_machines=1",
    "--mixed_precision=no", "--dynamo_backend=no",
)  # fmt: skip


MORTAL = """
import os
import signal
from demo.sets import evaluation_samples as scenes

class Mortal(list):
    asked = 0

    def __getitem__(self, index):
        self.asked += index == len(self) - 1 - len(self) % 2  # the second's last
        first_life = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
        if os.environ["RANK"] == "1" and self.asked == 2 and first_life:  # after its name
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)

def evaluation_samples(name, count):
    return Mortal(scenes("val", count))
"""


@pytest.mark.parametrize(
    ("launcher", "data"),
    [((*TORCHRUN, "--max-restarts=1"), "mortal:val"), (ACCELERATE, "demo:val")],
    ids=["torchrun, one killed and started again", "accelerate"],
)
def test_two_processes_print_the_table_of_one(
    out: Path, tmp_path: Path, launcher: tuple[str, ...], data: str
) -> None:
    (tmp_path / "mortal.py").write_text(MORTAL)
    command = [sys.executable, "-m", *launcher, "-m", "mmx_core.cli", "evaluate"]
    command += ["--model", MODEL, "--data", data, "--device", "cpu", *FEW]
    command += ["--samples", "3", "--faithfulness-samples", "1", "--out", str(tmp_path / "two")]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    done = subprocess.run(command, cwd=ROOT, env=path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert ("exitcode: -9" in done.stderr) == (data == "mortal:val")
    two, one = figures(tmp_path / "two"), figures(out)
    assert len(list((tmp_path / "two").glob("samples-*.jsonl"))) == 2
    for method in one["methods"]:
        for name, figure in one["methods"][method].items():
            found = two["methods"][method][name]
            assert found == pytest.approx(figure, abs=1e-5), (method, name)
    assert done.stdout.count("3 of 3 samples") == 1


def test_what_a_lost_process_left_is_measured_by_the_first(out: Path, tmp_path: Path) -> None:
    (tmp_path / "mortal.py").write_text(MORTAL)
    command = [sys.executable, "-m", "mmx_core.cli", "evaluate", "--model", MODEL, *FEW]
    command += ["--data", "mortal:val", "--samples", "4", "--faithfulness-samples", "1"]
    command += ["--out", str(tmp_path / "two")]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    first, second = (
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, **shared, "RANK": rank, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    )
    printed, said = first.communicate(timeout=300)
    second.communicate(timeout=300)
    assert (first.returncode, second.returncode) == (0, -signal.SIGKILL), said
    assert "a process is lost: what it left is measured by the first" in said
    assert "4 of 4 samples" in printed
    entries = [json.loads(line) for line in (tmp_path / "two/samples-0.jsonl").open()]
    assert [entry["sample"] for entry in entries] == ["val-0000", "val-0002", "val-0003"]


def test_regions_and_synergy_are_columns_where_they_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--methods", "mmx", "random", "uniform", "--samples", "2", "--device", "cpu"]
    trials = ["--trials", "synergy", "regions", "--fill", "other"]
    assert run(tmp_path / "out", *asked, *trials, data="demo:crowded") == 0
    table = capsys.readouterr().out
    assert "removal rank" in table and "insertion" not in table
    results = json.loads((tmp_path / "out/results.json").read_text())["methods"]
    assert tuple(results["mmx"]) == columns(("regions", "synergy"))
    assert (
        results["mmx"]["synergy_all_words"]["mean"]
        > results["uniform"]["synergy_all_words"]["mean"]
    )


def test_one_sample_alone_has_no_other_to_hide_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "out", *FEW, "--samples", "1", "--fill", "other") == 2
    assert "expected two or more" in capsys.readouterr().err


def test_samples_that_share_an_id_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "twin_data.py").write_text(
        "from demo.sets import evaluation_samples as scenes\n"
        "def evaluation_samples(name, count):\n"
        "    return 2 * scenes('val', 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert run(tmp_path / "out", *FEW, data="twin_data:any") == 2
    assert "expected distinct ids, got val-0000 repeatedly" in capsys.readouterr().err


def test_a_published_layout_is_evaluated_on_the_models_own_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = []
    for index in range(3):
        scene = make_scene(index)
        labels = np.zeros(scene.objects[0].mask.shape, dtype=np.uint8)
        names = {}
        for number, thing in enumerate(scene.objects, start=1):
            labels[thing.mask] = number
            names[thing.shape] = number
        Image.fromarray(labels).save(tmp_path / f"{index}-mask.png")
        scene.image.save(tmp_path / f"{index}.png")
        entries.append([f"{index}.png", scene.caption, f"{index}-mask.png", names])
    (tmp_path / "1.png").unlink()
    (tmp_path / "anno.json").write_text(json.dumps(entries))
    out, root = tmp_path / "out", ("--root", str(tmp_path))
    assert run(out, *FEW, *root, "--faithfulness-samples", "0", data="grandf") == 0
    results = figures(out)
    assert (results["samples"], results["failed"]) == (2, [])
    assert results["left_out"] == {"no picture": ["1"]}
    assert "left out, no picture: 1 sample (1)" in capsys.readouterr().out
    # Nothing is left: it is said before a model is loaded.
    for name in ("0.png", "2.png"):
        (tmp_path / name).unlink()
    assert run(tmp_path / "none", *FEW, *root, data="grandf") == 2
    assert "got none in 'grandf' (3 left out: no picture)" in capsys.readouterr().err


def test_a_reference_answer_is_measured_as_a_whole_against_its_evidence(tmp_path: Path) -> None:
    questions = []
    truths = tmp_path / "ground_truth_simple_questions_single_object"
    for folder in (truths, tmp_path / "images"):
        folder.mkdir()
    for index, sample in enumerate(evaluation_samples("crowded", 2)):
        name = f"CLEVR_unique_{index:06d}.png"
        asked = {"question_index": index, "question": sample.prompt, "answer": sample.answer}
        questions.append({**asked, "image_filename": name})
        np.save(truths / f"{index}.npy", sample.masks[0].mask)
        sample.images.save(tmp_path / "images" / name)
    told = json.dumps({"questions": questions})
    (tmp_path / "CLEVR-XAI_simple_questions.json").write_text(told)
    out, root = tmp_path / "out", ("--root", str(tmp_path), "--answers", "reference")
    assert run(out, *FEW, *root, "--faithfulness-samples", "0", data="clevr-xai") == 0
    found = {name: each["pixel_ap"]["mean"] for name, each in figures(out)["methods"].items()}
    assert found["mmx"] > 0.5 > 0.2 > found["random"]


def test_bad_samples_are_told_by_name_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad_data.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from dataclasses import replace
            from demo.sets import evaluation_samples as scenes
            from mmx_core import WordMask

            def evaluation_samples(name, count):
                good, size, empty, bare, silent = scenes("val", 5)
                wrong = np.ones((3, 3), bool)
                nothing = np.zeros_like(empty.masks[0].mask)
                return [
                    good,
                    replace(size, id="size", masks=[WordMask((1,), wrong, "circle")]),
                    replace(empty, id="empty", masks=[WordMask((1,), nothing, "ghost")]),
                    replace(bare, id="bare", masks=None),
                    replace(silent, id="silent", answer=" "),
                ]
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "out"
    assert run(out, *FEW, "--faithfulness-samples", "0", data="bad_data:any") == 0
    said = capsys.readouterr().out
    assert "3 of 5 samples; 2 failed: size (ValueError: mask 'circle'" in said
    assert "silent (ValueError: answer: expected text" in said
    assert "empty mask of 'ghost': 1 sample (empty)" in said
    assert "answer without masked nouns: 1 sample (bare)" in said
    assert [entry["sample"] for entry in figures(out)["failed"]] == ["size", "silent"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "coco"], "expected --root"),
        (["--data", "mars"], "PACKAGE:NAME"),
        (["--data", "demo:val", "--samples", "0"], "--samples: expected at least 1"),
        (
            ["--data", "demo:val", "--chat-template-kwargs", "[]"],
            "JSON object, got '[]'",
        ),
        (["--data", "demo:val", "--methods", "magic"], "expected one of the methods, got 'magic'"),
    ],
)
def test_wrong_input_is_refused_before_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["evaluate", "--model", MODEL, "--out", str(tmp_path / "o"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
