"""Both decoders agree: what one refuses the other refuses, what both read is the same."""

from __future__ import annotations

import base64
import gzip
import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from build_tools import panel
from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.wire import decode_explanation
from mmx_core.explanation import Candidate, Explanation
from tests.hostile.cases import COMPILED, RULES, STEP, TAG, Case, mutations, of_rule, packed

MUTATIONS = 20_000


def read(case: Case) -> Explanation | None:
    """What Python reads; None where it refuses. Nothing else may be raised."""
    try:
        return decode_explanation(case.blobs, tag=TAG, step=STEP)
    except (DamagedBlob, UnsupportedVersion):
        return None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])
def test_a_record_is_refused_where_the_rules_say_so(rule: dict[str, Any]) -> None:
    case = of_rule(rule)
    assert (read(case) is not None) is case.accepted


def test_the_panels_tests_decode_the_same_rules() -> None:
    compiled = gzip.decompress(COMPILED.read_bytes())
    expected = packed([of_rule(rule) for rule in RULES])
    assert compiled == expected, "run python -m tests.hostile.cases"


def test_the_panel_refuses_and_reads_what_python_does_over_20_000_mutations(tmp_path: Path) -> None:
    npm = panel.find_npm()
    if npm is None:
        pytest.skip("needs Node.js")
    cases = list(mutations(MUTATIONS))
    file = tmp_path / "cases"
    file.write_bytes(packed(cases))
    command = [*npm, "exec", "--", "vitest", "run", "tests/agreement.test.ts"]
    done = subprocess.run(
        command,
        cwd=panel.ROOT / "frontend",
        env={**os.environ, "MMX_CASES": str(file)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    found = [read(case) for case in cases]
    verdicts = zip(cases, found, answers, strict=True)
    differ = [case.name for case, ours, theirs in verdicts if (ours is None) != (theirs is None)]
    assert not differ, f"{len(differ)} differ, such as {differ[:20]}"
    for case, ours, theirs in list(zip(cases, found, answers, strict=True))[::4]:
        if ours is not None:
            assert same(plain(ours), theirs), case.name
    # A fuzzer that is always refused, or never, finds nothing.
    assert 0.1 < sum(ours is not None for ours in found) / MUTATIONS < 0.6


def plain(explanation: Explanation) -> dict[str, Any]:
    """As agreement.test.ts has it."""
    e, views = explanation, range(len(explanation.heatmaps))
    beside = e.alternatives
    return {
        "texts": [e.id, e.prompt, e.answer],
        "grounding": e.grounding.tolist(),
        "metrics": {name: value for name, value in e.metrics.items() if not math.isnan(value)},
        "turns": list(e.turns),
        "words": [[word.first, word.text] for word in e.words],
        "tokens": [[t.id, t.text, t.special, t.turn] for t in e.context],
        "candidates": [list(map(word, leading)) for leading in e.candidates],
        "alternatives": [[a.context_index, word(a.candidate)] for a in beside],
        "scales": [
            [s.factor, s.probability.tolist(), s.rank.tolist(), list(map(word, s.top))]
            for s in e.scales
        ],
        "images": [
            [
                e.images[i].picture if e.images else i,
                list(e.images[i].seconds) if e.images else [],
                None if e.image_grounding is None else e.image_grounding[:, i].tolist(),
            ]
            for i in views
        ],
        "maps": [
            [
                *(numbers(s.maps[i]) for s in e.scales),
                numbers(e.heatmaps[i]),
                *([numbers(np.stack([a.heatmaps[i] for a in beside]))] if beside else []),
            ]
            for i in views
        ],
        "matrix": numbers(np.stack([e.relevance, e.text_activation, e.interference_weights])),
    }


def word(candidate: Candidate) -> list[Any]:
    return [candidate.id, candidate.text, candidate.probability]


def numbers(values: np.ndarray) -> str:
    canonical = np.where(np.isnan(values), np.float32(np.nan), values)
    return base64.b64encode(canonical.astype("<f4").tobytes()).decode()


def same(ours: Any, theirs: Any) -> bool:
    """Equal, floats to float32's precision; NaN is null there."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float):
        with np.errstate(over="ignore"):
            single = np.float32(math.nan if theirs is None else theirs)
            return np.array_equal(np.float32(ours), single, equal_nan=True)
    return bool(ours == theirs)
