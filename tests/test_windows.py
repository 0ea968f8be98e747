"""corr2d and its relatives against PyTorch's own operators."""
import pytest
import torch
from torch.nn import functional as F

import d2lmini as d2l

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
FLOATS = [torch.float32, torch.float64]
INTEGERS = [torch.int64, torch.int32, torch.uint8]


def numbers(shape, dtype, device):
    """Random floats, or small integers whose sums stay exact in every type."""
    if dtype.is_floating_point:
        return torch.randn(shape, dtype=dtype, device=device)
    return torch.randint(0, 3, shape, dtype=dtype, device=device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_conv2d(seed, dtype, device):
    torch.manual_seed(seed)
    c_o, c_i, h, w, more_h, more_w = torch.randint(1, 5, (6,)).tolist()
    X = numbers((c_i, h + more_h, w + more_w), dtype, device)
    K = numbers((c_o, c_i, h, w), dtype, device)
    want = F.conv2d(X.double()[None], K.double())[0].to(dtype)
    for got, expected in ((d2l.corr2d_multi_in_out(X, K), want), (d2l.corr2d_multi_in(X, K[0]), want[0]),
                          (d2l.corr2d(X[0], K[0, 0]), F.conv2d(X[None, :1].double(),
                                                              K[:1, :1].double())[0, 0].to(dtype))):
        assert got.dtype == dtype and got.device.type == device
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(5))
def test_pooling_agrees(seed, device):
    torch.manual_seed(seed)
    h, w, more_h, more_w = torch.randint(1, 5, (4,)).tolist()
    X = torch.randn(h + more_h, w + more_w, device=device)
    torch.testing.assert_close(d2l.pool2d(X, (h, w)), F.max_pool2d(X[None], (h, w), stride=1)[0])
    torch.testing.assert_close(d2l.pool2d(X, (h, w), "avg"), F.avg_pool2d(X[None], (h, w), stride=1)[0])


def test_large_integers_stay_exact():
    big = torch.tensor([[2 ** 24 + 1, 2 ** 24 + 3]])
    assert d2l.corr2d(big, torch.ones(1, 1, dtype=torch.int64)).tolist() == big.tolist()
    assert d2l.pool2d(big, (1, 2)).tolist() == [[2 ** 24 + 3]]


def test_types_mix_as_in_a_product():
    Y = d2l.corr2d(torch.ones(2, 2, dtype=torch.int64), torch.ones(1, 1, dtype=torch.float64))
    assert Y.dtype == torch.float64


def test_gradients():
    torch.manual_seed(0)
    X = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    K = torch.randn(3, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(d2l.corr2d_multi_in_out, (X, K))
    assert torch.autograd.gradcheck(d2l.corr2d_multi_in, (X, K[0]))
    assert torch.autograd.gradcheck(d2l.corr2d, (X[0], K[0, 0]))
    assert torch.autograd.gradcheck(lambda X: d2l.pool2d(X, (2, 3)), X[0])
    assert torch.autograd.gradcheck(lambda X: d2l.pool2d(X, (2, 3), "avg"), X[0])


@pytest.mark.parametrize("call, error, message", [
    (lambda X: d2l.corr2d(X[None, None], X), ValueError, r"X must be \(H, W\), .* \(1, 1, 3, 3\)"),
    (lambda X: d2l.corr2d(X, X[0]), ValueError, r"K must be \(h, w\), .* \(3,\)"),
    (lambda X: d2l.corr2d(X, torch.ones(4, 4)), ValueError, "4 x 4 does not fit into 3 x 3"),
    (lambda X: d2l.corr2d(X, torch.ones(1, 5)), ValueError, "1 x 5 does not fit into 3 x 3"),
    (lambda X: d2l.corr2d_multi_in(X, X), ValueError, r"X must be \(c_i, H, W\)"),
    (lambda X: d2l.corr2d_multi_in_out(X[None], X[None]), ValueError, r"K must be \(c_o, c_i, h, w\)"),
    (lambda X: d2l.corr2d_multi_in(torch.stack((X, X)), X[None]), ValueError, "2 channels, .* made for 1"),
    (lambda X: d2l.pool2d(X, (4, 1)), ValueError, "4 x 1 does not fit"),
    (lambda X: d2l.pool2d(X, (0, 1)), ValueError, "0 x 1 does not fit"),
    (lambda X: d2l.pool2d(X[None], (1, 1)), ValueError, r"X must be \(H, W\)"),
    (lambda X: d2l.pool2d(X, (2, 2), "min"), ValueError, "'max' or 'avg', not 'min'"),
    (lambda X: d2l.pool2d(X.long(), (2, 2), "avg"), TypeError, r"X.float\(\)"),
])
def test_messages(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.ones(3, 3))
