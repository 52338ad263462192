"""Several images, videos, conversations, words that were not said, and spans of words."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mmx_core as mmx
from mmx_core import Explainer, Sample
from mmx_core.models import adapter_for
from tests.models.criteria import input_embeddings, noise
from tests.support.tiny_models import FAMILIES, TinyModel, make_tiny

PROMPT = "describe the image ."
ANSWER = "a red circle is left of a blue square ."
FIRST, SECOND = noise(64, 96, 1), noise(96, 64, 2)


@pytest.fixture(scope="module", params=FAMILIES)
def tiny(request: pytest.FixtureRequest) -> TinyModel:
    return make_tiny(request.param)


@pytest.fixture(scope="module")
def qwen2() -> TinyModel:
    return make_tiny("qwen2_vl")


def build(tiny: TinyModel, **settings: Any) -> Explainer:
    return Explainer(tiny.model, **tiny.parts, **{"scales": (1.0, 1.5), **settings})


def test_each_of_several_images_has_maps_of_its_own(tiny: TinyModel) -> None:
    explanation = build(tiny).explain([FIRST, SECOND], PROMPT, answer=ANSWER)
    assert [maps.shape for maps in explanation.heatmaps] == [(10, 6, 9), (10, 9, 6)]
    assert explanation.base.grids == ((4, 6), (6, 4))
    assert [entry.picture for entry in explanation.images] == [0, 1]
    assert explanation.images[0].image is not None
    assert explanation.image_grounding is not None
    total = explanation.image_grounding.sum(axis=1)
    np.testing.assert_allclose(total, explanation.grounding, atol=1e-6)


def test_maps_of_several_images_are_the_models_own_logits(tiny: TinyModel) -> None:
    explanation = build(tiny, suppression="none", scales=(1.0,)).explain(
        [FIRST, SECOND], PROMPT, answer=ANSWER
    )
    adapter = adapter_for(tiny.model, **tiny.parts)
    ids = [token.id for token in explanation.tokens]
    rendered = adapter.render(PROMPT, pictures=[FIRST, SECOND])
    encoded = adapter.encode([FIRST, SECOND], rendered, ids, factor=1.0)
    with torch.no_grad():
        logits = tiny.model(**encoded.inputs).logits[0].float()
    for span, maps in zip(encoded.visual, explanation.heatmaps, strict=True):
        expected = logits[span.positions][:, ids].relu().T.reshape(maps.shape)
        np.testing.assert_allclose(maps, expected, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 4, 5])
def test_a_videos_patch_shows_the_frames_it_covers(tiny: TinyModel, frames: int) -> None:
    """Changing a frame changes the input embeddings of its patch of time alone."""
    pictures = [noise(64, 96, seed) for seed in range(frames)]
    video = mmx.Video(pictures, fps=2)
    explanation = build(tiny).explain(video, PROMPT, answer=ANSWER)
    groups = [entry.frames for entry in explanation.images]
    assert groups == [tuple(range(s, min(s + 2, frames))) for s in range(0, frames, 2)]
    assert [s for entry in explanation.images for s in entry.seconds] == [
        frame / 2 for frame in range(frames)
    ]
    assert all(maps.shape == (10, 6, 9) for maps in explanation.heatmaps)
    adapter = adapter_for(tiny.model, **tiny.parts)

    def embedded(shown: list[Any]) -> list[torch.Tensor]:
        from mmx_core.images import Clip

        clip = Clip(tuple(shown), tuple(index / 2 for index in range(frames)))
        encoded = adapter.encode(
            [clip], adapter.render(PROMPT, pictures=[clip]), [9, 10], factor=1.0
        )
        states = input_embeddings(adapter, encoded)
        return [states[span.positions] for span in encoded.visual]

    before = embedded(pictures)
    for frame in range(frames):
        changed = list(pictures)
        changed[frame] = noise(64, 96, 99)
        after = embedded(changed)
        moved = [
            index
            for index, (one, other) in enumerate(zip(before, after, strict=True))
            if not torch.allclose(one, other, atol=1e-4)
        ]
        assert moved == [frame // 2]


def test_a_still_video_is_the_image_in_each_of_its_patches(qwen2: TinyModel) -> None:
    """A patch of one frame twice is what the image processor makes of the image."""
    adapter = adapter_for(qwen2.model, **qwen2.parts)
    from mmx_core.images import Clip

    clip = Clip((FIRST,) * 4, (0.0, 0.5, 1.0, 1.5))
    rendered = adapter.render(PROMPT, pictures=[clip])
    made = adapter.encode([clip], rendered, [], factor=1.0).inputs
    image = adapter.encode([FIRST], adapter.render(PROMPT, pictures=[FIRST]), [], factor=1.0).inputs
    patches = image["pixel_values"]
    assert torch.equal(made["pixel_values_videos"], torch.cat([patches, patches]))
    assert made["video_grid_thw"].tolist() == [[2, *image["image_grid_thw"][0, 1:].tolist()]]


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_over_a_video_agrees_with_teacher_forcing(family: str) -> None:
    video = mmx.Video([noise(64, 96, seed) for seed in range(4)], fps=2)
    for seed in range(8):
        explainer = build(make_tiny(family, seed=seed), scales=(1.0,), max_new_tokens=5)
        with suppress(ValueError):  # untrained, a model may end at once
            said = explainer.explain([FIRST, video], PROMPT)
            break
    forced = explainer.explain([FIRST, video], PROMPT, answer=said.answer)
    assert [t.id for t in said.tokens] == [t.id for t in forced.tokens]
    assert (said.base.rank == 0).all(), "what was generated greedily is the first choice"


CONVERSATION = [
    {
        "role": "user",
        "content": [
            {"type": "image"},
            {"type": "image"},
            {"type": "text", "text": "describe the image ."},
        ],
    },
    {"role": "assistant", "content": "a red circle ."},
    {"role": "user", "content": "what is on the right of a circle"},
    {"role": "assistant", "content": [{"type": "text", "text": "a blue star"}]},
]


def test_any_assistants_turn_is_explained_and_context_knows_its_turn(tiny: TinyModel) -> None:
    explainer = build(tiny)
    last = explainer.explain([FIRST, SECOND], messages=CONVERSATION)
    first = explainer.explain([FIRST, SECOND], messages=CONVERSATION, turn=1)
    assert (last.answer, first.answer) == ("a blue star", "a red circle .")
    assert last.turns == ("user", "assistant", "user", "assistant")
    assert first.turns == ("user", "assistant")
    assert {token.turn for token in last.tokens} == {3}
    written = [(token.text, token.turn) for token in last.context if not token.special]
    words = [part for message in ("describe the image .", "a red circle .") for part in [message]]
    assert [text for text, turn in written if turn == 0] == words[0].split()
    assert [text for text, turn in written if turn == 1] == words[1].split()
    assert [
        text for text, turn in written if turn == 2
    ] == "what is on the right of a circle".split()


def test_the_first_turn_of_a_conversation_is_explained_as_the_conversation_of_one_turn(
    tiny: TinyModel,
) -> None:
    explainer = build(tiny)
    turn = explainer.explain([FIRST, SECOND], messages=CONVERSATION, turn=1)
    plain = explainer.explain([FIRST, SECOND], PROMPT, answer="a red circle .")
    for one, other in zip(turn.heatmaps, plain.heatmaps, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_conversation_that_ends_with_the_user_is_answered(qwen2: TinyModel) -> None:
    explainer = build(qwen2, max_new_tokens=4)
    asked = CONVERSATION[:3]
    said = explainer.explain([FIRST, SECOND], messages=asked)
    forced = explainer.explain([FIRST, SECOND], messages=asked, answer=said.answer)
    assert said.provenance["teacher_forced"] is False
    assert forced.answer == said.answer
    assert said.prompt == "what is on the right of a circle"


def test_parts_may_carry_their_pictures(qwen2: TinyModel) -> None:
    own = [
        {
            "role": "user",
            "content": [{"type": "image", "image": FIRST}, *CONVERSATION[0]["content"][1:]],
        },
        *CONVERSATION[1:],
    ]
    explainer = build(qwen2)
    mixed = explainer.explain(SECOND, messages=own)
    given = explainer.explain([FIRST, SECOND], messages=CONVERSATION)
    for one, other in zip(mixed.heatmaps, given.heatmaps, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"messages": CONVERSATION}, r"2 such part\(s\), 0 image"),
        ({"image": [FIRST] * 3, "messages": CONVERSATION}, r"2 such part\(s\), 3 image"),
        (
            {"image": [FIRST] * 2, "messages": CONVERSATION, "turn": 2},
            r"message \(\[1, 3\]\), got 2",
        ),
        (
            {"image": [FIRST] * 2, "messages": CONVERSATION, "answer": "a"},
            "message 3 is the assist",
        ),
        ({"image": [FIRST] * 2, "messages": CONVERSATION, "prompt": "a"}, "none beside messages"),
        ({"image": FIRST, "prompt": PROMPT, "turn": 1}, "none without messages"),
        ({"messages": []}, "at least one, got none"),
        ({"messages": [{"role": "user", "content": "a dog"}]}, "at least one image"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "a user's turn before"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "url": "http://x"}]}]},
            "load it first",
        ),
        (
            {"image": FIRST, "messages": [{"role": "user", "content": [{"type": "audio"}]}]},
            r"messages\[0\]: expected parts of type image, video, text or thinking, got .*audio",
        ),
        ({"messages": "hello"}, "expected a list of them, got str"),
        ({"messages": ["hello"]}, r"messages\[0\]: expected .*'role'"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\]: expected .*'role'"),
        ({"messages": [{"role": "user", "content": ["a"]}]}, "expected parts of type .*got 'a'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text"}]}]},
            r"'text': \.\.\.",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "video", "video": FIRST}]}]},
            "expected an mmx.Video",
        ),
    ],
)
def test_a_conversation_that_does_not_fit_its_pictures_is_refused(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str
) -> None:
    explainer = build(qwen2)
    monkeypatch.setattr(qwen2.model, "forward", None)
    with pytest.raises(ValueError, match=message):
        explainer.explain(**arguments)


def test_a_video_is_checked() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        mmx.Video([])
    for wrong in ("x.mp4", Path("x.mp4"), b"", FIRST, iter([FIRST]), {"path": "x.mp4"}):
        with pytest.raises(ValueError, match=r"frames that are sampled already, got \w+$"):
            mmx.Video(wrong)
    with pytest.raises(ValueError, match="a time for each of the 2 frames, got 1"):
        mmx.Video([FIRST, FIRST], seconds=[0.0])
    with pytest.raises(ValueError, match="ascending"):
        mmx.Video([FIRST, FIRST], seconds=[1.0, 0.0])
    with pytest.raises(ValueError, match="fps above 0"):
        mmx.Video([FIRST], fps=0)


def test_frames_of_other_sizes_and_families_without_video_are_refused(qwen2: TinyModel) -> None:
    with pytest.raises(ValueError, match="frames of one size"):
        build(qwen2).explain(mmx.Video([FIRST, SECOND]), PROMPT, answer=ANSWER)
    from tests.support.families.llava import make_llava

    llava = make_llava()
    with pytest.raises(ValueError, match="takes images only; give frames as images"):
        build(llava).explain(mmx.Video([FIRST, FIRST]), PROMPT, answer="a red circle")


def test_masks_belong_to_one_image(qwen2: TinyModel) -> None:
    masks = {"circle": np.ones((64, 96), bool)}
    sample = Sample("s", [FIRST, SECOND], PROMPT, ANSWER, masks=masks)
    with pytest.raises(ValueError, match="masks: expected a sample of one image, got 2"):
        next(build(qwen2).explain_batch([sample]))


def test_a_word_that_was_not_said_is_explained_as_if_it_had_been(tiny: TinyModel) -> None:
    """Its map without suppression is the one it has in an answer that says it there."""
    explainer = build(tiny, suppression="none")
    asked = explainer.explain(
        FIRST, PROMPT, answer=ANSWER, why_not={"circle": "star", 1: ["green"]}
    )
    star, green = asked.alternatives
    said = explainer.explain(FIRST, PROMPT, answer=ANSWER.replace("circle", "star"))
    assert (star.candidate.text, green.candidate.text) == ("star", "green")
    assert star.context_index == asked.prompt_length + 2
    np.testing.assert_allclose(star.heatmap, said.heatmap[2], atol=1e-5)
    np.testing.assert_allclose(star.candidate.probability, said.base.probability[2], rtol=1e-4)
    np.testing.assert_allclose(star.grounding, said.grounding[2], rtol=1e-4)


def test_asking_beside_the_answer_changes_nothing_of_it(tiny: TinyModel) -> None:
    for suppression in ("share", "irrelevance", "tam", "none"):
        explainer = build(tiny, suppression=suppression)
        plain = explainer.explain(FIRST, PROMPT, answer=ANSWER)
        asked = explainer.explain(
            FIRST, PROMPT, answer=ANSWER, why_not={"circle": "star"}, prompt_words=True
        )
        np.testing.assert_allclose(asked.heatmap, plain.heatmap, atol=1e-5)
        np.testing.assert_allclose(
            asked.interference_weights, plain.interference_weights, atol=1e-5
        )
        assert len(asked.alternatives) == 1 + len(PROMPT.split())


def test_the_said_word_competes_with_the_one_that_was_not_said(qwen2: TinyModel) -> None:
    """Under ``share`` a cell that lights the said word more takes it from the other."""
    asked = {"why_not": {"circle": "star"}}
    free = build(qwen2, suppression="none").explain(FIRST, PROMPT, answer=ANSWER, **asked)
    shared = build(qwen2).explain(FIRST, PROMPT, answer=ANSWER, **asked)
    assert (shared.alternatives[0].heatmap <= free.alternatives[0].heatmap + 1e-5).all()
    assert shared.alternatives[0].heatmap.sum() < free.alternatives[0].heatmap.sum()


def test_words_of_the_prompt_are_explained_in_their_place(tiny: TinyModel) -> None:
    explainer = build(tiny, suppression="none", scales=(1.0,))
    explanation = explainer.explain(FIRST, PROMPT, answer=ANSWER, prompt_words=True)
    texts = [entry.candidate.text for entry in explanation.alternatives]
    assert texts == PROMPT.split()
    for entry in explanation.alternatives:
        assert explanation.context[entry.context_index].id == entry.candidate.id
    # The answer's "." and the prompt's are one class, lit by the same states.
    np.testing.assert_allclose(
        explanation.alternatives[-1].heatmap, explanation.heatmap[-1], atol=1e-5
    )


@pytest.mark.parametrize(
    ("why_not", "message"),
    [
        ({"zebra": "dog"}, "'zebra' is there 0 times"),
        ({"a": "dog"}, "'a' is there 2 times"),
        ({99: "dog"}, "0 to 9, got 99"),
        ({"99": "dog"}, "0 to 9, got 99"),
        ({"circle": "zebra"}, "'zebra' is no word"),
        ({"circle": "circle"}, "what was said"),
    ],
)
def test_a_question_about_what_is_not_there_is_refused(
    qwen2: TinyModel, why_not: dict[Any, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(qwen2).explain(FIRST, PROMPT, answer=ANSWER, why_not=why_not)


def test_a_relative_path_is_that_of_where_the_sample_was_made(
    qwen2: TinyModel, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FIRST.save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)
    part = {"type": "image", "path": "image.png"}
    talk = [{"role": "user", "content": [part, {"type": "text", "text": PROMPT}]}]
    samples = [
        Sample("path", "image.png", PROMPT, ANSWER),
        Sample("list", [Path("image.png")], PROMPT, ANSWER),
        Sample("message", messages=talk, answer=ANSWER),
        Sample("video", mmx.Video(["image.png"]), PROMPT, ANSWER),
    ]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    explained = list(build(qwen2, scales=(1.0,)).explain_batch(samples))
    assert [explanation.id for explanation in explained] == ["path", "list", "message", "video"]
    assert part["path"] == "image.png"  # what the caller holds stays its own


def test_a_question_about_what_the_model_does_not_say_costs_that_map_alone(
    qwen2: TinyModel,
) -> None:
    explainer = build(qwen2, max_new_tokens=4)
    plain = explainer.explain(FIRST, PROMPT)
    said = plain.tokens[1].text.strip()
    other = next(word for word in ("star", "dog") if word not in plain.answer)
    asked = {"zebra": other, 99: other, 1: [said, other]}
    with pytest.warns(UserWarning, match="no map of") as caught:
        explanation = explainer.explain(FIRST, PROMPT, why_not=asked, id="0007")
    told = [str(warning.message) for warning in caught]
    reasons = ("'zebra' is there 0 times", "0 to 3, got 99", "what was said at token 1")
    assert len(told) == len(reasons)
    for line, reason in zip(told, reasons, strict=True):
        assert reason in line and "'0007'" in line and repr(plain.answer) in line
    np.testing.assert_array_equal(explanation.heatmap, plain.heatmap)
    assert [entry.candidate.text.strip() for entry in explanation.alternatives] == [other]


@pytest.mark.parametrize(
    ("why_not", "message"),
    [({"circle": "zebra"}, "'zebra' is no word"), ({-1: "dog"}, "from 0 on, got -1")],
)
def test_a_question_that_no_answer_could_have_is_refused_before_one_is_generated(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch, why_not: dict[Any, str], message: str
) -> None:
    # Any work would fail on this.
    monkeypatch.setattr("mmx_core.stages.prepare.undisturbed", None)
    with pytest.raises(ValueError, match=message):
        build(qwen2).explain(FIRST, PROMPT, why_not=why_not)


def test_a_span_is_the_mean_or_sum_of_its_tokens(qwen2: TinyModel) -> None:
    explanation = build(qwen2).explain(FIRST, PROMPT, answer=ANSWER)
    assert explanation.find("Red Circle") == range(1, 3)
    np.testing.assert_allclose(
        explanation.span("red circle"), explanation.heatmap[1:3].mean(axis=0)
    )
    np.testing.assert_allclose(
        explanation.span(range(1, 3), how="sum"), explanation.heatmap[1:3].sum(axis=0)
    )
    np.testing.assert_allclose(
        explanation.span(range(1, 3), how="max"), explanation.heatmap[1:3].max(axis=0)
    )
    np.testing.assert_array_equal(explanation.span(4), explanation.heatmap[4])
    # Of a phrase "a" names nothing; by itself, by index, or where it is asked for, it counts.
    np.testing.assert_allclose(explanation.span("a red"), explanation.heatmap[1])
    np.testing.assert_allclose(explanation.span("a"), explanation.heatmap[0])
    with_article = explanation.heatmap[:2].mean(axis=0)
    np.testing.assert_allclose(explanation.span([0, 1]), with_article)
    np.testing.assert_allclose(explanation.span("a red", function_words=True), with_article)
    two = explanation.span(range(1, 3))
    for some in ([1, 2], (1, 2), np.array([1, 2]), slice(1, 3), slice(-9, -7), [np.int64(1), 2]):
        np.testing.assert_array_equal(explanation.span(some), two)
    both = build(qwen2).explain([FIRST, SECOND], PROMPT, answer=ANSWER)
    assert [both.span("a red", image=image).shape for image in (0, 1)] == [(6, 9), (9, 6)]
    for asked, message in (
        ({}, "one image, got 2"),
        ({"image": 2}, "0 to 1"),
        ({"image": -1}, "0 to 1"),
        ({"image": True}, "0 to 1, got True"),
        ({"image": "0"}, "0 to 1, got '0'"),
    ):
        with pytest.raises(ValueError, match=message):
            both.span("a red", **asked)
    for wrong, message in (("zebra", "word or phrase"), (range(3, 3), "0 to 9"), (10, "0 to 9")):
        with pytest.raises(ValueError, match=message):
            explanation.span(wrong)
    for none in (
        None,
        1.0,
        True,
        [True] * 10,
        ["red"],
        b"red",
        [[1, 2]],
        slice("a"),
        {},
        np.eye(2),
    ):
        with pytest.raises(ValueError, match="index, or a range, slice or list of indices, got"):
            explanation.span(none)
    for none in (None, 3, ["red"]):
        with pytest.raises(ValueError, match="expected a word or phrase of the answer"):
            explanation.find(none)
    with pytest.raises(ValueError, match="mean, sum or max"):
        explanation.span(0, how="median")  # type: ignore[arg-type]


def test_a_batch_keeps_its_order_and_hands_out_what_came_before_a_failure(
    qwen2: TinyModel,
) -> None:
    samples = [
        Sample("long", noise(128, 128), PROMPT, ANSWER),
        Sample("short", noise(32, 32), PROMPT, "a dog"),
        Sample("middle", noise(64, 64), PROMPT, ANSWER),
        Sample("bad", noise(64, 64), PROMPT, " "),
    ]
    batch = build(qwen2).explain_batch(samples, max_tokens_per_batch=250)
    assert [next(batch).id for _ in range(3)] == ["long", "short", "middle"]
    with pytest.raises(ValueError, match="sample 'bad'"):
        next(batch)


def test_a_batch_stays_within_its_bound(qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    original = qwen2.model.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        shapes.append(tuple(kwargs["input_ids"].shape))
        return original(*args, **kwargs)

    monkeypatch.setattr(qwen2.model.model, "forward", counted)
    samples = [
        Sample(str(index), noise(32 + 16 * (index % 3), 64, index), PROMPT, ANSWER)
        for index in range(9)
    ]
    assert len(list(build(qwen2).explain_batch(samples, max_tokens_per_batch=200))) == 9
    assert max(rows * length for rows, length in shapes) <= 200
    assert len(shapes) < 2 * len(samples), "samples share forwards"


def test_more_positions_than_the_model_has_are_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = make_tiny()
    tiny.model.config.get_text_config().max_position_embeddings = 100
    explainer = build(tiny)
    monkeypatch.setattr(tiny.model, "forward", None)
    with pytest.raises(ValueError, match=r"scale 1.5: 131 positions \(108 of them visual\).*100"):
        explainer.explain([FIRST, SECOND], PROMPT, answer=ANSWER)


@pytest.mark.parametrize("pictures", [[], [FIRST], [FIRST] * 3])
def test_a_template_with_other_placeholders_than_images_is_refused(
    qwen2: TinyModel, pictures: list[Any]
) -> None:
    adapter = adapter_for(qwen2.model, **qwen2.parts)
    with pytest.raises(ValueError, match=rf"expected {len(pictures)} placeholder\(s\).*got 2"):
        adapter.render(CONVERSATION[:1], pictures=pictures)


def test_a_raster_that_does_not_fit_its_tokens_is_refused() -> None:
    from mmx_core.models import Raster

    with pytest.raises(ValueError, match="expected 2 x 3 = 6 visual tokens, got 5"):
        Raster(range(5), (2, 3))
    with pytest.raises(ValueError, match="expected a box"):
        Raster(range(6), (2, 3), (0.0, 0.5, 1.0, 0.5))


def test_a_word_inside_another_is_not_found(qwen2: TinyModel) -> None:
    explanation = build(qwen2, scales=(1.0,)).explain(FIRST, PROMPT, answer="cat is a red star")
    assert explanation.find("a") == range(2, 3)
    with pytest.raises(ValueError, match="word or phrase"):
        explanation.find("re")


def test_a_missing_file_costs_a_batch_nothing_that_came_before(qwen2: TinyModel) -> None:
    samples = [Sample("good", FIRST, PROMPT, ANSWER), Sample("gone", "/none.png", PROMPT, ANSWER)]
    batch = build(qwen2).explain_batch(samples, max_tokens_per_batch=4096)
    assert next(batch).id == "good"
    with pytest.raises(FileNotFoundError, match=r"sample 'gone': No such file.*/none\.png"):
        next(batch)


def test_samples_that_stop_coming_cost_a_batch_nothing_that_came_before(qwen2: TinyModel) -> None:
    def samples() -> Iterator[Sample]:
        yield Sample("good", FIRST, PROMPT, ANSWER)
        raise ConnectionError("the data are gone")

    batch = build(qwen2).explain_batch(samples(), max_tokens_per_batch=4096)
    assert next(batch).id == "good"
    with pytest.raises(ConnectionError):
        next(batch)


def test_one_that_fails_in_a_forward_takes_no_other_with_it(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, marker = qwen2.model.model.forward, qwen2.tokenizer.convert_tokens_to_ids("dog")

    def failing(*args: Any, **kwargs: Any) -> Any:
        if (kwargs["input_ids"] == marker).any():
            raise RuntimeError("out of memory")
        return original(*args, **kwargs)

    monkeypatch.setattr(qwen2.model.model, "forward", failing)
    answers = {"first": "a star", "second": "a circle", "third": "a dog", "fourth": "a star"}
    samples = [Sample(name, FIRST, PROMPT, answer) for name, answer in answers.items()]
    batch = build(qwen2).explain_batch(samples, max_tokens_per_batch=4096)
    assert [next(batch).id for _ in range(2)] == ["first", "second"]
    with pytest.raises(RuntimeError, match="out of memory"):
        next(batch)


@pytest.mark.parametrize("place", ["while it is answered", "in its forward"])
def test_what_a_failed_sample_held_is_let_go_before_its_turn_comes(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """It may have failed for want of memory, which those before it then lack, too."""
    held: list[weakref.ref[torch.Tensor]] = []

    def fail() -> None:
        activations = torch.zeros(1000)
        held.append(weakref.ref(activations))
        raise torch.OutOfMemoryError

    def failing(*args: Any, **kwargs: Any) -> Any:
        if any(known() is not None for known in held):
            raise AssertionError("the failed sample's activations are still there")
        if (kwargs["input_ids"] == marker).any():
            fail()
        return original(*args, **kwargs)

    explainer = build(qwen2, scales=(1.0,))
    original, marker = qwen2.model.model.forward, qwen2.tokenizer.convert_tokens_to_ids("dog")
    monkeypatch.setattr(qwen2.model.model, "forward", failing)
    monkeypatch.setattr(qwen2.model, "generate", lambda **_: fail())
    answers = ["a star", "a red circle", "a dog" if place == "in its forward" else None]
    samples = [Sample(str(i), FIRST, PROMPT, answer) for i, answer in enumerate(answers)]
    # Of the samples of like length, the last fails before the second is explained.
    batch = explainer.explain_batch(samples, max_tokens_per_batch=100)
    assert [next(batch).id for _ in range(2)] == ["0", "1"]
    with pytest.raises(torch.OutOfMemoryError):
        next(batch)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_error_that_is_its_own_cause_is_raised_like_any_other(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        error = RuntimeError("its own cause")
        raise error from error

    monkeypatch.setattr(qwen2.model, "generate", fail)
    batch = build(qwen2).explain_batch([Sample("odd", FIRST, PROMPT)], max_tokens_per_batch=4096)
    with pytest.raises(RuntimeError, match="its own cause"):
        next(batch)


def test_a_conversation_that_the_template_itself_refuses_is_told_with_its_words(
    qwen2: TinyModel,
) -> None:
    refusing = "{{ raise_exception('roles must alternate') }}"
    explainer = build(qwen2, chat_template=refusing)
    with pytest.raises(ValueError, match=r"sample 'odd': messages: .*roles must alternate"):
        explainer.explain(FIRST, PROMPT, answer=ANSWER, id="odd")


def test_a_generated_answer_ends_where_positions_do() -> None:
    tiny = make_tiny()
    explainer = build(tiny, max_new_tokens=64)
    whole = explainer.explain(FIRST, PROMPT)
    assert len(whole.tokens) > 3, "this one would go on"
    finest = explainer.adapter.layouts([explainer.prepare(Sample("s", FIRST, PROMPT)).image], 1.5)
    prompt = len(whole.context) - len(whole.tokens) + finest[0].count
    tiny.model.config.get_text_config().max_position_embeddings = prompt + 3
    assert [t.id for t in explainer.explain(FIRST, PROMPT).tokens] == [
        t.id for t in whole.tokens[:3]
    ]


def test_a_place_is_a_word_or_the_index_of_a_token(qwen2: TinyModel) -> None:
    explainer = build(qwen2, scales=(1.0,))
    found = [
        explainer.explain(FIRST, PROMPT, answer=ANSWER, why_not={place: "dog"}).alternatives[0]
        for place in (2, np.int64(2), "2", "circle")
    ]
    assert {alternative.context_index for alternative in found} == {found[0].context_index}


def test_words_are_counted_in_the_explained_turn(qwen2: TinyModel) -> None:
    mask = np.zeros((64, 96), dtype=bool)
    mask[:32, :48] = True
    plain = Sample("s", FIRST, PROMPT, ANSWER, [mmx.WordMask((2,), mask)], absent=(7,))
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]},
        {"role": "assistant", "content": ANSWER},
    ]
    told = replace(plain, prompt="", answer=None, messages=messages)
    first, second = build(qwen2).explain_batch([plain, told])
    assert "obj_iou" in first.metrics and first.metrics == second.metrics
    with pytest.raises(ValueError, match="indices from 0 to 9"):
        build(qwen2).prepare(replace(told, absent=(10,)))


def test_a_strip_of_which_a_crop_is_seen_makes_no_huge_map() -> None:
    from tests.models.test_families import tiny_of

    llava = tiny_of("llava")
    explainer = Explainer(llava.model, **llava.parts, scales=(1.0,), max_visual_tokens=1000)
    with pytest.raises(ValueError, match="cells, more than max_visual_tokens=1000, though"):
        explainer.explain(noise(10, 1000), PROMPT, answer="a dog")
