"""SIGTERM at any moment: a writer with a background ends, and what it acknowledged is there."""

from __future__ import annotations

import signal
import sys
import warnings

import pytest

from mmx_core.events import read_explanations
from tests.faults.conftest import tell
from tests.faults.terminated_writers import WRITERS

ENDS = {"default": -signal.SIGTERM, "exit": 3, "close": 3}


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not fork")
@pytest.mark.parametrize("how", ENDS)
def test_a_hundred_terminated_writers_end_and_lose_nothing_that_they_acknowledged(
    tmp_path, how
) -> None:
    told = tell(sys.executable, "-m", "tests.faults.terminated_writers", tmp_path, how, 1)
    assert told.code == 0, told.errors
    assert [writer["code"] for writer in told.output] == [ENDS[how]] * WRITERS
    lost, logged = {}, 0
    for name, writer in enumerate(told.output):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it was killed amid a record
            found = read_explanations(tmp_path / str(name)) if writer["steps"] else []
        steps = {explanation.step for explanation in found}
        logged += len(steps)
        if missing := set(writer["steps"]) - steps:
            lost[name] = missing
    assert not lost and logged > WRITERS
    assert "Traceback" not in told.errors
