"""The image's gain: how much likelier its picture makes a word than other pictures do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import mmx_core as mmx
from demo.probe import probe_samples
from demo.words import COLORS, SHAPES
from mmx_core import Explainer, Sample, Video
from mmx_core.events import ExplanationWriter
from mmx_core.images import Clip
from mmx_core.metrics.summary import word_gains
from mmx_core.models import ModelAdapter, adapter_for
from mmx_core.stages.begun import Kept
from mmx_core.stages.image_gain import measure_image_gain
from mmx_core.stages.passes import run_passes
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.references import REFERENCES, References, fitted
from mmx_core.text.lexicon import is_content_word
from tests.models.criteria import PROMPT, noise
from tests.models.test_families import ALL, tiny_of
from tests.models.test_placeless import MAKERS as PLACELESS
from tests.models.test_placeless import tiny_of as placeless
from tests.support.explanations import make_explanation
from tests.support.tiny_models import TinyModel, make_tiny

ANSWER = "a red circle is left of a star"
DEMO = Path(mmx.__file__).parents[1] / "demo" / "checkpoints"


def log_probability(
    adapter: ModelAdapter, pictures: Sequence[Any], prepared: Prepared
) -> torch.Tensor:
    """Of each answer token, by the model's own forward of one input."""
    ids = prepared.answer_ids
    encoded = adapter.encode(list(pictures), prepared.rendered, ids, factor=1.0)
    with torch.no_grad():
        hidden = adapter.hidden_states(encoded)[encoded.predicting_positions]
        return adapter.logits(hidden).double().log_softmax(1)[range(len(ids)), list(ids)]


def by_hand(
    adapter: ModelAdapter, own: Sequence[Any], others: Sequence[Sequence[Any]], prepared: Prepared
) -> np.ndarray:
    each = [log_probability(adapter, other, prepared).exp() for other in others]
    own_one = log_probability(adapter, own, prepared)
    found: np.ndarray = (own_one - torch.stack(each).mean(0).log()).numpy()
    return found


@contextmanager
def counted(adapter: ModelAdapter) -> Iterator[list[int]]:
    """Tells of whole forwards: rows of each."""
    calls: list[int] = []
    own = adapter.forward
    adapter.forward = lambda inputs: (calls.append(len(inputs["input_ids"])), own(inputs))[1]
    try:
        yield calls
    finally:
        del adapter.forward


def samples_of(count: int, size: tuple[int, int] = (64, 96)) -> list[Sample]:
    return [Sample(f"{i:04d}", noise(*size, i), PROMPT, ANSWER) for i in range(count)]


@pytest.fixture(scope="module")
def qwen2() -> TinyModel:
    return make_tiny("qwen2_vl")


SHORT_WINDOWS = {"gemma3", "gemma4"}
"""In the tests' models text is longer than what its layers see of it."""

NOT_CONTINUED = {"qwen3_5", "qwen3_5_moe", "qwen4_exp", "minicpmv4_6", "lfm2_vl", "mllama"} | {
    "ernie4_5_vl_moe",  # its experts are told which positions are text
    *SHORT_WINDOWS,
    *("instructblip", "blip", "idefics", "kosmos-2", "kosmos-2.5"),
}


@pytest.mark.parametrize("family", [*ALL, *PLACELESS])
def test_it_is_what_one_forward_for_each_picture_says(family: str) -> None:
    """In every family: in batches, and from what another sample has read of the same pictures."""
    tiny = placeless(family) if family in PLACELESS else tiny_of(family)
    method = "occlusion" if family in PLACELESS else "lens"
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,), method=method)
    adapter = explainer.adapter
    own, others = noise(64, 160), [noise(80, 200, 1), noise(150, 70, 2), noise(32, 32, 3)]
    kept = Kept(3)
    for prompt, answer, forwards in (
        (PROMPT, ANSWER, 3),
        ("describe the star", "a blue dog is right of a circle", 0),
        (PROMPT, "a blue dog", 0),
    ):
        prepared = explainer.prepare(Sample("s", own, prompt, answer))
        with torch.no_grad():
            (passes,) = run_passes(adapter, [prepared], (1.0,))
            with counted(adapter) as calls:
                found = [
                    measure_image_gain(adapter, prepared, passes, others, kept=kept).whole,
                ]
            found.append(measure_image_gain(adapter, prepared, passes, others).whole)
        expected = by_hand(adapter, [own], [[other] for other in others], prepared)
        for values in found:
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, expected, atol=1e-4)
        if family not in NOT_CONTINUED and (family, forwards) != ("paligemma", 0):
            assert len(calls) == forwards


