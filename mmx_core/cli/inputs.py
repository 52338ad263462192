"""What ``mmx explain`` is asked about: images, a video's frames, a conversation, other words."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
from typing import TYPE_CHECKING, Any

from mmx_core.cli.errors import CommandError, one_line

if TYPE_CHECKING:
    from PIL import Image

    from mmx_core.sample import Video

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_FRAME_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--image", nargs="+", default=[], metavar="FILE", help="what is asked about, in order"
    )
    parser.add_argument("--video", metavar="DIR", help="a video as a directory of frames, after it")
    parser.add_argument("--fps", type=float, default=2.0, help="frames sampled per second (2)")
    parser.add_argument("--prompt", metavar="TEXT", help="what is asked")
    parser.add_argument(
        "--messages", metavar="FILE", help="instead: a conversation in chat-template form, as JSON"
    )
    parser.add_argument("--turn", type=int, help="which of its messages is explained (the last)")
    parser.add_argument("--answer", metavar="TEXT", help="explain this, not the model's own answer")
    parser.add_argument(
        "--why-not",
        action="append",
        default=[],
        metavar="WORD=OTHER",
        help="also explain another word in the place of a word, or of the token of an index, such "
        "as dog=cat or 2=cat",
    )
    parser.add_argument("--prompt-words", action="store_true", help="also explain what was asked")
    add_template_variables(parser)


def add_template_variables(parser: argparse.ArgumentParser) -> None:
    """Adds the option that :func:`template_variables` reads."""
    parser.add_argument(
        "--chat-template-kwargs",
        metavar="JSON",
        help="variables of the chat template, such as '{\"enable_thinking\": false}'",
    )


def check_inputs(arguments: argparse.Namespace) -> None:
    """Refuses what can be refused before anything is loaded."""
    for name in ("prompt", "answer"):
        text = getattr(arguments, name)
        if text is not None and not text.strip():
            raise CommandError(f"--{name}: expected text, got nothing; write it in quotes")
    if (arguments.prompt is None) == (arguments.messages is None):
        got = "neither" if arguments.prompt is None else "both"
        raise CommandError(f"--prompt: expected either it or --messages, got {got}")
    if arguments.turn is not None and arguments.messages is None:
        raise CommandError("--turn: expected none without --messages; a prompt is one turn")
    if not arguments.image and arguments.video is None and arguments.messages is None:
        raise CommandError("--image: expected an image file, or --video; got neither")
    if not (math.isfinite(arguments.fps) and arguments.fps > 0):
        raise CommandError(f"--fps: expected a number above 0, got {arguments.fps:g}")
    for pair in arguments.why_not:
        if not all(part.strip() for part in pair.partition("=")):
            raise CommandError(f"--why-not: expected WORD=OTHER, got {pair!r}; such as dog=cat")
    template_variables(arguments.chat_template_kwargs)


def check_model(model: str) -> None:
    """Refuses what is neither a directory nor could be a hub id."""
    if not os.path.isdir(model) and (os.path.exists(model) or not _HUB_ID.fullmatch(model)):
        got = "a file" if os.path.exists(model) else "no such directory"
        raise CommandError(
            f"--model: expected a checkpoint directory or a hub id, got {model!r}, {got}; check "
            "the path"
        )


def first_path(arguments: argparse.Namespace) -> str:
    """What a sample is named after whose tag is not given."""
    path = next(iter(arguments.image), None) or arguments.video or arguments.messages
    return os.path.normpath(path)


def encoding_of(path: str) -> str:
    """Of a JSON file: UTF-8 with or without a byte order mark, or UTF-16, as Windows writes them.

    Raises:
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        return json.detect_encoding(file.read(4))


def load_inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of :meth:`mmx_core.Explainer.explain`."""
    pictures: list[Image.Image | Video] = [_image(path) for path in arguments.image]
    if arguments.video is not None:
        pictures.append(_video(arguments.video, arguments.fps))
    asked: dict[str, Any] = {
        "image": pictures,
        "answer": arguments.answer,
        "prompt_words": arguments.prompt_words,
        "why_not": _why_not(arguments.why_not),
        "chat_template_kwargs": template_variables(arguments.chat_template_kwargs),
    }
    if arguments.messages is None:
        return {**asked, "prompt": arguments.prompt}
    return {**asked, "messages": _messages(arguments.messages), "turn": arguments.turn}


def template_variables(text: str | None) -> dict[str, Any]:
    """What ``--chat-template-kwargs`` holds; CommandError where it is no JSON object."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CommandError(
            f"--chat-template-kwargs: expected a JSON object, got {text!r}; such as "
            """'{"enable_thinking": false}'"""
        )
    return found


def _why_not(pairs: list[str]) -> dict[int | str, list[str]]:
    found: dict[int | str, list[str]] = {}
    for pair in pairs:
        word, _, other = pair.partition("=")
        found.setdefault(word.strip(), []).append(other.strip())
    return found


def _image(path: str) -> Image.Image:
    from PIL import Image

    from mmx_core.images import load_rgb
    from mmx_core.sample import is_address

    if not is_address(path) and not os.path.isfile(path):
        got = "a directory" if os.path.isdir(path) else "no such file"
        raise CommandError(f"--image: expected an image file, got {path!r}, {got}; check the path")
    try:
        return load_rgb(path)
    except (OSError, Image.DecompressionBombError, SyntaxError) as error:
        raise CommandError(
            f"--image: expected an image that Pillow can read, got {path!r} ({one_line(error)}); "
            "convert it to PNG or JPEG"
        ) from None
    except ValueError as error:
        raise CommandError(f"--{error}") from None


def _video(folder: str, fps: float) -> Video:
    from mmx_core.events.tags import natural_key
    from mmx_core.sample import Video

    names = os.listdir(folder) if os.path.isdir(folder) else []
    frames = [name for name in names if name.lower().endswith(_FRAME_SUFFIXES)]
    if not frames:
        raise CommandError(
            f"--video: expected a directory of frames ({' '.join(_FRAME_SUFFIXES)}), got "
            f"{folder!r} without any; write a video's frames out first"
        )
    paths = [os.path.join(folder, name) for name in sorted(frames, key=natural_key)]
    return Video([_image(path) for path in paths], fps=fps)


def _messages(path: str) -> list[dict[str, Any]]:
    try:
        with open(path, encoding=encoding_of(path)) as file:
            messages = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(
            f"--messages: expected a JSON file, got {path!r} ({one_line(error)})"
        ) from None
    if not isinstance(messages, list) or not all(isinstance(entry, dict) for entry in messages):
        raise CommandError(
            f"--messages: expected a list of messages, got {type(messages).__name__} in {path!r}"
        )
    return messages
