"""Training, counting, timing and drawing, as the documents' code needs them.

B1 to B43 are the faults of the book's module that must not be in ours.
"""
import copy
import inspect
import itertools
import math
import os
import random
import subprocess
import sys
import time
import warnings
from base64 import b64decode

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from torch import nn

import d2lmini as d2l

HOME = d2l.DATA.parent


def toy_batches(n=8, size=16, seed=0):
    """Batches of 8x8 images in two classes: bright above or below."""
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for _ in range(n):
        y = torch.randint(0, 2, (size,), generator=generator)
        X = torch.rand(size, 1, 8, 8, generator=generator)
        X[y == 1, :, :4] += 1
        batches.append((X, y))
    return batches


def toy_net():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
                         nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 2))


def train(net=None, data=None, test=None, epochs=1, lr=0.1, **options):
    data = toy_batches() if data is None else data
    return d2l.train_ch6(toy_net() if net is None else net, data,
                         data if test is None else test, epochs, lr,
                         torch.device("cpu"), **options)


def document_recipe(net, train_iter, num_epochs, lr):
    """The steps of the documents' train_ch6, and nothing else."""
    def init_weights(m):
        if type(m) is nn.Linear or type(m) is nn.Conv2d:
            nn.init.xavier_uniform_(m.weight)
    net.apply(init_weights)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(num_epochs):
        net.train()
        for X, y in train_iter:
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(net(X), y).backward()
            optimizer.step()
        net.eval()


# ---- The interface ----

SIGNATURES = {
    "corr2d": "(X, K)", "corr2d_multi_in": "(X, K)",
    "corr2d_multi_in_out": "(X, K)", "pool2d": "(X, pool_size, mode='max')",
    "load_data_fashion_mnist": "(batch_size, resize=None)",
    "fashion_mnist_files": "()",
    "get_fashion_mnist_labels": "(labels=range(0, 10))",
    "train_ch6": "(net, train_iter, test_iter, num_epochs, lr, device, *, "
                 "optimizer, scheduler, init_weights, rehearse)",
    "evaluate_accuracy_gpu": "(net, data_iter, device=None)",
    "accuracy": "(y_hat, y)", "net_size": "(net, X)",
    "layer_table": "(net, X)", "xavier_init": "(module)",
    "he_init": "(module)", "momentum": "(parameters, lr)",
    "one_cycle": "(optimizer, steps)", "try_gpu": "(i=0)",
    "try_all_gpus": "()", "Accumulator": "(n)", "Timer": "()",
    "Animator": "(xlabel=None, ylabel=None, legend=None, xlim=None, "
                "ylim=None, xscale='linear', yscale='linear', "
                "fmts=('-', 'm--', 'g-.', 'r:'), nrows=1, ncols=1, "
                "figsize=(3.5, 2.5))",
    "Residual": "(input_channels, num_channels, use_1x1conv=False, "
                "strides=1)",
    "show_figure": "(figure, alt)", "show_grids": "(alt, *grids)",
    "show_images": "(imgs, num_rows, num_cols, titles=None, scale=1.5, *, "
                   "alt)",
    "draw_blocks": "(alt, blocks, down=False)", "check": "(answer, cases)"}


def test_public_names_are_frozen():
    assert {*SIGNATURES, "COLORS"} == set(d2l.__all__)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_frozen_and_explained(name):
    signature = inspect.signature(getattr(d2l, name))
    parameters = [p.replace(default=p.empty) if p.kind is p.KEYWORD_ONLY
                  else p for p in signature.parameters.values()]
    assert str(signature.replace(parameters=parameters)) == SIGNATURES[name]
    assert inspect.getdoc(getattr(d2l, name))


def run(script, **options):
    """Run a script in a process of its own, beside the module."""
    return subprocess.run([sys.executable, "-c", script], cwd=HOME, text=True,
                          capture_output=True, **options)


def test_import_needs_torch_alone():  # B17
    done = run("""
import sys
for name in ("matplotlib", "IPython", "torchvision", "ipywidgets", "pandas",
             "PIL", "requests"):
    sys.modules[name] = None
import torch, d2lmini
from torch import nn
net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
batches = [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 0]))] * 5
d2lmini.train_ch6(net, batches, batches, 1, 0.1, "cpu")
""")
    assert done.returncode == 0, done.stderr
    assert "epoch 1: train loss" in done.stdout


BOOK = """
{}
animator = d2l.Animator(xlabel='epoch', xlim=[1, 2],
                        legend=['train loss', 'train acc', 'test acc'])
timer, metric = d2l.Timer(), d2l.Accumulator(3)
num_batches = len(train_iter)
for epoch in range(2):
    metric = d2l.Accumulator(3)
    net.train()
    for i, (X, y) in enumerate(train_iter):
        timer.start()
        y_hat = net(X)
        l = loss(y_hat, y)
        with torch.no_grad():
            metric.add(l * X.shape[0], d2l.accuracy(y_hat, y), X.shape[0])
        timer.stop()
        train_l, train_acc = metric[0] / metric[2], metric[1] / metric[2]
        if (i + 1) % (num_batches // 5) == 0 or i == num_batches - 1:
            animator.add(epoch + (i + 1) / num_batches,
                         (train_l, train_acc, None))
    test_acc = d2l.evaluate_accuracy_gpu(net, train_iter)
    animator.add(epoch + 1, (None, None, test_acc))
speed = metric[2] * 2 / timer.sum()
"""


@pytest.mark.parametrize("first", ["from d2l import torch as d2l",
                                   "import d2lmini as d2l"])
def test_code_for_the_book_runs_unchanged(first, monkeypatch, capsys):
    package = type(sys)("d2l")
    package.torch = d2l
    monkeypatch.setitem(sys.modules, "d2l", package)
    monkeypatch.setitem(sys.modules, "d2l.torch", d2l)
    names = {"torch": torch, "net": toy_net(), "train_iter": toy_batches(),
             "loss": nn.CrossEntropyLoss()}
    exec(BOOK.format(first), names)
    assert names["metric"][2] == 8 * 16 and names["speed"] > 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert all("test acc" in line for line in lines)


# ---- train_ch6 ----