def test_a_set_gives_the_other_pictures(qwen2: TinyModel) -> None:
    explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,))
    samples = samples_of(REFERENCES + 1)
    for explanation, sample in zip(explainer.explain_batch(samples), samples, strict=True):
        others = [[other.images] for other in samples if other is not sample]
        expected = by_hand(explainer.adapter, [sample.images], others, explainer.prepare(sample))
        np.testing.assert_allclose(explanation.image_gain, expected, atol=1e-4)
        assert explanation.image_gains is None
        assert explanation.provenance["image_gain"] == {"references": REFERENCES}


def test_the_references_do_not_depend_on_the_order_nor_on_the_step(qwen2: TinyModel) -> None:
    explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,))
    samples = samples_of(9)

    def gains(given: Any, **settings: Any) -> dict[str, Any]:
        return {e.id: e.image_gain for e in explainer.explain_batch(given, **settings)}

    expected = gains(samples)
    for other in (
        gains(samples[::-1]),
        gains(iter(samples)),
        gains(samples[4:], references=samples),
        gains(samples, max_tokens_per_batch=4096),
    ):
        for name, gain in other.items():
            np.testing.assert_allclose(gain, expected[name], atol=1e-5)
    assert len({gain.tobytes() for gain in expected.values()}) == 9


def test_a_picture_is_no_reference_of_its_own_nor_twice_one(tmp_path: Path) -> None:
    first, second = noise(32, 32, 1), noise(32, 32, 2)
    second.save(tmp_path / "second.png")
    samples = [
        *(Sample(f"question {i}", first, PROMPT) for i in range(9)),
        Sample("again", tmp_path / "second.png", PROMPT),
        Sample("twice", second, PROMPT),
        Sample("gone", tmp_path / "none.png", PROMPT),
        {"no": "sample"},
    ]
    references = References(samples)
    for own, other in ((first, second), (second, first)):
        (found,) = references.instead_of([own])
        assert found.tobytes() == other.tobytes()
    assert references.instead_of([first, second]) == ()


def test_no_more_files_are_read_than_are_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mmx_core.stages import references as module

    opened, original = [], module.loaded
    monkeypatch.setattr(module, "loaded", lambda given: opened.append(given) or original(given))
    references = References(samples_of(500))
    for sample in samples_of(20):
        assert len(references.instead_of([sample.images])) == REFERENCES
    assert len(opened) <= REFERENCES + 1


def test_where_there_is_no_other_picture_a_plain_one_of_its_mean_colour_stands_in(
    qwen2: TinyModel,
) -> None:
    explainer = Explainer(qwen2.model, **qwen2.parts, image_gain=True)
    own = noise(64, 96)
    explanation = explainer.explain(own, PROMPT, answer=ANSWER)
    colour = tuple(np.rint(np.asarray(own).mean(axis=(0, 1))).astype(int).tolist())
    plain = Image.new("RGB", own.size, colour)
    prepared = explainer.prepare(Sample("one", own, PROMPT, ANSWER))
    expected = by_hand(explainer.adapter, [own], [[plain]], prepared)
    np.testing.assert_allclose(explanation.image_gain, expected, atol=1e-4)
    assert explanation.provenance["image_gain"] == {"references": "plain picture"}
    (single,) = explainer.explain_batch([Sample("one", own, PROMPT, ANSWER)])
    np.testing.assert_allclose(single.image_gain, explanation.image_gain, atol=1e-6)


