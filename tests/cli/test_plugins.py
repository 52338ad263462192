"""What users register themselves, as the command line finds it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmx_core import add_explanation
from mmx_core.cli import main
from mmx_core.evaluation import registry as methods_registry
from mmx_core.events import sinks
from mmx_core.export import registry as formats
from mmx_core.metrics import registry as metrics_registry
from mmx_core.models import registry as families_registry
from tests.support.explanations import make_explanation

ROOT = Path(__file__).resolve().parents[2]
MODULE = """
import numpy as np
from mmx_core.evaluation import Attribution, method
from mmx_core.export import export_format
from mmx_core.metrics import word_metric


@method("upper_half")
def upper_half(adapter, prepared, seed):
    maps = np.zeros((len(prepared.answer_ids), 2, 1), np.float32)
    maps[:, 0] = 1
    return Attribution(maps)


@word_metric("best_area")
def best_area(answer):
    return [float(word.best.mean()) for word in answer.shown]


@export_format("txt")
def answer(entries, options):
    return entries[0].explanation.answer.encode()
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's file beside the data, named in the environment; registries are left as they were."""
    methods_registry.methods()
    metrics_registry.registered()
    monkeypatch.setattr(methods_registry, "_METHODS", dict(methods_registry._METHODS))
    monkeypatch.setattr(metrics_registry, "_METRICS", dict(metrics_registry._METRICS))
    monkeypatch.setattr(formats, "_FORMATS", dict(formats._FORMATS))
    (tmp_path / "my_additions.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MMX_PLUGINS", "my_additions")
    yield tmp_path
    sys.modules.pop("my_additions", None)


def test_a_method_and_a_metric_of_ones_own_are_in_the_table(
    own_module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    assert "upper_half" in capsys.readouterr().out
    options = ["--methods", "upper_half", "--samples", "1", "--faithfulness-samples", "0"]
    model = str(sorted((ROOT / "demo" / "checkpoints" / "grounded").glob("*"))[-1])
    given = ["evaluate", "--model", model, "--data", "demo:val", "--device", "cpu", "--out", "out"]
    assert main([*given, *options]) == 0
    assert "best area" in capsys.readouterr().out
    figures = json.loads(Path("out/results.json").read_text())["methods"]["upper_half"]
    assert figures["best_area"]["mean"] == pytest.approx(0.5, abs=0.01)


def test_a_format_of_ones_own_is_written(
    own_module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_explanation("runs", "val/1", made := make_explanation(), 0)
    given = ["export", "runs", "--run", ".", "--sample", "val/1", "--format", "txt"]
    assert main([*given, "--out", "answer.txt"]) == 0
    assert Path("answer.txt").read_text() == made.answer
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert "formats: png gif webp html npz safetensors txt" in capsys.readouterr().out


def test_a_module_that_cannot_be_imported_is_told_with_its_reason(
    own_module: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken_additions.py").write_text("import nothing_of_this_name")
    monkeypatch.setenv("MMX_PLUGINS", "my_additions, broken_additions")
    given = ["export", "runs", "--run", ".", "--sample", "val/1", "--format", "txt"]
    assert main(given) == 2
    told = capsys.readouterr().err
    assert "MMX_PLUGINS" in told and "'broken_additions'" in told and "nothing_of_this_name" in told


class Board:
    """A stranger's logger that wraps a summary writer."""

    def __init__(self, inner: object) -> None:
        self.inner = inner


def test_a_logger_of_ones_own_takes_explanations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils.tensorboard import SummaryWriter

    from mmx_core import read_explanations

    monkeypatch.setattr(sinks, "_LOGGERS", list(sinks._LOGGERS))
    with SummaryWriter(str(tmp_path)) as inner:
        with pytest.raises(TypeError, match="adds another"):
            add_explanation(Board(inner), "val/1", make_explanation(), 0)

        @sinks.logger
        def board(writer: object) -> sinks.Sink | None:
            return sinks.SummaryWriterSink(writer.inner) if isinstance(writer, Board) else None

        add_explanation(Board(inner), "val/1", make_explanation(), 0)
    (read,) = read_explanations(tmp_path)
    assert read.answer == make_explanation().answer


def test_every_registry_lists_what_it_holds() -> None:
    assert {"qwen2_vl", "llava"} <= set(families_registry.families())
    assert {"mmx", "occlusion"} <= set(methods_registry.methods())
    assert {"obj_iou", "f1_iou"} <= set(metrics_registry.registered())
    assert list(formats.formats()) == ["png", "gif", "webp", "html", "npz", "safetensors"]
