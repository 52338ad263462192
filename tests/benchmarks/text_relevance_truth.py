"""What really moves an answer's token: context taken away from attention, one way or another.

Stands on its own: nothing here is shared with what the product measures.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

ANSWER_TOKENS = 16
SUBSETS, KEPT = 16, 0.7
BATCH = 8


@dataclass(frozen=True)
class Truth:
    """Of one prompt with ``L`` tokens, ``T`` of the answer, ``C`` of context.

    Attributes:
        ids: ``(L,)`` prompt and answer.
        start: The answer's first position.
        context: ``(C,)`` positions of all turns' content and of the answer.
        own: ``(T,)`` log-probabilities in nats.
        effects: ``(T, C)``, what is lost with each context token's key; 0 where it comes after.
        kept: ``(S, L)`` bool, random subsets of the prompt's words.
        with_subset: ``(S, T)`` log-probabilities with each.
        seconds: Of the effects.
    """

    ids: NDArray[np.int64]
    start: int
    context: NDArray[np.int64]
    own: NDArray[np.float32]
    effects: NDArray[np.float32]
    kept: NDArray[np.bool_]
    with_subset: NDArray[np.float32]
    seconds: float

    @property
    def rows(self) -> NDArray[np.int64]:
        """``(T,)`` positions that predict the answer's tokens."""
        return np.arange(self.start - 1, len(self.ids) - 1)


def truth_of(model: Any, tokenizer: Any, messages: list[dict[str, str]], place: Path) -> Truth:
    """Measures one prompt, or reads what an earlier run measured."""
    name = hashlib.sha256(json.dumps([messages, ANSWER_TOKENS, SUBSETS]).encode()).hexdigest()[:16]
    file = place / f"{name}.npz"
    if file.exists():
        with np.load(file) as found:
            values = dict(found)
        return Truth(**{n: v.item() if v.ndim == 0 else v for n, v in values.items()})
    found = _measure(model, tokenizer, messages)
    place.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".part.npz")
    np.savez(partial, **vars(found))
    partial.replace(file)
    return found


def _measure(model: Any, tokenizer: Any, messages: list[dict[str, str]]) -> Truth:
    import time

    ids, start, content, words = _answered(model, tokenizer, messages)
    context = np.flatnonzero(content[:-1])
    cache = DynamicCache()
    states = model.model(ids[None, :-1], past_key_values=cache).last_hidden_state
    own = _log_probabilities(model, states[:, start - 1 :], ids[start:])[0]
    begin = time.perf_counter()
    effects = torch.zeros(len(own), len(context))
    for chunk in torch.arange(len(context)).split(BATCH):
        hidden = [{int(context[j])} for j in chunk]
        lost = own - masked(model, cache, ids, start, hidden)
        effects[:, chunk] = torch.where(lost.abs() < 1e-5, 0.0, lost).T
    seconds = time.perf_counter() - begin
    rng = np.random.default_rng(0)
    kept = np.ones((SUBSETS, len(ids)), bool)
    for one in kept:
        chosen = rng.random(words.max() + 1) < KEPT
        one[words >= 0] = chosen[words[words >= 0]]
    found = [
        masked(model, cache, ids, start, [set(np.flatnonzero(~one).tolist()) for one in some])
        for some in np.array_split(kept, SUBSETS // BATCH)
    ]
    return Truth(
        ids.numpy(),
        start,
        context,
        own.numpy(),
        effects.numpy(),
        kept,
        torch.cat(found).numpy(),
        seconds,
    )


def _answered(
    model: Any, tokenizer: Any, messages: list[dict[str, str]]
) -> tuple[Tensor, int, NDArray[np.bool_], NDArray[np.int64]]:
    """Ids, the answer's start, ``(L,)`` content (no template, no system) and prompt's words.

    Words are counted from 0; -1 is no word of the prompt.
    """
    prompt = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    whole = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=ANSWER_TOKENS,
        do_sample=False,
        pad_token_id=tokenizer.eos_token_id,
    )[0]
    start = prompt.shape[1]
    pieces = tokenizer.convert_ids_to_tokens(whole.tolist())
    end = len(pieces) - 1 if pieces[-1] == "<|im_end|>" else len(pieces)
    content, words = np.zeros(end, bool), np.full(end, -1)
    turn, word, place = -1, -1, start
    for place, piece in enumerate(pieces[:start]):
        if piece == "<|im_start|>":
            turn, opened = turn + 1, place + 3  # the role and a line break
        elif piece == "<|im_end|>":
            opened = start
        elif turn > 0 and place >= opened and opened < start - 3:
            content[place] = True
            word += place == opened or piece[0] in "ĠĊ"
            words[place] = word
    content[start:] = True
    return whole[:end], start, content, words


def masked(model: Any, cache: Any, ids: Tensor, start: int, hidden: list[set[int]]) -> Tensor:
    """``(B, T)`` log-probabilities, with some positions' keys hidden from all others.

    Args:
        model: The model.
        cache: Of the whole input. What comes before the first hidden position does not change.
        ids: ``(L,)``.
        start: The answer's first position.
        hidden: Of each of ``B`` variants.
    """
    first = min(min(places, default=len(ids) - 2) for places in hidden)
    # The first row that predicts has to be among those computed.
    first = min(first, start - 2)
    size, length = len(hidden), len(ids) - 1
    before = DynamicCache()
    for index, layer in enumerate(cache.layers):
        keys, values = (x[:, :, : first + 1].expand(size, -1, -1, -1) for x in layer_of(layer))
        before.update(keys, values, index)
    mask = torch.ones(size, length, dtype=torch.long)
    for row, places in zip(mask, hidden, strict=True):
        row[[place for place in places if place < length]] = 0
    states = model.model(
        ids[None, first + 1 : -1].expand(size, -1),
        attention_mask=mask,
        position_ids=torch.arange(first + 1, length).expand(size, -1),
        past_key_values=before,
    ).last_hidden_state
    return _log_probabilities(model, states[:, start - 2 - first :], ids[start:])


def layer_of(layer: Any) -> tuple[Tensor, Tensor]:
    """Keys and values of one layer of a cache."""
    return layer.keys, layer.values


def _log_probabilities(model: Any, states: Tensor, ids: Tensor) -> Tensor:
    logits = model.lm_head(states).log_softmax(dim=-1)
    return logits.gather(-1, ids.expand(logits.shape[:-1])[..., None])[..., 0]
