"""Whether a resumed training has the weights of the checkpoint that it was resumed from.

transformers' Trainer loads a checkpoint by the names of the model's modules. Most families are
stored under other names (those of their released checkpoints): of these nothing matches, and
transformers 5.23 names missing keys amid its log and goes on with the weights that it had, which
for a model that was built anew are random ones (docs/models.md).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

_COMPARED = 64
"""Entries of each tensor: another training's differ in all."""
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_ADAPTER = "adapter_model.safetensors"


def other_weights(model: Any, folder: Path) -> Iterator[str]:
    """Says so where the weights that would be explained are not those of a checkpoint.

    Args:
        model: As the Trainer has loaded it.
        folder: The checkpoint's.

    Yields:
        One sentence, or none: also where there is nothing that could be compared.
    """
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


def resumed_from() -> Path | None:
    """The checkpoint that the Trainer which is calling has loaded, wherever it lies.

    The Trainer tells its callbacks the step alone; of that step there may be checkpoints of several
    trainings.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and "resume_from_checkpoint" not in frame.f_locals:
        frame = frame.f_back
    given = frame and frame.f_locals["resume_from_checkpoint"]
    return Path(given) if isinstance(given, (str, Path)) else None


def _compared(folder: Path, model: Any) -> Iterator[tuple[str, bool]]:
    """Each stored tensor whose place in the model is known, and whether it is there."""
    from safetensors import SafetensorError, safe_open

    there = _by_stored_name(model)
    for file in _files(folder, model):
        try:
            with safe_open(file, framework="pt") as stored:
                for name in stored.keys():  # noqa: SIM118 - it is no mapping
                    part, mine = stored.get_slice(name), there.get(name)
                    if mine is not None and list(mine.shape) == part.get_shape():
                        yield name, _same(part, mine)
        except (OSError, SafetensorError):
            continue


def _files(folder: Path, model: Any) -> list[Path]:
    if _is_adapted(model):
        adapter = model.active_adapters
        names = adapter() if callable(adapter) else adapter
        places = (folder / _ADAPTER, folder / names[0] / _ADAPTER)
        return [place for place in places if place.is_file()]
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        return [folder / name for name in sorted(set(index["weight_map"].values()))]
    except (OSError, ValueError, KeyError, AttributeError):
        return []


def _by_stored_name(model: Any) -> dict[str, Tensor]:
    """The model's tensors by the names under which a checkpoint may hold them."""
    own: dict[str, Tensor] = model.state_dict()
    if _is_adapted(model):
        # Adapters are stored without the name that they have in the model.
        names = {f".{name}." for name in model.peft_config}
        return {_without(names, name): tensor for name, tensor in own.items()}
    # Only tensors that are stored as they are: shadows tell them from those that are taken apart.
    shadows = {name: torch.empty_like(tensor, device="meta") for name, tensor in own.items()}
    shadowed = {id(shadows[name]): tensor for name, tensor in own.items()}
    stored = {
        name: shadowed[id(shadow)]
        for name, shadow in _renamed(model, shadows).items()
        if id(shadow) in shadowed
    }
    return {**own, **stored}


def _renamed(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As ``save_pretrained`` names them."""
    try:
        from transformers.core_model_loading import revert_weight_conversion

        renamed: dict[str, Tensor] = revert_weight_conversion(model, dict(state))
    except Exception:  # of another version: then the names of the modules alone are known
        return state
    return renamed


def _without(names: set[str], name: str) -> str:
    for part in names:
        name = name.replace(part, ".")
    return name


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
