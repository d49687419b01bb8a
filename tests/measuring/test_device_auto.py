"""device="auto": what `fit` takes after it has measured, and what it says. Times are made up."""

import fake_cupy
import numpy as np
import pytest
from test_measuring import (  # noqa: F401  the fixtures are used
    card,
    functional,
    made_up_times,
    model,
    own_cache,
    rows,
)

import tinynet
from tinynet import Sequential, kernels, random
from tinynet.layers import Dense, Input, Layer
from tinynet.measuring import choice, store, subject


@pytest.mark.parametrize(("cpu", "gpu_", "taken"), [(4.0, 1.0, "gpu"), (1.0, 2.5, "cpu")])
@pytest.mark.usefixtures("card")
def test_auto_takes_the_faster_one_and_says_so_once(monkeypatch, capsys, cpu, gpu_, taken):
    timed = made_up_times(monkeypatch, cpu=cpu, gpu=gpu_)
    x, y = rows()
    net = model()
    net.fit(x, y, batch_size=8, verbose=2)
    assert net.device == taken
    ratio = {"gpu": "4", "cpu": "2.5"}[taken]
    other = {"gpu": "cpu", "cpu": "gpu"}[taken]
    line = f"device auto: {taken}, {ratio} times as fast as {other} (batch 8, measured now)"
    assert capsys.readouterr().out.splitlines()[0] == line
    assert net.explain_execution() == f"recorded once and replayed; {line}"
    assert net.step_context.ops is kernels.load(taken)
    assert set(timed) == {"cpu", "gpu"}
    timed.clear()
    again = model()  # other names, same architecture
    again.fit(x, y, batch_size=8, verbose=0)
    assert timed == []
    assert again.device == taken
    assert capsys.readouterr().out == ""
    assert "measured before" in again.explain_execution()
    again.fit(x, y, batch_size=4, verbose=0)
    assert set(timed) == {"cpu", "gpu"}


