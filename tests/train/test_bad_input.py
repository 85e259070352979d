"""What cannot be trained, and what is odd but can: defined, and said in plain words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ModelImportError, QuantizationError
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.reference import accumulate
from tests.train.conftest import SHAPE, prepared

SMALL = (1, 2, 2)


def small(classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, classes)
    )


IMAGES = torch.rand(16, 1, 2, 2, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(16) % 3


@pytest.mark.parametrize("codebook", ["SP2-4", "PoT-4", "APoT-4"])
def test_rows_of_zeros_and_of_one_weight_train_and_lower(codebook: str) -> None:
    """A row of zeros, with any format, stays finite in every step and has the scale 1 at first;
    rows of one weight are hit exactly; the integer network has their codes."""
    net = small()
    with torch.no_grad():
        net[0].weight[1] = 0.0
        net[4].weight[2] = 0.0
    model = rt.prepare(net, IMAGES[:1], codebook=codebook, ratio="1:1:1")
    rt.calibrate(model, [IMAGES])
    for how in ({"0": codebook, "4": "Fixed-8"}, {"0": "Fixed-4", "4": codebook}):
        rt.assign(model, how)
        assert float(model.rmsmp.row("0").scales().detach()[1]) == 1.0
        integers, scales = model.rmsmp.row("0")(model.weight(next(iter(model.layers()))))
        values = (integers.flatten() * scales).detach()
        torch.testing.assert_close(values, net[0].weight.detach().flatten().double(), rtol=1e-5,
                                   atol=1e-7)  # fmt: skip
        lowered = lower(quantize(rt.export_graph(model), rt.export_params(model)))
        first = next(op for op in lowered if isinstance(op, IntMatmul))
        sums = accumulate(first, np.full((1, *SMALL), 9))
        assert not sums[:, 1].any() and sums[:, (0, 2, 3)].all()
    optimizer = torch.optim.SGD(rt.parameter_groups(model), lr=0.1)
    for _ in range(5):
        loss = F.cross_entropy(model.train()(IMAGES), LABELS)
        rt.check_loss(loss, model, IMAGES)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(bool(torch.isfinite(t).all()) for t in model.state_dict().values())


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 40),
    ratio=st.tuples(*[st.floats(0, 100, allow_subnormal=False)] * 3).filter(lambda r: sum(r) > 1),
)
def test_shares_are_exact_to_a_row_in_every_layer(
    rows: int, ratio: tuple[float, float, float]
) -> None:
    """Whatever the ratio and the number of rows; what is lacking is reported, and nothing else."""
    net = nn.Sequential(nn.Linear(3, rows), nn.ReLU(), nn.Linear(rows, 2))
    model = rt.prepare(net, torch.zeros(1, 3))
    done = rt.assign(model, rt.WeightErrorScore(), ratio)
    for op in model.layers():
        count, lacking = op.shape[0], done.missing.get(op.name, ())
        for name, share in zip(("SP2-4", "Fixed-4", "Fixed-8"), ratio, strict=True):
            got = done.realized[op.name].get(name, 0)
            assert abs(got - count * share / sum(ratio)) < 1 + 1e-9
            assert (name in lacking) == (share > 0 and got == 0)
        assert sum(done.realized[op.name].values()) == count


def test_a_loss_that_is_not_finite_is_refused(model: rt.RmsmpModel) -> None:
    """In a loop of one's own: the place is named, and parameters are as before the step."""
    x = torch.rand(4, *SHAPE)
    model.train()
    rt.check_loss(model(x).sum(), model, x)
    with pytest.raises(QuantizationError, match="not finite first: the loss itself"):
        rt.check_loss(model(x).sum() * torch.nan, model, x)
    with pytest.raises(QuantizationError, match="not finite first: the images of the batch"):
        rt.check_loss(torch.tensor(torch.inf), model, x / 0)
    with torch.no_grad():
        dict(model.named_parameters())["conv2.weight"][0] = torch.inf
    with pytest.raises(QuantizationError, match=r"parameter 'conv2\.weight'"):
        rt.check_loss(torch.tensor(torch.nan), model, x)


