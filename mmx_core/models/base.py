"""The boundary between the explainer and a model family: all that is family-specific."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip, Picture
from mmx_core.models.batching import concatenated, mixed, padded
from mmx_core.models.chat import RenderedPrompt, render_chat
from mmx_core.models.head import bias_of_head, device_of, vocabulary_size, weight_of_head
from mmx_core.models.layout import Layout, VisualSpan
from mmx_core.models.messages import Message, user_turn
from mmx_core.models.sharding import Result, Sharding
from mmx_core.text.tokens import token_text


@dataclass(frozen=True)
class EncodedInput:
    """One teacher-forced input: prompt, pictures at some scale, and answer.

    Attributes:
        token_inputs: ``(1, L)`` each: ``input_ids``, ``attention_mask`` and what the family adds,
            on the model's device.
        pixel_inputs: The pictures as the model's forward takes them, there, too.
        visual: One span per view: per image, or per temporal patch of a video. Positions are on
            the head's device, where states are read.
        text_positions: ``(P,)`` int64, the prompt's text tokens in sequence order.
        prompt_length: Positions before the first answer token, visual ones counted.
        answer_length: ``T``.
    """

    token_inputs: Mapping[str, Tensor]
    pixel_inputs: Mapping[str, Tensor]
    visual: tuple[VisualSpan, ...]
    text_positions: Tensor
    prompt_length: int
    answer_length: int

    @property
    def inputs(self) -> dict[str, Tensor]:
        """What the model's forward takes, batch of 1."""
        return {**self.token_inputs, **self.pixel_inputs}

    @property
    def length(self) -> int:
        """``L``, all positions."""
        return self.prompt_length + self.answer_length

    @property
    def context_positions(self) -> Tensor:
        """``(C,)`` int64, all text in sequence order: the prompt's, then the answer's."""
        answer = torch.arange(self.prompt_length, self.length, device=self.text_positions.device)
        return torch.cat([self.text_positions, answer])

    @property
    def predicting_positions(self) -> Tensor:
        """``(T,)`` int64, where each answer token is predicted: one before the token itself."""
        start = self.prompt_length - 1
        return torch.arange(start, start + self.answer_length, device=self.text_positions.device)


