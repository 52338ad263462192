"""Measures of how much a context token mattered: of one forward, or of one backward per token.

Written out plainly from eager attention weights, with all that flows from token to token formed
whole: slow, and nothing that the product computes is used, apart from ARC itself; its own estimate
stands apart (``text_relevance_product.py``).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.llama import modeling_llama

from mmx_core.attribution.arc import rank_biased_overlap

VERSION = 3
"""Counted up where a measure changes, so that what was kept is not taken for it."""

LOGIT, LAYERS = "logit of what flows", "logit of each layer's flow"
ADDED, OUT = "flow along what attention adds", "flow along what attention puts out"
ROUTES, SUM, WEIGHED = "information flow", "flow along the sum", "attention x norm of value"


@dataclass
class Scored:
    """Of one prompt.

    Attributes:
        scores: ``(R, L)`` of each measure, higher is more important.
        seconds: Of each measure, without what :attr:`shared` counts.
        shared: Seconds of the forward that attention and states come from.
        heads: ``(F, R, L)`` features by head for learned weights, by name.
    """

    scores: dict[str, Tensor] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    shared: float = 0.0
    heads: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, work: Callable[[], Tensor]) -> Tensor:
        """Times a measure."""
        begin = time.perf_counter()
        self.scores[name] = work().detach().float()
        self.seconds[name] = time.perf_counter() - begin
        return self.scores[name]


@dataclass(frozen=True)
class Trace:
    """Of one forward: ``weights`` ``(N, H, L, L)``, ``inputs`` ``(N + 1, L, d)``, ``values``
    ``(N, L, H, v)`` and ``states`` ``(L, d)`` after the final norm."""

    weights: Tensor
    inputs: Tensor
    values: Tensor
    states: Tensor


def measure(model: Any, ids: Tensor, rows: Tensor, context: Tensor) -> Scored:
    """All measures, of the tokens that follow ``rows`` ``(R,)``.

    Args:
        model: With eager attention.
        ids: ``(L,)``.
        rows: Positions that predict.
        context: ``(C,)`` positions that count; shares are taken over these.
    """
    found = Scored()
    begin = time.perf_counter()
    trace = _trace(model, ids)
    found.shared = time.perf_counter() - begin
    targets, length = ids[rows + 1], len(ids)
    places = torch.arange(length).expand(len(rows), -1)
    generator = torch.Generator().manual_seed(0)
    found.add("random", lambda: torch.rand(len(rows), length, generator=generator))
    found.add("recency", lambda: places)
    found.add("same token", lambda: (ids == targets[:, None]) + 1e-3 * places / length)
    half = len(trace.weights) // 2
    found.add("attention, all layers", lambda: trace.weights[:, :, rows].mean(dim=(0, 1)))
    found.add("attention, upper half", lambda: trace.weights[half:, :, rows].mean(dim=(0, 1)))
    found.add("attention, last layer", lambda: trace.weights[-1][:, rows].mean(dim=0))
    found.add("attention rollout", lambda: _rollout(trace.weights)[rows])
    _flows(found, model, trace, ids, rows, context)
    _rankings(found, model, trace, targets, rows)
    _gradients(found, model, ids, rows, targets)
    return found


def _trace(model: Any, ids: Tensor) -> Trace:
    values: list[Tensor] = []
    hooks = [
        layer.self_attn.v_proj.register_forward_hook(lambda m, a, o: values.append(o[0]))
        for layer in model.model.layers
    ]
    output = model.model(
        ids[None], output_attentions=True, output_hidden_states=True, use_cache=False
    )
    for hook in hooks:
        hook.remove()
    config = model.config
    each = torch.stack(values).unflatten(-1, (config.num_key_value_heads, config.head_dim))
    groups = config.num_attention_heads // config.num_key_value_heads
    return Trace(
        torch.cat(output.attentions),
        torch.cat(output.hidden_states),
        each.repeat_interleave(groups, dim=2),
        output.last_hidden_state[0],
    )


def _rollout(weights: Tensor) -> Tensor:
    product = torch.eye(weights.shape[-1])
    for layer in weights:
        product = (0.5 * layer.mean(dim=0) + 0.5 * torch.eye(len(product))) @ product
    return product


def _flows(
    found: Scored, model: Any, trace: Trace, ids: Tensor, rows: Tensor, context: Tensor
) -> None:
    """What flows from each token to the rows through attention's values, layer by layer."""
    head = model.lm_head.weight
    targets = (head[ids[rows + 1]] - head.mean(dim=0)) * model.model.norm.weight
    counted = torch.zeros(len(ids))
    counted[context] = 1
    parts: dict[str, Tensor] = defaultdict(lambda: torch.zeros(len(rows), len(ids)))
    size, begin = model.config.head_dim, time.perf_counter()
    norms: list[Tensor] = []
    for index, layer in enumerate(model.model.layers):
        out = layer.self_attn.o_proj.weight
        out = out.view(len(out), -1, size)  # (d, H, v)
        weights, values = trace.weights[index][:, rows], trace.values[index]
        written = torch.einsum("lhv,dhv->lhd", values, out)
        norms.append(weights * written.norm(dim=-1).T[:, None])
        parts[WEIGHED] += norms[-1].sum(dim=0)
        flow, stream = torch.einsum("hrl,lhd->rld", weights, written), trace.inputs[index][rows]
        of_layer = _parts_of(flow, stream, targets, weights, values)
        for name, part in of_layer.items():
            parts[name] += part
        for step in (2, 3):
            if index % step == 0:
                parts[f"{LAYERS}, {step}"] += of_layer[LAYERS]
    parts[LOGIT] = parts[LOGIT].abs()
    spent = time.perf_counter() - begin

    def share(name: str) -> Tensor:
        values = parts[name].clamp_min(0) * counted
        return values / values.sum(dim=1, keepdim=True).clamp_min(1e-9)

    for name in (WEIGHED, LOGIT, LAYERS, ROUTES, SUM, ADDED, OUT):
        found.scores[name] = parts[name]
    for other in (ROUTES, SUM, ADDED, OUT, WEIGHED):
        found.scores[f"{LOGIT} + {other}"] = share(LOGIT) + share(other)
    for other in (ADDED, OUT, WEIGHED):
        found.scores[f"{LAYERS} + {other}"] = share(LAYERS) + share(other)
    for step, said in ((2, "second"), (3, "third")):
        found.scores[f"{LAYERS}, of every {said}"] = parts[f"{LAYERS}, {step}"]
    found.seconds |= dict.fromkeys(found.scores.keys() - found.seconds.keys(), spent)
    found.heads["attention"] = trace.weights[:, :, rows].flatten(0, 1)
    found.heads[WEIGHED] = torch.cat(norms)


