"""exp, expm1, log, log1p, tanh, erf and erfc of float32: polynomials that become vector code.

A call of the C library computes one number at a time; around these the compiler computes as many as
a vector holds. Errors are below 2 units in the last place (erf: 3, erfc: 7). Denormal numbers are
zero. float64 is left to the C library.

    e^x = 2^n e^r with n = round(x / log 2), so |r| <= log(2) / 2,  e^r = 1 + r + r^2 EXP(r)
    log x = e log 2 + log(1 + r) with x = 2^e (1 + r),  log(1 + r) = r - r^2 / 2 + r^3 LOG(r)
    tanh x = x + x^3 TANH(x^2) near 0, else 1 - 2 / (e^2x + 1)
    erfc x = t ERFC(t) e^-x^2 with t = 1 / (1 + 0.35 x), x >= 0;  erf x = x ERF(x^2) near 0

The coefficients are those of the least largest relative error, found by Remez's exchange.
"""

import math

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic, overload

from .machine.native import inner

F = np.float32
EXP = [F(c) for c in (0.49999993447788227, 0.16666520631720216, 0.041668388047012506,
                      0.008368716878697835, 0.0013814598561208852)]  # fmt: skip
LOG = [F(c) for c in (0.3333331260348121, -0.25000009598364215, 0.20002118704017888,
                      -0.1666799595460094, 0.14219551422138382, -0.12405586332827011,
                      0.11888167153006818, -0.11675670886403812, 0.06746652912050588)]  # fmt: skip
TANH = [F(c) for c in (-0.333332783155061, 0.1333132896258798, -0.05372923017841069,
                       0.02060200813246116, -0.0056607894243808545)]  # fmt: skip
ERF = [F(c) for c in (1.1283791613810663, -0.37612581252364835, 0.11282838356114934,
                      -0.026807905021538164, 0.005060663369045904,
                      -0.0006374357581156486)]  # fmt: skip
ERFC = [F(c) for c in (0.19748229215665053, 0.1971655036724507, 0.18768941116160393,
                       0.15212906167105797, 0.143442984428774, 0.0916534363727993,
                       -0.033060605693718784, 0.1853341203123199, -0.1605220888940374,
                       0.03868589213856804)]  # fmt: skip
E0, E1, E2, E3, E4 = EXP
L0, L1, L2, L3, L4, L5, L6, L7, L8 = LOG
T0, T1, T2, T3, T4 = TANH
R0, R1, R2, R3, R4, R5 = ERF
C0, C1, C2, C3, C4, C5, C6, C7, C8, C9 = ERFC
ONE, TWO, HALF, ZERO, INFINITY, NAN = F(1), F(2), F(0.5), F(0), F(np.inf), F(np.nan)
# log 2 in two parts: n times the first is exact
LN2_HIGH, LN2_LOW, PER_LN2 = F(0.693359375), F(-2.12194440e-4), F(1 / math.log(2))
# Added to a number it rounds that, to an integer that stands in the lower bits of the sum.
SHIFT = F(1.5 * 2**23)
LEAST, MOST = F(-104), F(89)  # beyond, e^x is 0 or infinite
SMALLEST, LARGEST = np.finfo(F).tiny, np.finfo(F).max
BEYOND, STRETCH = F(11), F(0.35)  # beyond, erfc is 0
I32, FLOAT = ir.IntType(32), ir.FloatType()
OPTIONS = {"error_model": "numpy", "fastmath": {"contract"}, "forceinline": True}


@intrinsic
def times_power(typing_context, x, shifted):
    """x 2^n for an integer n given as n + SHIFT."""

    def generate(context, builder, signature, args):
        x, shifted = args
        n = builder.sub(builder.bitcast(shifted, I32), ir.Constant(I32, 0x4B400000))
        half = builder.ashr(n, ir.Constant(I32, 1))
        for part in (half, builder.sub(n, half)):  # 2^n itself may be no float32
            bits = builder.shl(builder.add(part, ir.Constant(I32, 127)), ir.Constant(I32, 23))
            x = builder.fmul(x, builder.bitcast(bits, FLOAT))
        return x

    return types.float32(types.float32, types.float32), generate


def _exponent(builder, bits):
    """Of a number as a power of two times one in sqrt(1/2) .. sqrt(2)."""
    return builder.ashr(builder.sub(bits, ir.Constant(I32, 0x3F3504F3)), ir.Constant(I32, 23))


