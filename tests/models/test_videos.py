"""Every family that takes videos: frames, their places in the sequence, and on the picture."""

from __future__ import annotations

import pytest
import torch

from mmx_core.images import Clip
from tests.models.criteria import PROMPT, build, causal_frames, noise
from tests.models.test_families import tiny_of
from tests.support.tiny_models import TinyModel

SCALES: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(("qwen2_vl", "qwen3_vl", "glm4v", "internvl", "smolvlm"), (0.5, 1.0, 2.0)),
    # They share what is tried above.
    **dict.fromkeys(("qwen2_5_vl", "qwen3_vl_moe", "qwen3_5"), (2.0,)),
    **dict.fromkeys(("qwen3_5_moe", "qwen4_exp"), (0.5,)),
    **dict.fromkeys(("qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"), (2.0,)),
    **dict.fromkeys(("glm4v_moe", "glm46v", "glm_ocr", "glmga"), (2.0,)),
    **dict.fromkeys(("exaone4_5", "hyperclovax_vision_v2", "qianfan_ocr"), (2.0,)),
    **dict.fromkeys(("cohere_compass", "cosmos3_omni", "cosmos3_edge", "lfm3_vl"), (0.5,)),
    # Frames have one size.
    **dict.fromkeys(("llava_next_video", "llava_onevision", "video_llava"), (1.0,)),
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
