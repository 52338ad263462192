"""What a user gives to be logged is refused in words that name it, before anything is written."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmx_core.events import (
    ExplanationWriter,
    add_explanation,
    add_metrics,
    mark_resume,
    read_explanations,
)
from tests.support.explanations import make_explanation

NO_STEPS = [
    (None, TypeError, "expected a whole number, got None"),
    (1.5, TypeError, "expected a whole number, got 1.5"),
    ("5", TypeError, "expected a whole number, got '5'"),
    (True, TypeError, "expected a whole number, got True"),
    (1795969183123456789, ValueError, "within 2.53, .* got 1795969183123456789"),
    (-(2**53), ValueError, "within 2.53"),
]


def writer_of(kind: str, folder):
    if kind == "path":
        return folder
    return ExplanationWriter(folder, background=kind == "background")


@pytest.mark.parametrize("kind", ["path", "writer", "background"])
@pytest.mark.parametrize(("step", "error", "told"), NO_STEPS)
def test_a_step_that_the_panel_could_not_show_is_refused_while_logging(
    tmp_path, kind, step, error, told
):
    writer = writer_of(kind, tmp_path)
    with pytest.raises(error, match=f"global_step: .*{told}"):
        add_explanation(writer, "val/1", make_explanation(), step, strict=True)
    with pytest.raises(error, match=f"global_step: .*{told}"):
        add_metrics(writer, "val", {"grounding": 0.5}, step, strict=True)
    with pytest.raises(error, match=f"step: .*{told}"):
        mark_resume(writer, step, strict=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "step", [np.int64(7), np.array(7), torch.tensor(7), 2**53 - 1, -3], ids=repr
)
def test_whole_numbers_of_every_kind_are_steps(tmp_path, step):
    add_explanation(tmp_path, "val/1", make_explanation(), step, strict=True)
    assert [one.step for one in read_explanations(tmp_path)] == [int(step)]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"tag": 7}, "tag: expected SET/SAMPLE, a string, got int"),
        ({"wall_time": "noon"}, "wall_time: expected seconds since the epoch, .* got 'noon'"),
        ({"wall_time": math.nan}, "wall_time: expected a finite number of seconds"),
    ],
)
def test_what_else_cannot_be_logged_is_named(tmp_path, wrong, told):
    given = {"tag": "val/1", "explanation": make_explanation(), "global_step": 0, **wrong}
    with pytest.raises((TypeError, ValueError), match=told):
        add_explanation(tmp_path, **given, strict=True)
    with pytest.raises(TypeError, match="set: expected a set's name, a string, got int"):
        add_metrics(tmp_path, 7, {"grounding": 0.5}, 0, strict=True)
    assert list(tmp_path.iterdir()) == []
