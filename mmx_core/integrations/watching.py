"""What ``generate`` was given and has answered, seen and explained without touching either."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmx_core.events.guard import guarded, warn_once
from mmx_core.explainer import Explainer
from mmx_core.explanation import Explanation
from mmx_core.images import Picture
from mmx_core.models.chat import RenderedPrompt, special_ids
from mmx_core.models.layout import Layout
from mmx_core.models.registry import unwrapped
from mmx_core.sample import Sample
from mmx_core.stages.answer import ends_of
from mmx_core.stages.prepare import Prepared, loaded

_REMEMBERED = 32
"""Calls of the image processor that are looked through for the pictures of a ``generate``."""
_EXPLAINING = "explaining what generate answered"

Choice = Callable[[int, int], Sequence["str | None"]]
"""Of a call with so many prompts and so many answers: each answer's tag; None leaves it out."""


@dataclass(frozen=True)
class _Processed:
    """A call of the image processor: its pictures, and what it made of them, by name."""

    pictures: list[Any]
    made: Mapping[str, Tensor]


Taken = Callable[[str, Explanation], None]
"""Is given a tag and what was explained under it."""


class Watch:
    """What :func:`mmx_core.explaining` has seen so far.

    Attributes:
        step: The step that explanations are logged under.
        answers: How many answers ``generate`` has given.
        explained: How many of them were explained.
        spent: Seconds that this has taken.
    """

    def __init__(
        self,
        explainer: Explainer,
        choice: Choice,
        taken: Taken,
        *,
        samples: int,
        seconds: float,
        step: int,
        strict: bool | None,
    ) -> None:
        self.step = step
        self.answers = self.explained = 0
        self.spent = 0.0
        self._explainer = explainer
        self._choice, self._taken = choice, taken
        self._samples, self._seconds = samples, seconds
        self._strict = strict
        self._seen: deque[_Processed] = deque(maxlen=_REMEMBERED)
        self._conversations: deque[Any] = deque(maxlen=_REMEMBERED)
        self._busy = False

    @contextmanager
    def watching(self, model: Any, processor: Any) -> Iterator[Watch]:
        """Sees what the model is asked within, and what its processor was given for it."""
        adapter = self._explainer.adapter
        with ExitStack() as stack:
            # Whoever wraps the model comes down to its own.
            stack.enter_context(_wrapped(unwrapped(model), "generate", self.generated))
            stack.enter_context(_wrapped(adapter.image_processor, "preprocess", self.processed))
            for speaker in (adapter.tokenizer, processor):
                if hasattr(speaker, "apply_chat_template"):
                    stack.enter_context(_wrapped(speaker, "apply_chat_template", self.said))
            yield self

    def processed(self, made: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """The image processor has made something of pictures."""
        given = named.get("images", arguments[0] if arguments else None)
        if self._busy or given is None or self._is_spent:
            return
        tensors = {
            name: torch.as_tensor(value)
            for name, value in dict(made).items()
            if name.startswith("pixel_values") and hasattr(value, "shape")
        }
        self._seen.append(_Processed(list(_flat(given)), tensors))

    def said(self, made: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """A conversation was put under the chat template, or several were."""
        given = named.get("conversation", arguments[0] if arguments else None)
        if self._busy or not given or self._is_spent:
            return
        self._conversations.extend([given] if isinstance(given[0], Mapping) else given)

    def generated(self, found: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """``generate`` has answered."""
        if self._busy:
            return
        begun = time.monotonic()
        self._busy = True
        try:
            with guarded(_EXPLAINING, strict=self._strict):
                self._take(found, arguments, named)
        finally:
            self._busy = False
            self.spent += time.monotonic() - begun

    @property
    def _is_spent(self) -> bool:
        return self.explained >= self._samples or self.spent >= self._seconds

    def _take(self, found: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        sequences = found if isinstance(found, Tensor) else found.sequences
        prompts = named.get("input_ids", named.get("inputs", *arguments[:1]))
        if prompts is None:
            warn_once(
                _EXPLAINING,
                "ids",
                "is left out: expected generate to be given input_ids, got none (inputs_embeds "
                "alone do not tell which words they are)",
            )
            return
        tags = self._choice(len(prompts), len(sequences))
        self.answers += len(sequences)
        if not any(tags) or self._is_spent:
            return
        pictures = self._pictures(named)
        if pictures is None:
            return
        mask = named.get("attention_mask")
        kept = torch.ones_like(prompts) if mask is None else mask
        asked = [p[m.bool()].tolist() for p, m in zip(prompts, kept, strict=True)]
        rendered = self._rendered(asked, pictures)
        each = len(sequences) // len(asked)
        told = prompts.repeat_interleave(each, dim=0).to(sequences.device)
        if not torch.equal(sequences[:, : told.shape[1]], told):
            warn_once(
                _EXPLAINING,
                "prompt",
                f"is left out: expected {type(self._explainer.adapter.model).__name__}.generate to "
                "answer behind the prompt that it was given, and it answered behind another; "
                "explain the answer with Explainer.explain(answer=...)",
            )
            return
        for row, tag in enumerate(tags):
            if rendered is None or self._is_spent:
                return
            if tag is not None:
                said = sequences[row, prompts.shape[1] :].tolist()
                self._explain(tag, *rendered[row // each], said)

    def _explain(
        self, tag: str, pictures: list[Picture], prompt: RenderedPrompt, said: list[int]
    ) -> None:
        adapter = self._explainer.adapter
        ends = ends_of(adapter, prompt)
        said = said[: next((at for at, token in enumerate(said) if token in ends), len(said))]
        if not said or not pictures:
            return
        layouts = {
            factor: tuple(adapter.layouts(pictures, factor)) for factor in self._explainer.scales
        }
        text = [token.id for token in prompt.text]
        shown = adapter.tokenizer.decode(text, skip_special_tokens=True).strip()
        sample = Sample(tag.rpartition("/")[2], prompt=shown)  # its pictures are prepared
        prepared = Prepared(tuple(pictures), prompt, None, said, layouts)
        with guarded(_EXPLAINING, strict=self._strict):
            explanation = self._explainer.explain_prepared(sample, prepared)
            self._taken(tag, explanation)
            self.explained += 1

    def _pictures(self, named: Mapping[str, Any]) -> list[Picture] | None:
        """Those of all prompts, in order: what ``generate`` was given is what was made of them."""
        name = next((key for key in named if key.startswith("pixel_values")), None)
        if name is None:
            return None  # a prompt without pictures
        given: Tensor = named[name]
        here, found = given.detach().cpu(), list[Any]()
        done = 0
        while done < len(here):
            match = next(
                (seen for seen in reversed(self._seen) if _fits(seen, name, here[done:])), None
            )
            if match is None:
                warn_once(
                    _EXPLAINING,
                    "pictures",
                    "is left out: the pictures that generate was given are not known; they were "
                    "processed by another object than the processor given here, in another process "
                    "(num_workers=0 keeps them here), or changed afterwards",
                )
                return None
            found += match.pictures
            done += len(match.made[name])
        return [loaded(picture) for picture in found]

    def _rendered(
        self, asked: Sequence[list[int]], pictures: Sequence[Picture]
    ) -> list[tuple[list[Picture], RenderedPrompt]] | None:
        """Each prompt with its pictures, as the explainer would have rendered it."""
        adapter = self._explainer.adapter
        layouts = adapter.layouts(pictures, 1.0)
        found: list[tuple[list[Picture], RenderedPrompt]] = []
        waiting = list(zip(pictures, layouts, strict=True))
        for ids in asked:
            own, short, at = list[Picture](), list[int](), 0
            while waiting and (place := _place(ids, waiting[0][1], at)) is not None:
                picture, layout = waiting.pop(0)
                short += [*ids[at:place], adapter.placeholder_id]
                own.append(picture)
                at = place + len(layout.ids)
            found.append((own, self._prompt([*short, *ids[at:]], own)))
        if waiting:
            warn_once(
                _EXPLAINING,
                "layout",
                "is left out: the prompts that generate was given have other visual tokens than "
                "this processor's settings make of the pictures",
            )
            return None
        return found

    def _prompt(self, ids: Sequence[int], pictures: Sequence[Picture]) -> RenderedPrompt:
        """A prompt's tokens, and which of them a person wrote, where the conversation is known."""
        adapter = self._explainer.adapter
        for conversation in reversed(self._conversations):
            try:
                rendered = adapter.render(conversation, pictures=pictures)
            except Exception:  # of other pictures, say; it may be any that the loop has had
                continue
            if rendered.ids == tuple(ids):
                return rendered
        special = special_ids(adapter.tokenizer)
        return RenderedPrompt(
            ids=tuple(ids),
            written=tuple(token not in special for token in ids),
            turns=(0,) * len(ids),
            placeholders=tuple(i for i, token in enumerate(ids) if token == adapter.placeholder_id),
        )


def _place(ids: Sequence[int], layout: Layout, start: int) -> int | None:
    """Where a picture's tokens stand in a prompt."""
    wanted, size = list(layout.ids), len(layout.ids)
    places = range(start, len(ids) - size + 1)
    return next((at for at in places if ids[at : at + size] == wanted), None)


def _fits(seen: _Processed, name: str, given: Tensor) -> bool:
    made = seen.made.get(name)
    if made is None or not len(made) or len(made) > len(given):
        return False
    if made.shape[1:] != given.shape[1:]:
        return False
    return torch.equal(made.to(given.dtype), given[: len(made)])


def _flat(given: Any) -> Iterator[Any]:
    if isinstance(given, (list, tuple)):
        for one in given:
            yield from _flat(one)
    else:
        yield given


def _made_again(kind: Any, *arguments: Any) -> Any:
    return kind.__new__(kind, *arguments)


@contextmanager
def _wrapped(holder: Any, name: str, told: Any) -> Iterator[None]:
    """While within, a method of this one object tells what it was given and has returned.

    By a class of its own: what lies in the object itself would be copied with it, where a method
    would go on to call the original, and saved with it, as an image processor's settings are.
    """
    kind: Any = type(holder)

    def wrapper(self: Any, *arguments: Any, **named: Any) -> Any:
        found = getattr(kind, name)(self, *arguments, **named)
        told(found, arguments, named)
        return found

    def reduced(self: Any, protocol: Any) -> Any:
        _, (_, *arguments), *rest = kind.__reduce_ex__(self, protocol)
        return (_made_again, (kind, *arguments), *rest)

    same = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    watched = type(kind)(kind.__name__, (kind,), {**same, name: wrapper, "__reduce_ex__": reduced})
    holder.__class__ = watched
    try:
        yield
    finally:
        holder.__class__ = kind