def test_same_steps_as_the_documents():
    results = []
    for function in (lambda net, data: document_recipe(net, data, 3, 0.1),
                     lambda net, data: train(net, data, epochs=3)):
        torch.manual_seed(0)
        net = toy_net()
        function(net, toy_batches())
        results.append(net.state_dict())
    first, second = results
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_printed_lines(capsys):
    train(epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "training on cpu"
    for n in (1, 2):
        assert lines[n].startswith(f"epoch {n}: train loss ")
        assert "train acc" in lines[n] and "test acc" in lines[n]
    parts = [part.rsplit(" ", 1) for part in lines[3].split(", ")]
    assert [name for name, _ in parts] == ["loss", "train acc", "test acc"]
    assert all(len(value.split(".")[1]) == 3 for _, value in parts)
    speed, words = lines[4].split(" ", 1)
    assert float(speed) > 0 and words == "examples/sec on cpu"
    assert len(lines) == 5


def test_learns_and_keeps_a_history():  # B9
    net, test = toy_net(), toy_batches(seed=1)
    torch.manual_seed(0)
    history = train(net, toy_batches(n=20), test, epochs=5)
    assert history.test_acc[-1] > 0.95
    assert history.train_loss[-1] < history.train_loss[0]
    assert len(history.train_acc) == len(history.seconds) == 5
    assert min(history.seconds) > 0 and history.source is None
    assert history.test_acc[-1] == d2l.evaluate_accuracy_gpu(net, test)


def test_losses_and_accuracies_are_means_over_the_epoch():  # B10
    data, seen = [*toy_batches(4), *toy_batches(1, size=4)], []
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    net.register_forward_hook(lambda net, args, scores: seen.append(
        scores.detach()) if net.training else None)
    history = train(net, data)
    scores, y = torch.cat(seen), torch.cat([y for _, y in data])
    assert history.train_loss[0] == pytest.approx(
        nn.functional.cross_entropy(scores, y).item(), rel=1e-5)
    assert history.train_acc[0] == d2l.accuracy(scores, y) / len(y)


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_few_batches(n):  # B1
    assert len(train(data=toy_batches(n), epochs=2).test_acc) == 2


def test_a_handful_of_batches_tells_its_result_once(capsys):
    train(data=toy_batches(4))
    told = capsys.readouterr().out
    assert "epoch 1:" not in told and told.count("test acc") == 1


class Sized:
    """Batches that pretend to another length."""

    def __init__(self, batches, length):
        self.batches, self.length = batches, length

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter(self.batches)


@pytest.mark.parametrize("length", [0, 3, 8, 11, 10 ** 9])
def test_a_wrong_length_does_no_harm(length, capsys):
    results = []
    for data in (toy_batches(), Sized(toy_batches(), length)):
        torch.manual_seed(0)
        results.append(train(data=data, epochs=2))
    assert results[0].train_loss == results[1].train_loss
    assert results[0].test_acc == results[1].test_acc


def test_speed_counts_loading_and_evaluation(capsys):  # B4
    class Slow(list):
        def __iter__(self):
            for batch in list.__iter__(self):
                time.sleep(0.05)
                yield batch
    train(data=Slow(toy_batches(4)))
    speed = float(capsys.readouterr().out.splitlines()[-1].split()[0])
    assert speed < 4 * 16 / (8 * 0.05), "0.4 s of waiting"


def test_speed_counts_images_not_pixels(capsys):
    maps = [(torch.rand(4, 1, 6, 6), torch.randint(0, 2, (4, 6, 6)))] * 2
    history = train(nn.Conv2d(1, 2, 1), maps)
    speed = float(capsys.readouterr().out.splitlines()[-1].split()[0])
    assert speed == pytest.approx(8 / history.seconds[0], rel=1e-2)


def test_labels_of_every_pixel():
    maps = [(torch.rand(4, 1, 6, 6), torch.randint(0, 2, (4, 6, 6)))] * 5
    history = train(nn.Conv2d(1, 2, 1), maps, epochs=2)
    assert 0 < history.train_acc[-1] <= 1 and 0 < history.test_acc[-1] <= 1
    assert history.train_loss[0] == pytest.approx(math.log(2), abs=0.5)


def test_nothing_to_train_on(capsys):  # B2, B26
    assert train(epochs=0).test_acc == []
    assert capsys.readouterr().out == "training on cpu\n"
    for data, test, name in (([], toy_batches(), "train_iter"),
                             (toy_batches(), [], "test_iter")):
        with pytest.raises(ValueError, match=f"no batch from {name} in ep"):
            train(data=data, test=test)
    with pytest.raises(ValueError, match="no batch from data_iter"):
        d2l.evaluate_accuracy_gpu(toy_net(), [])


@pytest.mark.parametrize("worn, name", [("data", "train_iter"),
                                        ("test", "test_iter")])
def test_used_up_iterators_are_named(worn, name):
    once = Sized([], 8)
    once.batches = iter(toy_batches())  # iter() of it starts no new pass
    with pytest.raises(ValueError,
                       match=f"no batch from {name} in epoch 2: .* used up"):
        train(**{"test": toy_batches(), worn: once}, epochs=2)


class Stream(torch.utils.data.IterableDataset):
    """Four examples of which nobody knows how many they are."""

    def __iter__(self):
        return iter([(torch.rand(1, 8, 8), 0)] * 4)


def test_a_test_set_needs_no_length():
    stream = torch.utils.data.DataLoader(Stream(), 2)
    assert len(train(toy_net(), test=stream).test_acc) == 1


def test_pythons_and_numpys_random_numbers_are_left_alone():
    random.seed(0)
    np.random.seed(0)
    train()
    assert random.random() == random.Random(0).random()
    assert np.random.rand() == np.random.RandomState(0).rand()


def test_batches_of_arrays():
    arrays = [(X.numpy(), y.numpy()) for X, y in toy_batches()]
    results = []
    for data in (toy_batches(), arrays):
        torch.manual_seed(0)
        results.append(train(data=data, test=data))
    assert results[0].train_loss == results[1].train_loss
    assert results[0].test_acc == results[1].test_acc


def test_without_a_device_the_best_is_taken(capsys):
    X, y = toy_batches()[0]
    d2l.train_ch6(toy_net(), [(X, y)], [(X, y)], 1, 0.1, None)
    assert capsys.readouterr().out.startswith("training on cpu\n")


def test_a_data_set_in_place_of_batches():
    X, y = toy_batches()[0]
    for labels in (y, y.tolist()):
        with pytest.raises(ValueError, match=r"wrap .* in .*DataLoader"):
            train(data=list(zip(X, labels)))
        with pytest.raises(ValueError, match=r"wrap .* in .*DataLoader"):
            d2l.evaluate_accuracy_gpu(toy_net(), list(zip(X, labels)))


def test_a_network_with_several_results_is_refused_in_evaluation():
    with pytest.raises(TypeError, match=r"one tensor of scores .* a tuple"):
        d2l.evaluate_accuracy_gpu(lambda X: (X, X), toy_batches())


def test_loss_that_is_not_finite():  # B9
    with pytest.raises(FloatingPointError, match=r"loss is .* a smaller lr"):
        train(lr=1e38, epochs=3)


def test_nothing_learned_is_reported(capsys):
    train(lr=0.0, epochs=3)
    assert "nothing was learned" in capsys.readouterr().out
    train(epochs=3)
    assert "nothing was learned" not in capsys.readouterr().out


def test_interrupt_keeps_what_was_learned(capsys):  # B9
    class Interrupted(list):
        passes = 0

        def __iter__(self):
            self.passes += 1
            for i, batch in enumerate(list.__iter__(self)):
                if self.passes == 2 and i == 4:
                    raise KeyboardInterrupt
                yield batch
    net = toy_net()
    with pytest.raises(KeyboardInterrupt, match="interrupted in epoch 2: "):
        train(net, Interrupted(toy_batches()), toy_batches(), epochs=5)
    assert net.training and d2l.evaluate_accuracy_gpu(net, toy_batches()) > .5


def test_interrupted_evaluation():
    class Interrupted(list):
        def __iter__(self):
            raise KeyboardInterrupt
    net = toy_net().eval()
    with pytest.raises(KeyboardInterrupt, match="interrupted in epoch 1: "):
        train(net, test=Interrupted(toy_batches()), epochs=2)
    assert not any(part.training for part in net.modules())


def test_modes_are_put_back():  # B3, B25
    net = toy_net()
    net[1].eval()  # a frozen part stays frozen outside
    train(net)
    d2l.evaluate_accuracy_gpu(net, toy_batches())
    assert net.training and net[3].training and not net[1].training
    net.eval()
    train(net)
    assert not any(part.training for part in net.modules())
    with pytest.raises(FloatingPointError):
        train(net, lr=math.inf)
    assert not any(part.training for part in net.modules())


def test_training_and_evaluation_use_their_modes():
    net, modes = toy_net(), []
    net[3].register_forward_hook(lambda part, *_: modes.append(part.training))
    train(net.eval(), toy_batches(3), toy_batches(2), epochs=2)
    assert modes == 2 * ([True] * 3 + [False] * 2)


def test_a_network_that_keeps_a_part_frozen():
    """Coursework freezes statistics by a train() of its own."""
    class Frozen(nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            self[1].eval()
            return self
    net = Frozen(*toy_net())
    mean = net[1].running_mean.clone()
    train(net)
    assert torch.equal(net[1].running_mean, mean)


def test_pretrained_weights_stay():  # B5
    net = toy_net()
    weights = net[5].weight.detach().clone()
    train(net, lr=0.0, init_weights=None)
    assert torch.equal(net[5].weight, weights)
    train(net, lr=0.0)
    assert not torch.equal(net[5].weight, weights)


def test_optimizer_and_schedule_are_a_choice():  # B11
    calls, rates = [], []

    def scheduler(optimizer, steps):
        calls.append((type(optimizer), optimizer.defaults["lr"], steps))
        schedule = d2l.one_cycle(optimizer, steps)
        optimizer.register_step_post_hook(lambda *_: rates.append(
            schedule.get_last_lr()[0]))
        return schedule
    train(epochs=2, lr=0.01, optimizer=torch.optim.Adam, scheduler=scheduler)
    assert calls == [(torch.optim.Adam, 0.01, 16)]
    assert len(rates) == 16 and len(set(rates)) > 8
    assert max(rates) == pytest.approx(0.01, rel=0.1) and rates[-1] < 1e-3


def test_the_steady_recipe():
    net = nn.Linear(1000, 100)
    d2l.he_init(net)
    assert net.weight.std().item() == pytest.approx((2 / 1000) ** .5, rel=.05)
    d2l.xavier_init(net)
    assert net.weight.abs().max().item() == pytest.approx(
        (6 / 1100) ** .5, rel=.05)
    optimizer = d2l.momentum(net.parameters(), lr=0.5)
    assert optimizer.defaults["momentum"] == 0.9
    assert optimizer.defaults["weight_decay"] == 5e-4
    schedule, rates = d2l.one_cycle(optimizer, 100), []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < 100 else None
    assert rates[0] < max(rates) and max(rates) == pytest.approx(0.5)
    assert rates[-1] < 1e-4


class SubLinear(nn.Linear):
    """A subclass."""


@pytest.mark.parametrize("init", [d2l.xavier_init, d2l.he_init])
@pytest.mark.parametrize("layer", [SubLinear(9, 9), nn.Conv2d(3, 3, 3)])
def test_subclasses_are_initialised_too(init, layer):  # B6
    weights = layer.weight.detach().clone()
    init(layer)
    assert not torch.equal(layer.weight, weights)
    norm = nn.BatchNorm2d(3)
    init(norm)
    assert torch.equal(norm.weight, torch.ones(3))


def test_lazy_layers_are_initialised():  # B6
    net, seen = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(),
                              nn.LazyLinear(2)), []
    train(net, init_weights=lambda part: seen.append(type(part)))
    assert nn.Conv2d in seen and nn.Linear in seen


class View(nn.Module):
    """A layer of coursework that needs the usual order in memory."""

    def forward(self, X):
        return X.view(len(X), -1)


@pytest.mark.parametrize("layers, reordered", [
    ((nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten()), True),
    ((nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), nn.Flatten()), True),
    ((nn.MaxPool2d(2), View()), False),
    ((nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Flatten()), False),
    ((nn.Dropout(), nn.MaxPool2d(2), nn.Flatten()), False)])
