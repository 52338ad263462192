"""A prompt under a chat template, and which of its tokens the user wrote."""

from __future__ import annotations

from typing import Any

from mmx_core.models.base import RenderedPrompt

_SENTINEL = "MMX0WHERE0THE0USER0WROTE"


def render_chat(
    tokenizer: Any,
    prompt: str,
    *,
    images: int,
    placeholder_id: int,
    chat_template: str | None = None,
) -> RenderedPrompt:
    """Renders one user turn of ``images`` pictures and a text, ready for the answer.

    Args:
        tokenizer: Carries the chat template, unless ``chat_template`` gives one.
        prompt: The user's text.
        images: How many pictures precede it.
        placeholder_id: Vocabulary id of the image placeholder.
        chat_template: Jinja source.

    Raises:
        ValueError: No template, or the template yields another number of placeholders.
    """
    if chat_template is None and getattr(tokenizer, "chat_template", None) is None:
        raise ValueError(
            "tokenizer: expected one with a chat template; give Explainer a processor, or "
            "chat_template=..."
        )
    pictures: list[dict[str, str]] = [{"type": "image"} for _ in range(images)]

    def render(text: str) -> str:
        return tokenizer.apply_chat_template(
            [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}],
            chat_template=chat_template,
            tokenize=False,
            add_generation_prompt=True,
        )

    rendered = render(prompt)
    ids, written = _tokenize(tokenizer, rendered, prompt.strip(), render(_SENTINEL).find(_SENTINEL))
    found = ids.count(placeholder_id)
    if found != images:
        raise ValueError(
            f"prompt: expected {images} image placeholder(s) {tokenizer.decode([placeholder_id])!r}"
            f" under the chat template, got {found}; do not write the placeholder yourself"
        )
    return RenderedPrompt(tuple(ids), tuple(written), placeholder_id)


def _tokenize(
    tokenizer: Any, rendered: str, words: str, expected: int
) -> tuple[list[int], list[bool]]:
    special = set(tokenizer.all_special_ids)
    if not getattr(tokenizer, "is_fast", False):
        ids = tokenizer(rendered, add_special_tokens=False)["input_ids"]
        return ids, [token not in special for token in ids]
    encoded = tokenizer(rendered, add_special_tokens=False, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    # Templates may strip what the user wrote, so that it begins a little later than expected.
    start = rendered.find(words, max(0, expected))
    if start < 0:
        return ids, [token not in special for token in ids]
    end = start + len(words)
    written = [
        begin < end and stop > start and token not in special
        for token, (begin, stop) in zip(ids, encoded["offset_mapping"], strict=True)
    ]
    return ids, written
