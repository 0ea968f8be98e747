"""corr2d and its relatives against PyTorch's own operators."""
import time

import pytest
import torch
from torch.nn import functional as F

import d2lmini as d2l

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
FLOATS = [torch.float32, torch.float64]
INTEGERS = [torch.int64, torch.int32, torch.uint8]


def numbers(shape, dtype, device):
    """Random floats, or integers small enough to be exact in every type."""
    if dtype.is_floating_point:
        return torch.randn(shape, dtype=dtype, device=device)
    return torch.randint(0, 3, shape, dtype=dtype, device=device)


# B41: type and device of the result are those of the input.
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_conv2d(seed, dtype, device):
    torch.manual_seed(seed)
    c_o, c_i, h, w, more_h, more_w = torch.randint(1, 5, (6,)).tolist()
    X = numbers((c_i, h + more_h, w + more_w), dtype, device)
    K = numbers((c_o, c_i, h, w), dtype, device)
    want = F.conv2d(X.double()[None], K.double())[0].to(dtype)
    first = F.conv2d(X[None, :1].double(), K[:1, :1].double())[0, 0].to(dtype)
    for got, expected in ((d2l.corr2d_multi_in_out(X, K), want),
                          (d2l.corr2d_multi_in(X, K[0]), want[0]),
                          (d2l.corr2d(X[0], K[0, 0]), first)):
        assert got.dtype == dtype and got.device.type == device
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(5))
def test_pooling_agrees(seed, device):
    torch.manual_seed(seed)
    h, w, more_h, more_w = torch.randint(1, 5, (4,)).tolist()
    X = torch.randn(h + more_h, w + more_w, device=device)
    torch.testing.assert_close(d2l.pool2d(X, (h, w)),
                               F.max_pool2d(X[None], (h, w), stride=1)[0])
    torch.testing.assert_close(d2l.pool2d(X, (h, w), "avg"),
                               F.avg_pool2d(X[None], (h, w), stride=1)[0])


def test_large_integers_stay_exact():  # B41
    big = torch.tensor([[2 ** 24 + 1, 2 ** 24 + 3]])
    one = torch.ones(1, 1, dtype=torch.int64)
    assert d2l.corr2d(big, one).tolist() == big.tolist()
    assert d2l.pool2d(big, (1, 2)).tolist() == [[2 ** 24 + 3]]


def test_types_mix_as_in_a_product():
    Y = d2l.corr2d(torch.ones(2, 2, dtype=torch.int64),
                   torch.ones(1, 1, dtype=torch.float64))
    assert Y.dtype == torch.float64


def test_gradients():
    torch.manual_seed(0)
    X, K = (torch.randn(shape, dtype=torch.float64, requires_grad=True)
            for shape in ((2, 5, 6), (3, 2, 2, 3)))
    check = torch.autograd.gradcheck
    assert check(d2l.corr2d_multi_in_out, (X, K))
    assert check(d2l.corr2d_multi_in, (X, K[0]))
    assert check(d2l.corr2d, (X[0], K[0, 0]))
    assert check(lambda X: d2l.pool2d(X, (2, 3)), X[0])
    assert check(lambda X: d2l.pool2d(X, (2, 3), "avg"), X[0])


# B42: where shapes do not fit, the error names both of them.
@pytest.mark.parametrize("function, X, K", [
    (d2l.corr2d, (1, 1, 3, 3), (2, 2)), (d2l.corr2d, (3, 3), (2,)),
    (d2l.corr2d, (3, 3), (4, 4)), (d2l.corr2d, (3, 3), (5, 5)),
    (d2l.corr2d, (3, 3), (1, 5)), (d2l.corr2d, (3, 3), (0, 1)),
    (d2l.corr2d_multi_in, (3, 3), (3, 3)),
    (d2l.corr2d_multi_in, (2, 3, 3), (1, 3, 3)),
    (d2l.corr2d_multi_in_out, (3, 3), (1, 1, 2, 2)),
    (d2l.corr2d_multi_in_out, (1, 3, 3), (1, 3, 3)),
    (d2l.corr2d_multi_in_out, (3, 3, 3), (2, 2, 2, 2))])
def test_shapes_that_do_not_fit(function, X, K):
    for dtype in (torch.float32, torch.int64):
        with pytest.raises(ValueError, match=r"X \(.* and K \(.* do not fit"):
            function(torch.ones(X, dtype=dtype), torch.ones(K, dtype=dtype))


@pytest.mark.parametrize("shape, size, mode, error", [
    ((1, 3, 3), (1, 1), "max", ValueError),
    ((3, 3), (2, 2), "min", ValueError),
    ((3, 3), (4, 1), "max", RuntimeError),
    ((3, 3), (0, 1), "max", (IndexError, RuntimeError))])
def test_pooling_that_does_not_fit(shape, size, mode, error):
    with pytest.raises(error):
        d2l.pool2d(torch.ones(shape), size, mode)


def test_speed():
    """B43: the book's loop needs half a second for 224x224."""
    X, K = torch.rand(224, 224), torch.rand(3, 3)
    d2l.corr2d(X, K)
    began = time.process_time()
    d2l.corr2d(X, K)
    assert time.process_time() - began < 0.1
