"""The explainer against the model itself: states, lens, mapping, restored state, bad input."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tqdm import tqdm

from mmx_core import Explainer, Sample, Video, WordMask
from mmx_core.models import adapter_for
from mmx_core.settings import NAMES
from mmx_core.stages import provenance
from mmx_core.stages.passes import run_passes
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.reading import _pieces
from tests.support.explanations import make_explanation
from tests.support.odd_explanations import make_several_images
from tests.support.tiny_models import FAMILIES, TinyModel, make_tiny

PROMPT = "describe the image ."
ANSWER = "a red circle is left of a blue square ."
SCALES = (0.5, 1.0, 1.5, 2.0)


@pytest.fixture(scope="module", params=FAMILIES)
def tiny(request: pytest.FixtureRequest, device: torch.device) -> TinyModel:
    return make_tiny(request.param, device=str(device))


@pytest.fixture(scope="module")
def qwen2(device: torch.device) -> TinyModel:
    return make_tiny(device=str(device))


def picture(height: int = 64, width: int = 96, seed: int = 0) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


def build(tiny: TinyModel, **settings: Any) -> Explainer:
    return Explainer(tiny.model, **tiny.parts, **settings)


def test_maps_equal_the_models_own_logits_at_the_visual_positions(tiny: TinyModel) -> None:
    explanation = build(tiny, suppression="none", scales=SCALES).explain(
        picture(), PROMPT, answer=ANSWER
    )
    adapter = adapter_for(tiny.model, **tiny.parts)
    rendered = adapter.render(PROMPT, pictures=[picture()])
    ids = [token.id for token in explanation.tokens]
    for scale in explanation.scales:
        encoded = adapter.encode([picture()], rendered, ids, factor=scale.factor)
        with torch.no_grad():
            logits = tiny.model(**encoded.inputs).logits[0].float()
        visual = (encoded.inputs["input_ids"][0] == adapter.placeholder_id).nonzero()[:, 0]
        naive = logits[visual][:, ids].T.relu().view(scale.map.shape).cpu().numpy()
        assert np.allclose(scale.map, naive, atol=1e-4)
        predicting = logits[encoded.prompt_length - 1 : -1]
        expected = predicting.softmax(1)[range(len(ids)), ids].cpu().numpy()
        assert np.allclose(scale.probability, expected, atol=1e-5)


def test_the_first_map_belongs_to_the_first_answer_token(qwen2: TinyModel) -> None:
    explanation = build(qwen2, suppression="none", scales=(1.0,)).explain(
        picture(), PROMPT, answer="circle"
    )
    again = build(qwen2, suppression="none", scales=(1.0,)).explain(
        picture(), PROMPT, answer="circle is"
    )
    assert explanation.tokens[0].text == "circle"
    # A causal model: words to come change nothing, so this is the same token's same map.
    assert np.allclose(explanation.heatmap[0], again.heatmap[0], atol=1e-5)
    states = adapter_for(qwen2.model, **qwen2.parts)
    rendered = states.render(PROMPT, pictures=[picture()])
    encoded = states.encode([picture()], rendered, [explanation.tokens[0].id], factor=1.0)
    with torch.no_grad():
        hidden = states.hidden_states(encoded)
    row = states.head_weight[explanation.tokens[0].id]
    expected = (hidden[encoded.visual[0].positions] @ row).relu().detach()
    assert np.allclose(explanation.heatmap[0].ravel(), expected.cpu().numpy(), atol=1e-4)


def test_relevance_is_masked_to_the_context_and_zero_for_the_first_token(qwen2: TinyModel) -> None:
    explanation = build(qwen2, scales=(1.0,)).explain(picture(), PROMPT, answer=ANSWER)
    count, context = len(explanation.tokens), len(explanation.context)
    known = ~np.isnan(explanation.relevance)
    expected = np.arange(context)[None] < (context - count + np.arange(count))[:, None]
    assert (known == expected).all()
    assert (explanation.relevance[:, 0] == 0).all() and explanation.candidates[0] == ()
    assert ((explanation.grounding >= 0) & (explanation.grounding <= 1)).all()


def test_what_the_user_wrote_is_told_from_the_template(qwen2: TinyModel) -> None:
    explanation = build(qwen2, scales=(1.0,)).explain(picture(), PROMPT, answer=ANSWER)
    written = [t.text for t in explanation.context if not t.special]
    assert written == PROMPT.split() + ANSWER.split()
    weights = build(qwen2, scales=(1.0,), suppression="tam").explain(
        picture(), PROMPT, answer=ANSWER
    )
    template = [t.special for t in weights.context]
    assert (weights.interference_weights[:, template] == 0).all()


def test_agreement_at_scale_one_is_agreement_with_itself(qwen2: TinyModel) -> None:
    explanation = build(qwen2, scales=SCALES).explain(picture(), PROMPT)
    assert (explanation.base.divergence == 0).all()
    assert (explanation.base.rank == 0).all()  # generated greedily
    assert any(s.divergence.max() > 1e-4 for s in explanation.scales if s.factor != 1.0)
    for index, token in enumerate(explanation.tokens):
        best = explanation.candidates[explanation.prompt_length + index][0]
        assert best.id == token.id
        assert best.probability == pytest.approx(float(explanation.base.probability[index]))


@pytest.mark.parametrize("suppression", ["irrelevance", "relevance", "competing", "tam"])
def test_every_suppression_only_takes_away(qwen2: TinyModel, suppression: Any) -> None:
    plain = build(qwen2, suppression="none", aggregation="mean")
    other = build(qwen2, suppression=suppression, aggregation="mean", rank_filter=False)
    left = other.explain(picture(), PROMPT, answer=ANSWER).heatmap
    whole = plain.explain(picture(), PROMPT, answer=ANSWER).heatmap
    assert (left <= whole + 1e-5).all() and (left < whole - 1e-3).any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_are_explained_in_float32(
    dtype: torch.dtype, device: torch.device
) -> None:
    half = make_tiny(dtype=dtype, device=str(device))
    explanation = build(half).explain(picture(), PROMPT, answer=ANSWER)
    assert explanation.heatmap.dtype == np.float32
    assert np.isfinite(explanation.heatmap).all()
    full = make_tiny(device=str(device))
    exact = build(full).explain(picture(), PROMPT, answer=ANSWER)
    difference = np.abs(explanation.base.map - exact.base.map).mean()
    assert difference < 0.05 * exact.base.map.mean()


def test_any_attention_implementation_gives_the_same_explanation(device: torch.device) -> None:
    results = [
        build(make_tiny(attention=name, device=str(device))).explain(
            picture(), PROMPT, answer=ANSWER
        )
        for name in ("sdpa", "eager")
    ]
    assert np.allclose(results[0].heatmap, results[1].heatmap, atol=1e-3)


def test_model_mode_rng_and_cache_setting_are_restored(qwen2: TinyModel) -> None:
    qwen2.model.train()
    qwen2.model.model.visual.eval()
    modes = [module.training for module in qwen2.model.modules()]
    use_cache = qwen2.model.config.get_text_config().use_cache
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    build(qwen2).explain(picture(), PROMPT, answer=ANSWER)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [module.training for module in qwen2.model.modules()] == modes
    assert qwen2.model.config.get_text_config().use_cache == use_cache
    assert torch.is_grad_enabled()
    qwen2.model.eval()


def test_training_goes_on_after_an_explanation(device: torch.device) -> None:
    fresh = make_tiny(device=str(device))
    explainer = build(fresh)
    explainer.explain(picture(), PROMPT, answer=ANSWER)
    adapter = explainer.adapter
    encoded = adapter.encode(
        [picture()], adapter.render(PROMPT, pictures=[picture()]), [9, 10], factor=1.0
    )
    fresh.model.train()
    fresh.model(**encoded.inputs, labels=encoded.inputs["input_ids"]).loss.backward()
    assert all(p.grad is not None for p in fresh.model.lm_head.parameters())


def test_masks_yield_metrics(qwen2: TinyModel) -> None:
    mask = np.zeros((64, 96), dtype=bool)
    mask[:32, :48] = True
    sample = Sample("s", picture(), PROMPT, ANSWER, masks=[WordMask((2,), mask, "circle")])
    (explanation,) = build(qwen2).explain_batch([sample])
    assert explanation.metrics["masked_words"] == 1
    assert 0 <= explanation.metrics["pixel_auc"] <= 1
    (named,) = explanation.objects
    assert named.name == "circle" and np.array_equal(named.mask, mask)
    assert "".join(explanation.tokens[token].text for token in named.tokens).strip() == "circle"
    by_name = Sample("s", picture(), PROMPT, ANSWER, masks={"circle": mask})
    assert next(build(qwen2).explain_batch([by_name])).metrics == explanation.metrics
    # Forwards by the dozen are asked for.
    assert "deletion" not in explanation.metrics
    (more,) = build(qwen2, faithfulness=True).explain_batch([sample])
    assert 0 <= more.metrics["deletion"] <= 1 and 0 <= more.metrics["insertion"] <= 1
    assert more.metrics["flip_rate"] in (0.0, 1.0)


def test_invented_words_are_held_against_those_that_are_there(qwen2: TinyModel) -> None:
    mask = np.ones((64, 96), dtype=bool)
    mask[:32] = False
    masks = [WordMask((2,), mask, "circle")]
    sample = Sample("s", picture(), PROMPT, ANSWER, masks=masks, absent=(7, 8))
    (explanation,) = build(qwen2).explain_batch([sample])
    there, invented = explanation.grounding[2], explanation.grounding[[7, 8]]
    expected = float((there > invented).mean() + (there == invented).mean() / 2)
    assert explanation.metrics["hallucination_auroc"] == expected
    peak = explanation.base.map.max(axis=(1, 2))
    wins = (peak[2] > peak[[7, 8]]).mean() + (peak[2] == peak[[7, 8]]).mean() / 2
    assert explanation.metrics["hallucination_auroc_of_peak"] == float(wins)


def test_the_batch_is_lazy_and_names_the_sample_that_fails(qwen2: TinyModel) -> None:
    samples = [Sample("good", picture(), PROMPT, ANSWER), Sample("bad", picture(), "", ANSWER)]
    results = build(qwen2).explain_batch(samples)
    assert next(results).id == "good"
    with pytest.raises(ValueError, match="sample 'bad': prompt: expected text"):
        next(results)


def test_paper_is_the_published_setting(qwen2: TinyModel) -> None:
    paper = Explainer.paper(qwen2.model, **qwen2.parts, scales=(0.5, 1.0))
    assert (paper.settings.aggregation, paper.settings.suppression, paper.settings.top_k) == (
        "mean",
        "irrelevance",
        50,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scales": (0.0, 1.0)}, "above 0"),
        ({"scales": (1.0, float("nan"))}, "finite"),
        ({"scales": (0.5, 2.0)}, "1.0 among them"),
        ({"scales": ()}, "1.0 among them"),
        ({"aggregation": "median"}, "geometric, mean, agreement"),
        ({"suppression": "all"}, "share, irrelevance"),
        ({"persistence": 1.0}, r"\(0, 1\)"),
        ({"top_k": 0}, "at least 1"),
        ({"candidates": 2.5}, "a whole number"),
        ({"max_new_tokens": -1}, "at least 1, got -1"),
        ({"scales": 1.0}, r"numbers such as"),
        ({"persistence": "high"}, r"\(0, 1\), got 'high'"),
        ({"chat_template_kwargs": "thinking"}, "mapping of the template's variables"),
    ],
)
def test_bad_settings_are_refused_before_a_model_is_loaded(
    tmp_path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Explainer.from_pretrained(tmp_path / "there is none", **arguments)


def test_an_unknown_setting_is_refused_before_a_model_is_loaded(tmp_path) -> None:
    with pytest.raises(TypeError, match=r"scale: .*did you mean scales\? All are method, scales"):
        Explainer.from_pretrained(tmp_path / "there is none", scale=2)


def test_the_settings_that_are_checked_are_those_of_the_explainer() -> None:
    parameters = inspect.signature(Explainer).parameters
    parts = ("model", "processor", "image_processor", "tokenizer")
    assert tuple(name for name in parameters if name not in parts) == NAMES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scales": (0.0, 1.0)}, "above 0"),
        ({"suppression": "all"}, "share, irrelevance"),
        ({"top_k": 0}, "at least 1"),
    ],
)
def test_bad_settings_are_refused(
    qwen2: TinyModel, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(qwen2, **arguments)


@pytest.mark.parametrize(
    ("image", "prompt", "answer", "settings", "message"),
    [
        (picture(), "  ", ANSWER, {}, "prompt: expected text"),
        (picture(), PROMPT, " ", {}, "answer: expected text"),
        (picture(), PROMPT, "a <|im_end|> red", {}, "text behind"),
        (picture(), PROMPT, "<|im_end|>", {}, "got nothing"),
        (picture(), PROMPT, "a <|image_pad|>", {}, "special tokens"),
        (picture(), PROMPT, "a zebra", {}, "special tokens"),
        (picture(), "the <|image_pad|> image", ANSWER, {}, "placeholder"),
        ([], PROMPT, ANSWER, {}, "at least one, got none"),
        (None, PROMPT, ANSWER, {}, "PIL image"),
        (picture(1, 201), PROMPT, ANSWER, {}, "factor of 200"),
        (picture(), PROMPT, ANSWER, {"scales": (0.1, 1.0)}, "less than one cell"),
        (picture(), PROMPT, ANSWER, {"scales": (1.0, 50.0)}, "max_visual_tokens"),
    ],
)
def test_bad_input_is_refused_before_any_forward(
    qwen2: TinyModel,
    monkeypatch: pytest.MonkeyPatch,
    image: Any,
    prompt: str,
    answer: str,
    settings: dict[str, Any],
    message: str,
) -> None:
    explainer = build(qwen2, **settings)
    monkeypatch.setattr("mmx_core.stages.pipeline.undisturbed", None)  # any work would fail on this
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        explainer.explain(image, prompt, answer=answer, id="0007")
    assert "'0007'" in str(caught.value)


def test_one_pixel_is_explained_on_the_processors_smallest_grid(qwen2: TinyModel) -> None:
    explanation = build(qwen2).explain(picture(1, 1), PROMPT, answer=ANSWER)
    assert explanation.base.grid == (2, 2)


def test_an_unsupported_model_is_refused_with_the_families_and_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"qwen2_vl.*register") as caught:
        adapter_for(torch.nn.Linear(1, 1), image_processor=None, tokenizer=None)
    assert "Linear" in str(caught.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("Qwen/Qwen2-VL-2B", r"its name 'Qwen/.*Explainer\.from_pretrained\('Qwen/Qwen2-VL-2B'\)"),
        (Path("here"), r"from_pretrained\('here'\)"),
        (None, "a torch.nn.Module, got NoneType"),
        (torch.nn.Linear, "got the class Linear"),
        (len, "got builtin_function_or_method"),
    ],
)
def test_what_is_no_loaded_model_is_refused_before_what_belongs_to_one(
    model: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Explainer(model)


def test_missing_parts_are_named(qwen2: TinyModel) -> None:
    with pytest.raises(ValueError, match="processor, or both image_processor and tokenizer"):
        Explainer(qwen2.model, tokenizer=qwen2.tokenizer)


def test_nan_weights_are_reported_with_the_samples_id(device: torch.device) -> None:
    broken = make_tiny(device=str(device))
    with torch.no_grad():
        broken.model.model.language_model.norm.weight[0] = torch.nan
    with pytest.raises(ValueError, match=r"sample '0007'.*not finite"):
        build(broken).explain(picture(), PROMPT, answer=ANSWER, id="0007")


def test_nan_at_an_answer_position_alone_is_reported(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer = build(qwen2)
    original = explainer.adapter.hidden_states

    def poisoned(encoded: Any) -> torch.Tensor:
        hidden = original(encoded)
        hidden[-2] = torch.nan
        return hidden

    monkeypatch.setattr(explainer.adapter, "hidden_states", poisoned)
    with pytest.raises(ValueError, match="not finite"):
        explainer.explain(picture(), PROMPT, answer=ANSWER)


def test_a_prompt_that_the_template_also_contains_is_found(qwen2: TinyModel) -> None:
    explanation = build(qwen2, scales=(1.0,)).explain(picture(), "user", answer="circle")
    assert [t.special for t in explanation.context if t.text == "user"] == [True, False]


def test_only_one_pass_per_scale_runs_whatever_the_answers_length(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = qwen2.model.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(kwargs["input_ids"].shape)
        return original(*args, **kwargs)

    monkeypatch.setattr(qwen2.model.model, "forward", counted)
    build(qwen2, scales=SCALES).explain(picture(), PROMPT, answer=" ".join([ANSWER] * 4))
    assert len(calls) == len(SCALES)


def test_vocabulary_chunks_do_not_change_the_result(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build(qwen2).explain(picture(), PROMPT, answer=ANSWER)
    monkeypatch.setattr("mmx_core.stages.reading.LOGIT_ELEMENTS", 100)
    chunked = build(qwen2).explain(picture(), PROMPT, answer=ANSWER)
    assert np.allclose(whole.heatmap, chunked.heatmap, atol=1e-5)
    assert np.allclose(whole.relevance, chunked.relevance, equal_nan=True, atol=1e-6)
    assert [c[0].id for c in whole.candidates[1:]] == [c[0].id for c in chunked.candidates[1:]]


@pytest.mark.parametrize("size", [1, 2, 7, 12, 13, 40, 1000])
@pytest.mark.parametrize(("prompt", "rows", "scales"), [(11, 9, 3), (12, 1, 5), (1, 30, 1)])
def test_all_predictions_go_through_the_head_once_and_as_many_together_as_fit(
    size: int, prompt: int, rows: int, scales: int
) -> None:
    pieces = list(_pieces(prompt, rows, scales, size))
    before = [index for some, _ in pieces for index in range(some.start, some.stop)]
    told = [index for _, some in pieces for index in range(some.start, some.stop)]
    assert before == list(range(prompt)) and told == list(range(rows))
    sizes = [b.stop - b.start + scales * (r.stop - r.start) for b, r in pieces]
    assert max(sizes) <= max(size, scales)
    assert all(count > size - scales for count in sizes[:-1]), "room for another row is left"


def test_kept_states_do_not_keep_the_pass_alive(qwen2: TinyModel) -> None:
    adapter = adapter_for(qwen2.model, **qwen2.parts)
    rendered = adapter.render(PROMPT, pictures=[picture()])
    with torch.no_grad():
        prepared = Prepared((picture(),), rendered, "circle is", [9, 10], {})
        (passes,) = run_passes(adapter, [prepared], (1.0,))
    (states,) = passes.states
    for kept in (states.visual, states.predicting):
        assert kept.untyped_storage().nbytes() == kept.numel() * kept.element_size()


@pytest.mark.parametrize("words", [(), (-1,), (2, 10)])
def test_masks_of_words_that_the_answer_lacks_are_refused_before_any_work(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch, words: tuple[int, ...]
) -> None:
    monkeypatch.setattr(qwen2.model, "forward", None)
    mask = WordMask(words, np.ones((64, 96), dtype=bool), "circle")
    with pytest.raises(ValueError, match="indices from 0 to 9"):
        next(build(qwen2).explain_batch([Sample("s", picture(), PROMPT, ANSWER, masks=[mask])]))
    with pytest.raises(ValueError, match="a mapping from word to mask"):
        next(build(qwen2).explain_batch([Sample("s", picture(), PROMPT, masks=[mask])]))


def test_no_two_arrays_of_an_explanation_share_their_memory(qwen2: TinyModel) -> None:
    explanation = build(qwen2, scales=(1.0,), suppression="none").explain(
        picture(), PROMPT, answer=ANSWER
    )
    assert not np.shares_memory(explanation.heatmap, explanation.base.map)


def test_explanations_are_equal_by_content_and_hash_alike() -> None:
    one, same = make_explanation(seed=3), make_explanation(seed=3)
    one.heatmap[0, 0, 0] = same.heatmap[0, 0, 0] = np.nan
    assert one == same and hash(one) == hash(same) and len({one, same}) == 1
    assert one.base == same.base and one != make_explanation(seed=4) and one != "sample"
    same.relevance[0, 0] += 1
    assert one != same and hash(one) == hash(same)


def test_what_has_an_array_where_the_other_has_none_is_not_equal_to_it() -> None:
    one = make_explanation(seed=3)
    for name in ("image_gain", "image_gains", "estimate", "used", "image_grounding"):
        bare = dataclasses.replace(one, **{name: None})
        shapes = {"estimate": one.relevance, "used": one.base.maps, "image_gain": one.grounding}
        full = dataclasses.replace(one, **{name: shapes.get(name, one.grounding[:, None])})
        assert bare != full and full != bare and full == dataclasses.replace(full), name
    plain, kept = ({"a": np.zeros(2), "b": [np.ones(2)]} for _ in range(2))
    read = MappingProxyType(kept)
    assert dataclasses.replace(one, provenance=plain) == dataclasses.replace(one, provenance=read)
    kept["b"] = [None]
    assert dataclasses.replace(one, provenance=plain) != dataclasses.replace(one, provenance=read)


def test_samples_and_their_masks_are_equal_by_content() -> None:
    def made(last: int, mask: bool = True) -> Sample:
        pixels = np.full((4, 6, 3), 7, np.uint8)
        pixels[-1, -1] = last
        masks = [WordMask((1,), np.full((4, 6), mask), "dog")]
        return Sample("s", [pixels, Video([pixels])], PROMPT, ANSWER, masks=masks)

    assert made(1) == made(1) and hash(made(1)) == hash(made(1)) and made(1) in [made(2), made(1)]
    assert made(1) != made(2) and made(1) != made(1, mask=False)


def test_maps_are_a_tuple_also_of_a_single_image() -> None:
    made = make_explanation(seed=3)
    assert made.heatmap is made.heatmaps[0] and made.base.map is made.base.maps[0]
    with pytest.raises(TypeError, match=r"tuple with one array per image.*got ndarray"):
        dataclasses.replace(made, heatmaps=made.heatmap)
    with pytest.raises(TypeError, match=r"tuple with one array per image.*got ndarray"):
        dataclasses.replace(made.base, maps=made.base.map)
    two = make_several_images(2)
    for wrong in (lambda: two.heatmap, lambda: two.base.map, lambda: two.base.grid):
        with pytest.raises(ValueError, match="explanation of one image, got 2"):
            wrong()


def test_the_line_that_is_named_is_the_users_also_under_a_progress_bar(qwen2: TinyModel) -> None:
    samples = [Sample("s", picture(), PROMPT, ANSWER)]
    bar = tqdm(build(qwen2).explain_batch(samples), disable=True)
    (explanation,) = list(bar)
    line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
    assert explanation.provenance["logged_at"] == {"file": __file__, "line": line}


def test_a_folder_whose_name_begins_like_ours_is_the_users(tmp_path: Path) -> None:
    ours = Path(provenance.__file__).parents[1]
    folder = f"{ours}_training"
    code = compile("found = ask()", f"{folder}/train.py", "exec")
    scope: dict[str, Any] = {"ask": provenance.describe_caller}
    exec(code, scope)
    assert scope["found"] == {"file": f"{folder}/train.py", "line": 1}


def test_a_layout_is_asked_for_once_per_picture_and_scale(
    qwen2: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer = build(qwen2, scales=(0.5, 1.0, 1.5))
    asked: list[float] = []
    plain = type(explainer.adapter).layout

    def counted(adapter: Any, image: Image.Image, factor: float) -> Any:
        asked.append(factor)
        return plain(adapter, image, factor)

    monkeypatch.setattr(type(explainer.adapter), "layout", counted)
    explainer.explain([picture(), picture(seed=1)], PROMPT)
    assert sorted(asked) == [0.5, 0.5, 1.0, 1.0, 1.5, 1.5]
