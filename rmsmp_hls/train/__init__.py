"""Quantization-aware training in an ordinary PyTorch loop: prepare, calibrate, train, save."""

from __future__ import annotations

from rmsmp_hls.train.admm import Admm
from rmsmp_hls.train.assign import Assigned, assign, assign_rows, realized, scorer
from rmsmp_hls.train.calibrate import calibrate
from rmsmp_hls.train.clip_penalty import clip_penalty
from rmsmp_hls.train.evaluate import Evaluation
from rmsmp_hls.train.finite import check_loss
from rmsmp_hls.train.groups import parameter_groups
from rmsmp_hls.train.hessian import row_eigenvalues
from rmsmp_hls.train.model import RmsmpModel, evaluating, prepare
from rmsmp_hls.train.network import Network
from rmsmp_hls.train.ptq import PtqResult, post_training_quantize
from rmsmp_hls.train.refresh import AssignmentSchedule, BatchNormSchedule
from rmsmp_hls.train.save import export_graph, export_params, save
from rmsmp_hls.train.scores import (
    HessianScore,
    OutputErrorScore,
    Scorer,
    ShiftAddLossScore,
    VarianceScore,
    WeightErrorScore,
)
from rmsmp_hls.train.settings import ScaleSettings
from rmsmp_hls.train.table import load_table, save_table, table_of

__all__ = [
    "Admm",
    "Assigned",
    "AssignmentSchedule",
    "BatchNormSchedule",
    "Evaluation",
    "HessianScore",
    "Network",
    "OutputErrorScore",
    "PtqResult",
    "RmsmpModel",
    "ScaleSettings",
    "Scorer",
    "ShiftAddLossScore",
    "VarianceScore",
    "WeightErrorScore",
    "assign",
    "assign_rows",
    "calibrate",
    "check_loss",
    "clip_penalty",
    "evaluating",
    "export_graph",
    "export_params",
    "load_table",
    "parameter_groups",
    "post_training_quantize",
    "prepare",
    "realized",
    "row_eigenvalues",
    "save",
    "save_table",
    "scorer",
    "table_of",
]