def test_what_was_read_is_forgotten_when_the_weights_change() -> None:
    """Written past autograd's counters, as some optimisers do."""
    tiny = make_tiny("qwen2_vl")
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))
    samples = samples_of(REFERENCES + 1)
    batch = explainer.explain_batch(samples)
    next(batch), next(batch)
    for parameter in tiny.model.parameters():
        parameter.data.mul_(1.05)
    others = [[other.images] for other in samples if other is not samples[2]]
    prepared = explainer.prepare(samples[2])
    expected = by_hand(explainer.adapter, [samples[2].images], others, prepared)
    np.testing.assert_allclose(next(batch).image_gain, expected, atol=1e-4)


def gains(tiny: TinyModel, samples: Sequence[Sample], together: bool) -> list[Any]:
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))
    pool = [Sample("other", noise(64, 64, 99), PROMPT, ANSWER)]
    sets = [samples] if together else [[sample] for sample in samples]
    return [e.image_gain for some in sets for e in explainer.explain_batch(some, references=pool)]


def test_what_was_read_serves_no_sample_whose_keys_are_others() -> None:
    clips = [
        Sample(name, Video([noise(64, 64, seed + k) for k in range(8)], fps=fps), PROMPT, ANSWER)
        for name, seed, fps in (("quick", 0, 2.0), ("slow", 50, 0.1))
    ]
    # A prompt that sees all of itself has other keys where it goes on.
    begun = [
        Sample(name, noise(64, 96, seed), prompt, ANSWER)
        for seed, (name, prompt) in enumerate([("a", "the star"), ("b", "the star is")])
    ]
    for tiny, samples in ((make_tiny("qwen2_5_vl"), clips), (tiny_of("paligemma"), begun)):
        pairs = zip(gains(tiny, samples, True), gains(tiny, samples, False), strict=True)
        for found, expected in pairs:
            np.testing.assert_allclose(found, expected, atol=2e-5)


def test_weights_that_are_not_here_between_forwards_cost_nobody_the_gain(
    qwen2: TinyModel,
) -> None:
    samples = [Sample(str(i), noise(64, 64, i), PROMPT, ANSWER) for i in range(3)]
    expected = gains(qwen2, samples, True)
    offloaded = make_tiny("qwen2_vl")
    accelerate.cpu_offload(offloaded.model, execution_device=torch.device("cpu"))
    np.testing.assert_allclose(gains(offloaded, samples, True), expected, atol=2e-5)


def test_a_picture_that_is_too_long_as_it_is_stands_in_cut_to_the_own_ones_size() -> None:
    tiny = make_tiny("qwen2_vl")
    tiny.model.config.text_config.max_position_embeddings = 60
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))
    sample, large = samples_of(1)[0], noise(128, 128)  # 24 and 64 visual tokens
    with pytest.raises(ValueError, match="more than the model's 60"):
        explainer.check(Sample("large", large, PROMPT))
    (explanation,) = explainer.explain_batch([sample], references=[Sample("o", large, PROMPT)])
    shown = [[ImageOps.fit(large, sample.images.size)]]
    expected = by_hand(explainer.adapter, [sample.images], shown, explainer.prepare(sample))
    np.testing.assert_allclose(explanation.image_gain, expected, atol=1e-4)


