"""cuBLASLt's epilogues (TINYNET_CUBLASLT=1): the same steps in fewer launches, or none of it and a
reason. The library is a stand-in; where the real one is installed, it is asked what needs no card.
"""

import ctypes
import gc
import pathlib

import fake_cublaslt
import fake_cupy
import numpy as np
import pytest
import replay_runs

import tinynet
from tinynet import Sequential
from tinynet.kernels.gpu.card import cublaslt, runtime
from tinynet.kernels.gpu.card import survey as card_survey
from tinynet.kernels.gpu.passes import epilogues as epilogue_pass
from tinynet.layers import BatchNormalization, Dense, Input

DRAW = np.random.default_rng(3)
X, Y = DRAW.standard_normal((40, 5)), DRAW.integers(0, 3, 40)


@pytest.fixture
def library(monkeypatch):
    """The stand-in for the card, with the stand-in for cuBLASLt asked for."""
    monkeypatch.setenv("TINYNET_CUBLASLT", "1")
    monkeypatch.setitem(fake_cublaslt.STAGE, "accept", True)
    made = fake_cublaslt.make()
    with fake_cupy.in_place_of_a_card():
        runtime.current().load_cublaslt = lambda: cublaslt.bind(made)
        yield made


def trained(device="gpu", activation="relu", dtype="float64", extra=(), **options):
    tinynet.utils.set_random_seed(4)
    model = Sequential([
        Input((5,)), Dense(6, activation, dtype=dtype), *extra, Dense(4, activation, dtype=dtype),
        Dense(3, "softmax", dtype=dtype),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], device=device)
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0, **options)
    return model


def machine_of(model, kind="train", rows=16):
    return replay_runs.machine_of(model, kind, rows)


def epilogues(model, **which):
    return [one.epilogue for one in machine_of(model, **which).step
            if isinstance(one, epilogue_pass.Fused)]  # fmt: skip


def same(model, other):
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9 if a.dtype == "float64" else 1e-4, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bias_relu_and_bias_gradients_go_along(library, dtype):
    model = trained(dtype=dtype)
    RELU, BIAS, SUM = cublaslt.RELU_BIAS, cublaslt.BIAS, cublaslt.BGRADA
    assert epilogues(model) == [RELU, RELU, BIAS, SUM]  # hidden layers': with relu's gradient
    names = [one.name for one in machine_of(model).step]
    for name in ("add_bias", "bias_elementwise", "sum_rows"):
        assert name not in names
    assert {epilogue for epilogue, _ in library.calls} == {RELU, BIAS, SUM}
    assert all(stream == runtime.current().recorder.ptr for _, stream in library.calls)
    same(model, trained("reference", dtype=dtype))
    expected = trained("reference", dtype=dtype).evaluate(X, Y, verbose=0)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-4)


def test_other_activations_and_layers_between(library):
    model = trained(activation="tanh", extra=[BatchNormalization(dtype="float64")])
    assert cublaslt.RELU_BIAS not in epilogues(model)
    same(
        model, trained("reference", activation="tanh", extra=[BatchNormalization(dtype="float64")])
    )


def test_where_there_is_no_algorithm_our_own_kernels_do_it(library, monkeypatch):
    monkeypatch.setitem(fake_cublaslt.STAGE, "accept", False)
    model = trained()
    assert epilogues(model)
    assert library.calls == []
    same(model, trained("reference"))
    refused = runtime.current().cublaslt.refused
    key = ("float64", (False, False), (6, 16, 5), cublaslt.RELU_BIAS)
    assert refused[key] == "cublasLtMatmulAlgoGetHeuristic returned status 15"


def test_off_unless_asked_for(library, monkeypatch):
    monkeypatch.delenv("TINYNET_CUBLASLT")
    assert epilogues(trained()) == []
    assert library.things == {}
    assert "off (TINYNET_CUBLASLT=1 turns it on" in cublaslt.describe()


