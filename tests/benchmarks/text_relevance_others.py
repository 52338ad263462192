"""Others' packages on the text benchmark, each in an environment of its own.

    python -m tests.benchmarks.text_relevance_others lxt | flashtrace

What they score is kept beside the benchmark's own, which reads it: lxt wants transformers 4 and
flashtrace spaCy, and neither is the product's or the tests' to install. The prompts and answers are
those whose truth is kept, so run the benchmark first. Nothing of ``mmx_core`` is imported here.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks.lxt_maps import without_torchvision

ROOT = Path(__file__).resolve().parents[2]
MODEL, KEPT = ROOT / ".cache" / "smollm2", ROOT / ".cache" / "text_relevance"
LXT = "lxt 2.1: AttnLRP"
ROUTES = "flashtrace 0.1.1: information flow routes"
OWN_PLACE = "flashtrace 0.1.1: the same, at the token itself"
OTHERS = (LXT, ROUTES, OWN_PLACE)


def add_others(found: Any, truth: Any, chosen: Any) -> None:
    """Adds the scores of the judged tokens that the packages have left, where they ran."""
    for name in OTHERS:
        file = _file(name, truth.ids)
        if file.exists():
            kept = torch.load(file, weights_only=True)
            found.scores[name] = kept["scores"][chosen]
            found.seconds[name] = kept["seconds"]


def main(package: str) -> None:
    """Scores every prompt whose truth is kept."""
    model = _model()
    own = {"lxt": _lxt, "flashtrace": _flashtrace}[package](model)
    files = sorted((KEPT / "truth").glob("*.npz"))
    for place, file in enumerate(files):
        with np.load(file) as truth:
            ids, start = torch.as_tensor(truth["ids"]), int(truth["start"])
            known = torch.as_tensor(truth["own"])
        rows = torch.arange(start - 1, len(ids) - 1)
        if not place:  # it has to be the same model, whatever read its files
            logits = model(ids[None]).logits[0, rows].detach().float().log_softmax(-1)
            told = logits[range(len(rows)), ids[rows + 1]]
            torch.testing.assert_close(told, known, atol=1e-3, rtol=1e-3)
        for name, (scores, seconds) in own(ids, rows).items():
            target = _file(name, ids.numpy())
            target.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"scores": scores.float().cpu(), "seconds": seconds}, target)
        print(f"{place + 1} of {len(files)}", flush=True)


def _model() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    told = json.loads((MODEL / "config.json").read_text())
    # transformers 4 looks for it here.
    told["rope_theta"] = told.pop("rope_parameters")["rope_theta"]
    config = LlamaConfig(**told)
    model = LlamaForCausalLM.from_pretrained(
        MODEL, config=config, torch_dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval().requires_grad_(False)


Scores = Callable[[Tensor, Tensor], dict[str, tuple[Tensor, float]]]
"""Of ids ``(L,)`` and rows ``(R,)``: by name scores ``(R, L)`` and seconds."""


def _lxt(model: Any) -> Scores:
    from transformers.models.llama import modeling_llama

    without_torchvision()
    from lxt.efficient import monkey_patch

    monkey_patch(modeling_llama)

    def scores(ids: Tensor, rows: Tensor) -> dict[str, tuple[Tensor, float]]:
        begin = time.perf_counter()
        start = model.get_input_embeddings()(ids[None]).requires_grad_()
        logits = model(inputs_embeds=start, use_cache=False).logits[0, rows]
        found = []
        for logit, target in zip(logits, ids[rows + 1], strict=True):
            (gradient,) = torch.autograd.grad(logit[target], start, retain_graph=True)
            found.append((gradient[0] * start[0]).sum(dim=-1).clamp_min(0).detach())
        return {LXT: (torch.stack(found), time.perf_counter() - begin)}

    return scores


def _flashtrace(model: Any) -> Scores:
    from flashtrace.attribution import LLMIFRAttribution
    from flashtrace.core import compute_ifr_for_all_positions

    engine = LLMIFRAttribution(model, None, show_progress=False)

    def scores(ids: Tensor, rows: Tensor) -> dict[str, tuple[Tensor, float]]:
        begin = time.perf_counter()
        kept, attentions, metadata, weights = engine._capture_model_state(
            ids[None], torch.ones_like(ids)[None]
        )
        found = compute_ifr_for_all_positions(
            cache=kept,
            attentions=attentions,
            weight_pack=weights,
            params=engine._build_ifr_params(metadata, len(ids)),
            sink_range=(int(rows[0]), int(rows[-1]) + 1),
            rotary_emb=metadata.rotary_emb,
        ).token_importance_matrix
        spent = time.perf_counter() - begin
        return {ROUTES: (found[:-1], spent), OWN_PLACE: (found[1:], spent)}

    return scores


def _file(name: str, ids: Any) -> Path:
    key = hashlib.sha256(str(ids.tolist()).encode()).hexdigest()[:16]
    return KEPT / "others" / name.split()[0] / f"{OTHERS.index(name)}-{key}.pt"


if __name__ == "__main__":
    main(sys.argv[1])
