"""The token-by-token procedure of the published TAM script, for comparison of cost.

Written from its description (arXiv 2506.23270): generation with the hidden states of all layers
kept, full-vocabulary logits for every position, then for each token one map per context token, a
least-squares coefficient, and the rank filter as a loop over pixels.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def run(
    model: Any, inputs: Mapping[str, Tensor], visual: Tensor, grid: tuple[int, int], tokens: int
) -> float:
    """Generates ``tokens`` tokens and maps each.

    Args:
        model: The model.
        inputs: Of the prompt.
        visual: ``(N,)`` visual positions.
        grid: ``(h, w)``.
        tokens: How many to generate.

    Returns:
        Seconds spent after generation.
    """
    with torch.no_grad():
        output = model.generate(
            **inputs,
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            output_hidden_states=True,
            return_dict_in_generate=True,
        )
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        logits = [model.lm_head(step[-1])[0].float().cpu() for step in output.hidden_states]
        ids = output.sequences[0].tolist()
        prompt = inputs["input_ids"].shape[1]
        positions = visual.cpu()
        context = [p for p in range(prompt) if p not in set(positions.tolist())]
        for index in range(tokens):
            target = ids[prompt + index]
            own = logits[0][positions, target].clamp_min(0).numpy()
            interference = np.zeros_like(own)
            before = [(ids[p], logits[0][p, target]) for p in context]
            before += [(ids[prompt + j], logits[j + 1][0, target]) for j in range(index)]
            weights = [max(0.0, float(w)) if token != target else 0.0 for token, w in before]
            total = sum(weights) or 1.0
            for (token, _), weight in zip(before, weights, strict=True):
                rival = logits[0][positions, token].clamp_min(0).numpy()
                interference += weight / total * rival
            scale = float(own @ interference) / (float(interference @ interference) or 1.0)
            filter_pixels(np.maximum(own - scale * interference, 0).reshape(grid))
    return time.perf_counter() - start


def filter_pixels(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The rank Gaussian filter, one pixel after the other."""
    padded = np.pad(values, 1, mode="reflect")
    result = np.zeros_like(values)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            window = np.sort(padded[row : row + 3, column : column + 3].ravel())
            mean = window.mean()
            if mean == 0 or window.std() == 0:
                result[row, column] = window[4]
                continue
            sigma = window.std() / mean
            weights = np.exp(-((np.arange(9) - 4) ** 2) / (2 * sigma**2))
            result[row, column] = (weights * window).sum() / weights.sum()
    return result
