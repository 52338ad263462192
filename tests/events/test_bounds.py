"""Very long answers: as much is logged as can be opened, and what is cut is said."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from mmx_core import read_explanations
from mmx_core.events import ExplanationWriter, add_explanation
from mmx_core.events.bounds import MAX_MATRIX_BYTES, fitted, fitting_tokens
from mmx_core.events.guard import LoggingWarning, _warned
from mmx_core.events.index_record import decode_record, encode_record
from mmx_core.explanation import Alternative, WordGroup
from mmx_core.export.standalone import PageEntry, standalone_html
from tests.events import golden
from tests.support.explanations import assert_close, make_explanation
from tests.support.odd_explanations import make_several_images

SCALES = ((1.0, (3, 4)), (2.0, (6, 8)))


def of_size(tokens: int, prompt: int, grid: tuple[int, int] = (1, 1)):
    """An explanation whose arrays take no memory."""
    small = make_explanation(2, 0, ((1.0, (1, 1)),))
    context = (small.tokens[0],) * (prompt + tokens)

    def like(*shape: int) -> np.ndarray:
        return np.broadcast_to(np.float32(0.5), shape)

    answers = dict.fromkeys(("probability", "divergence"), like(tokens))
    scale = replace(
        small.scales[0],
        grids=(grid,),
        maps=(like(tokens, *grid),),
        rank=np.broadcast_to(np.int64(0), tokens),
        top=small.scales[0].top[:1] * tokens,
        **answers,
    )
    pairs = dict.fromkeys(
        ("relevance", "text_activation", "interference_weights"), like(tokens, prompt + tokens)
    )
    return replace(
        small,
        context=context,
        tokens=context[prompt:],
        heatmaps=(like(tokens, *grid),),
        scales=(scale,),
        grounding=like(tokens),
        candidates=((),) * (prompt + tokens),
        **pairs,
    )


@pytest.mark.parametrize(
    ("tokens", "prompt", "kept"),
    [
        (700, 3000, 700),
        # n (4000 + n) pairs of 6 bytes: 673 * 4673 = 3,144,929 <= 3,145,728 < 674 * 4674.
        (10_000, 4_000, 673),
        (673, 4_000, 673),
        (674, 4_000, 673),
        # n squared: 1773 * 1773 = 3,143,529.
        (10_000, 0, 1773),
    ],
)
def test_as_many_tokens_are_kept_as_the_matrix_has_room_for(tokens, prompt, kept):
    assert fitting_tokens(of_size(tokens, prompt)) == kept
    assert 6 * kept * (prompt + kept) <= MAX_MATRIX_BYTES
    assert kept == tokens or 6 * (kept + 1) * (prompt + kept + 1) > MAX_MATRIX_BYTES


def test_maps_count_at_every_scale_and_in_the_aggregate():
    # 2 * 256 * 256 cells a token: 64 MiB hold 512.
    assert fitting_tokens(of_size(2000, 0, (256, 256))) == 512


def quietly(explanation, tokens: int, monkeypatch):
    """Cut to so many tokens."""
    monkeypatch.setattr("mmx_core.events.bounds.fitting_tokens", lambda _: tokens)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LoggingWarning)
        return fitted(explanation)


def test_the_first_tokens_are_what_they_were(monkeypatch):
    whole = make_explanation(6, 4, SCALES)
    beside = [Alternative(at, whole.candidates[3][0], (whole.heatmap[0],), 0.5) for at in (1, 6, 7)]
    words = tuple(WordGroup(first, "w") for first in (0, 4, 6, 7, 9))
    cut = quietly(replace(whole, alternatives=tuple(beside), words=words), 3, monkeypatch)
    assert [word.first for word in cut.words] == [0, 4, 6]
    assert cut.tokens == whole.tokens[:3] and cut.context == whole.context[:7]
    assert cut.answer == whole.answer
    assert cut.provenance == {**whole.provenance, "cut_from": 6}
    assert [entry.context_index for entry in cut.alternatives] == [1, 6]
    np.testing.assert_array_equal(cut.heatmap, whole.heatmap[:3])
    np.testing.assert_array_equal(cut.relevance, whole.relevance[:3, :7])
    np.testing.assert_array_equal(cut.interference_weights, whole.interference_weights[:3, :7])
    for scale, before in zip(cut.scales, whole.scales, strict=True):
        np.testing.assert_array_equal(scale.map, before.map[:3])
        np.testing.assert_array_equal(scale.rank, before.rank[:3])
        assert scale.top == before.top[:3]
    assert cut.candidates == whole.candidates[:7]


def test_of_several_images_every_one_is_cut(monkeypatch):
    gains = np.arange(18, dtype=np.float32).reshape(6, 3)
    whole = replace(make_several_images(3), image_gain=gains[:, 0], image_gains=gains)
    cut = quietly(whole, 2, monkeypatch)
    np.testing.assert_array_equal(cut.image_gain, gains[:2, 0])
    np.testing.assert_array_equal(cut.image_gains, gains[:2])
    assert [len(maps) for maps in cut.heatmaps] == [2, 2, 2]
    assert cut.image_grounding.shape == (2, 3)
    assert cut.images == whole.images


def test_of_a_cut_answer_words_beyond_it_have_no_influence(monkeypatch):
    whole = golden.several(2)  # words of the tokens 1 and 2, 3, and 4; the answer begins with 3
    cut = quietly(whole, 1, monkeypatch)
    assert [word.first for word in cut.context_words] == [1, 3]
    np.testing.assert_array_equal(cut.influence, whole.influence[:1, :2])
    np.testing.assert_array_equal(cut.estimate, whole.estimate[:1, :4])
    assert [maps.shape for maps in cut.used] == [(1, 4, 5), (1, 3, 2), (1, 3, 2)]
    np.testing.assert_array_equal(
        cut.alternatives[0].influence, whole.alternatives[1].influence[:2]
    )


def test_measured_influence_counts_in_what_a_browser_can_hold(monkeypatch):
    whole = golden.several(2)
    monkeypatch.setattr("mmx_core.events.bounds.MAX_MATRIX_BYTES", 10 * 2 * 5)
    assert fitting_tokens(whole) == 2  # five matrices of 2 bytes, two rows of 3 + 2 columns
    monkeypatch.setattr("mmx_core.events.bounds.MAX_MATRIX_BYTES", 10 * 2 * 5 - 1)
    assert fitting_tokens(whole) == 1


def test_what_fits_is_the_very_same():
    whole = make_explanation()
    assert fitted(whole) is whole


@pytest.mark.parametrize("background", [False, True])
def test_a_long_answer_is_logged_with_a_word_at_the_callers_line(tmp_path, monkeypatch, background):
    monkeypatch.setattr("mmx_core.events.bounds.MAX_MATRIX_BYTES", 6 * 3 * 7)
    _warned.clear()
    whole = make_explanation(6, 4, SCALES)
    with ExplanationWriter(tmp_path, background=background, strict=True) as writer:
        with pytest.warns(LoggingWarning, match="all but the first 3 of the answer's 6") as told:
            writer.add_explanation("val/long", whole, 0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            writer.add_explanation("val/long", whole, 1)
    assert [warning.filename for warning in told] == [__file__]
    first, second = read_explanations(tmp_path)
    monkeypatch.undo()
    for read in (first, second):
        assert read.provenance["cut_from"] == 6
        assert_close(read, quietly(whole, 3, monkeypatch))
        monkeypatch.undo()


def test_a_page_holds_no_more_of_a_long_answer_than_a_log(monkeypatch):
    monkeypatch.setattr("mmx_core.events.bounds.MAX_MATRIX_BYTES", 6 * 3 * 7)
    held: list[PageEntry] = []
    monkeypatch.setattr(
        "mmx_core.export.standalone.page_data", lambda entries: held.extend(entries) or {}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LoggingWarning)
        standalone_html([make_explanation(6, 4, SCALES)], bundle="")
    assert [len(entry.explanation.tokens) for entry in held] == [3]


def test_a_long_answer_and_prompt_are_shortened_in_the_index_alone(tmp_path):
    text = "word " * 300_000
    add_explanation(tmp_path, "val/0", replace(make_explanation(), answer=text, prompt=text), 0)
    blob = encode_record(replace(make_explanation(), answer=text, prompt=text), 0)
    record = decode_record(blob)
    assert record["answer"] == record["prompt"] == text[:3999] + "…"
    reading = read_explanations(tmp_path)
    (read,) = reading
    assert read.answer == read.prompt == text
    assert not reading.damaged
