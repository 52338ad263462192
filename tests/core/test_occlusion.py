"""``method="occlusion"``: maps of any family, and what a lens alone could say left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from mmx_core import Explainer, Sample, Video
from mmx_core.events import ExplanationWriter
from mmx_core.stages.occlusion import _parts
from tests.models.criteria import PROMPT, noise
from tests.models.test_families import tiny_of

ANSWER = "a red circle"


def explainer_of(family: str, **settings) -> Explainer:
    tiny = tiny_of(family)
    return Explainer(tiny.model, **tiny.parts, method="occlusion", **settings)


def test_parts_are_squares_of_cells() -> None:
    assert _parts((2, 3), None).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert _parts((3, 5), 3).tolist() == [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava", "llava_next"])
def test_a_cell_holds_what_the_word_loses_without_its_part(family: str) -> None:
    """Picture by picture, as a person would do it with the model's own forward."""
    explainer = explainer_of(family)
    adapter = explainer.adapter
    image = noise(96, 64)
    explanation = explainer.explain(image, PROMPT, answer=ANSWER)
    ids = [token.id for token in explanation.tokens]
    rendered = adapter.render(PROMPT, pictures=[image])
    whole = adapter.input_image(image)

    def said(picture: Image.Image) -> torch.Tensor:
        encoded = adapter.encode([picture], rendered, ids, factor=1.0)
        with torch.no_grad():
            hidden = adapter.hidden_states(encoded)[encoded.predicting_positions]
            return adapter.logits(hidden).log_softmax(1)[range(len(ids)), ids]

    (maps,) = explanation.heatmaps
    rows, columns = maps.shape[1:]
    parts = _parts((rows, columns), 12)
    blurred = whole.filter(ImageFilter.GaussianBlur(min(whole.size) / 8))
    y = np.minimum((np.arange(whole.height) + 0.5) * rows // whole.height, rows - 1).astype(int)
    x = np.minimum((np.arange(whole.width) + 0.5) * columns // whole.width, columns - 1).astype(int)
    seen = np.isfinite(maps[0])
    for part in np.unique(parts[seen])[::5]:
        hidden = parts.numpy()[y][:, x] == part
        pixels = np.where(hidden[:, :, None], np.asarray(blurred), np.asarray(whole))
        drop = (said(whole) - said(Image.fromarray(pixels))).relu()
        i, j = np.argwhere((parts.numpy() == part) & seen)[0]
        np.testing.assert_allclose(maps[:, i, j], drop, atol=2e-4, rtol=1e-3)


def test_what_only_a_lens_can_say_is_left_out() -> None:
    explanation = explainer_of("qwen2_5_vl").explain(noise(64, 96), PROMPT, answer=ANSWER)
    lens = Explainer(
        tiny_of("qwen2_5_vl").model, **tiny_of("qwen2_5_vl").parts, scales=(1.0,)
    ).explain(noise(64, 96), PROMPT, answer=ANSWER)
    settings = explanation.provenance["settings"]
    assert settings["method"] == "occlusion" and settings["scales"] == [1.0]
    assert not {"suppression", "aggregation", "causal", "rank_filter", "gate"} & set(settings)
    assert lens.provenance["settings"]["method"] == "lens"
    assert np.isnan(explanation.grounding).all() and np.isnan(explanation.text_activation).all()
    assert not explanation.interference_weights.any()
    # What text alone tells is the model's own, whatever the method.
    np.testing.assert_array_equal(explanation.relevance, lens.relevance)
    np.testing.assert_allclose(explanation.base.probability, lens.base.probability, atol=1e-6)
    assert explanation.candidates == lens.candidates


def test_each_of_several_pictures_and_each_patch_of_a_video_has_its_map() -> None:
    explainer = explainer_of("qwen2_vl")
    frames = [noise(64, 64, seed) for seed in range(4)]
    explanation = explainer.explain([noise(64, 96), Video(frames)], PROMPT, answer=ANSWER)
    assert [maps.shape[1:] for maps in explanation.heatmaps] == [(4, 6), (4, 4), (4, 4)]
    assert all(np.nanmax(maps) > 0 for maps in explanation.heatmaps)
    assert np.isnan(explanation.image_grounding).all()
    alone = explainer.explain(Video(frames), PROMPT, answer=ANSWER)
    assert len(alone.heatmaps) == 2


def test_metrics_that_need_the_text_or_grounding_are_left_out() -> None:
    mask = np.zeros((64, 96), bool)
    mask[:32, :48] = True
    sample = Sample(
        "one", noise(64, 96), PROMPT, "a red circle is left of a dog", {"circle": mask}, (7,)
    )
    (explanation,) = list(explainer_of("qwen2_5_vl").explain_batch([sample]))
    assert {"obj_iou", "pixel_auc", "hallucination_auroc_of_peak"} <= set(explanation.metrics)
    assert not {"func_iou", "f1_iou", "hallucination_auroc"} & set(explanation.metrics)


def test_words_beside_the_answer_have_maps_too() -> None:
    explanation = explainer_of("qwen2_5_vl").explain(
        noise(64, 64), PROMPT, answer=ANSWER, why_not={"circle": "star"}, prompt_words=True
    )
    assert explanation.alternatives[0].candidate.text.strip() == "star"
    assert all(np.isnan(other.grounding) for other in explanation.alternatives)
    assert explanation.alternatives[0].heatmap.max() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"suppression": "tam"}, r"suppression: expected to be left out with method='occlusion'"),
        ({"aggregation": "mean"}, r"aggregation: expected to be left out"),
        ({"causal": True}, r"causal: expected to be left out"),
        ({"scales": (1.0, 2.0)}, r"scales: expected to be left out"),
    ],
)
def test_settings_of_the_lens_are_refused(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        explainer_of("qwen2_vl", **settings)


def test_another_method_is_refused() -> None:
    tiny = tiny_of("qwen2_vl")
    with pytest.raises(
        ValueError, match=r"method: expected one of lens, occlusion; got 'gradient'"
    ):
        Explainer(tiny.model, **tiny.parts, method="gradient")


def test_it_is_logged_and_read_back(tmp_path) -> None:
    import mmx_core

    sample = Sample("one", noise(64, 96), PROMPT, ANSWER)
    with ExplanationWriter(tmp_path / "run") as writer:
        for explanation in explainer_of("qwen2_5_vl").explain_batch([sample]):
            writer.add_explanation("val/one", explanation, 0)
    (read,) = mmx_core.read_explanations(tmp_path)
    assert read.provenance["settings"]["method"] == "occlusion"
    assert np.isnan(read.grounding).all() and np.isnan(read.text_activation).all()
    (maps,), (logged,) = explanation.heatmaps, read.heatmaps
    np.testing.assert_allclose(logged, maps, atol=maps.max() / 254)
