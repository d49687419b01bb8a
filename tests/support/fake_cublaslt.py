"""A stand-in for the little of cuBLASLt that the gpu device calls: NumPy behind its C interface.

What is handed over is looked at as the library does: handles that it has made, attributes it knows,
of their size, layouts that fit together, the workspace it was told of.
"""

import ctypes
import types

import fake_streams
import numpy as np

NUMBER = {0: ctypes.c_float, 1: ctypes.c_double}
SIZES = {3: 4, 4: 4, 7: 4, 8: 8}  # bytes of a product's attributes
PREFERENCES = {1: 8, 5: 4, 6: 4, 7: 4, 8: 4}
STAGE = {"accept": True}  # whether there is an algorithm
ALGORITHM = 0x1234


def make():
    """The library, with nothing made yet."""
    things, calls = {}, []

    def create(thing, *fields):
        def function(handle, *values):
            handle._obj.value = len(things) + 1
            things[handle._obj.value] = dict(zip(("kind", *fields), (thing, *values), strict=True))
            return 0

        return function

    def setter(kind, sizes):
        def function(handle, attribute, value, size):
            thing = things[handle.value]
            assert thing["kind"] == kind
            if sizes.get(attribute) != size or ctypes.sizeof(value._obj) != size:
                return 7  # CUBLAS_STATUS_INVALID_VALUE
            thing[attribute] = value._obj.value
            return 0

        return function

    def destroy(handle):
        del things[handle.value]
        return 0

    def heuristic(light, product, a, b, c, d, preference, wanted, found, count):
        assert things[light.value]["kind"] == "light"
        wishes = things[preference.value]
        assert set(wishes) == {"kind", *PREFERENCES}
        assert wanted == 1
        if not STAGE["accept"]:
            count._obj.value = 0
            return 15  # CUBLAS_STATUS_NOT_SUPPORTED
        count._obj.value, found._obj.state, found._obj.workspace = 1, 0, 512
        found._obj.algorithm[0] = ALGORITHM
        return 0

    def matmul(light, product, alpha, A, a, B, b, beta, C, c, D, d, algorithm, room, size, stream):
        product, a, b, c = (things[handle.value] for handle in (product, a, b, c))
        number = NUMBER[product["scale"]]
        assert product["compute"] == {0: 68, 1: 70}[product["scale"]]
        assert (C, alpha._obj.value, beta._obj.value) == (D, 1, 0)
        assert type(alpha._obj) is type(beta._obj) is number
        assert algorithm._obj[0] == ALGORITHM
        assert room
        assert size >= 512
        calls.append((product[7], stream))

        def at(address, layout):
            rows, columns, ld = layout["rows"], layout["columns"], layout["ld"]
            memory = (number * (ld * columns)).from_address(address)
            return np.frombuffer(memory, number).reshape(columns, ld).T[:rows]

        def work():
            left = at(A, a).T if product[3] else at(A, a)
            right = at(B, b).T if product[4] else at(B, b)
            out, epilogue = at(C, c), product[7]
            m = len(out)
            bias = np.frombuffer((number * m).from_address(product[8]), number)
            out[...] = left @ right
            if epilogue & 4:
                out += bias[:, None]
            if epilogue & 2:
                np.maximum(out, 0, out=out)
            if epilogue == 256:
                bias[...] = left.sum(axis=1)

        fake_streams.do(work)
        return 0

    return types.SimpleNamespace(
        things=things,
        calls=calls,
        cublasLtCreate=create("light"),
        cublasLtMatmulDescCreate=create("product", "compute", "scale"),
        cublasLtMatmulDescSetAttribute=setter("product", SIZES),
        cublasLtMatmulDescDestroy=destroy,
        cublasLtMatrixLayoutCreate=create("layout", "type", "rows", "columns", "ld"),
        cublasLtMatrixLayoutDestroy=destroy,
        cublasLtMatmulPreferenceCreate=create("preference"),
        cublasLtMatmulPreferenceSetAttribute=setter("preference", PREFERENCES),
        cublasLtMatmulPreferenceDestroy=destroy,
        cublasLtMatmulAlgoGetHeuristic=heuristic,
        cublasLtMatmul=matmul,
    )