@pytest.mark.usefixtures("card")
def test_auto_trains_as_if_the_device_had_been_named(monkeypatch):
    made_up_times(monkeypatch, cpu=2.0, gpu=1.0)
    x, y = rows(40)
    trained = []
    for device in ("auto", "gpu"):
        tinynet.utils.set_random_seed(3)
        net = model(device=device)
        history = net.fit(x, y, batch_size=8, epochs=2, verbose=0).history
        trained.append((net.get_weights(), history, random.get_state()))
    (w, h, s), (expected, history, state) = trained
    for a, b in zip(w, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert h == history
    assert str(s) == str(state)


@pytest.mark.usefixtures("card")
def test_moments_go_along_to_the_other_device(monkeypatch):
    x, y = rows(40)
    expected = model(device="cpu", dropout=0.0)
    tinynet.utils.set_random_seed(3)
    net = model(dropout=0.0)
    expected.set_weights(net.get_weights())
    for i, (cpu, gpu_) in enumerate([(1.0, 2.0), (2.0, 1.0), (1.0, 2.0)]):
        made_up_times(monkeypatch, cpu=cpu, gpu=gpu_)
        net.fit(x, y, batch_size=8 + i, shuffle=False, verbose=0)
        expected.fit(x, y, batch_size=8 + i, shuffle=False, verbose=0)
        assert net.device == ("gpu" if i == 1 else "cpu")
    assert net.optimizer.iterations == expected.optimizer.iterations == 14
    for a, b in zip(net.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_without_a_card_auto_is_cpu_without_a_word(monkeypatch, capsys):
    monkeypatch.setattr(kernels, "why_not", lambda device: "no card in here")
    timed = made_up_times(monkeypatch, cpu=1.0)
    x, y = rows()
    net = model()
    net.fit(x, y, verbose=2)
    assert net.device == "cpu"
    assert "auto" not in capsys.readouterr().out
    assert net.explain_execution().endswith(
        "device auto: cpu, because there is no gpu to use: no card in here"
    )
    assert timed == []
    assert not store.folder().exists()


@pytest.mark.parametrize(("given", "variable", "open_"), [
    ("auto", None, True), ("auto", "", True), ("auto", "reference", True), (None, "auto", True),
    (None, None, False), (None, "", False), (None, "reference", False), ("cpu", "auto", False),
    ("reference", None, False),
])  # fmt: skip
@pytest.mark.usefixtures("card")
def test_who_names_a_device_gets_it(monkeypatch, given, variable, open_):
    if variable is not None:
        monkeypatch.setenv("TINYNET_DEVICE", variable)
    made_up_times(monkeypatch, cpu=2.0, gpu=1.0, reference=3.0)
    net = model(device=given)
    net.fit(*rows(), verbose=0)
    named = given or variable or "cpu"
    assert net.device == ("gpu" if open_ else named)
    assert ("device auto" in net.explain_execution()) == open_


@pytest.mark.usefixtures("card")
def test_a_gpu_that_disagrees_is_not_taken(monkeypatch):
    real = subject.timed_fit
    made_up_times(monkeypatch, cpu=2.0, gpu=1.0)

    def fit(net, *args):
        seconds, loss = real(net, *args)
        return seconds, loss + (net.device == "gpu")

    monkeypatch.setattr(subject, "timed_fit", fit)
    net = model()
    with pytest.warns(RuntimeWarning, match=r"gpu does not agree, batch 8: .*; the cpu is taken"):
        net.fit(*rows(), batch_size=8, verbose=0)
    assert net.device == "cpu"
    assert "because gpu does not agree" in net.explain_execution()
    assert not store.folder().exists()


@pytest.mark.usefixtures("card")
def test_what_can_not_be_written_down_stays_on_the_cpu():
    net = model(metrics=[lambda y, p: p.max(axis=-1)])
    net.fit(*rows(), verbose=0)
    assert net.device == "cpu"
    assert "nothing could be measured: " in net.explain_execution()
    assert "<lambda>" in net.explain_execution()


@pytest.mark.usefixtures("card")
def test_a_model_that_can_not_be_copied_stays_on_the_cpu():
    class Odd(Layer):
        def forward(self, x, training=False):
            return x

        def backward(self, dy):
            return dy

    net = Sequential([Input((5,)), Odd(), Dense(3, "softmax")])
    net.compile("sgd", "sparse_categorical_crossentropy", device="auto")
    net.fit(*rows(), verbose=0)
    assert net.device == "cpu"
    assert "nothing could be measured" in net.explain_execution()


@pytest.mark.usefixtures("card")
def test_auto_where_the_card_is_too_small(monkeypatch):
    monkeypatch.setattr(fake_cupy.memory, "limit", 2000)
    net = model(device="auto")
    net.fit(*rows(300), batch_size=300, verbose=0)
    assert net.device == "cpu"
    assert "because the gpu has no room" in net.explain_execution()


@pytest.mark.usefixtures("card")
def test_auto_with_batches_from_elsewhere_and_with_zeros(monkeypatch):
    made_up_times(monkeypatch, cpu=2.0, gpu=1.0)
    seen = []
    real = choice.store.key

    def key(net, batch, devices, shapes, density):
        seen.append((batch, shapes, density))
        return real(net, batch, devices, shapes, density)

    monkeypatch.setattr(choice.store, "key", key)
    x, y = rows(12)
    x[:, 1:] = 0
    net = model()
    net.fit(iter([(x, y)] * 2), steps_per_epoch=2, verbose=0)
    net.fit(x, y, batch_size=4, verbose=0)
    assert seen == [(12, (5,), 0.2), (4, (5,), 0.2)]
    assert net.device == "gpu"


@pytest.mark.usefixtures("card")
def test_compile_with_another_device_keeps_the_optimizers_state():
    x, y = rows(40)
    nets = []
    for second in ("cpu", "gpu", "reference"):
        tinynet.utils.set_random_seed(3)
        net = model(device="cpu", dropout=0.0)
        net.fit(x, y, batch_size=8, shuffle=False, verbose=0)
        net.train_on_batch(x[:4], y[:4])  # leaves arrays behind
        net.compile(net.optimizer, net.loss, device=second)
        net.train_on_batch(x[:4], y[:4])
        net.fit(x, y, batch_size=8, shuffle=False, verbose=0)
        assert net.optimizer.iterations == 12
        nets.append(net.get_weights())
    for other in nets[1:]:
        for a, b in zip(nets[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