def test_without_the_library_it_is_left_out_with_a_reason(library, monkeypatch):
    def none():
        raise cublaslt.NotSupported("cuBLASLt was not found (no such file)")

    runtime.current().load_cublaslt = none
    assert epilogues(trained()) == []
    monkeypatch.setattr(cublaslt, "load", none)
    assert cublaslt.describe() == (
        "asked for by TINYNET_CUBLASLT=1, but cuBLASLt was not found (no such file): our own "
        "kernels are used"
    )


def test_a_library_that_lacks_a_function():
    old = fake_cublaslt.make()
    del old.cublasLtMatmul
    with pytest.raises(cublaslt.NotSupported, match="cuBLASLt has no cublasLtMatmul"):
        cublaslt.bind(old)


def test_doctor_has_a_line(monkeypatch):
    monkeypatch.setattr(card_survey, "explain", lambda: "no card")
    assert "cuBLASLt" not in card_survey.survey()  # nothing to say without a card


def test_debugging_goes_kernel_by_kernel(library, monkeypatch):
    monkeypatch.setenv("TINYNET_DEBUG", "1")
    model = trained()
    assert library.calls == []
    same(model, trained("reference"))


def test_what_was_made_is_destroyed(library):
    model = trained()
    assert len(library.things) > 10
    model.execution.programs.clear()
    del model
    gc.collect()
    assert [thing["kind"] for thing in library.things.values()] == ["light"]


@pytest.mark.parametrize(("address", "bytes_"), [(4096, 256), (4, 4), (24, 8), (0, 256), (96, 32)])
def test_alignment_of_an_address(address, bytes_):
    assert cublaslt.aligned(address) == bytes_


def test_the_real_library_takes_our_descriptors():
    """Products and layouts are plain memory: the library checks and returns them, card or not."""
    try:
        library = cublaslt.load()
    except cublaslt.NotSupported as reason:
        pytest.skip(str(reason))
    assert ctypes.sizeof(cublaslt.Found) == 96
    read = library.cublasLtMatmulDescGetAttribute
    read.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t,
                     ctypes.c_void_p)  # fmt: skip

    class Opened(cublaslt.CublasLt):
        def __init__(self):  # without a card it can't be opened
            self.library, self.refused = library, {}

    class Described(cublaslt.Plan):
        def _algorithm(self, workspace):
            preference = self._make("cublasLtMatmulPreference")
            wishes = [(a, ctypes.c_uint32(16)) for a in cublaslt.ALIGNMENTS]
            for attribute, value in [(cublaslt.WORKSPACE, ctypes.c_uint64(workspace)), *wishes]:
                self.cublaslt.call("cublasLtMatmulPreferenceSetAttribute", preference, attribute,
                                   ctypes.byref(value), ctypes.sizeof(value))  # fmt: skip

    plan = Described(Opened(), "float64", (False, True), (6, 5, 16), 256, 6, 512, 5, 1024, 6,
                     cublaslt.BGRADA, 4096, workspace=1 << 20)  # fmt: skip
    for attribute, kind, expected in (
        (cublaslt.TRANSA, ctypes.c_int32, 0), (cublaslt.TRANSB, ctypes.c_int32, 1),
        (cublaslt.EPILOGUE, ctypes.c_uint32, 256), (cublaslt.BIAS_POINTER, ctypes.c_uint64, 4096),
    ):  # fmt: skip
        found, size = kind(), ctypes.c_size_t()
        assert read(plan.product, attribute, ctypes.byref(found), ctypes.sizeof(found),
                    ctypes.byref(size)) == 0  # fmt: skip
        assert (found.value, size.value) == (expected, ctypes.sizeof(kind))


def test_the_bench_says_what_was_refused(library, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parents[2] / "benches"))
    from engines.tinynet_fit import TinynetFit

    engine = TinynetFit(None, None, "gpu")
    runtime.current().cublaslt.refused["float32", (6, 16, 5)] = "status 15"
    for _ in range(2):
        engine.say_what_was_refused()
    assert capsys.readouterr().out == "cuBLASLt: ('float32', (6, 16, 5)): status 15\n"
