"""The rival methods against naive computations on the model itself, and the state they leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from mmx_core.evaluation.registry import Attribution, methods
from mmx_core.evaluation.rivals.base import counted_context, encode_base
from mmx_core.evaluation.rivals.gradients import along_path
from mmx_core.evaluation.rivals.relevance import rules
from mmx_core.models import adapter_for
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.messages import user_turn
from mmx_core.models.running import undisturbed
from mmx_core.stages.prepare import Prepared
from tests.benchmarks.text_relevance_measures import relevance_rules
from tests.support.families.llava import make_llava
from tests.support.tiny_models import FAMILIES, TinyModel, make_tiny

PROMPT = "describe the image ."
ANSWER = "a red circle is left of a blue square ."
TOKEN = 4
"""The answer token that is computed naively, where one is enough."""

OTHERS = [name for name, found in methods().items() if ".rivals." in found.__module__]
RIVALS = [name for name in OTHERS if name != "uniform"]
FLOORS = {"random", "centre"}
WITH_TEXT = sorted(set(RIVALS) - FLOORS - {"occlusion", "visual_ig"})
WITH_FORWARD = sorted(set(RIVALS) - FLOORS)
GRADIENTS = ("grad_cam", "gradient_input", "attention_gradient", "attn_lrp", "visual_ig")


class Case:
    """A model, its adapter, and one sample."""

    def __init__(self, tiny: TinyModel, image: Image.Image) -> None:
        self.model = tiny.model
        self.adapter: ModelAdapter = adapter_for(tiny.model, **tiny.parts)
        asked = [*user_turn(PROMPT, ["image"]), {"role": "assistant", "content": ANSWER}]
        rendered = self.adapter.render(asked, pictures=[image])
        assert rendered.answer_ids is not None
        self.prepared = Prepared((image,), rendered, ANSWER, list(rendered.answer_ids), {})
        self.ids = self.prepared.answer_ids

    def run(self, name: str, seed: int = 0) -> Attribution:
        return undisturbed(self.model, methods()[name], self.adapter, self.prepared, seed)

    @property
    def encoded(self) -> EncodedInput:
        return encode_base(self.adapter, self.prepared)

    def compare(self, result: Attribution, rows: torch.Tensor, token: int | None = None) -> None:
        """Holds maps and text against naive ``(T, L)`` rows, or one token's ``(1, L)``."""
        encoded = self.encoded
        rows = rows.detach().float().cpu()
        visual = rows[:, encoded.visual[0].positions.cpu()].numpy()
        text = rows[:, encoded.context_positions.cpu()].numpy()
        known = counted_context(encoded, self.prepared).cpu().numpy()
        chosen = slice(None) if token is None else slice(token, token + 1)
        maps = result.maps[chosen].reshape(len(visual), -1)
        assert result.text is not None and known[chosen].any()
        scale = max(np.abs(visual).max(), np.abs(text[known[chosen]]).max())
        assert scale > 0 and (maps > 0).any()
        assert np.allclose(maps, visual, rtol=1e-3, atol=1e-4 * scale)
        shown = result.text[chosen]
        assert np.allclose(shown[known[chosen]], text[known[chosen]], rtol=1e-3, atol=1e-4 * scale)


def picture(height: int = 64, width: int = 96, seed: int = 0) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, device: torch.device) -> Case:
    return Case(make_tiny(request.param, layers=3, device=str(device)), picture())


@pytest.fixture
def fresh(device: torch.device) -> Case:
    """For tests that change the model."""
    return Case(make_tiny(layers=3, device=str(device)), picture())