def test_each_of_several_pictures_is_exchanged_in_turn(qwen2: TinyModel) -> None:
    explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,))
    own = [noise(64, 96, 1), noise(96, 64, 2)]
    others = [noise(64, 64, 3), noise(64, 64, 4)]
    pool = [Sample(str(i), other, PROMPT) for i, other in enumerate(others)]
    sample = Sample("s", own, PROMPT, ANSWER)
    (explanation,) = explainer.explain_batch([sample], references=pool)
    ranked = list(References(pool).instead_of(own))

    def stand(place: int, k: int) -> Any:
        return ranked[(k + place) % 2]

    adapter, prepared = explainer.adapter, explainer.prepare(sample)
    whole = by_hand(adapter, own, [[stand(0, k), stand(1, k)] for k in (0, 1)], prepared)
    first = by_hand(adapter, own, [[stand(0, k), own[1]] for k in (0, 1)], prepared)
    second = by_hand(adapter, own, [[own[0], stand(1, k)] for k in (0, 1)], prepared)
    np.testing.assert_allclose(explanation.image_gain, whole, atol=1e-4)
    np.testing.assert_allclose(explanation.image_gains, np.stack([first, second], 1), atol=1e-4)


def test_many_pictures_cost_a_forward_each_and_no_more(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    original = qwen2.model.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        rows.append(len(kwargs["input_ids"]))
        return original(*args, **kwargs)

    explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,))
    sample = Sample("s", [noise(32, 32, i) for i in range(8)], PROMPT, ANSWER)
    monkeypatch.setattr(qwen2.model.model, "forward", counted)
    (explanation,) = explainer.explain_batch([sample], references=samples_of(5))
    assert explanation.image_gains.shape == (8, 8)
    assert sum(rows) == 1 + REFERENCES + 8


def test_a_video_is_exchanged_whole(qwen2: TinyModel) -> None:
    explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,))
    frames, others = ([noise(64, 64, s + k) for k in range(n)] for s, n in ((0, 4), (10, 2)))
    sample = Sample("s", Video(frames, fps=2), PROMPT, ANSWER)
    pool = [Sample("o", Video(others, fps=1), PROMPT)]
    (explanation,) = explainer.explain_batch([sample], references=pool)
    times = (0.0, 0.5, 1.0, 1.5)
    spread = Clip((others[0], others[0], others[1], others[1]), times)
    prepared = explainer.prepare(sample)
    expected = by_hand(explainer.adapter, [Clip(tuple(frames), times)], [[spread]], prepared)
    np.testing.assert_allclose(explanation.image_gain, expected, atol=1e-4)
    assert explanation.image_gains is None and len(explanation.heatmaps) == 2


def test_a_still_picture_stands_in_for_a_video_and_the_middle_of_one_for_it() -> None:
    frames = tuple(noise(32, 48, k) for k in range(3))
    clip, still = Clip(frames, (0.0, 1.0, 2.0)), noise(64, 64, 9)
    stood = fitted(clip, still)
    assert isinstance(stood, Clip) and stood.seconds == clip.seconds
    assert stood.frames == (still,) * 3 and fitted(still, clip) == frames[1]
    cut = fitted(clip, still, cut=True)
    assert {frame.tobytes() for frame in cut.frames} == {ImageOps.fit(still, (48, 32)).tobytes()}


def test_an_image_blind_model_gains_nothing() -> None:
    tiny = make_tiny("qwen2_vl")
    with torch.no_grad():
        for parameter in tiny.model.model.visual.merger.parameters():
            parameter.zero_()
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))
    for explanation in explainer.explain_batch(samples_of(3)):
        np.testing.assert_allclose(explanation.image_gain, 0, atol=1e-5)
        assert abs(explanation.metrics["image_gain"]) < 1e-4


def test_it_tells_what_was_read_from_what_was_guessed() -> None:
    """Untrained, captions-only and trained demo, which grounding calls alike (.95 untrained)."""
    objects, others = {}, {}
    for name in ("grounded/step-000000", "control/step-000650", "grounded/step-003800"):
        explainer = Explainer.from_pretrained(DEMO / name, device="cpu", scales=(1.0,))
        named: list[float] = []
        rest: list[float] = []
        for explanation in explainer.explain_batch(probe_samples(10)):
            for token, gain in zip(explanation.tokens, explanation.image_gain, strict=True):
                (named if token.text.strip() in (*COLORS, *SHAPES) else rest).append(gain)
        objects[name], others[name] = np.median(named), np.median(rest)
    untrained, control, trained = objects.values()
    assert abs(untrained) < 0.5 and abs(control) < 0.5 and trained > 2
    assert abs(others["grounded/step-003800"]) < 0.05