@intrinsic
def exponent(typing_context, x):
    def generate(context, builder, signature, args):
        return builder.sitofp(_exponent(builder, builder.bitcast(args[0], I32)), FLOAT)

    return types.float32(types.float32), generate


@intrinsic
def mantissa(typing_context, x):
    """x / 2^exponent(x)"""

    def generate(context, builder, signature, args):
        bits = builder.bitcast(args[0], I32)
        power = builder.shl(_exponent(builder, bits), ir.Constant(I32, 23))
        return builder.bitcast(builder.sub(bits, power), FLOAT)

    return types.float32(types.float32), generate


@intrinsic
def rough(typing_context, x):
    """x without the last 12 bits: its square is a float32."""

    def generate(context, builder, signature, args):
        bits = builder.and_(builder.bitcast(args[0], I32), ir.Constant(I32, 0xFFFFF000))
        return builder.bitcast(bits, FLOAT)

    return types.float32(types.float32), generate


def _of_float32(name):
    """A decorator: have compiled code call a function where it calls the one returned, for a
    float32; for a float64 it calls math's of that name.
    """
    by_library = getattr(math, name)

    def decorate(function):
        def stub(x):
            return by_library(x)

        @overload(stub, jit_options=OPTIONS)
        def choose(x):
            return function if x == types.float32 else lambda x: by_library(x)

        return by_library if config.DISABLE_JIT else stub

    return decorate


@inner(**OPTIONS)
def reduced(x):
    """(e^r - 1, n + SHIFT), see above."""
    x = LEAST if x < LEAST else x  # NaN stays
    x = MOST if x > MOST else x
    shifted = x * PER_LN2 + SHIFT
    n = shifted - SHIFT
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    return r + r * r * (E0 + r * (E1 + r * (E2 + r * (E3 + r * E4)))), shifted


@_of_float32("exp")
def exp(x):
    q, shifted = reduced(x)
    return times_power(ONE + q, shifted)


@_of_float32("expm1")
def expm1(x):
    q, shifted = reduced(x)
    value = times_power(q, shifted) + (times_power(ONE, shifted) - ONE)
    large = shifted > SHIFT + F(100)  # 2^n may be no float32
    return times_power(ONE + q, shifted) if large else value


@_of_float32("log")
def log(x):
    e, r = exponent(x), mantissa(x) - ONE
    high = L4 + r * (L5 + r * (L6 + r * (L7 + r * L8)))
    p = L0 + r * (L1 + r * (L2 + r * (L3 + r * high)))
    value = ((r * r * r * p + e * LN2_LOW) - HALF * r * r + r) + e * LN2_HIGH
    other = x if x > LARGEST else (-INFINITY if abs(x) < SMALLEST else NAN)
    return value if SMALLEST <= x <= LARGEST else other


@_of_float32("log1p")
def log1p(x):
    u = ONE + x
    value = log(u)
    lost = (x - (u - ONE)) / u  # of x, when 1 was added
    return value + lost if ZERO < u < INFINITY else value


@_of_float32("tanh")
def tanh(x):
    square = x * x
    p = T0 + square * (T1 + square * (T2 + square * (T3 + square * T4)))
    near, far = x + x * square * p, ONE - TWO / (exp(TWO * abs(x)) + ONE)
    return near if abs(x) < F(0.625) else (far if x > ZERO else -far)


@inner(**OPTIONS)
def erf_near_0(x):
    z = x * x
    return x * (R0 + z * (R1 + z * (R2 + z * (R3 + z * (R4 + z * R5)))))


@inner(**OPTIONS)
def erfc_beyond_0(a):
    a = BEYOND if a > BEYOND else a
    t, first = ONE / (ONE + STRETCH * a), rough(a)
    p = C4 + t * (C5 + t * (C6 + t * (C7 + t * (C8 + t * C9))))
    p = t * (C0 + t * (C1 + t * (C2 + t * (C3 + t * p))))
    return p * exp(-(first * first)) * exp(-(a - first) * (a + first))


@_of_float32("erf")
def erf(x):
    far = ONE - erfc_beyond_0(abs(x))
    return erf_near_0(x) if abs(x) < F(0.8) else (far if x > ZERO else -far)


@_of_float32("erfc")
def erfc(x):
    far = erfc_beyond_0(abs(x))
    return ONE - erf_near_0(x) if abs(x) < F(0.6) else (far if x > ZERO else TWO - far)