def test_layers_choose_the_order_in_memory(layers, reordered):
    results, orders = [], []
    for function in (lambda net, data: document_recipe(net, data, 3, 0.1),
                     lambda net, data: train(net, data, epochs=3)):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), *copy.deepcopy(layers),
                            nn.Linear(36, 2))
        net[0].register_forward_hook(lambda layer, args, maps: orders.append(
            maps.is_contiguous(memory_format=torch.channels_last)))
        function(net, toy_batches())
        assert all(p.is_contiguous() for p in net.parameters())
        results.append(list(net.parameters()))
    assert orders[0] is False and orders[-1] is reordered
    if reordered:
        torch.testing.assert_close(*results, rtol=0, atol=1e-5)
    else:
        assert all(map(torch.equal, *results))


def test_the_usual_order_in_memory_comes_back():
    net, inside = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3),
                                nn.Flatten(), nn.Linear(64, 2)), []
    net.register_forward_hook(lambda *_: inside.append(
        net[1].weight.is_contiguous()))
    train(net)
    assert inside and not any(inside)
    assert all(p.is_contiguous() for p in net.parameters())


def test_an_order_in_memory_that_the_reader_chose_stays():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(),
                        nn.Linear(64, 2)).to(memory_format=torch.channels_last)
    train(net, [(torch.rand(4, 3, 6, 6), torch.zeros(4).long())] * 2)
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_networks_of_other_types(dtype):
    data = [(X.to(dtype), y) for X, y in toy_batches(20)]
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).to(dtype)
    history = train(net, data, epochs=3)
    assert history.train_loss[-1] < history.train_loss[0] < 2
    assert history.test_acc[-1] > 0.9
    assert net[1].weight.dtype == dtype