def _parts_of(
    flow: Tensor, stream: Tensor, targets: Tensor, weights: Tensor, values: Tensor
) -> dict[str, Tensor]:
    """Of one layer, ``(R, L)`` each; ``flow`` ``(R, L, d)`` is what is added to ``stream``."""
    after = stream + flow.sum(dim=1)
    logit = torch.einsum("rld,rd->rl", flow, targets)
    # Before the output projection: what each head puts out, side by side.
    heads = torch.einsum("hrl,lhv->rhv", weights, values)
    along = torch.einsum("hrl,lhv,rhv->rl", weights, values, heads).clamp_min(0)
    return {
        LOGIT: logit,
        LAYERS: logit.abs(),
        ROUTES: _proximity(flow, stream, after),
        # By projection: of the sum's length, what a part makes up.
        SUM: _along(flow, after, stream),
        ADDED: _along(flow, after - stream, None),
        OUT: along / (heads.square().sum(dim=(1, 2)) + 1e-9)[:, None],
    }


def _proximity(flow: Tensor, stream: Tensor, after: Tensor) -> Tensor:
    """Ferrando et al. (arXiv 2403.00824): how near a part comes to the sum, in L1."""
    length = after.abs().sum(dim=-1)
    near = (length[:, None] - (after[:, None] - flow).abs().sum(dim=-1)).clamp_min(0)
    kept = (length - (after - stream).abs().sum(dim=-1)).clamp_min(0)
    return near / (near.sum(dim=1) + kept + 1e-9)[:, None]


def _along(flow: Tensor, after: Tensor, stream: Tensor | None) -> Tensor:
    """The same by projection, in L2."""
    near = torch.einsum("rld,rd->rl", flow, after).clamp_min(0)
    total = near.sum(dim=1)
    if stream is not None:
        total = total + (stream * after).sum(dim=-1).clamp_min(0)
    return near / (total + 1e-9)[:, None]


