"""SmolVLM's videos: the text that its processor writes around frames, token by token."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers.models.smolvlm import processing_smolvlm as own

from mmx_core import Explainer, Sample, Video
from mmx_core.images import Clip
from mmx_core.models.smolvlm import in_words
from tests.models.criteria import PROMPT, build, noise
from tests.models.test_families import tiny_of
from tests.support.released import byte_level, fit

MARKERS = ["<|im_start|>", "<|im_end|>", "<end_of_utterance>", "<image>"]
MARKERS += ["<fake_token_around_image>", "<global-img>", *(f"<row_1_col_{n}>" for n in (1, 2, 3))]
FRAMES = Clip(tuple(noise(64, 96, seed) for seed in range(3)), (0.0, 1.5, 61.0))
WITHOUT_VIDEO = own.DEFAULT_CHAT_TEMPLATE.replace("video", "film")


@pytest.mark.parametrize("template", [own.DEFAULT_CHAT_TEMPLATE, WITHOUT_VIDEO])
def test_the_tokens_are_those_of_what_the_processor_writes(template: str) -> None:
    tiny = tiny_of("smolvlm")
    model = copy.deepcopy(tiny.model)
    tokenizer = byte_level(template, MARKERS, eos_token="<end_of_utterance>")
    fit(model, tokenizer, "<image>")
    adapter = build(type(tiny)(model, tiny.image_processor, tokenizer))
    rendered = adapter.render(PROMPT, pictures=[FRAMES])
    encoded = adapter.encode([FRAMES], rendered, [], factor=1.0)

    named = dict(zip(("fake_token_around_image", "image_token"), MARKERS[4:2:-1], strict=True))
    frame = own._prompt_single_image(9, **named, global_image_token="<global-img>")
    text = own.DEFAULT_VIDEO_INTRO.format(frame_count="three", video_duration="0:01:01")
    for time in ("00:00", "00:01", "01:01"):
        text += own.FRAME_TIMESTAMP_MESSAGE.format(timestamp=time) + frame
    text = f"<|im_start|>User: {text}{own.DEFAULT_MEDIA_OUTTRO}{PROMPT}<end_of_utterance>\n"
    expected = tokenizer(f"{text}Assistant:", add_special_tokens=False)["input_ids"]
    assert encoded.inputs["input_ids"][0].tolist() == expected
    written = "".join(tokenizer.decode([token.id]) for token in rendered.text if token.written)
    assert written.strip() == PROMPT, "what the processor writes nobody wrote"
    for index, span in enumerate(encoded.visual):
        assert span.view.frames == (index,) and span.grid == (3, 3)


def test_frames_are_the_image_processors_squares() -> None:
    tiny = tiny_of("smolvlm")
    made = build(tiny).video_inputs([FRAMES], 1.0)["pixel_values"]
    tile = {"longest_edge": 66}
    expected = tiny.image_processor(
        images=[list(FRAMES.frames)],
        size=tile,
        max_image_size=tile,
        do_image_splitting=False,
        return_tensors="pt",
    )["pixel_values"]
    assert made.shape == (1, 3, 3, 66, 66) and torch.equal(made, expected)


def test_an_image_beside_a_video_keeps_its_own_map() -> None:
    """Whichever comes first, and in a batch; at another scale the two are refused."""
    tiny = tiny_of("smolvlm")
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,), suppression="none")
    video, image = Video(FRAMES.frames, fps=1), noise(96, 96, 7)
    samples = [
        Sample("both", [image, video], PROMPT, "a star"),
        Sample("turned", [video, image], PROMPT, "a star"),
        Sample("alone", video, PROMPT, "a dog is left"),
    ]
    both, turned, alone = explainer.explain_batch(samples, max_tokens_per_batch=100_000)
    assert [len(each.heatmaps) for each in (both, turned, alone)] == [4, 4, 3]
    assert both.heatmaps[0].shape == turned.heatmaps[3].shape != alone.heatmaps[0].shape
    for sample, found in zip(samples, (both, turned, alone), strict=True):
        single = explainer.explain(sample.images, PROMPT, answer=sample.answer)
        for ours, theirs in zip(found.heatmaps, single.heatmaps, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
    changed = explainer.explain([noise(96, 96, 8), video], PROMPT, answer="a star")
    assert not np.allclose(both.heatmaps[0], changed.heatmaps[0], atol=1e-3)
    with pytest.raises(ValueError, match=r"together at one size only; use scales=\(1.0,\)"):
        Explainer(tiny.model, **tiny.parts, scales=(1.0, 2.0)).explain([image, video], PROMPT)


def test_numbers_are_written_in_words() -> None:
    words = {
        1: "one",
        16: "sixteen",
        20: "twenty",
        64: "sixty-four",
        100: "one hundred",
        128: "one hundred and twenty-eight",
        1000: "one thousand",
        1001: "one thousand and one",
        1500: "one thousand, five hundred",
    }
    assert {number: in_words(number) for number in words} == words
