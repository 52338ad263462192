"""The text model alone, from any position on: with keys hidden or embeddings exchanged, row by row.

One forward of the whole model shows what its text model is given (embeddings with the pictures in
them, positions, masks, what else a family hands on) and keeps keys and values. What is in front of
the first changed position is the same in every row and is never computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.restoring import contents, restoring
from mmx_core.stages.text_prefix import (
    cache_argument,
    empty_cache,
    holes_refused,
    kept_whole,
    prefix_of,
)

_OF_A_CALL = (
    "input_ids", "inputs_embeds", "attention_mask", "position_ids", "past_key_values", "use_cache",
    "cache", "cache_position", "return_dict", "output_attentions", "output_hidden_states",
    "visual_pos_masks", "deepstack_visual_embeds",
)  # fmt: skip


@dataclass(frozen=True)
class TextPass:
    """One sample's text, as its text model has read it.

    Attributes:
        module: The text model.
        embeddings: ``(1, L, d)``, the pictures' among them.
        positions: ``(1, L)`` or, of rotary positions in several axes, ``(axes, 1, L)``.
        mask: As the text model takes it: ``(1, L)``, ``(1, 1, L, L)``, a dict of such by kind of
            layer, or None.
        others: What else it takes.
        visual: Where deep visual embeddings are added, ``(L,)`` bool, and these, ``(N, d)`` each.
        cache: Keys and values; None where no forward can go on from them.
        no_holes: Why no key can be hidden; None where one can.
        states: ``(L, d)``, undisturbed, on the head's device.
    """

    module: Any
    embeddings: Tensor
    positions: Tensor
    mask: Any
    others: Mapping[str, Any]
    visual: tuple[Tensor, list[Tensor]] | None
    cache: Any
    no_holes: str | None
    states: Tensor

    @property
    def length(self) -> int:
        """``L``."""
        return self.embeddings.shape[1]

    @cached_property
    def begins(self) -> list[int]:
        """Of each position the last at or before it that nothing in front of attends to.

        With causal attention it is the position itself; with a prompt whose tokens see each
        other, its beginning. Position 0 everywhere where nothing was kept.
        """
        if self.cache is None:
            return [0] * self.length
        reach = torch.arange(self.length)
        for mask in self.mask.values() if isinstance(self.mask, dict) else [self.mask]:
            if mask is not None and mask.ndim == 4:
                reach = torch.maximum(reach, _last_seen(allowed(mask)[0, 0].cpu()))
        furthest = reach.cummax(dim=0).values.tolist()
        found, last = [], 0
        for position in range(self.length):
            if position == 0 or furthest[position - 1] < position:
                last = position
            found.append(last)
        return found

    def run(
        self,
        places: Tensor,
        *,
        hidden: Tensor | None = None,
        embeddings: Tensor | None = None,
        per_layer: Tensor | None = None,
    ) -> Tensor:
        """``(B, n, d)`` states after the final norm, of rows that go on from the kept keys.

        Args:
            places: ``(B, n)`` int64 on the CPU: which positions each row runs over, one after
                another; in front of them it sees what was kept.
            hidden: ``(B, L)`` bool: keys that nothing in the row attends to.
            embeddings: ``(B, n, d)`` in place of the text's own.
            per_layer: ``(B, n, layers, d)``, likewise of what families add in each layer.
        """
        device = self.embeddings.device
        count, size = places.shape
        starts = places[:, 0]
        before = int(starts.max()) if self.cache is not None else 0
        # Rows that begin earlier have nothing in their first keys.
        keys = starts[:, None] - before + torch.arange(before + size)
        seen = keys >= 0
        if hidden is not None:
            seen &= ~hidden.cpu().gather(1, keys.clamp_min(0))
        same = bool((starts == starts[0]).all())
        at, keys, seen = places.to(device), keys.clamp_min(0).to(device), seen.to(device)
        cache = None
        if self.cache is not None:
            cache = prefix_of(self.cache, keys[:1, :before] if same else keys[:, :before])
        others: dict[str, Any] = {
            name: self._rows(name, value, at) if isinstance(value, Tensor) else value
            for name, value in self.others.items()
        }
        if per_layer is not None:
            others["per_layer_inputs"] = per_layer
        if self.visual is not None:
            others |= _deep(*self.visual, at)
        positions = self.positions[..., 0, :][..., at]
        output = self.module(
            inputs_embeds=self.embeddings[0, at] if embeddings is None else embeddings,
            attention_mask=self._masks(self.mask, at, keys, seen),
            position_ids=positions,
            use_cache=cache is not None,
            **{cache_argument(self.module): cache, **others},
        )
        found: Tensor = output.last_hidden_state.to(self.states.device)
        return found.view(count, size, -1)

    def _rows(self, name: str, value: Tensor, at: Tensor) -> Tensor:
        """Of what a family hands on: by position where it has as many, whole for each row."""
        if value.ndim > 1 and value.shape[:2] == (1, self.length):
            return value[0, at.to(value.device)]
        if name == "cross_attention_states":  # by tile
            value = value.flatten(0, -2)[None]
        return value.expand(len(at), *value.shape[1:]) if len(value) == 1 else value

    def _masks(self, mask: Any, at: Tensor, keys: Tensor, seen: Tensor) -> Any:
        if isinstance(mask, dict):
            return {kind: self._of_kind(value, at, keys, seen) for kind, value in mask.items()}
        if mask is not None and mask.ndim == 4:
            return self._of_kind(mask, at, keys, seen)
        return seen.to(torch.int64)

    def _of_kind(self, mask: Tensor | None, at: Tensor, keys: Tensor, seen: Tensor) -> Tensor:
        """A mask of four axes; of two for implementations that have no other."""
        if mask is None:
            if "flash" in str(getattr(self.module.config, "_attn_implementation", "")):
                return seen
            return (keys[:, None] <= at[:, :, None])[:, None] & seen[:, None, None]
        if mask.ndim == 2:
            return seen.to(mask.dtype)
        whole = mask[0, 0].to(at.device)
        rows = whole[at[:, :, None], keys[:, None]][:, None]
        if mask.dtype == torch.bool:
            return rows & seen[:, None, None]
        return rows.masked_fill(~seen[:, None, None], torch.finfo(mask.dtype).min)


def read_text(adapter: ModelAdapter, encoded: EncodedInput) -> TextPass:
    """One forward of the whole model, from which those over its text go on.

    Raises:
        ValueError: What the text model is given could not be told.
    """
    caught: list[tuple[Any, dict[str, Any], Any]] = []
    plain: list[tuple[Any, dict[str, Any]]] = []
    own = adapter.model.get_input_embeddings()

    def look(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        given = kwargs.get("inputs_embeds")
        if caught:
            return None
        if given is None:
            ids = kwargs.get("input_ids")
            if ids is not None and ids.shape == (1, encoded.length):
                plain.append((module, dict(kwargs)))
            return None
        if given.shape[:2] != (1, encoded.length):
            return None
        cache = empty_cache() if holes_refused(module.config) is None else None
        caught.append((module, dict(kwargs), cache))
        if cache is None:
            return None
        return args, {**kwargs, cache_argument(module): cache, "use_cache": True}

    modules = [module for module in adapter.model.modules() if _embeds(module, own)]
    undo = [
        step
        for module in modules
        for hooks in (module._forward_pre_hooks, module._forward_pre_hooks_with_kwargs)
        for step in contents(hooks)
    ]

    def watched() -> Tensor:
        for module in modules:
            module.register_forward_pre_hook(look, with_kwargs=True)
        return adapter.hidden_states(encoded)

    states = restoring(undo, watched)
    if not caught and plain:  # told by ids: the innermost is the text model
        module, kwargs = plain[-1]
        kwargs["inputs_embeds"] = own(kwargs["input_ids"])
        caught.append((module, kwargs, None))
    if not caught:
        raise ValueError(
            f"influence: expected {type(adapter.model).__name__} to hand embeddings to a text "
            "model, and saw none; explain without it"
        )
    module, kwargs, cache = caught[0]
    embeddings = kwargs["inputs_embeds"]
    positions = kwargs.get("position_ids")
    if positions is None:
        positions = torch.arange(encoded.length, device=embeddings.device)[None]
    deep, where = kwargs.get("deepstack_visual_embeds"), kwargs.get("visual_pos_masks")
    whole = cache is not None and kept_whole(cache, encoded.length)
    return TextPass(
        module=module,
        embeddings=embeddings,
        positions=positions,
        mask=kwargs.get("attention_mask"),
        others={
            name: value
            for name, value in kwargs.items()
            if name not in _OF_A_CALL and value is not None
        },
        visual=None if deep is None or where is None else (where[0], list(deep)),
        cache=cache if whole else None,
        no_holes=holes_refused(module.config),
        states=states,
    )


def _deep(visual: Tensor, embeddings: list[Tensor], at: Tensor) -> dict[str, Any]:
    """Deep visual embeddings of the rows' positions, none where they are all text."""
    where = visual[at.to(visual.device)]
    if not where.any():
        return {"visual_pos_masks": None, "deepstack_visual_embeds": None}
    chosen = (visual.cumsum(0) - 1)[at.to(visual.device)][where]
    return {
        "visual_pos_masks": where,
        "deepstack_visual_embeds": [layer[chosen.to(layer.device)] for layer in embeddings],
    }


def allowed(mask: Tensor) -> Tensor:
    """Bool, of a mask that may be added to scores."""
    return mask if mask.dtype == torch.bool else mask == 0


def _last_seen(seen: Tensor) -> Tensor:
    """``(L,)`` the last column that is true in each row of ``(L, L)``, 0 of none."""
    last = seen.shape[1] - 1 - seen.flip(1).view(torch.uint8).argmax(dim=1)
    return torch.where(seen.any(dim=1), last, 0)


def _embeds(module: Any, own: Any) -> bool:
    """Whether a module is a language model over the input embeddings."""
    try:
        return module.get_input_embeddings() is own
    except (AttributeError, NotImplementedError):
        return False