def _rankings(found: Scored, model: Any, trace: Trace, targets: Tensor, rows: Tensor) -> None:
    logits = model.lm_head(trace.states)
    before = torch.cat([logits[:1], logits[:-1]])
    for depth, persistence in ((10, 0.9), (50, 0.9), (200, 0.98)):
        found.add(
            f"overlap of predictions (ARC), k {depth}",
            lambda k=depth, p=persistence: rank_biased_overlap(
                logits[rows].topk(k).indices, before.topk(k).indices, persistence=p
            ),
        )
    found.add(
        "overlap with what j predicts, k 50",
        lambda: rank_biased_overlap(logits[rows].topk(50).indices, logits.topk(50).indices),
    )
    found.add("text activation (lens at j)", lambda: logits[:, targets].T)


def _gradients(found: Scored, model: Any, ids: Tensor, rows: Tensor, targets: Tensor) -> None:
    begin = time.perf_counter()
    embeddings, gradient, gaps = _backward(model, ids, rows, targets, attention=True)
    spent = time.perf_counter() - begin
    found.scores["attention x gradient"] = gaps
    found.scores["gradient norm"] = gradient.norm(dim=-1)
    found.scores["gradient x input"] = (gradient * embeddings).sum(dim=-1).abs()
    begin = time.perf_counter()
    with relevance_rules():
        embeddings, gradient, _ = _backward(model, ids, rows, targets, attention=False)
    found.scores["AttnLRP"] = (gradient * embeddings).sum(dim=-1).clamp_min(0)
    found.seconds["AttnLRP"] = time.perf_counter() - begin - found.shared
    for name in ("attention x gradient", "gradient norm", "gradient x input"):
        found.seconds[name] = spent - found.shared


def _backward(
    model: Any, ids: Tensor, rows: Tensor, targets: Tensor, *, attention: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings ``(L, d)``, gradients ``(R, L, d)``, attention times its gradient ``(R, L)``."""
    start = model.get_input_embeddings()(ids[None]).detach().requires_grad_()
    with torch.enable_grad():
        output = model.model(inputs_embeds=start, output_attentions=attention, use_cache=False)
        logits = (output.last_hidden_state[0, rows] * model.lm_head.weight[targets]).sum(dim=1)
        weights = list(output.attentions) if attention else []
        gradients, gaps = [], []
        for row, logit in zip(rows, logits, strict=True):
            first, *others = torch.autograd.grad(logit, [start, *weights], retain_graph=True)
            gradients.append(first[0])
            pairs = zip(weights, others, strict=True)
            gaps.append(
                sum((w[0, :, row] * g[0, :, row]).clamp_min(0).mean(dim=0) for w, g in pairs)
            )
    products = torch.stack(gaps).detach() if attention else torch.empty(0)
    return start[0].detach(), torch.stack(gradients), products


class _Halved(torch.autograd.Function):
    """The uniform rule of a product: each factor gets half."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient / 2


@contextmanager
def relevance_rules() -> Iterator[None]:
    """AttnLRP (Achtibat et al., arXiv 2402.05602) as gradient times input, for Llama's layers."""

    def norm(self: Any, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * (x * scale.detach())

    def feed_forward(self: Any, x: Tensor) -> Tensor:
        gate = self.gate_proj(x)
        slope = functional.sigmoid(gate).detach()  # silu(g) / g: the identity rule
        return self.down_proj(_Halved.apply(gate * slope * self.up_proj(x)))

    def attend(module: Any, q: Tensor, k: Tensor, v: Tensor, mask: Any, scaling: float, **_: Any):
        groups = module.num_key_value_groups
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        weights = _Halved.apply(q @ k.transpose(2, 3) * scaling)
        weights = torch.softmax(weights if mask is None else weights + mask, dim=-1)
        return _Halved.apply(weights @ v).transpose(1, 2).contiguous(), weights

    classes = modeling_llama.LlamaRMSNorm, modeling_llama.LlamaMLP
    kept = classes[0].forward, classes[1].forward, modeling_llama.eager_attention_forward
    try:
        classes[0].forward, classes[1].forward = norm, feed_forward
        modeling_llama.eager_attention_forward = attend
        yield
    finally:
        classes[0].forward, classes[1].forward = kept[:2]
        modeling_llama.eager_attention_forward = kept[2]