class ModelAdapter(ABC):
    """Answers a family's questions: placeholders, scales, where visual tokens are, states, head.

    A family says where its visual tokens are (:meth:`layout`) and what its model takes of a
    picture (:meth:`pixel_inputs`); the rest is here and seldom needs another form.

    Args:
        model: The model as loaded.
        image_processor: Its image processor.
        tokenizer: Its tokenizer.
        chat_template: Used where the tokenizer carries none.
    """

    default_chat_template: ClassVar[str | None] = None
    """Jinja source, for families whose checkpoints carry no template."""

    placeless: ClassVar[str | None] = None
    """Why no visual token of the family stands for a place of the picture, where none does: no lens
    can be read there. A sentence's beginning, without a full stop."""
    goes_on: ClassVar[bool] = True  # its text model can run on from kept keys, some of them hidden
    processor: Any = None  # that the parts were taken from, where there was one
    sharding: Sharding | None = None
    """How processes that hold parts of the weights work together; None where each has the whole."""

    def __init__(
        self, model: Any, *, image_processor: Any, tokenizer: Any, chat_template: str | None = None
    ) -> None:
        self.model = model
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.chat_template = chat_template
        self.chat_template_kwargs: Mapping[str, Any] = {}

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return device_of(self.model.get_input_embeddings())

    @property
    def head_device(self) -> torch.device:
        """Where states are read: another than inputs go to if a model is spread over devices."""
        return device_of(self.model.get_output_embeddings())

    @property
    def head_weight(self) -> Tensor:
        """``(V, d)`` the language-model head."""
        return weight_of_head(self.model)

    @property
    def head_bias(self) -> Tensor | None:
        """``(V,)``, where the head has one."""
        return bias_of_head(self.model)

    @property
    def vocabulary_size(self) -> int:
        """``V``."""
        return vocabulary_size(self.model)

    def logits(self, hidden: Tensor) -> Tensor:
        """``(N, d)`` states to ``(N, V)`` logits, as the model itself computes them."""
        return self.model.get_output_embeddings()(hidden)

    def together(self, work: Callable[[], Result]) -> Result:
        """Runs what computes with the model, where weights of a sharded one are gathered."""
        return work() if self.sharding is None else self.sharding.together(work)

    def generate(self, **inputs: Any) -> Tensor:
        """``(1, L + T)`` int64, as the model's own ``generate``; of all ranks, rank 0's."""
        if self.sharding is None:
            return self.model.generate(**inputs)
        found: Tensor = self.sharding.generate(**inputs)
        return found.new_tensor(self.sharding.first(found.tolist()))

    def token_text(self, token_id: int) -> str:
        """The token as a person reads it, with the blank before it where it begins a word.

        One that holds part of a character is shown as its bytes.
        """
        return token_text(self.tokenizer, token_id)

    @property
    def placeholder_id(self) -> int:
        """Vocabulary id that the chat template writes for an image."""
        return int(self.model.config.image_token_id)

    @property
    def video_placeholder_id(self) -> int | None:
        """Vocabulary id that the chat template writes for a video, where the family takes any."""
        return None

    def render(
        self,
        prompt: str | Sequence[Message],
        *,
        pictures: Sequence[Picture] = (),
        variables: Mapping[str, Any] | None = None,
    ) -> RenderedPrompt:
        """The prompt under the chat template, up to where the answer begins.

        Args:
            prompt: The user's text (the pictures go before it), or a conversation in chat-template
                form, whose image and video parts stand for the pictures in order. Where its last
                message is the assistant's, that is the answer, whose tokens come along.
            pictures: Images and videos.
            variables: What the template reads beside the messages, such as ``enable_thinking``,
                besides :attr:`chat_template_kwargs`.

        Raises:
            ValueError: No template; or placeholders and pictures disagree.
        """
        if isinstance(prompt, str):
            messages = user_turn(
                prompt, ["video" if isinstance(picture, Clip) else "image" for picture in pictures]
            )
        else:
            messages = list(prompt)
        rendered = render_chat(
            self.tokenizer,
            messages,
            pictures=pictures,
            image_id=self.placeholder_id,
            video_id=self.video_placeholder_id,
            chat_template=self.template_for(pictures),
            variables={**self.chat_template_kwargs, **(variables or {})},
            exchanged=self.exchanged([p for p in pictures if isinstance(p, Clip)]),
        )
        opening = getattr(self.tokenizer, "bos_token_id", None)
        # A template of ours may write it behind the pictures, where the model's own processor does;
        # the tokenizer has added another before them.
        twice = rendered.ids[:1] == (opening,) and rendered.ids.count(opening) > 1
        drops = twice and pictures and self._fallback_template is not None
        return rendered.without({0}) if drops else rendered

    def template_for(self, pictures: Sequence[Picture]) -> str | None:
        """Jinja source; None where the tokenizer's own serves."""
        return self.chat_template or self._fallback_template

    @property
    def _fallback_template(self) -> str | None:
        own = getattr(self.tokenizer, "chat_template", None)
        return None if own else self.default_chat_template

    @abstractmethod
    def layout(self, image: Image.Image, factor: float) -> Layout:
        """Tokens and rectangles of an image at a scale, without touching a pixel.

        Raises:
            ValueError: The scale leaves nothing, or the layout cannot be resolved.
        """

    @abstractmethod
    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        """What the model's forward takes for one sample's images, on the CPU.

        At scale 1.0 exactly what the family's own processor makes. Batches are concatenated along
        dimension 0; where dimension 1 counts tiles, shorter ones are filled up with zeros.
        """

    def video_layout(self, video: Clip, factor: float) -> Layout:
        """As :meth:`layout`, for a video; one view per temporal patch."""
        raise ValueError(f"video: {type(self).__name__} takes images only; give frames as images")

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        """As :meth:`pixel_inputs`, for one sample's videos."""
        raise ValueError(f"video: {type(self).__name__} takes images only; give frames as images")

    def picture_inputs(self, pictures: Sequence[Picture], factor: float) -> dict[str, Tensor]:
        """What the model's forward takes for one sample's images and videos."""
        images = [picture for picture in pictures if not isinstance(picture, Clip)]
        videos = [picture for picture in pictures if isinstance(picture, Clip)]
        pixels = self.pixel_inputs(images, factor) if images else {}
        return pixels | (self.video_inputs(videos, factor) if videos else {})

    def exchanged(self, videos: Sequence[Clip]) -> tuple[str, list[str]] | None:
        """What the template writes for a video, and what stands there instead for each.

        The latter holds :attr:`video_placeholder_id`'s text once.
        """
        return None

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        """What a family's forward takes per token beside ids and attention mask.

        Args:
            sequence: ``(1, L)`` int64, ids of prompt and answer.
            prompt_length: Where the answer begins.

        Returns:
            ``(1, L)`` tensors by name.
        """
        return {}

    def layouts(self, pictures: Sequence[Picture], factor: float) -> list[Layout]:
        """One layout per picture, image or video."""
        return [
            self.video_layout(p, factor) if isinstance(p, Clip) else self.layout(p, factor)
            for p in pictures
        ]

    def encode(
        self,
        pictures: Sequence[Picture],
        rendered: RenderedPrompt,
        answer_ids: Sequence[int],
        *,
        factor: float,
        layouts: Sequence[Layout] | None = None,
    ) -> EncodedInput:
        """The teacher-forced input at a scale (no answer ids: the prompt to generate from).

        ``layouts`` are those of :meth:`layouts`, where they have been computed.

        Raises:
            ValueError: Placeholders and pictures disagree, or the sequence is longer than the
                model's positions.
        """
        expanded = rendered.expand(layouts or self.layouts(pictures, factor))
        prompt_length = len(expanded.ids)
        sequence = torch.tensor([[*expanded.ids, *answer_ids]], dtype=torch.int64)
        self.check_length(sequence.shape[1], expanded.visual_count, factor)
        tokens = {
            "input_ids": sequence,
            "attention_mask": torch.ones_like(sequence),
            **self.token_inputs(sequence, prompt_length),
        }
        pixels = self.picture_inputs(pictures, factor)
        device = self.head_device
        return EncodedInput(
            token_inputs={name: value.to(self.device) for name, value in tokens.items()},
            pixel_inputs={name: self._placed(value) for name, value in pixels.items()},
            visual=tuple(
                VisualSpan(torch.tensor(positions, dtype=torch.int64, device=device), view, picture)
                for positions, view, picture in expanded.views
            ),
            text_positions=torch.tensor(expanded.text_positions, device=device),
            prompt_length=prompt_length,
            answer_length=len(answer_ids),
        )

    def _placed(self, value: Tensor) -> Tensor:
        return value.to(self.device, self.model.dtype if value.is_floating_point() else None)

    @property
    def max_positions(self) -> int | None:
        """The longest sequence that the model takes, where it says so."""
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return limit if isinstance(limit, int) else None

    def check_length(self, length: int, visual: int, factor: float) -> None:
        """Refuses a sequence that is longer than the model's positions.

        Raises:
            ValueError: It is.
        """
        limit = self.max_positions
        if limit is not None and length > limit:
            raise ValueError(
                f"scale {factor:g}: {length} positions ({visual} of them visual), more than the "
                f"model's {limit}; leave the scale out or shrink the images"
            )

    def can_collate(self, batch: Sequence[EncodedInput]) -> bool:
        """Whether the pictures of these inputs differ in how many they are, but not in size."""
        names = {name for encoded in batch for name in encoded.pixel_inputs}
        return all(
            len({e.pixel_inputs[name].shape[2 if e.pixel_inputs[name].ndim > 4 else 1 :]
                 for e in batch if name in e.pixel_inputs}) == 1
            for name in names
        )  # fmt: skip

    def collate(self, batch: Sequence[EncodedInput]) -> dict[str, Tensor]:
        """Several inputs as one batch.

        Sequences are padded on the right, behind everything that is read, and masked.
        """
        if len(batch) == 1:
            return batch[0].inputs
        fills = {"input_ids": getattr(self.tokenizer, "pad_token_id", None) or 0}
        tokens = {
            name: padded([e.token_inputs[name] for e in batch], fills.get(name, 0))
            for name in batch[0].token_inputs
        }
        names = dict.fromkeys(name for encoded in batch for name in encoded.pixel_inputs)
        pixels = {
            name: concatenated([e.pixel_inputs[name] for e in batch if name in e.pixel_inputs])
            for name in names
        }
        return {**tokens, **pixels}

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """``(B, L, d)`` after the final norm, of one forward without a cache."""
        output = self.model.model(**inputs, use_cache=False, return_dict=True)
        return output.last_hidden_state

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """:meth:`last_hidden_states`, on the head's device wherever the last layer is."""
        return self.last_hidden_states(inputs).to(self.head_device)

    def hidden_states(self, encoded: EncodedInput) -> Tensor:
        """``(L, d)`` of one input."""
        return self.forward(encoded.inputs)[0]

    def perturbed(
        self,
        shown: Image.Image,
        hidden: Image.Image,
        keep: Tensor,
        rendered: RenderedPrompt,
        answer_ids: Sequence[int],
    ) -> Mapping[str, Tensor]:
        """A batch over pictures that are one image in some cells and another in the rest.

        Args:
            shown: The image.
            hidden: Another of the same size.
            keep: ``(B, h, w)`` bool on the grid of scale 1.0: the cells that show the first.
            rendered: The prompt.
            answer_ids: Of the answer.

        Returns:
            What :meth:`forward` takes, batch of ``B``.
        """
        return self.collate(
            [
                self.encode([picture], rendered, answer_ids, factor=1.0)
                for picture in mixed(shown, hidden, keep)
            ]
        )

    def input_image(self, image: Image.Image) -> Image.Image:
        """The image at a size whose pixels fall into whole cells, where the family knows one."""
        return image
