"""Every family that takes videos: frames, their places in the sequence, and on the picture."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmx_core import Explainer, Sample, Video
from mmx_core.images import Clip
from tests.models.criteria import PROMPT, build, causal_frames, input_embeddings, noise
from tests.models.test_families import tiny_of
from tests.support.tiny_models import TinyModel

SCALES: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(("qwen2_vl", "qwen3_vl", "glm4v", "internvl", "smolvlm"), (0.5, 1.0, 2.0)),
    # They share what is tried above.
    **dict.fromkeys(("qwen2_5_vl", "qwen3_vl_moe", "qwen3_5"), (2.0,)),
    **dict.fromkeys(("qwen3_5_moe", "qwen4_exp"), (0.5,)),
    **dict.fromkeys(("qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"), (2.0,)),
    **dict.fromkeys(("gemma4", "video_llama_3"), (0.5, 1.0, 2.0)),
    "gemma4_unified": (0.5,),
    **dict.fromkeys(("glm4v_moe", "glm46v", "glm_ocr", "glmga"), (2.0,)),
    **dict.fromkeys(("exaone4_5", "hyperclovax_vision_v2", "qianfan_ocr"), (2.0,)),
    **dict.fromkeys(("cohere_compass", "cosmos3_omni", "cosmos3_edge", "lfm3_vl"), (0.5,)),
    # Frames have one size.
    **dict.fromkeys(("llava_next_video", "llava_onevision", "video_llava"), (1.0,)),
    **dict.fromkeys(("molmo2", "perception_lm"), (1.0,)),
}
SIZES = {1.0: (96, 96), 0.5: (80, 160), 2.0: (160, 80)}
"""Height and width, one for each scale."""


@pytest.fixture(params=SCALES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tiny(family: str) -> TinyModel:
    return tiny_of(family)


def test_a_changed_block_of_a_frame_moves_a_token_of_this_frame_that_covers_it(
    family: str, tiny: TinyModel
) -> None:
    for factor in SCALES[family]:
        alone = SCALES[family] == (1.0,)
        for size in SIZES.values() if alone else [SIZES[factor]]:
            found = causal_frames(build(tiny), size, factor)
            assert found.tried and found.right >= 0.95 * found.tried, found.wrong


def test_a_video_is_seen_as_in_generation(tiny: TinyModel) -> None:
    """Positions in time and space are counted by the model: from ids, types and grids."""
    adapter = build(tiny)
    video = Clip(tuple(noise(64, 96, seed) for seed in range(3)), (0.0, 0.5, 1.0))
    rendered = adapter.render(PROMPT, pictures=[video])
    prompt = adapter.encode([video], rendered, [], factor=1.0)
    with torch.no_grad():
        said = tiny.model.generate(
            **prompt.inputs,
            max_new_tokens=4,
            min_new_tokens=4,
            do_sample=False,
            output_logits=True,
            suppress_tokens=[adapter.placeholder_id, adapter.video_placeholder_id],
            return_dict_in_generate=True,
        )
        answer = said.sequences[0, prompt.prompt_length :].tolist()
        forced = adapter.encode([video], rendered, answer, factor=1.0)
        found = adapter.logits(adapter.hidden_states(forced)[forced.predicting_positions])
    generated = torch.stack(said.logits)[:, 0]
    assert torch.allclose(found, generated, atol=1e-3 * float(generated.std()))


@pytest.mark.parametrize(
    ("family", "before"),
    [
        ("gemma4", ["00:00 <|video|>", "01:01"]),
        ("molmo2", ["0.0 <|video|>", " 61.5 "]),
        ("video_llama_3", ["Time 0.0s:<|video_pad|>", ",Time 61.5s:"]),
    ],
)
def test_frames_stand_behind_their_times(family: str, before: list[str]) -> None:
    """What a processor writes for a video, in the tokenizer's hands."""
    adapter = build(tiny_of(family))
    video = Clip((noise(64, 96), noise(64, 96, 1)), (0.0, 61.5))
    written = adapter.exchanged([video])
    assert written is not None and written[1] == [before[0]]
    asked: list[str] = []
    own = adapter.tokenizer
    adapter.tokenizer = Recording(own, asked)
    adapter.video_layout(video, 1.0)
    assert len(asked) == 1 and before[1] in asked[0]


@pytest.mark.parametrize(
    ("family", "frames"), [("gemma4", 2), ("molmo2", 2), ("video_llama_3", 2), ("smolvlm", 3)]
)
def test_a_batch_of_videos_is_its_samples(family: str, frames: int) -> None:
    adapter = build(tiny_of(family))
    batch = []
    for seed, count in ((0, 3), (5, frames)):
        video = Clip(tuple(noise(64, 96, seed + n) for n in range(count)), (0.0, 0.5, 1.0)[:count])
        rendered = adapter.render(PROMPT, pictures=[video])
        batch.append(adapter.encode([video], rendered, [9] * (seed + 1), factor=1.0))
    assert adapter.can_collate(batch)
    with torch.no_grad():
        together = adapter.forward(adapter.collate(batch))
        for row, sample in zip(together, batch, strict=True):
            alone = adapter.hidden_states(sample)
            torch.testing.assert_close(row[: sample.length], alone, rtol=1e-3, atol=1e-3)


def test_molmo_2_takes_one_video_and_nothing_beside_it() -> None:
    adapter = build(tiny_of("molmo2"))
    video = Clip((noise(64, 96),), (0.0,))
    with pytest.raises(ValueError, match="expected one video or images, Molmo 2 takes no more"):
        adapter.layouts([video, noise(64, 96)], 1.0)
    with pytest.raises(ValueError, match=r"frames at one size only; use scales=\(1.0,\)"):
        adapter.layouts([video], 2.0)


def test_images_beside_a_video_keep_their_own_maps_in_internvl() -> None:
    tiny = tiny_of("internvl")
    adapter = build(tiny)
    video, image = Clip(tuple(noise(64, 96, s) for s in (1, 2)), (0.0, 0.5)), noise(100, 60)

    def features(pictures: list[Any], factor: float) -> list[torch.Tensor]:
        rendered = adapter.render(PROMPT, pictures=pictures)
        encoded = adapter.encode(pictures, rendered, [], factor=factor)
        states = input_embeddings(adapter, encoded)
        return [states[span.positions] for span in encoded.visual]

    first, *frames = features([image, video], 1.0)
    *again, last = features([video, image], 1.0)
    torch.testing.assert_close(first, last, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(frames, again, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="pictures of one sample need tiles of one size"):
        features([image, video], 2.0)


class Recording:
    """A tokenizer that keeps what it is asked to cut."""

    def __init__(self, own: Any, asked: list[str]) -> None:
        self._own, self._asked = own, asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def __call__(self, text: str, **named: Any) -> Any:
        self._asked.append(text)
        return self._own(text, **named)


@pytest.mark.parametrize("family", ["kimi_k25", "ernie4_5_vl_moe", "minicpmv4_6"])
def test_a_family_without_videos_says_what_to_give_instead(family: str) -> None:
    video = Video([noise(64, 64), noise(64, 64, 1)], fps=2)
    tiny = tiny_of(family)
    told = r"sample '.*': video: .*Adapter takes images only; give frames as images"
    with pytest.raises(ValueError, match=told):
        Explainer(tiny.model, **tiny.parts).check(Sample("0", video, PROMPT))
