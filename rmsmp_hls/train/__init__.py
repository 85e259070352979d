"""Quantization-aware training in an ordinary PyTorch loop: prepare, calibrate, train, save."""

from __future__ import annotations

from rmsmp_hls.train.assign import assign_rows, realized
from rmsmp_hls.train.calibrate import calibrate
from rmsmp_hls.train.evaluate import Evaluation
from rmsmp_hls.train.groups import parameter_groups
from rmsmp_hls.train.hessian import row_eigenvalues
from rmsmp_hls.train.model import RmsmpModel, evaluating, prepare
from rmsmp_hls.train.ptq import PtqResult, post_training_quantize
from rmsmp_hls.train.save import export_graph, export_params, save

__all__ = [
    "Evaluation",
    "PtqResult",
    "RmsmpModel",
    "assign_rows",
    "calibrate",
    "evaluating",
    "export_graph",
    "export_params",
    "parameter_groups",
    "post_training_quantize",
    "prepare",
    "realized",
    "row_eigenvalues",
    "save",
]
