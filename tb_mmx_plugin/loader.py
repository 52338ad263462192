"""TensorBoard's entry point. Import-light: an error here would stop TensorBoard for everyone."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from tensorboard.plugins import base_plugin

if TYPE_CHECKING:
    from tb_mmx_plugin.plugin import MMXPlugin

# TensorBoard keeps 10 records per tag unless told otherwise, and holds them in memory: 64 samples
# of 50 steps at 40 kB are 128 MB. `--samples_per_plugin=mmx=200` overrides it, 0 keeps all.
STEPS_KEPT = 50
# Index records are a few hundred bytes: keep them all.
ALL_RECORDS = 0

logger = logging.getLogger(__name__)


class MMXLoader(base_plugin.TBLoader):
    """Loads the plugin, and asks TensorBoard to keep more steps than its default."""

    def fix_flags(self, flags: argparse.Namespace) -> None:
        """Sets how many records per tag are kept; what the user asked for wins."""
        kept = getattr(flags, "samples_per_plugin", None)
        if isinstance(kept, dict):
            kept.setdefault("mmx", STEPS_KEPT)
            kept.setdefault("mmx_index", ALL_RECORDS)

    def load(self, context: base_plugin.TBContext) -> MMXPlugin | None:
        """Makes the plugin, or None with a logged reason where an import fails."""
        try:
            from tb_mmx_plugin.plugin import MMXPlugin
        except ImportError:
            logger.exception("The explanations tab is unavailable")
            return None
        return MMXPlugin(context)
