"""The boundary between the explainer and a model family: all that is family-specific."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class VisualSpan:
    """Where one image's visual tokens are in the sequence, in raster order of their grid.

    Attributes:
        positions: ``(h * w,)`` int64 indices into the sequence.
        grid: ``(h, w)``; cell ``(i, j)`` covers that rectangle of the image cut ``h`` by ``w``.
    """

    positions: Tensor
    grid: tuple[int, int]


@dataclass(frozen=True)
class EncodedInput:
    """One teacher-forced input: prompt, image at some scale, and answer.

    Attributes:
        inputs: What the model's forward takes, batch of 1, on the model's device.
        visual: One span per image.
        text_positions: ``(P,)`` int64, the prompt's text tokens in sequence order.
        prompt_length: Positions before the first answer token, visual ones counted.
        answer_length: ``T``.
    """

    inputs: Mapping[str, Tensor]
    visual: tuple[VisualSpan, ...]
    text_positions: Tensor
    prompt_length: int
    answer_length: int

    @property
    def context_positions(self) -> Tensor:
        """``(C,)`` int64, all text in sequence order: the prompt's, then the answer's."""
        answer = torch.arange(
            self.prompt_length,
            self.prompt_length + self.answer_length,
            device=self.text_positions.device,
        )
        return torch.cat([self.text_positions, answer])

    @property
    def predicting_positions(self) -> Tensor:
        """``(T,)`` int64, where each answer token is predicted: one before the token itself."""
        start = self.prompt_length - 1
        return torch.arange(start, start + self.answer_length, device=self.text_positions.device)


@dataclass(frozen=True)
class RenderedPrompt:
    """A prompt under the model's chat template, image placeholders not yet expanded.

    Attributes:
        ids: Vocabulary ids, one placeholder per image.
        written: Per id, True where the user wrote it (False: the template did).
        placeholder_id: Vocabulary id of the image placeholder.
    """

    ids: tuple[int, ...]
    written: tuple[bool, ...]
    placeholder_id: int

    @property
    def text(self) -> list[tuple[int, bool]]:
        """The ``P`` text tokens, ``(id, written)``, placeholders left out."""
        pairs = zip(self.ids, self.written, strict=True)
        return [pair for pair in pairs if pair[0] != self.placeholder_id]


class ModelAdapter(ABC):
    """Answers a family's questions: placeholders, scales, where visual tokens are, states, head.

    Args:
        model: The model as loaded.
        image_processor: Its image processor.
        tokenizer: Its tokenizer.
        chat_template: Used where the tokenizer carries none.
    """

    def __init__(
        self, model: Any, *, image_processor: Any, tokenizer: Any, chat_template: str | None = None
    ) -> None:
        self.model = model
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.chat_template = chat_template

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return self.model.get_input_embeddings().weight.device

    @property
    def head_weight(self) -> Tensor:
        """``(V, d)`` the language-model head."""
        return self.model.get_output_embeddings().weight

    @property
    def head_bias(self) -> Tensor | None:
        """``(V,)``, where the head has one."""
        return getattr(self.model.get_output_embeddings(), "bias", None)

    def logits(self, hidden: Tensor) -> Tensor:
        """``(N, d)`` states to ``(N, V)`` logits, as the model itself computes them."""
        return self.model.get_output_embeddings()(hidden)

    def token_text(self, token_id: int) -> str:
        """The token as a person reads it."""
        return self.tokenizer.decode([token_id])

    @abstractmethod
    def render(self, prompt: str, *, images: int) -> RenderedPrompt:
        """The prompt under the chat template, up to where the answer begins."""

    @abstractmethod
    def pixel_size(self, image: Image.Image, factor: float) -> tuple[int, int]:
        """``(height, width)`` of the model's input at a scale.

        Raises:
            ValueError: The scale leaves less than one cell.
        """

    @abstractmethod
    def grid(self, image: Image.Image, factor: float) -> tuple[int, int]:
        """``(h, w)`` visual tokens at a scale, without running anything."""

    @abstractmethod
    def encode(
        self, image: Image.Image, rendered: RenderedPrompt, answer_ids: list[int], *, factor: float
    ) -> EncodedInput:
        """The teacher-forced input at a scale (no answer ids: the prompt to generate from)."""

    @abstractmethod
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """``(B, L, d)`` last hidden states after the final norm, of one forward without a cache."""

    def hidden_states(self, encoded: EncodedInput) -> Tensor:
        """``(L, d)`` of one input."""
        return self.forward(encoded.inputs)[0]

    @abstractmethod
    def blend(
        self, shown: EncodedInput, hidden: EncodedInput, keep: Tensor
    ) -> Mapping[str, Tensor]:
        """A batch of one input whose picture is another's in some cells.

        Args:
            shown: The input.
            hidden: The same prompt and answer over another picture of the same size.
            keep: ``(B, h, w)`` bool, the cells that keep the pixels of ``shown``.

        Returns:
            What :meth:`forward` takes.
        """