def test_sums_over_an_epoch_of_bfloat16_do_not_stall():  # B31
    data = [(torch.zeros(64, 2, dtype=torch.bfloat16),
             torch.arange(64) % 2)] * 40
    history = train(nn.Linear(2, 2).to(torch.bfloat16), data, lr=0.0,
                    init_weights=lambda part: [
                        nn.init.zeros_(p) for p in part.parameters()])
    assert history.train_loss[0] == pytest.approx(math.log(2), rel=5e-3)


def test_the_loop_waits_for_the_device_once_an_epoch_and_a_point(monkeypatch):
    """B8, B28: each float() of a tensor of a GPU waits for the GPU."""
    calls = []
    monkeypatch.setattr(torch.Tensor, "item", lambda *_: calls.append(1))
    monkeypatch.setattr(torch.Tensor, "__float__", lambda tensor: (
        calls.append(1), tensor.tolist())[1])
    metric = d2l.Accumulator(2)  # B34
    for _ in range(10):
        metric.add(torch.ones(()), 1)
    assert not calls and metric[0] == 10 and len(calls) == 1
    del calls[:]
    train(data=toy_batches(40), test=toy_batches(40))
    assert len(calls) < 40


def test_out_of_memory_names_a_batch_size(capsys):
    class Greedy(nn.Module):
        def forward(self, X):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
    net = nn.Sequential(nn.Linear(1, 1), Greedy())
    data = [(torch.zeros(16, 1), torch.zeros(16).long())]
    with pytest.raises(RuntimeError, match="out of memory"):
        train(net, data)
    told = capsys.readouterr().out
    assert "16 examples do not fit into the memory of cpu" in told
    assert "batch_size=8" in told


def test_other_errors_come_through(capsys):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(nn.Linear(3, 2), [(torch.zeros(9, 1), torch.zeros(9).long())])
    assert "memory" not in capsys.readouterr().out


# ---- Rehearsals, and the caps of make test ----

def fake_fashion(n, resize=None, source="Fashion-MNIST"):
    return d2l.Batches(torch.zeros(n, 28, 28, dtype=torch.uint8),
                       torch.arange(n).byte() % 2, 2, resize, False, source)


class Counted(nn.Module):
    """A network that counts its steps, and its batches of evaluation."""

    def __init__(self):
        super().__init__()
        self.head = nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
        self.head(torch.zeros(1, 1, 28, 28))
        self.steps = self.evaluated = 0

    def forward(self, X):
        if self.training:
            self.steps += 1
        else:
            self.evaluated += 1
        return self.head(nn.functional.adaptive_avg_pool2d(X, 28))


def counts(epochs=3, test=20, data=20, resize=None, **options):
    net = Counted()
    train(net, fake_fashion(2 * data, resize), fake_fashion(2 * test, resize),
          epochs, **options)
    return net.steps, net.evaluated


@pytest.mark.parametrize("resize", [None, 64])
@pytest.mark.parametrize("profile", [None, "", "quick", "full"])
def test_everything_is_trained_on_any_size(resize, profile, monkeypatch,
                                           capsys):
    if profile is not None:
        monkeypatch.setenv("D2LMINI_PROFILE", profile)
    assert counts(resize=resize) == (60, 60)
    assert "D2LMINI_PROFILE" not in capsys.readouterr().out


def test_profile_test_caps_epochs_and_batches(monkeypatch, capsys):
    assert d2l.TEST_CAPS == {"plain": (2, 240), "with a schedule": (1, 100)}
    monkeypatch.setenv("D2LMINI_PROFILE", "test")
    monkeypatch.setattr(d2l, "TEST_CAPS", {"plain": (2, 7),
                                           "with a schedule": (1, 5)})
    assert counts() == (14, 40)
    assert "D2LMINI_PROFILE=test: 2 x 7 batches\n" in capsys.readouterr().out
    assert counts(scheduler=d2l.one_cycle) == (5, 20)
    assert "D2LMINI_PROFILE=test: 1 x 5 batches\n" in capsys.readouterr().out
    assert counts(epochs=1, data=3) == (3, 20)
    assert "D2LMINI_PROFILE=test: 1 x 3 batches\n" in capsys.readouterr().out


