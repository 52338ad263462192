"""Other methods, from one common call.

Written here rather than taken from captum: its attribution methods explain one scalar target per
forward and leave the batches, the teacher forcing and the way from token positions back to a grid
to the caller. Here one forward serves all ``T`` tokens of an answer (for occlusion: one per
picture), and what is left of each method is a few lines.
"""

from mmx_core.evaluation.rivals.attention import attention_rollout, last_layer_attention
from mmx_core.evaluation.rivals.base import Attribution, Method
from mmx_core.evaluation.rivals.baselines import lens, random_map, squared_lens
from mmx_core.evaluation.rivals.gradients import grad_cam, gradient_times_input
from mmx_core.evaluation.rivals.occlusion import occlusion

__all__ = [
    "RIVALS",
    "Attribution",
    "Method",
    "attention_rollout",
    "grad_cam",
    "gradient_times_input",
    "last_layer_attention",
    "lens",
    "occlusion",
    "random_map",
    "squared_lens",
]

RIVALS: dict[str, Method] = {
    "lens": lens,
    "squared_lens": squared_lens,
    "attention": last_layer_attention,
    "rollout": attention_rollout,
    "grad_cam": grad_cam,
    "gradient_input": gradient_times_input,
    "occlusion": occlusion,
    "random": random_map,
}
"""Every method by the name that it is reported under."""
