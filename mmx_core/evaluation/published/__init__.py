"""Published sets of samples as they lie where a user has them; docs/evaluation.md has the layouts.

What can be explained is an :class:`~mmx_core.evaluation.published.entries.Entry`, read when it is
taken; what cannot is :class:`~mmx_core.evaluation.published.entries.LeftOut`, told and counted.
"""

from __future__ import annotations

from mmx_core.evaluation.published.formatted import COCO_CATEGORIES
from mmx_core.evaluation.published.sets import LAYOUTS, PublishedSet

__all__ = ["COCO_CATEGORIES", "LAYOUTS", "PublishedSet"]