def test_sets_have_it_by_default_and_single_answers_where_it_is_asked_for(
    qwen2: TinyModel,
) -> None:
    def first(**settings: Any) -> mmx.Explanation:
        explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,), **settings)
        return next(explainer.explain_batch(samples_of(2)))

    def alone(**settings: Any) -> mmx.Explanation:
        explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,), **settings)
        return explainer.explain(noise(64, 96), PROMPT, answer=ANSWER)

    assert first().image_gain is not None and first(image_gain=True).image_gain is not None
    assert first(image_gain=False).image_gain is None
    assert alone().image_gain is None and "image_gain" not in alone().metrics
    assert alone(image_gain=True).image_gain is not None
    with pytest.raises(ValueError, match="image_gain: expected True or False, got 'yes'"):
        alone(image_gain="yes")


def test_a_stream_is_looked_at_sixteen_ahead_and_no_further(qwen2: TinyModel) -> None:
    taken = []

    def stream() -> Iterator[Sample]:
        for sample in samples_of(40, (32, 32)):
            taken.append(sample.id)
            yield sample

    explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,))
    batch = explainer.explain_batch(stream())
    assert taken == []
    next(batch)
    assert len(taken) == 16


def test_words_that_name_nothing_do_not_count_unless_there_are_no_others() -> None:
    made = make_explanation(4, 2)
    gain = np.array([0.25, 2.0, 1.0, -1.0], np.float32)

    def of(answer: str, tokens: list[list[int]]) -> list[float]:
        from dataclasses import replace

        return word_gains(replace(made, answer=answer, image_gain=gain), tokens)

    assert of("a snowman is", [[0], [1, 2], [3]]) == [3.0]
    assert of("the", [[0]]) == [0.25]
    assert of("two cats of mine", [[0], [1], [2], [3]]) == [0.25, 2.0]
    assert word_gains(made, [[0]]) == []
    assert [is_content_word(w) for w in ("red", "It's", "of", "three", "椅子")] == [
        *(True, False, False, True, True),
    ]


def test_it_is_logged_and_read_back_and_cut_with_the_answer(
    qwen2: TinyModel, tmp_path: Path
) -> None:
    explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,))
    several = Sample("0009", [noise(32, 32), noise(32, 48)], PROMPT, ANSWER)
    made = list(explainer.explain_batch([*samples_of(2), several]))
    with ExplanationWriter(tmp_path / "run") as writer:
        for explanation in made:
            writer.add_explanation(f"val/{explanation.id}", explanation, 0)
        writer.add_metrics("val", made, 0)
    for read, logged in zip(mmx.read_explanations(tmp_path), made, strict=True):
        np.testing.assert_array_equal(read.image_gain, logged.image_gain)
        np.testing.assert_equal(read.image_gains, logged.image_gains)
        assert math.isclose(read.metrics["image_gain"], logged.metrics["image_gain"], rel_tol=1e-6)


def test_explanations_of_a_family_have_the_adapters_own_numbers(qwen2: TinyModel) -> None:
    """A picture that is its own reference adds nothing: both terms are of one computation."""
    adapter = adapter_for(qwen2.model, **qwen2.parts)
    explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,))
    own = noise(64, 96)
    prepared = explainer.prepare(Sample("s", own, PROMPT, ANSWER))
    with torch.no_grad():
        (passes,) = run_passes(adapter, [prepared], (1.0,))
        found = measure_image_gain(adapter, prepared, passes, [own, own])
    np.testing.assert_allclose(found.whole, 0, atol=1e-5)
