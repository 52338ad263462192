"""From a sample to what a pass takes: everything that can be refused is refused here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from PIL import Image

from mmx_core.images import load_rgb
from mmx_core.models.base import ModelAdapter, RenderedPrompt
from mmx_core.sample import Sample
from mmx_core.undisturbed import undisturbed


@dataclass(frozen=True)
class Prepared:
    """A sample, checked: what every method explains.

    Attributes:
        image: RGB.
        rendered: The prompt under the model's chat template.
        answer_ids: The explained tokens, ``T`` of them.
    """

    image: Image.Image
    rendered: RenderedPrompt
    answer_ids: list[int]


def prepare(
    adapter: ModelAdapter,
    sample: Sample,
    *,
    scales: Sequence[float] = (1.0,),
    max_visual_tokens: int = 16_384,
    max_new_tokens: int = 128,
) -> Prepared:
    """Checks a sample, then lets the model answer if no answer is given (greedily).

    Args:
        adapter: The model's.
        sample: What is explained.
        scales: At which it will be.
        max_visual_tokens: Bound on one image's visual tokens at any scale.
        max_new_tokens: Bound on a generated answer.

    Raises:
        ValueError: Bad input, said before the first forward; or the model answers nothing.
    """
    given = sample.image_list()
    if len(given) != 1:
        raise ValueError(f"images: expected exactly one, got {len(given)}")
    image = load_rgb(given[0])
    if not sample.prompt.strip():
        raise ValueError("prompt: expected text, got nothing")
    for factor in scales:
        height, width = adapter.grid(image, factor)
        if height * width > max_visual_tokens:
            raise ValueError(
                f"scale {factor:g}: {height}x{width} = {height * width} visual tokens, more "
                f"than max_visual_tokens={max_visual_tokens}; leave the scale out, shrink "
                "the image or raise the limit"
            )
    for name, shape in sample.mask_shapes().items():
        if shape != (image.height, image.width):
            raise ValueError(
                f"mask {name!r}: expected the image's size ({image.height}, {image.width}), "
                f"got {shape}"
            )
    rendered = adapter.render(sample.prompt, images=1)
    answer_ids = None if sample.answer is None else tokenize_answer(adapter, sample.answer)
    sample.check_word_indices()
    if answer_ids is None:
        with undisturbed(adapter.model):
            answer_ids = _generate(adapter, image, rendered, max_new_tokens)
    return Prepared(image, rendered, answer_ids)


def tokenize_answer(adapter: ModelAdapter, answer: str) -> list[int]:
    """The tokens of a given answer.

    Raises:
        ValueError: It is empty or holds special tokens.
    """
    if not answer.strip():
        raise ValueError("answer: expected text or None (to generate one), got nothing")
    tokenizer = adapter.tokenizer
    ids = cast("list[int]", tokenizer(answer, add_special_tokens=False)["input_ids"])
    special = [token for token in ids if token in set(tokenizer.all_special_ids)]
    if special or not ids:
        raise ValueError(
            f"answer: expected plain text, got special tokens "
            f"{tokenizer.convert_ids_to_tokens(special)} in {answer!r}; leave them out (a "
            "word outside the vocabulary may have become one)"
        )
    return ids


def decode_answer(adapter: ModelAdapter, answer_ids: list[int]) -> str:
    """The text of a generated answer."""
    decoded = adapter.tokenizer.decode(answer_ids, clean_up_tokenization_spaces=False)
    return cast("str", decoded).strip()


def _generate(
    adapter: ModelAdapter, image: Image.Image, rendered: RenderedPrompt, limit: int
) -> list[int]:
    encoded = adapter.encode(image, rendered, [], factor=1.0)
    generated = adapter.model.generate(
        **encoded.inputs,
        max_new_tokens=limit,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        use_cache=True,
    )
    ids = cast("list[int]", generated[0, encoded.prompt_length :].tolist())
    special = set(adapter.tokenizer.all_special_ids)
    stop = next((i for i, token in enumerate(ids) if token in special), len(ids))
    if stop == 0:
        raise ValueError(
            "answer: the model generated nothing before its end token; give an answer to "
            "teacher-force instead"
        )
    return ids[:stop]
