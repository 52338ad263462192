"""Both decoders agree: what one refuses the other refuses, what both read is the same."""

from __future__ import annotations

import base64
import gzip
import json
import math
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from build_tools import panel
from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.bounds import fitted
from mmx_core.events.header_writer import alternatives_influence
from mmx_core.events.wire import decode_explanation, encode_explanation
from mmx_core.explanation import Candidate, Explanation, ObjectMask
from mmx_core.metrics.objects import object_mask
from tests.hostile.cases import COMPILED, RULES, STEP, TAG, Case, mutations, of_rule, packed
from tests.support.explanations import make_explanation
from tests.support.odd_explanations import (
    make_alternatives,
    make_conversation,
    make_mixed,
    make_partly_seen,
    make_several_images,
    make_video,
)

MUTATIONS = 6_000


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


def panels_answers(cases: list[Case], folder: Path) -> list[Any]:
    """What the panel's decoder reads, as ``plain`` has it; None where it refuses."""
    npm = panel.find_npm()
    if npm is None:
        pytest.skip("needs Node.js")
    file = folder / "cases"
    file.write_bytes(packed(cases))
    command = [*npm, "exec", "--", "vitest", "run", "tests/both_decoders.test.ts"]
    done = subprocess.run(
        command,
        cwd=panel.ROOT / "frontend",
        env={**os.environ, "MMX_CASES": str(file)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))


def test_the_panel_refuses_and_reads_what_python_does_over_thousands_of_mutations(
    tmp_path: Path,
) -> None:
    cases = list(mutations(MUTATIONS))
    answers = panels_answers(cases, tmp_path)
    found = [read(case) for case in cases]
    verdicts = zip(cases, found, answers, strict=True)
    differ = [case.name for case, ours, theirs in verdicts if (ours is None) != (theirs is None)]
    assert not differ, f"{len(differ)} differ, such as {differ[:20]}"
    for case, ours, theirs in list(zip(cases, found, answers, strict=True))[::4]:
        if ours is not None:
            assert same(plain(ours), theirs), case.name
    # A fuzzer that is always refused, or never, finds nothing.
    assert 0.1 < sum(ours is not None for ours in found) / MUTATIONS < 0.6


# Whatever a tokenizer may make of bytes: control characters, halves of pairs, other scripts.
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", " ", "\x00", "\ud83d", "\udc80x", "\ufeff", "</script>", "x" * 5000, "ﷺ"]),
)
NUMBERS = st.sampled_from([0.0, 1.0, 0.5, 1e-45, 3.4e38, -1.0, math.nan])
SHAPES: list[Callable[[int], Explanation]] = [
    lambda seed: make_explanation(1, 0, seed=seed),
    lambda seed: make_explanation(1, 1, ((1.0, (1, 1)),), seed=seed, image=None),
    lambda seed: make_explanation(3, 2, seed=seed, metrics={}),
    lambda seed: make_several_images(seed=seed),
    lambda seed: make_video(seed=seed),
    lambda seed: make_mixed(seed=seed),
    lambda seed: make_conversation(seed=seed),
    lambda seed: make_alternatives(seed=seed),
    lambda seed: make_partly_seen(seed=seed),
]


@st.composite
def objects(draw: st.DrawFn, count: int) -> tuple[ObjectMask, ...]:
    """Masks of any kind that tokens of an answer may have."""
    tokens = st.sets(st.integers(0, count - 1), min_size=1)
    masks = arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))
    drawn = draw(st.lists(st.tuples(masks, tokens, TEXTS), max_size=2))
    found = [object_mask(mask, list(chosen), name) for mask, chosen, name in drawn]
    for (mask, _, _), made in zip(drawn, found, strict=True):
        assert np.array_equal(made.mask, mask)
    return tuple(found)


@st.composite
def odd(draw: st.DrawFn) -> Explanation:
    """What the explainer may hand the writer, however odd."""
    made = draw(st.sampled_from(SHAPES))(draw(st.integers(0, 9)))
    context = tuple(
        replace(token, text=draw(TEXTS), id=draw(st.integers(0, 2**31)))
        if draw(st.integers(0, 3)) == 0
        else token
        for token in made.context
    )
    noise = np.random.default_rng(draw(st.integers(0, 9)))

    def some(values: np.ndarray) -> np.ndarray:
        return np.where(noise.random(values.shape) < 0.2, np.float32(draw(NUMBERS)), values)

    return replace(
        made,
        id=draw(TEXTS),
        prompt=draw(TEXTS),
        answer=draw(TEXTS),
        context=context,
        tokens=context[made.prompt_length :],
        heatmaps=tuple(map(some, made.heatmaps)),
        grounding=some(made.grounding),
        relevance=some(made.relevance),
        scales=tuple(replace(scale, maps=tuple(map(some, scale.maps))) for scale in made.scales),
        objects=draw(objects(len(made.tokens))) if made.image else (),
        metrics=draw(st.dictionaries(TEXTS.filter(bool), NUMBERS, max_size=3)),
        provenance={"note": draw(TEXTS), "value": draw(NUMBERS), draw(TEXTS): [draw(TEXTS)]},
    )


def test_both_read_whatever_the_writer_makes_of_an_odd_explanation(tmp_path: Path) -> None:
    cases: list[Case] = []

    @settings(max_examples=200, deadline=None, database=None)
    @given(odd())
    def write(explanation: Explanation) -> None:
        cases.append(Case("odd", encode_explanation(fitted(explanation), tag=TAG, step=STEP)))
        assert read(cases[-1]) is not None

    write()
    for case, theirs in zip(cases, panels_answers(cases, tmp_path), strict=True):
        ours = read(case)
        assert theirs is not None and ours is not None
        assert same(plain(ours), theirs)


def plain(explanation: Explanation) -> dict[str, Any]:
    """As both_decoders.test.ts has it."""
    e, views = explanation, range(len(explanation.heatmaps))
    beside, reasons = e.alternatives, alternatives_influence(e)
    return {
        "texts": [e.id, e.prompt, e.answer],
        "grounding": e.grounding.tolist(),
        "gain": None if e.image_gain is None else e.image_gain.tolist(),
        "gains": [] if e.image_gains is None else e.image_gains.T.tolist(),
        "metrics": {name: value for name, value in e.metrics.items() if not math.isnan(value)},
        "turns": list(e.turns),
        "words": [[word.first, word.text] for word in e.words],
        "tokens": [[t.id, t.text, t.special, t.turn] for t in e.context],
        "candidates": [list(map(word, leading)) for leading in e.candidates],
        "alternatives": [[a.context_index, word(a.candidate), a.image_gain] for a in beside],
        "influence": [
            [[w.first, w.count, w.text, w.how] for w in e.context_words],
            None if e.influence is None else numbers(e.influence),
        ],
        "objects": [[o.name, list(o.tokens), o.height, o.width, list(o.runs)] for o in e.objects],
        "reasons": None if reasons is None else numbers(reasons),
        "estimate": None if e.estimate is None else numbers(e.estimate),
        "used": [None if e.used is None else numbers(e.used[i]) for i in views],
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
