"""Whether a resumed training has the weights of the checkpoint that it was resumed from.

transformers' Trainer loads a checkpoint by the names of the model's modules. Where a checkpoint is
stored under other names (Qwen2-VL's and Qwen2.5-VL's have those of earlier versions), nothing
matches: transformers 5.23 warns of missing keys amid its log and goes on with the weights that it
had, which for a model that was built anew are random ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_COMPARED = 64
"""Entries of each tensor: another training's differ in all."""
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"


def other_weights(model: Any, args: Any, step: int) -> Iterator[str]:
    """Says so where the weights that would be explained are not those of the checkpoint.

    Args:
        model: As the Trainer has loaded it.
        args: Its ``TrainingArguments``.
        step: The step that it goes on from; at 0 nothing is resumed.

    Yields:
        One sentence, or none: also where there is nothing that could be compared.
    """
    folder = _checkpoint(args, step)
    if folder is None or _is_adapted(model):
        return
    compared = different = 0
    example = ""
    for name, same in _compared(folder, model):
        compared += 1
        if not same:
            different, example = different + 1, example or name
    if different:
        yield (
            f"{different} of {compared} tensors of {folder} differ from the model's (such as "
            f"{example}): the Trainer has not loaded them, and both its training and its "
            "explanations go on from other weights than the checkpoint's. Load the model from the "
            "checkpoint, with from_pretrained, before it is given to the Trainer"
        )


def _checkpoint(args: Any, step: int) -> Path | None:
    if not step:
        return None
    given = getattr(args, "resume_from_checkpoint", None)
    places = [given] if isinstance(given, str) and os.path.isdir(given) else []
    places.append(os.path.join(str(args.output_dir), f"checkpoint-{step}"))
    return next((Path(place) for place in places if os.path.isdir(place)), None)


def _compared(folder: Path, model: Any) -> Iterator[tuple[str, bool]]:
    """Each stored tensor whose place in the model is known, and whether it is there."""
    from safetensors import SafetensorError, safe_open

    there: dict[tuple[str, ...], dict[tuple[str, ...], Tensor]] = {}
    for name, tensor in model.state_dict().items():
        parts = tuple(name.split("."))
        there.setdefault(parts[-2:], {})[parts] = tensor
    for file in _files(folder):
        try:
            with safe_open(file, framework="pt") as stored:
                for name in stored.keys():  # noqa: SIM118 - it is no mapping
                    part = stored.get_slice(name)
                    found = _place(tuple(name.split(".")), part.get_shape(), there)
                    if found is not None:
                        yield name, _same(part, found)
        except (OSError, SafetensorError):
            continue


def _files(folder: Path) -> list[Path]:
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        return [folder / name for name in sorted(set(index["weight_map"].values()))]
    except (OSError, ValueError, KeyError, AttributeError):
        return []


def _place(
    name: tuple[str, ...],
    shape: list[int],
    there: Mapping[tuple[str, ...], Mapping[tuple[str, ...], Tensor]],
) -> Tensor | None:
    """The tensor of that name; or the one of the model that ends alike for longest, if it is one.

    Names differ by what stands in front (``visual.`` and ``model.visual.``).
    """
    candidates = {
        parts: tensor
        for parts, tensor in there.get(name[-2:], {}).items()
        if list(tensor.shape) == shape
    }
    if name in candidates:
        return candidates[name]
    alike = {parts: _common_end(name, parts) for parts in candidates}
    longest = max(alike.values(), default=0)
    found = [parts for parts, length in alike.items() if length == longest]
    return candidates[found[0]] if len(found) == 1 else None


def _common_end(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    pairs = zip(reversed(first), reversed(second), strict=False)
    return next(
        (count for count, (one, other) in enumerate(pairs) if one != other),
        min(len(first), len(second)),
    )


def _same(stored: Any, tensor: Tensor) -> bool:
    """Whether the first entries are equal, in the coarser of the two dtypes."""
    if tensor.is_meta or type(tensor).__name__ == "DTensor" or not tensor.numel():
        return True
    rows: Tensor = stored[:1] if stored.get_shape() else stored[...]
    first = rows.flatten()[:_COMPARED]
    mine = tensor[:1] if tensor.ndim else tensor
    second = mine.detach().flatten()[:_COMPARED].to("cpu")
    if not (first.is_floating_point() and second.is_floating_point()):
        return first.dtype != second.dtype or torch.equal(first, second)
    coarser = min((first.dtype, second.dtype), key=lambda dtype: torch.finfo(dtype).bits)
    return torch.allclose(first.to(coarser).float(), second.to(coarser).float())


def _is_adapted(model: Any) -> bool:
    """Whether PEFT has wrapped it: its checkpoints hold the adapter alone, under other names."""
    return hasattr(model, "peft_config")
