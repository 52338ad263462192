"""Families that share another's layout: the criteria of done, once each."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmx_core import Explainer, Sample
from tests.models.criteria import PROMPT, build, causal_mapping, encode, naive_plane, noise
from tests.models.test_families import ANSWER, SHARING, tiny_of
from tests.support.tiny_models import TinyModel

SIZES = {"square": (96, 96), "wide": (80, 160), "tall": (160, 80)}
pytestmark = pytest.mark.filterwarnings("ignore:.*has no adapter of its own")


@pytest.fixture(params=SHARING)
def tiny(request: pytest.FixtureRequest) -> TinyModel:
    return tiny_of(request.param)


def test_a_changed_block_moves_a_token_that_covers_it(tiny: TinyModel) -> None:
    adapter = build(tiny)
    for size in SIZES.values():
        for factor in (0.5, 1.0, 1.5, 2.0):
            found = causal_mapping(adapter, size, factor, blocks=7)
            assert found.tried and found.right == found.tried, found.wrong


def test_what_is_read_is_what_the_model_says(tiny: TinyModel) -> None:
    """Of a forward with the answer given, at scale 1, as of generation token by token."""
    adapter = build(tiny)
    images = [noise(*SIZES["wide"]), noise(*SIZES["tall"], 1)]
    prompt = encode(adapter, images)
    with torch.no_grad():
        said = tiny.model.generate(
            **prompt.inputs,
            max_new_tokens=4,
            min_new_tokens=4,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        answer = said.sequences[0, prompt.prompt_length :].tolist()
        forced = encode(adapter, images, answer)
        logits = adapter.logits(adapter.hidden_states(forced)[forced.predicting_positions])
    generated = torch.stack(said.logits)[:, 0]
    assert float((logits - generated).abs().max() / generated.float().std()) < 1e-3


def test_maps_are_its_logits_at_visual_positions_and_a_batch_is_its_samples(
    tiny: TinyModel,
) -> None:
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0, 1.5), suppression="none")
    samples = [
        Sample("0", noise(*SIZES["square"]), PROMPT, ANSWER),
        Sample("1", noise(*SIZES["wide"], 1), PROMPT, "a star"),
    ]
    together = list(explainer.explain_batch(samples, max_tokens_per_batch=100_000))
    for sample, batched in zip(samples, together, strict=True):
        ids = [token.id for token in batched.tokens]
        for scale in batched.scales:
            encoded = encode(explainer.adapter, [sample.images], ids, factor=scale.factor)
            with torch.no_grad():
                states = explainer.adapter.hidden_states(encoded)
                logits = tiny.model.get_output_embeddings()(states).float()
            (span,) = encoded.visual
            values = logits[span.positions][:, ids].relu().T.numpy()
            expected = naive_plane(span.rectangles.numpy(), values, scale.grid)
            np.testing.assert_allclose(scale.map, expected, atol=1e-3, rtol=1e-3)
