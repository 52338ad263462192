"""What explanations can be made with: names, choices, defaults and bounds. No torch is loaded."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args

Aggregation = Literal["geometric", "mean", "agreement"]
AGGREGATIONS: tuple[str, ...] = get_args(Aggregation)

Suppression = Literal["share", "irrelevance", "relevance", "competing", "tam", "none"]
SUPPRESSIONS: tuple[str, ...] = get_args(Suppression)

Method = Literal["lens", "occlusion"]
METHODS: tuple[str, ...] = get_args(Method)

DEFAULT_SCALES = (1.0, 1.5, 2.0)

NAMES = (
    "method",
    "scales",
    "aggregation",
    "suppression",
    "causal",
    "rank_filter",
    "top_k",
    "persistence",
    "candidates",
    "max_new_tokens",
    "max_visual_tokens",
    "chat_template",
    "chat_template_kwargs",
    "faithfulness",
    "image_gain",
    "influence",
    "influence_words",
    "influence_seconds",
    "used",
    "rank_timeout",
)
"""Of :class:`mmx_core.Explainer`'s settings."""

_OF_THE_LENS = ("aggregation", "suppression", "causal", "rank_filter", "gate")

_POSITIVE = ("top_k", "candidates", "max_new_tokens", "max_visual_tokens", "influence_words")
_SWITCHES = ("image_gain", "influence", "used")


@dataclass(frozen=True)
class Settings:
    """How maps are made; see :class:`mmx_core.Explainer`."""

    method: Method = "lens"
    aggregation: Aggregation = "geometric"
    suppression: Suppression = "share"
    causal: bool = False
    rank_filter: bool = False
    top_k: int = 50
    persistence: float = 0.9
    candidates: int = 8
    gate: float = 0.4

    def as_dict(self) -> dict[str, Any]:
        """For provenance: of the lens's settings only where a lens was read."""
        found = asdict(self)
        if self.method != "lens":
            found = {name: value for name, value in found.items() if name not in _OF_THE_LENS}
        return found


DEFAULTS = Settings()


@dataclass(frozen=True)
class Measured:
    """What is measured by taking it away; see :class:`mmx_core.Explainer`."""

    influence: bool = False
    influence_words: int = 512
    influence_seconds: float = 60.0
    used: bool = False


MEASURED = Measured()


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuses what :class:`mmx_core.Explainer` cannot take, before anything is loaded.

    Raises:
        TypeError: A name that is none of the settings'.
        ValueError: A value out of its range.
    """
    for name in settings:
        if name not in NAMES:
            close = get_close_matches(name, NAMES, n=1)
            advice = f"did you mean {close[0]}? All are" if close else "there are"
            raise TypeError(f"{name}: expected one of the settings; {advice} {', '.join(NAMES)}")
    if "scales" in settings:
        checked_scales(settings["scales"])
    choices_of = {"method": METHODS, "aggregation": AGGREGATIONS, "suppression": SUPPRESSIONS}
    for name, choices in choices_of.items():
        if name in settings and settings[name] not in choices:
            raise ValueError(
                f"{name}: expected one of {', '.join(choices)}; got {settings[name]!r}"
            )
    if settings.get("method") == "occlusion":
        _check_occlusion(settings)
    persistence = settings.get("persistence", DEFAULTS.persistence)
    if not _is_number(persistence) or not 0 < persistence < 1:
        raise ValueError(f"persistence: expected a number in (0, 1), got {persistence!r}")
    require_positive(**{name: settings[name] for name in _POSITIVE if name in settings})
    for name in _SWITCHES:
        if settings.get(name) not in (None, True, False):
            raise ValueError(f"{name}: expected True or False, got {settings[name]!r}")
    variables = settings.get("chat_template_kwargs") or {}
    if not isinstance(variables, Mapping):
        raise ValueError(
            "chat_template_kwargs: expected a mapping of the template's variables, such as "
            f"{{'enable_thinking': False}}, got {variables!r}"
        )
    for name in ("rank_timeout", "influence_seconds"):
        seconds = settings.get(name, 1.0)
        if not _is_number(seconds) or not seconds > 0:
            raise ValueError(f"{name}: expected seconds above 0, got {seconds!r}")


def _check_occlusion(settings: Mapping[str, Any]) -> None:
    """Refuses what only a lens has, instead of leaving it out in silence."""
    own = {name: getattr(DEFAULTS, name) for name in _OF_THE_LENS} | {"rank_filter": None}
    for name, default in own.items():
        if name in settings and settings[name] not in (default, False):
            raise ValueError(
                f"{name}: expected to be left out with method='occlusion', which reads no lens, "
                f"got {settings[name]!r}"
            )
    scales = tuple(settings.get("scales", DEFAULT_SCALES))
    if scales not in (DEFAULT_SCALES, (1.0,)):
        raise ValueError(
            f"scales: expected to be left out with method='occlusion', which hides parts of the "
            f"picture at scale 1; got {', '.join(map(str, scales))}"
        )


def checked_scales(scales: Sequence[float]) -> tuple[float, ...]:
    """The scales in ascending order, each once.

    Raises:
        ValueError: They are no finite numbers above 0 with 1.0 among them.
    """
    given = tuple(scales) if isinstance(scales, Iterable) else (None,)
    if not all(map(_is_number, given)):
        raise ValueError(f"scales: expected numbers such as (1.0, 1.5, 2.0), got {scales!r}")
    values = tuple(sorted({float(scale) for scale in given}))
    shown = ", ".join(f"{float(scale):g}" for scale in given) or "none"
    if any(not math.isfinite(value) or value <= 0 for value in values):
        raise ValueError(f"scales: expected finite numbers above 0, got {shown}")
    if 1.0 not in values:
        raise ValueError(
            f"scales: expected 1.0 among them (agreement is measured against it), got {shown}"
        )
    return values


def require_positive(**numbers: int) -> None:
    """Refuses anything but whole numbers of at least 1.

    Raises:
        ValueError: The message names it.
    """
    for name, value in numbers.items():
        try:
            whole = operator.index(value)
        except TypeError:
            whole = 0
        if whole < 1:
            raise ValueError(f"{name}: expected a whole number, at least 1, got {value!r}")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, str)
