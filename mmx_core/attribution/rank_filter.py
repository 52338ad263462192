"""TAM's denoising: a rank Gaussian filter."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_WINDOW = 3


def rank_gaussian_filter(maps: Tensor) -> Tensor:
    """Weights each sorted 3x3 window by a Gaussian over ranks around its median.

    ``exp(-(rank - 4)^2 / (2 sigma^2))`` with ``sigma = std / mean`` of the window (arXiv
    2506.23270, denoising). A quiet window keeps its median; a restless one is averaged. Constant
    windows return their value and zero windows zero, where the published script divides by zero.

    Args:
        maps: ``(T, h, w)`` float32, non-negative; NaN where nothing is seen.

    Returns:
        ``(T, h, w)`` float32. Borders are reflected; a side of one cell is repeated instead, and
        so is a cell beside one that is not seen.
    """
    count, height, width = maps.shape
    padded = maps[:, None]
    mode_rows = "reflect" if height > 1 else "replicate"
    mode_columns = "reflect" if width > 1 else "replicate"
    padded = functional.pad(padded, (1, 1, 0, 0), mode=mode_columns)
    padded = functional.pad(padded, (0, 0, 1, 1), mode=mode_rows)
    windows = functional.unfold(padded, _WINDOW).reshape(count, _WINDOW**2, height, width)
    windows = torch.where(windows.isnan(), maps[:, None], windows)
    ordered = windows.sort(dim=1).values
    mean = ordered.mean(dim=1, keepdim=True)
    spread = ordered.std(dim=1, keepdim=True, unbiased=False)
    sigma = torch.where(mean > 0, spread / mean.clamp_min(torch.finfo(mean.dtype).tiny), 0.0)
    middle = _WINDOW**2 // 2
    ranks = torch.arange(_WINDOW**2, dtype=maps.dtype, device=maps.device).view(1, -1, 1, 1)
    squared = (ranks - middle) ** 2
    # As sigma goes to 0 all weight falls on the median, which for a constant window is its value.
    exponent = torch.where(squared > 0, -squared / (2 * sigma**2).clamp_min(1e-12), 0.0)
    weights = exponent.exp()
    return (weights * ordered).sum(dim=1) / weights.sum(dim=1)
