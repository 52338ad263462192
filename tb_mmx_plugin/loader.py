"""TensorBoard's entry point. Import-light: an error here would stop TensorBoard for everyone."""

from __future__ import annotations

import argparse
import copy
import logging
from typing import TYPE_CHECKING

from tensorboard.plugins import base_plugin

if TYPE_CHECKING:
    from tb_mmx_plugin.plugin import MMXPlugin

# 0 keeps all. TensorBoard keeps 10 records per tag unless told otherwise: the last one for sure and
# any other by chance, so that with any bound the first checkpoint goes, and whichever somebody came
# back for. What all take in memory depends on the number of runs and samples as much as on that of
# steps; `mmx list` tells it before TensorBoard is started, and `--samples_per_plugin=mmx=N` bounds
# it (without the data server `mmx=N,mmx_index=N,scalars=N`).
STEPS_KEPT = 0
# Index records are a few hundred bytes.
ALL_RECORDS = 0

logger = logging.getLogger(__name__)


class MMXLoader(base_plugin.TBLoader):
    """Loads the plugin, and asks TensorBoard to keep every step."""

    def fix_flags(self, flags: argparse.Namespace) -> None:
        """Sets how many records per tag are kept; what the user asked for wins."""
        kept = getattr(flags, "samples_per_plugin", None)
        if isinstance(kept, dict):
            kept.setdefault("mmx", STEPS_KEPT)
            kept.setdefault("mmx_index", ALL_RECORDS)

    def load(self, context: base_plugin.TBContext) -> MMXPlugin | None:
        """Makes the plugin, or None with a logged reason where an import fails."""
        try:
            from tb_mmx_plugin.nudge import nudged
            from tb_mmx_plugin.plugin import MMXPlugin
        except ImportError:
            logger.exception("The explanations tab is unavailable")
            return None
        # A copy, because other plugins share the context.
        own = copy.copy(context)
        own.data_provider = nudged(context.data_provider)
        return MMXPlugin(own)