def test_a_rehearsal_tells_how_long_all_would_take(monkeypatch, capsys):
    monkeypatch.setenv("D2LMINI_PROFILE", "")
    assert counts(epochs=10, rehearse=True) == (4, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "training on cpu"
    assert lines[1].startswith("loss ") and "examples/sec" in lines[2]
    assert lines[3:] == ["rehearsal: 4 of 10 x 20 batches; all would take "
                         "about 0.0 h here"]
    monkeypatch.setenv("D2LMINI_PROFILE", "test")
    assert counts(rehearse=True, scheduler=d2l.one_cycle) == (1, 1)
    assert "rehearsal: 1 of 3 x 20 batches" in capsys.readouterr().out


def test_a_rehearsal_scales_what_it_measured(monkeypatch, capsys):
    """Four steps of 6 s, and 6 s of evaluation, are 30 s for 4 of 20."""
    now = [0.0]
    monkeypatch.setattr(d2l.time, "perf_counter", lambda: now[0])
    net = Counted()
    net.register_forward_hook(lambda *_: now.__setitem__(0, now[0] + 6))
    train(net, fake_fashion(40), fake_fashion(40), 100, rehearse=True)
    assert "about 4.2 h here" in capsys.readouterr().out


def test_an_interrupted_rehearsal_promises_nothing(capsys):
    class Interrupted(Sized):
        def __iter__(self):
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        train(data=Interrupted([], 9), test=toy_batches(), rehearse=True)
    assert "would take" not in capsys.readouterr().out


def test_standin_is_named_in_the_result(capsys):
    data = fake_fashion(20, source=d2l.STAND_IN)
    for options in ({}, {"rehearse": True}):
        history = train(Counted(), data, **options)
        assert history.source == d2l.STAND_IN
        result, = (line for line in capsys.readouterr().out.splitlines()
                   if line.startswith("loss"))
        assert result.endswith("(stand-in data)")
    assert train(Counted(), fake_fashion(20)).source == "Fashion-MNIST"
    assert "stand-in" not in capsys.readouterr().out


def test_batches_are_made_where_the_network_trains(monkeypatch):
    moves = []
    monkeypatch.setattr(d2l.Batches, "to", lambda self, device: moves.append(
        device) or self)
    train(Counted(), fake_fashion(20))
    assert moves == 2 * [torch.device("cpu")]


# ---- Sizes ----

def test_net_size_and_layer_table(capsys):
    block = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, groups=2),
                          nn.BatchNorm2d(4), nn.ReLU())
    net = nn.Sequential(block, nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(3))
    net[0].eval()
    X = torch.rand(5, 2, 6, 6)
    convolution, dense = 36 * 4 * 9, 36 * 3  # outputs times weights of each
    assert d2l.net_size(net, X) == (40 + 8 + 111, convolution + dense)
    assert net.training and not net[0].training
    mean = net[0][1].running_mean.clone()
    d2l.layer_table(net, X)
    assert torch.equal(net[0][1].running_mean, mean)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 6
    assert lines[1] == ["Sequential", "(5,", "4,", "6,", "6)", "48",
                        f"{convolution:,}"]
    assert lines[-1] == ["in", "all", "159", f"{convolution + dense:,}"]


def test_sizes_need_no_memory(capsys):
    """Shapes are enough: a large network may lie on the device "meta"."""
    with torch.device("meta"):
        net, X = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.rand(1, 4)
    assert d2l.net_size(net, X) == (10, 8)
    d2l.layer_table(net, X)
    assert "(1, 2)" in capsys.readouterr().out


# ---- accuracy and evaluation ----

def test_accuracy():  # B32
    scores = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    right = d2l.accuracy(scores, torch.tensor([1, 0, 0]))
    assert right == 2.0 and isinstance(right, float)
    assert d2l.accuracy(torch.tensor([1, 0, 0]),
                        torch.tensor([1, 0, 1])) == 2.0
    maps = torch.randn(2, 5, 4, 4)  # class scores of each pixel
    assert d2l.accuracy(maps, maps.argmax(1)) == 32.0
    many = torch.zeros(4099)  # B31: float16 knows 4098 and 4100 only
    assert d2l.accuracy(many.long(), many.half()) == 4099


@pytest.mark.parametrize("y_hat, y", [  # B29, B30
    (torch.zeros(256, 10), torch.zeros(256, 1).long()),
    (torch.zeros(256).long(), torch.zeros(256, 1).long()),
    (torch.eye(4), torch.eye(4).long()),
    (torch.tensor([0.9, 0.1]), torch.tensor([1, 0])),
    (torch.zeros(3, 1), torch.zeros(3).long())])
def test_accuracy_refuses_what_it_cannot_count(y_hat, y):
    with pytest.raises(ValueError, match=r"does not fit labels .* pass score"):
        d2l.accuracy(y_hat, y)


class Pair(nn.Module):
    """A network of two inputs, without parameters."""

    def forward(self, X):
        return X[0] + X[1]


def test_evaluation():
    y = torch.tensor([0, 1, 1])
    scores = nn.functional.one_hot(y, 2).float()
    pairs = [([scores, scores], y), ((scores, -2 * scores), y)]  # B27
    assert d2l.evaluate_accuracy_gpu(Pair(), pairs) == 0.5
    assert d2l.evaluate_accuracy_gpu(lambda X: X, [(scores, y)]) == 1.0
    with pytest.raises(ValueError, match="no batch from data_iter"):  # B26
        d2l.evaluate_accuracy_gpu(Pair(), iter([]))


def test_evaluation_keeps_no_graph():
    net, kept = toy_net(), []
    net.register_forward_hook(lambda net, args, out: kept.append(
        out.requires_grad))
    d2l.evaluate_accuracy_gpu(net, toy_batches(2))
    assert kept == [False, False]


def test_evaluation_happens_where_the_network_is():
    """The device meta has no numbers, so that it takes no other tensors."""
    net = nn.Linear(2, 2, device="meta")
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        d2l.evaluate_accuracy_gpu(net, [(torch.ones(1, 2), torch.zeros(1))])


# ---- Accumulator, Timer, devices, Residual ----

def test_accumulator():  # B33
    metric = d2l.Accumulator(2)
    metric.add(1, torch.tensor(2.5, requires_grad=True))
    metric.add(torch.tensor([3]), 1)
    assert (metric[0], metric[1]) == (4.0, 3.5)
    assert isinstance(metric[0], float)
    for values in ((1,), (1, 2, 3)):
        with pytest.raises(ValueError, match=r"argument 2 is (short|long)er"):
            metric.add(*values)
    assert (metric[0], metric[1]) == (4.0, 3.5)
    metric.reset()
    assert metric[0] == 0.0