@pytest.mark.parametrize("name", RIVALS)
def test_every_method_gives_one_finite_non_negative_map_per_token(case: Case, name: str) -> None:
    result = case.run(name)
    assert result.maps.shape == (len(case.ids), 4, 6)
    assert result.maps.dtype == np.float32
    assert np.isfinite(result.maps).all() and (result.maps >= 0).all() and result.maps.any()
    assert (result.text is not None) == (name in WITH_TEXT)
    if result.text is not None:
        known = counted_context(case.encoded, case.prepared).cpu().numpy()
        assert result.text.shape == known.shape and result.text.dtype == np.float32
        assert (np.isfinite(result.text) == known).all()
        assert (result.text[known] >= 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", RIVALS)
def test_half_precision_models_are_explained_in_float32(
    name: str, dtype: torch.dtype, device: torch.device
) -> None:
    half = Case(make_tiny(dtype=dtype, device=str(device)), picture()).run(name)
    assert half.maps.dtype == np.float32
    assert np.isfinite(half.maps).all() and half.maps.any()


def test_methods_are_listed_by_the_names_that_they_are_reported_under() -> None:
    assert list(methods()) == [
        "mmx",
        "msea",
        "msea_mean",
        "paper",
        "tam",
        "lens_1.5",
        "lens_2",
        "lens_upsampled",
        "lens_squared",
        "lens",
        "attention",
        "rollout",
        "attention_gradient",
        "flow",
        "grad_cam",
        "gradient_input",
        "visual_ig",
        "attn_lrp",
        "occlusion",
        "random",
        "centre",
        "uniform",
    ]


@pytest.fixture(scope="module")
def attentions(case: Case) -> list[torch.Tensor]:
    """``(heads, L, L)`` of each layer, as an eager twin of the model itself returns them."""
    family = case.model.config.model_type
    twin = make_tiny(family, layers=3, attention="eager", device=str(case.adapter.device)).model
    with torch.no_grad():
        output = twin(**case.encoded.inputs, output_attentions=True)
    assert len(output.attentions) == 3
    return [layer[0].float() for layer in output.attentions]


def test_attention_is_the_last_layers_row_that_predicts_the_token(
    case: Case, attentions: list[torch.Tensor]
) -> None:
    rows = attentions[-1].mean(0)[case.encoded.prompt_length - 1 : -1]
    case.compare(case.run("attention"), rows)


@pytest.mark.parametrize("name", ["attention", "rollout"])
def test_attention_to_visual_tokens_text_and_template_sums_to_one(
    case: Case, attentions: list[torch.Tensor], name: str
) -> None:
    result = case.run(name)
    assert result.text is not None
    encoded = case.encoded
    template = ~counted_context(encoded, case.prepared)
    rows = attentions[-1].mean(0) if name == "attention" else rolled_out(attentions)
    naive = rows[encoded.predicting_positions][:, encoded.context_positions]
    rest = torch.where(template, naive, 0.0).sum(1).cpu().numpy()
    total = result.maps.sum((1, 2)) + np.nansum(result.text, 1) + rest
    assert np.allclose(total, 1.0, atol=1e-4)


def test_rollout_is_the_product_of_all_layers_with_their_residuals(
    case: Case, attentions: list[torch.Tensor]
) -> None:
    rows = rolled_out(attentions)[case.encoded.prompt_length - 1 : -1]
    case.compare(case.run("rollout"), rows)


def rolled_out(attentions: list[torch.Tensor]) -> torch.Tensor:
    length = attentions[0].shape[-1]
    product = torch.eye(length, dtype=torch.float64)
    for layer in attentions:
        mixed = 0.5 * layer.double().cpu().mean(0) + 0.5 * torch.eye(length)
        product = (mixed / mixed.sum(1, keepdim=True)) @ product
    return product.to(attentions[0])


@pytest.mark.parametrize("name", ["attention", "rollout"])
def test_attention_is_the_same_whatever_the_model_was_loaded_with(
    name: str, device: torch.device
) -> None:
    results = [
        Case(make_tiny(attention=attention, device=str(device)), picture()).run(name)
        for attention in ("sdpa", "eager")
    ]
    assert np.allclose(results[0].maps, results[1].maps, atol=1e-5)


@pytest.mark.parametrize("name", ["attention", "rollout"])
def test_a_model_that_returns_no_attention_is_refused_with_the_way_out(
    fresh: Case, name: str
) -> None:
    layer = fresh.model.get_decoder().layers[-1].self_attn
    layer.register_forward_hook(lambda module, args, output: (output[0], None))
    with pytest.raises(ValueError, match=r"expected shape .* got none .* leave .* out"):
        fresh.run(name)


def captured_by(case: Case, capture: Callable[[list[torch.Tensor]], Any]) -> torch.Tensor:
    """The full graph's gradient of TOKEN's logit where ``capture`` hooks: ``(2, L, d)``."""
    seen: list[torch.Tensor] = []
    handle = capture(seen)
    encoded = case.encoded
    logits = case.model(**encoded.inputs).logits[0]
    handle.remove()
    (states,) = seen
    logit = logits[encoded.prompt_length - 1 + TOKEN, case.ids[TOKEN]]
    (gradient,) = torch.autograd.grad(logit, states)
    return torch.stack([states[0].detach(), gradient[0]])


def test_grad_cam_equals_the_full_graph_at_the_last_layers_input(case: Case) -> None:
    last = case.model.model.language_model.layers[-1]
    states, gradient = captured_by(
        case, lambda seen: last.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    )
    weights = gradient[case.encoded.visual[0].positions].mean(0)
    row = torch.relu((states * weights).sum(1))
    case.compare(case.run("grad_cam"), row[None], TOKEN)


def test_gradient_times_input_equals_the_full_graph_at_the_decoders_input(case: Case) -> None:
    decoder = case.model.model.language_model

    def capture(seen: list[torch.Tensor]) -> Any:
        return decoder.register_forward_pre_hook(
            lambda _, args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True
        )

    embedded, gradient = captured_by(case, capture)
    case.compare(case.run("gradient_input"), torch.relu((embedded * gradient).sum(1))[None], TOKEN)


def test_gradient_times_input_predicts_what_scaling_one_visual_embedding_does(case: Case) -> None:
    encoded = case.encoded
    result = case.run("gradient_input").maps[TOKEN].reshape(-1)
    cell = int(result.argmax())
    position = encoded.visual[0].positions[cell]
    logits = []
    for step in (-1e-2, 1e-2):

        def scale(_: Any, args: Any, kwargs: Any, step: float = step) -> Any:
            embedded = kwargs["inputs_embeds"].clone()
            embedded[0, position] *= 1 + step
            return args, {**kwargs, "inputs_embeds": embedded}

        decoder = case.model.model.language_model
        handle = decoder.register_forward_pre_hook(scale, with_kwargs=True)
        with torch.no_grad():
            output = case.model(**encoded.inputs).logits[0]
        handle.remove()
        logits.append(float(output[encoded.prompt_length - 1 + TOKEN, case.ids[TOKEN]]))
    slope = (logits[1] - logits[0]) / 2e-2
    assert float(result[cell]) == pytest.approx(slope, rel=0.05)


def test_attention_times_gradient_equals_the_full_graph_of_an_eager_twin(case: Case) -> None:
    family = case.model.config.model_type
    twin = make_tiny(family, layers=3, attention="eager", device=str(case.adapter.device)).model
    output = twin(**case.encoded.inputs, output_attentions=True)
    row = case.encoded.prompt_length - 1 + TOKEN
    logit = output.logits[0, row, case.ids[TOKEN]]
    gradients = torch.autograd.grad(logit, output.attentions)
    products = [a * g for a, g in zip(output.attentions, gradients, strict=True)]
    expected = sum(product[0, :, row].relu().mean(0) for product in products)
    case.compare(case.run("attention_gradient"), torch.as_tensor(expected)[None], TOKEN)


def test_along_the_path_to_a_plain_picture_visual_tokens_lose_what_the_logit_loses(
    device: torch.device,
) -> None:
    case = Case(make_tiny(layers=3, device=str(device)), picture())
    colour = np.asarray(picture()).mean(axis=(0, 1)).round().astype(int).tolist()
    plain = Image.new("RGB", picture().size, tuple(colour))

    def logits(shown: Image.Image) -> torch.Tensor:
        encoded = case.adapter.encode([shown], case.prepared.rendered, case.ids, factor=1.0)
        with torch.no_grad():
            found = case.model(**encoded.inputs).logits[0, encoded.prompt_length - 1 : -1]
        return found[range(len(case.ids)), case.ids]

    lost = logits(picture()) - logits(plain)
    rows = undisturbed(case.model, along_path, case.adapter, case.prepared, 200)
    torch.testing.assert_close(rows.sum(dim=1), lost, atol=0.02, rtol=0.02)
    visual = case.encoded.visual[0].positions
    assert float(lost.abs().max()) > 0.5
    assert (rows[:, case.encoded.context_positions] == 0).all()
    eight = undisturbed(case.model, along_path, case.adapter, case.prepared)[:, visual]
    assert np.allclose(case.run("visual_ig").maps.ravel(), eight.relu().cpu().ravel(), atol=1e-5)


def test_relevance_equals_layers_rewritten_under_the_same_rules() -> None:
    """In a Llama, whose norms, gates and attention the text benchmark writes out."""
    tiny = make_llava()
    case = Case(tiny, picture(64, 64))
    first, seen = tiny.model.get_decoder().layers[0], []
    tiny.model.set_attn_implementation("eager")

    def cut(module: Any, args: Any) -> Any:
        seen.append(args[0].detach().requires_grad_())
        return (seen[0], *args[1:])

    handle = first.register_forward_pre_hook(cut)
    with relevance_rules():
        logits = case.model(**case.encoded.inputs).logits[0]
        logit = logits[case.encoded.prompt_length - 1 + TOKEN, case.ids[TOKEN]]
        (gradient,) = torch.autograd.grad(logit, seen)
    handle.remove()
    tiny.model.set_attn_implementation("sdpa")
    row = torch.relu((seen[0] * gradient)[0].sum(1))
    case.compare(case.run("attn_lrp"), row[None], TOKEN)


def test_a_gated_network_keeps_all_relevance_and_each_factor_gets_half() -> None:
    """``silu(3 x) * 2 x`` at 1: half comes through the gate, half through the other factor."""

    class Gated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate_proj, self.up_proj, self.down_proj = (
                torch.nn.Linear(1, 1, bias=False) for _ in range(3)
            )
            self.act_fn = torch.nn.SiLU()

        def forward(self, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
            return self.down_proj(self.act_fn(self.gate_proj(gate)) * self.up_proj(up))

    network = Gated()
    for layer, weight in ((network.gate_proj, 3), (network.up_proj, 2), (network.down_proj, 1)):
        torch.nn.init.constant_(layer.weight, weight)
    holder = torch.nn.Module()
    holder.layers = torch.nn.ModuleList([network])
    for module, hook, before in rules(holder):
        (module.register_forward_pre_hook if before else module.register_forward_hook)(hook)
    gate, up = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    output = network(gate, up)
    gradients = torch.autograd.grad(output, (gate, up))
    whole = 6 / (1 + np.exp(-3))
    assert output.item() == pytest.approx(whole)
    assert [float(g) for g in gradients] == pytest.approx([whole / 2, whole / 2])


@pytest.mark.parametrize("centred", [False, True])
def test_a_norm_stretches_by_what_it_stretches_by(centred: bool) -> None:
    """Of (1, 2, 6): the mean square is 13.67, the mean 3, the variance 4.67."""
    norm = torch.nn.LayerNorm(3, eps=0) if centred else torch.nn.RMSNorm(3, eps=0)
    holder = torch.nn.Module()
    layer = torch.nn.Module()
    layer.norm, layer.act_fn = norm, torch.nn.ReLU()
    holder.layers = torch.nn.ModuleList([layer])
    for module, hook, before in rules(holder):
        assert not before
        module.register_forward_hook(hook)
    given = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    output = norm(given)
    (gradient,) = torch.autograd.grad(output[2], given)
    if centred:
        expected = np.array([-1, -1, 2]) / 3 / np.sqrt(14 / 3)
    else:
        expected = np.array([0, 0, 1]) / np.sqrt(41 / 3)
    assert np.allclose(gradient, expected) and np.allclose(
        given.detach() @ gradient, output[2].detach()
    )


def test_layers_whose_rules_are_not_known_are_refused_with_the_way_out() -> None:
    holder = torch.nn.Module()
    holder.layers = torch.nn.ModuleList([torch.nn.Linear(1, 1)])
    with pytest.raises(ValueError, match=r"attn_lrp: expected layers .* got Linear; leave"):
        list(rules(holder))


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_biased_head_changes_no_gradient(fresh: Case, name: str) -> None:
    plain = fresh.run(name)
    head = fresh.model.lm_head
    head.bias = torch.nn.Parameter(torch.randn(len(head.weight), device=head.weight.device))
    assert np.allclose(fresh.run(name).maps, plain.maps)


def test_occlusion_equals_the_model_on_pictures_with_one_cell_blurred(case: Case) -> None:
    # A size that the processor changes, so that masking happens at the input's size.
    image = picture(50, 90)
    parts = (case.adapter.image_processor, case.adapter.tokenizer)
    odd = Case(TinyModel(case.model, *parts), image)
    result = odd.run("occlusion").maps
    whole = odd.adapter.input_image(image)
    width, height = whole.size
    assert (height, width) != (50, 90)
    blurred = whole.filter(ImageFilter.GaussianBlur(min(height, width) / 8))
    rows, columns = result.shape[1:]
    side = height // rows

    def probabilities(shown: Image.Image) -> np.ndarray:
        encoded = odd.adapter.encode([shown], odd.prepared.rendered, odd.ids, factor=1.0)
        with torch.no_grad():
            logits = odd.model(**encoded.inputs).logits[0, encoded.prompt_length - 1 : -1]
        return logits.float().softmax(1)[range(len(odd.ids)), odd.ids].cpu().numpy()

    before = probabilities(whole)
    for row, column in [(0, 0), (0, columns - 1), (rows - 1, 1), (rows // 2, columns // 2)]:
        hidden = whole.copy()
        corner = (column * side, row * side)
        box = (*corner, corner[0] + side, corner[1] + side)
        hidden.paste(blurred.crop(box), corner)
        drop = np.maximum(before - probabilities(hidden), 0)
        assert np.allclose(result[:, row, column], drop, atol=1e-5)
    assert result.max() > 1e-3


def test_occlusion_does_not_depend_on_how_its_work_is_cut(
    fresh: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fresh.run("occlusion").maps
    batches: list[tuple[int, int]] = []
    forward = fresh.adapter.forward

    def counted(inputs: Any) -> torch.Tensor:
        batches.append(tuple(inputs["input_ids"].shape))
        return forward(inputs)

    monkeypatch.setattr(fresh.adapter, "forward", counted)
    for name, bound in (("_CPU_POSITIONS", 300), ("_POSITIONS", 300), ("LOGIT_ELEMENTS", 100)):
        monkeypatch.setattr(f"mmx_core.stages.passes.{name}", bound)
    cut = fresh.run("occlusion").maps
    assert np.allclose(whole, cut, atol=1e-5)
    assert all(count * length <= 300 for count, length in batches)
    assert sum(count for count, _ in batches) == 1 + whole[0].size and len(batches) < 10


@pytest.mark.parametrize("name", ["lens", "lens_squared"])
def test_the_lens_is_the_head_applied_to_every_state(case: Case, name: str) -> None:
    with torch.no_grad():
        output = case.model.model(**case.encoded.inputs).last_hidden_state[0]
        rows = case.model.lm_head(output)[:, case.ids].T.relu()
    case.compare(case.run(name), rows if name == "lens" else rows**2)


def test_the_centre_is_a_gaussian_about_the_middle_whatever_is_said(case: Case) -> None:
    maps = case.run("centre").maps  # 4 rows, 6 columns; a standard deviation is a quarter
    assert (maps == maps[0]).all()
    assert np.allclose(maps[0], maps[0, ::-1]) and np.allclose(maps[0], maps[0, :, ::-1])
    assert np.isclose(maps[0, 1, 2], np.exp(-(0.5**2 + (1 / 3) ** 2) / 2))
    assert np.isclose(maps[0, 0, 0], np.exp(-(1.5**2 + (5 / 3) ** 2) / 2))


def test_flow_is_each_parts_length_along_what_attention_adds(
    case: Case, attentions: list[torch.Tensor]
) -> None:
    values: list[torch.Tensor] = []
    layers = case.model.get_decoder().layers
    hooks = [
        layer.self_attn.v_proj.register_forward_hook(lambda m, a, o: values.append(o[0]))
        for layer in layers
    ]
    with torch.no_grad():
        case.model.model(**case.encoded.inputs)
    for hook in hooks:
        hook.remove()
    at, total = case.encoded.predicting_positions, 0
    for layer, weights, value in zip(layers, attentions, values, strict=True):
        out = layer.self_attn.o_proj.weight.view(64, 4, 16)
        value = value.view(len(value), 2, 16).repeat_interleave(2, dim=1)
        parts = torch.einsum("hrl,lhv,dhv->rld", weights[:, at], value.float(), out)
        added = parts.sum(dim=1, keepdim=True)
        total = total + (parts * added).sum(-1).relu() / added.square().sum(-1)
    case.compare(case.run("flow"), torch.as_tensor(total))


def test_noise_is_decided_by_its_seed_alone(case: Case) -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = case.run("random", seed=7).maps
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    state, legacy = torch.random.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    assert (methods()["random"](case.adapter, case.prepared, 7).maps == first).all()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002
    assert (case.run("random", seed=8).maps != first).any()
    assert 0.4 < first.mean() < 0.6


@pytest.mark.parametrize("name", WITH_TEXT)
def test_one_forward_serves_all_tokens(
    fresh: Case, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fresh.model.model.register_forward_hook(lambda *_: calls.append(1))
    fresh.run(name)
    assert len(calls) == 1


def snapshot(model: Any) -> dict[str, Any]:
    """Everything that a method may switch."""
    configs = [model.config, model.config.text_config, model.config.vision_config]
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "attention": [config._attn_implementation for config in configs],
        "modes": [module.training for module in model.modules()],
        "hooks": [[*getattr(m, kind)] for m in model.modules() for kind in kinds],
        "trained": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        "gradients recorded": torch.is_grad_enabled(),
    }


def in_training(case: Case) -> dict[str, Any]:
    """Brings a model into a mixed state, in the middle of a step; its snapshot."""
    case.model.train()
    case.model.model.visual.eval()
    parameters = list(case.model.parameters())
    parameters[0].requires_grad_(False)
    parameters[-1].grad = torch.ones_like(parameters[-1])
    return snapshot(case.model)


@pytest.mark.parametrize("name", RIVALS)
def test_the_model_is_left_as_it_was(fresh: Case, name: str) -> None:
    before = in_training(fresh)
    fresh.run(name)
    assert snapshot(fresh.model) == before


@pytest.mark.parametrize("name", WITH_FORWARD)
def test_the_model_is_left_as_it_was_when_its_forward_fails(fresh: Case, name: str) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("out of order")

    fresh.model.get_decoder().norm.register_forward_hook(fail)
    before = in_training(fresh)
    with pytest.raises(RuntimeError, match="out of order"):
        fresh.run(name)
    assert snapshot(fresh.model) == before


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_model_is_left_as_it_was_when_a_backward_fails(
    fresh: Case, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of order")

    before = in_training(fresh)
    monkeypatch.setattr(torch.autograd, "grad", fail)
    with pytest.raises(RuntimeError, match="out of order"):
        fresh.run(name)
    assert snapshot(fresh.model) == before


@pytest.mark.parametrize("name", GRADIENTS)
def test_no_graph_is_recorded_before_the_layer_that_is_differentiated(
    fresh: Case, name: str
) -> None:
    decoder = fresh.model.get_decoder()
    recorded: list[bool] = []
    before = [*fresh.model.model.visual.blocks, decoder.embed_tokens]
    before += list(decoder.layers[:-1]) if name == "grad_cam" else []
    for module in before:
        module.register_forward_hook(lambda _, __, output: recorded.append(output.requires_grad))
    fresh.run(name)
    assert recorded and not any(recorded)


def test_training_goes_on_after_a_gradient_method(fresh: Case) -> None:
    fresh.run("grad_cam")
    fresh.run("gradient_input")
    fresh.model.train()
    inputs = fresh.encoded.inputs
    fresh.model(**inputs, labels=inputs["input_ids"]).loss.backward()
    assert all(parameter.grad is not None for parameter in fresh.model.lm_head.parameters())


@pytest.mark.parametrize("name", ["attention", "rollout"])
def test_only_the_decoder_runs_eagerly(fresh: Case, name: str) -> None:
    seen: list[tuple[str, str]] = []
    config = fresh.model.config

    def look(*_: Any) -> None:
        text, vision = config.text_config, config.vision_config
        seen.append((text._attn_implementation, vision._attn_implementation))

    fresh.model.get_decoder().norm.register_forward_hook(look)
    fresh.run(name)
    assert seen == [("eager", "sdpa")]