def test_unsupported_modules_are_all_listed() -> None:
    """With their paths and what to use instead, in one error."""
    net = nn.Sequential(nn.Conv2d(1, 4, 1), nn.GroupNorm(2, 4), nn.PReLU(), nn.LPPool2d(2, 2),
                        nn.Flatten(), nn.Linear(4, 2))  # fmt: skip
    with pytest.raises(ModelImportError) as caught:
        rt.prepare(net, IMAGES[:1])
    text = str(caught.value)
    assert len(caught.value.findings) >= 3
    assert all(f"module '{number}'" in text for number in (1, 2, 3))
    assert all(finding.fix for finding in caught.value.findings)


def test_half_precision_is_refused() -> None:
    """Of networks, at once, with every tensor; of images for a network in float32, but for
    autocast, which is what half precision is trained with."""
    with pytest.raises(ModelImportError, match=r"convert the model to float32") as caught:
        rt.prepare(small().half(), IMAGES[:1])
    assert "'0.weight' is of type torch.float16" in str(caught.value)
    with pytest.raises(ModelImportError, match=r"example input is torch\.bfloat16"):
        rt.prepare(small().bfloat16(), IMAGES[:1].bfloat16())
    model = rt.prepare(small(), IMAGES[:1])
    rt.calibrate(model, [IMAGES])
    with pytest.raises(QuantizationError, match=r"torch\.bfloat16 .* no batch .*") as refused:
        model(IMAGES.bfloat16())
    assert "torch.autocast" in refused.value.fix
    with torch.autocast("cpu", torch.bfloat16):
        assert bool(torch.isfinite(model.train()(IMAGES)).all())


def test_the_meta_device_is_refused() -> None:
    """Parameters without values; all are named."""
    with torch.device("meta"):
        net = small()
    with pytest.raises(ModelImportError, match="meta device") as caught:
        rt.prepare(net, IMAGES[:1])
    assert "0.weight" in str(caught.value) and "1.running_var" in str(caught.value)
    assert "to_empty" in caught.value.fix


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "saw no data"),
        ([IMAGES, IMAGES[:0]], r"shape \[0, 1, 2, 2\] holds no images"),
        ([()], "a batch of tuple holds no images"),
        ([{"image": IMAGES}], "a batch of dict holds no images"),
        ([None], "a batch of NoneType"),
        ([torch.rand(4, 3, 2, 2)], r"no batch for a network that reads \[N, 1, 2, 2\]"),
        (IMAGES, r"float32 \[1, 2, 2\] is no batch"),
        ([(IMAGES * 255).long()], r"torch\.int64"),
        ([IMAGES / 0], "NaN or infinite"),
    ],
)
def test_calibration_needs_images(batches: list[Tensor], message: str) -> None:
    """None at all, an empty batch, another shape or type; no scale is set then."""
    model = rt.prepare(small(), IMAGES[:1])
    with pytest.raises(QuantizationError, match=message):
        rt.calibrate(model, batches)
    with pytest.raises(QuantizationError, match="no scales yet"):
        model(IMAGES)


def test_another_architecture_is_refused_by_its_names() -> None:
    """torch lists them; the quantizers' are among them."""
    model = prepared()
    with pytest.raises(RuntimeError, match="Missing key") as caught:
        rt.prepare(small(), IMAGES[:1]).load_state_dict(model.state_dict())
    missing, _, unexpected = str(caught.value).partition("Unexpected key")
    assert "rmsmp.rows.0.formats" in missing and "rmsmp.rows.conv1.formats" in unexpected


@pytest.mark.parametrize("label", [-1, 3])
def test_validation_classes_must_be_the_networks(label: int, tmp_path: Path) -> None:
    """Nothing is written then."""
    model = rt.prepare(small(), IMAGES[:1])
    rt.calibrate(model, [IMAGES])
    labels = LABELS.clone()
    labels[5] = label
    with pytest.raises(QuantizationError, match=f"class {label} for a network of 3 classes"):
        rt.save(model, tmp_path / "model.pt", validation=(IMAGES, labels))
    assert not (tmp_path / "model.pt").exists()