def test_timer(monkeypatch):
    timer = d2l.Timer()
    with pytest.raises(ValueError):  # B36
        timer.avg()
    time.sleep(0.02)
    assert timer.stop() >= 0.02
    timer.start()
    timer.stop()
    assert timer.sum() == sum(timer.times)
    assert timer.avg() == timer.sum() / 2
    assert timer.cumsum() == list(itertools.accumulate(timer.times))
    monkeypatch.setattr(time, "time", lambda: 1 / 0)  # B35: clocks are set
    timer.start()
    assert timer.stop() >= 0


def test_timer_waits_for_a_gpu(monkeypatch):  # B35
    waited = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(1))
    d2l.Timer().stop()
    assert len(waited) == 2


def test_devices(monkeypatch):  # B37 to B40
    cpu = torch.device("cpu")
    assert d2l.try_gpu() == cpu and d2l.try_all_gpus() == [cpu]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert d2l.try_gpu() == cpu and d2l.try_all_gpus() == [cpu]
    monkeypatch.delenv("D2LMINI_DEVICE")
    gpus = [torch.device("cuda:0"), torch.device("cuda:1")]
    assert d2l.try_gpu(1) == gpus[1] and d2l.try_all_gpus() == gpus
    with pytest.warns(UserWarning, match="no GPU 7"):
        assert d2l.try_gpu(7) == cpu
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert d2l.try_all_gpus() == [cpu]
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert d2l.try_gpu() == torch.device("mps")
    with pytest.warns(UserWarning, match="no GPU -1"):
        assert d2l.try_gpu(-1) == cpu


def test_residual():
    X = torch.rand(4, 3, 6, 6)
    assert d2l.Residual(3, 3)(X).shape == (4, 3, 6, 6)
    halved = d2l.Residual(3, 6, use_1x1conv=True, strides=2)
    assert halved(X).shape == (4, 6, 3, 3)
    with pytest.raises(RuntimeError):
        d2l.Residual(3, 6)(X)


# ---- check ----

def identity(x):
    return x


def check(answer, *cases, capsys):
    d2l.check(answer, list(cases))
    return capsys.readouterr().out


square = torch.arange(4.).reshape(2, 2)


@pytest.mark.parametrize("got, right, problem", [
    (None, 1, "it gives nothing (None): is the answer returned?"),
    (torch.ones(2, 3), torch.ones(3, 2), "the shape is (2, 3), not (3, 2)"),
    (torch.tensor([1., -2.]), torch.tensor([-1., 2.]),
     "the sign is turned round"),
    (square.T, square, "rows and columns are swapped"),
    (square.flip(0, 1), square, "it is flipped both ways"),
    ([5, 6], [4, 5], "it is 1 too large"), (3, 4, "it is 1 too small"),
    (torch.tensor([1, 2, 3]), [1, 5, 4], "2, not 5, at index [1]"),
    (torch.eye(2), square, "1, not 0, at index [0, 0]"),
    (3, 5, "3, not 5"), (12_679_818, 12_679_810, "12679818, not 12679810"),
    (0.25, 0.5, "0.25, not 0.5"), (float("nan"), 1.0, "nan, not 1"),
    (True, False, "it is 1 too large"), ("some words", 2,
                                         "TypeError: new(): invalid data")])
def test_check_says_what_is_wrong(got, right, problem, capsys):
    told = check(lambda: got, ((), right), capsys=capsys)
    assert told.startswith(f"not yet: case 1 of 1: {problem}")
    assert told.count("\n") == 1


@pytest.mark.parametrize("got, right", [
    (0.1 + 0.2, 0.3), (torch.tensor([1, 2]), [1, 2]), (square, square),
    (torch.tensor(2.0, requires_grad=True), 2), (np.float64(2), 2),
    (2.0, 2), ([0.5, 1e6], [0.5, 1e6 + 1]), (torch.ones(0), [])])
def test_check_takes_right_answers(got, right, capsys):
    assert check(lambda: got, ((), right), capsys=capsys) == "right\n"


def test_check_goes_through_all_cases(capsys):
    told = check(lambda a, b: a * b, ((1, 2), 2), ((2, 2), 4), ((3, 3), 6),
                 capsys=capsys)
    assert told == "not yet: case 3 of 3: 9, not 6\n"
    assert check(lambda a, b: a + b, ((1, 2), 3), ((0.1, 0.2), 0.3),
                 capsys=capsys) == "right\n"


def test_check_of_an_unanswered_exercise(capsys):
    def answer(x):
        ...
    told = check(answer, ((1,), 2), capsys=capsys)
    assert told == ("not yet: case 1 of 1: it gives nothing (None): is the "
                    "answer returned?\n")
    assert "not yet" in check(..., ((1,), 2), capsys=capsys)
    assert "not yet" in check(lambda: 1, ((1,), 2), capsys=capsys)


def test_check_of_an_answer_that_raises(capsys):
    told = check(lambda x: x[3], (([1, 2],), 2), capsys=capsys)
    assert told == ("not yet: case 1 of 1: IndexError: list index out of "
                    "range\n")


def test_check_of_an_answer_that_works_in_place(capsys):
    X = torch.ones(2)
    cases = [((X, [X]), torch.full((2,), 2.))]
    d2l.check(lambda x, more: x.add_(1), cases)
    d2l.check(lambda x, more: more[0].add_(1), cases)
    assert capsys.readouterr().out == "right\nright\n"
    assert torch.equal(X, torch.ones(2))
    d2l.check(lambda x, more: x.add_(0), cases)
    assert "not yet" in capsys.readouterr().out


# ---- Animator ----

