"""Where codes are made: the quantizers of a float network.

The training model and the build both follow this plan, so that what is trained is what
the hardware computes. Rules: docs/numerics.md, "Activations".
"""

from __future__ import annotations

from rmsmp_hls.quant.placement.place import place_quantizers, plan_of
from rmsmp_hls.quant.placement.plan import Narrow, Quantizer, QuantPlan, QuantPoint

__all__ = ["Narrow", "QuantPlan", "QuantPoint", "Quantizer", "place_quantizers", "plan_of"]
