"""AttnLRP's maps by ``lxt`` beside this project's, on a LLaVA with a Llama decoder.

    python -m tests.benchmarks.lxt_maps own FILE      here: what the decoder is given, and our maps
    python tests/benchmarks/lxt_maps.py theirs FILE   in lxt's environment (transformers 4.52.4)

``lxt`` has rules for decoders (Llama, Qwen2, Qwen3, Gemma 3), and none for Qwen2-VL's, which have
their own attention in that transformers. So the comparison begins at the decoder's input, pictures
in it. Weights are random. The second half imports nothing of this repository.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor


def own(file: str) -> None:
    """Keeps the decoder, its input, and our relevance of every position before it is cut up."""
    from mmx_core import Explainer, Sample
    from mmx_core.evaluation.rivals import relevance
    from mmx_core.evaluation.rivals.base import encode_base
    from tests.models.criteria import PROMPT, noise
    from tests.models.test_families import tiny_of

    tiny = tiny_of("llava")
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))
    prepared = explainer.prepare(Sample("one", noise(64, 96), PROMPT, "a red circle is left"))
    decoder, cut = tiny.model.get_decoder(), relevance.at_tokens
    kept: dict[str, Any] = {}

    def keep_rows(encoded: Any, sample: Any, rows: Tensor) -> Any:
        kept["rows"] = rows.detach().clone()
        return cut(encoded, sample, rows)

    def keep_input(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        given = args[0] if args else kwargs["hidden_states"]
        kept.setdefault("embeddings", given.detach().clone())

    relevance.at_tokens = keep_rows
    handle = decoder.layers[0].register_forward_pre_hook(keep_input, with_kwargs=True)
    try:
        relevance.attention_aware_relevance(explainer.adapter, prepared, 0)
    finally:
        handle.remove()
        relevance.at_tokens = cut
    encoded = encode_base(explainer.adapter, prepared)
    weights = {f"model.{name}": value for name, value in decoder.state_dict().items()}
    weights["lm_head.weight"] = tiny.model.get_output_embeddings().weight.detach()
    kept |= {
        "predicting": encoded.predicting_positions,
        "ids": torch.tensor(prepared.answer_ids),
        "visual": torch.cat([torch.as_tensor(span.positions) for span in encoded.visual]),
        "weights": weights,
        "config": decoder.config.to_dict(),
    }
    torch.save(kept, file)


def theirs(file: str) -> None:
    """Prints how far lxt's relevance is from ours."""
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama import modeling_llama

    without_torchvision()
    from lxt.efficient import monkey_patch

    monkey_patch(modeling_llama)
    kept = torch.load(file, weights_only=False)
    told = kept["config"]
    told["rope_theta"] = told.pop("rope_parameters")["rope_theta"]
    for name in ("dtype", "transformers_version", "architectures", "layer_types"):
        told.pop(name, None)
    model = LlamaForCausalLM(LlamaConfig(**told, attn_implementation="eager")).float().eval()
    model.load_state_dict(kept["weights"])
    model.requires_grad_(False)
    start = kept["embeddings"].float().requires_grad_()
    logits = model(inputs_embeds=start, use_cache=False).logits[0, kept["predicting"]]
    found = []
    for logit, target in zip(logits, kept["ids"], strict=True):
        (gradient,) = torch.autograd.grad(logit[target], start, retain_graph=True)
        found.append((gradient[0] * start[0]).sum(dim=-1).clamp_min(0).detach())
    for name, places in (("all", slice(None)), ("the picture's", kept["visual"])):
        pair = torch.stack(found)[:, places], kept["rows"][:, places]
        furthest = float((pair[0] - pair[1]).abs().max() / pair[1].abs().max())
        least = min(
            float(torch.corrcoef(torch.stack(rows))[0, 1]) for rows in zip(*pair, strict=True)
        )
        print(f"{name} positions: correlation {least:.4f} or more, furthest {furthest:.0e}")


def without_torchvision() -> None:
    """Its rules for vision transformers import it; no text model needs them."""
    names = ("torchvision", "torchvision.models", "torchvision.models.vision_transformer")
    modules: list[Any] = [ModuleType(name) for name in names]
    for name, module in zip(names, modules, strict=True):
        module.__spec__ = ModuleSpec(name, None)
        sys.modules[name] = module
    modules[0].models, modules[1].vision_transformer = modules[1:]
    modules[2].nn = torch.nn


if __name__ == "__main__":
    {"own": own, "theirs": theirs}[sys.argv[1]](sys.argv[2])