def test_animator_prints_a_line_per_whole_x(capsys):  # B12
    animator = d2l.Animator(xlabel="epoch", xlim=[1, 1],
                            legend=["loss", "acc"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        animator.add(0.5, (torch.tensor(0.7, requires_grad=True), None))
        animator.add(1, (0.5, None))
        assert capsys.readouterr().out == ""
        animator.add(1, (None, torch.tensor(0.25)))
    assert capsys.readouterr().out == "epoch 1: loss 0.500, acc 0.250\n"
    d2l.Animator().add(2, torch.tensor(3.0))
    assert capsys.readouterr().out == "x 2: y1 3.000\n"


@pytest.mark.parametrize("legend", [["a"], np.array(["a"]), ("a",)])
def test_animator_takes_any_number_of_series(legend, capsys):  # B13
    animator = d2l.Animator(legend=legend)
    animator.add(torch.tensor(1), torch.arange(6.0))
    assert capsys.readouterr().out == (
        "x 1: a 0.000, y2 1.000, y3 2.000, y4 3.000, y5 4.000, y6 5.000\n")


def test_a_legend_may_be_one_name(capsys):
    d2l.Animator(legend="loss").add(1, 0.5)
    assert capsys.readouterr().out == "x 1: loss 0.500\n"


def test_animator_draws_one_chart():  # B14
    for grid in ({"nrows": 2}, {"ncols": 2}, {"nrows": 2, "ncols": 2}):
        with pytest.raises(ValueError, match="one chart"):
            d2l.Animator(**grid)


# ---- What a notebook shows ----

SETUP = f"""
import sys; sys.path.insert(0, {str(HOME)!r})
import numpy as np, torch, time
import d2lmini as d2l
from torch import nn
from matplotlib import pyplot as plt
plt.style.use("dark_background")
def record(name):
    # See which figures are drawn, with what in them.
    import matplotlib.figure
    save = matplotlib.figure.Figure.savefig
    def spy(figure, *args, **options):
        seen.append([figure.get_suptitle(), *[
            [ax.get_xlim(), ax.get_ylim(), [(
                line.get_label(), len(line.get_xdata()), line.get_marker())
                for line in ax.lines]] for ax in figure.axes]])
        return save(figure, *args, **options)
    matplotlib.figure.Figure.savefig = spy
seen = []
"""

CELLS = {
    "animator": """
record("animator")
animator = d2l.Animator(xlabel="x", legend=np.array(list("abcde")))
print("before")
for x in range(200):
    animator.add(x, (1, 2, 3, 4, x))
print("after")""",
    "drawn to the end": "seen[-1][1][2]",
    "frames": "len(seen) < 10",
    "nothing more": "len(seen)",
    "nothing more after that": "len(seen)",
    "one point, no width": """
animator = d2l.Animator(xlim=[1, 1], legend=["a"])
animator.add(1, 2.0)""",
    "a marker": "seen[-1][1][0][0] < 1 < seen[-1][1][0][1], seen[-1][1][2]",
    "training": """
labels = torch.arange(40).byte() % 2
images = (255 * labels).view(40, 1, 1).repeat(1, 28, 28)
batches = d2l.Batches(images, labels, 2, None, False, d2l.STAND_IN)
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 2))
del seen[:]
history = d2l.train_ch6(net, batches, batches, 3, 0.01, "cpu")
history""",
    "two charts": "seen[-1]",
    "one epoch": "d2l.train_ch6(net, batches, batches, 1, 0.01, 'cpu')",
    "chart of one epoch": "seen[-1][1][:2]",
    "rehearsal": """
d2l.train_ch6(net, batches, batches, 3, 0.01, "cpu", rehearse=True)""",
    "time left": """
real, late = time.perf_counter, [0]
def clock():
    return real() + late[0]
time.perf_counter = clock
def slowly(net, args, out):
    late[0] += 30
net.register_forward_hook(slowly)
del seen[:]
d2l.train_ch6(net, batches, batches, 2, 0.01, "cpu")
time.perf_counter = real""",
    "titles": "[chart[0] for chart in seen]",
    "interrupted": """
calls = []
def stop(net, args, out):
    calls.append(1)
    if len(calls) > 50: raise KeyboardInterrupt
net.register_forward_hook(stop)
d2l.train_ch6(net, batches, batches, 9, 0.01, "cpu")""",
    "images": """
d2l.show_images(torch.rand(3, 5, 5), 1, 3, titles=np.array(list("abc")),
                alt="three images")""",
    "one image": "len(d2l.show_images([torch.rand(5, 5)], 1, 1))",
    "grids": """
X, K = torch.arange(9).reshape(3, 3), torch.ones(2, 2)
d2l.show_grids("a window", dict(values=X, role="input", window=(0, 1, 2, 2)),
               "⋆", dict(values=K, role="kernel", title="K"),
               "=", dict(values=d2l.corr2d(X, K), role="output"),
               dict(values=X, role="input", padding=(1, 1), title=""))""",
    "blocks": """
res = ([("conv", "3×3"), ("norm", "BN")], [], "+")
for down in (False, True):
    d2l.draw_blocks("a network", [("input", "X"), ("× 2", [res]), (
        [("conv", "1×1")], [("pool", "3×3")], "concat"), ("dense", "10")],
        down)""",
    "figure": """
figure, ax = plt.subplots()
d2l.show_figure(figure, "a figure of the reader's")""",
    "style": "plt.rcParams['axes.facecolor'], plt.get_fignums()"}


@pytest.fixture(scope="module")
def shown():
    """{name of a cell: its outputs} of one notebook, run once."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source)
                      for source in (SETUP, *CELLS.values())]
    environment = {**os.environ, "D2LMINI_PROFILE": ""}
    NotebookClient(notebook, kernel_name="python3", allow_error_names=[
        "Interrupted"]).execute(env=environment)
    return {name: cell.outputs
            for name, cell in zip(CELLS, notebook.cells[1:])}


def printed(outputs):
    return "".join(out.text for out in outputs if out.get("name") == "stdout")


def value(outputs):
    return eval(outputs[-1].data["text/plain"])


def pictures(outputs):
    """[(PNG, its text)], each of them with the data that every one has."""
    found = []
    for out in outputs:
        if "image/png" in out.get("data", {}):
            alt, size = out.data["text/plain"], out.metadata["image/png"]
            png = b64decode(out.data["image/png"])
            width, height = (int.from_bytes(png[i:i + 4], "big")
                             for i in (16, 20))
            assert size == {"alt": alt, "width": width // 2,
                            "height": height // 2}
            assert len(png) < 60_000
            found.append((png, alt))
    return found


def test_nothing_goes_to_stderr(shown):
    assert not [out.text for outputs in shown.values() for out in outputs
                if out.get("name") == "stderr"]


def test_animator_in_a_notebook(shown):  # B15, B16, B18
    """One picture, updated in place, beside what the cell prints."""
    (_, alt), = pictures(shown["animator"])
    assert alt == "curves: a, b, c, d, e"
    assert printed(shown["animator"]) == "before\nafter\n"
    assert value(shown["drawn to the end"]) == [
        (name, 200, "None") for name in "abcde"]  # B13
    assert value(shown["frames"]) is True
    assert value(shown["nothing more"]) == value(
        shown["nothing more after that"])


def test_a_curve_of_one_point_shows(shown):  # B7
    assert value(shown["a marker"]) == (True, [("a", 1, "o")])


def test_training_in_a_notebook(shown):
    (_, alt), = pictures(shown["training"])
    assert alt == "curves: train loss, train acc, test acc"
    lines = printed(shown["training"]).splitlines()
    assert lines[0] == "training on cpu" and len(lines) == 3
    assert all(out.output_type != "execute_result"
               for out in shown["training"]), "a History shows nothing"
    title, loss, accuracy = value(shown["two charts"])
    assert title == d2l.STAND_IN
    assert loss[0] == accuracy[0] == (0, 3) and accuracy[1] == (0, 1)  # B7
    assert [name for name, *_ in loss[2]] == ["train loss"]
    assert [name for name, *_ in accuracy[2]] == ["train acc", "test acc"]
    points = [number for _, number, _ in loss[2] + accuracy[2]]
    assert points[0] == points[1] >= 15 and points[2] == 3


def test_training_for_one_epoch_in_a_notebook(shown):  # B7
    assert value(shown["chart of one epoch"])[0] == (0, 1)


def test_a_rehearsal_in_a_notebook(shown):
    assert not pictures(shown["rehearsal"])
    told = printed(shown["rehearsal"])
    assert told.count("test acc") == 1 and "rehearsal: 4 of 3 x 20" in told


def test_time_left_stands_above_the_charts_and_goes(shown):
    titles = value(shown["titles"])
    assert titles[-1] == d2l.STAND_IN
    told = [title for title in titles if "left" in title]
    assert len(told) > 5 and all(
        title.startswith(f"{d2l.STAND_IN} about ") for title in told)
    assert told[0].endswith(" min left") and told[-1].endswith(" min left")
    first, last = (int(title.split()[-3]) for title in (told[0], told[-1]))
    assert 10 <= first <= 40 and last < first


def test_interrupt_in_a_notebook_keeps_the_curves(shown):
    assert len(pictures(shown["interrupted"])) == 1
    error, = (out for out in shown["interrupted"]
              if out.output_type == "error")  # so the queue stops
    assert error.traceback == ["interrupted in epoch 2: the network keeps "
                               "what it has learned so far"]


def test_figures_in_a_notebook(shown):
    assert [alt for _, alt in pictures(shown["images"])] == ["three images"]
    assert [alt for _, alt in pictures(shown["grids"])] == ["a window"]
    assert [alt for _, alt in pictures(shown["blocks"])] == 2 * ["a network"]
    assert [alt for _, alt in pictures(shown["figure"])] == [
        "a figure of the reader's"]
    assert any(out.get("data", {}).get("text/plain") == "1"
               for out in shown["one image"]), "axes, even of one image"


def test_figures_are_readable_in_any_style(shown):
    """The reader's style is dark; our page is white, and black on it."""
    from io import BytesIO

    from PIL import Image
    for name in ("training", "images", "grids", "blocks"):
        for png, _ in pictures(shown[name]):
            grey = np.asarray(Image.open(BytesIO(png)).convert("L"))
            assert (grey[0] > 250).mean() > .5, f"{name}: the page"
            assert (grey < 60).sum() > 50, f"{name}: the writing"
            assert name == "images" or (grey < 60).mean() < .2, name
    assert value(shown["style"]) == ("black", [])


def test_pictures_are_drawn_as_asked(shown):
    from io import BytesIO

    from PIL import Image
    (across, _), (down, _) = pictures(shown["blocks"])
    across, down = (Image.open(BytesIO(png)).size for png in (across, down))
    assert across[0] > 2 * across[1] and down[1] > down[0] / 2
    (png, _), = pictures(shown["grids"])
    colors = Image.open(BytesIO(png)).convert("RGB").getcolors(2 ** 16)
    for role in ("input", "kernel", "output", "padding"):
        fill = bytes.fromhex(d2l.COLORS[role][0][1:])
        assert sum(count for count, color in colors if all(
            abs(a - b) < 5 for a, b in zip(fill, color))) > 2000, role


def test_colors_of_roles_and_layers():
    assert set(d2l.COLORS) == {
        "input", "kernel", "output", "padding", "window", "frame", "conv",
        "pool", "dense", "norm", "activation"}


def test_a_kind_of_layer_without_a_colour_is_named():
    with pytest.raises(KeyError, match="convolution"):
        d2l.draw_blocks("no network", [("convolution", "3×3")])


def test_interrupting_a_real_process(tmp_path):
    """Ctrl-C ends a script, unless it goes on with what was learned."""
    script = tmp_path / "train.py"
    script.write_text(f"""
import sys; sys.path.insert(0, {str(HOME)!r})
import itertools, time, torch, d2lmini
class Slow(list):
    def __iter__(self):
        for batch in list.__iter__(self):
            print("batch")
            time.sleep(0.1)
            yield batch
batches = Slow([(torch.rand(4, 4), torch.zeros(4).long())] * 20)
net = torch.nn.Linear(4, 2)
try:
    d2lmini.train_ch6(net, batches, batches, 100, 0.1, "cpu")
except KeyboardInterrupt as why:
    print(why)
print("still usable", tuple(net(torch.rand(1, 4)).shape))
""", encoding="utf-8")
    with subprocess.Popen([sys.executable, "-u", script], text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        while process.stdout.readline() != "batch\n":
            pass
        process.send_signal(2)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "interrupted in epoch 1" in out and "still usable (1, 2)" in out
