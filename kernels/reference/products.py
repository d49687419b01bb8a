"""The reference kernels for arrays, matrix products and sums of rows."""

import numpy as np


def empty(shape, dtype):
    return np.empty(shape, dtype)


def zeros(shape, dtype):
    return np.zeros(shape, dtype)


def from_host(array):
    return array


def to_host(array):
    return array


def gather(data, rows, *, out):
    out[...] = data[rows]  # (N, ...)


# ------------------------------------------------------------------------------------------ linear


def linear(x, W, b, *, y):
    if isinstance(x, np.ndarray):
        np.matmul(x, W, out=y)  # (N, H)
    else:
        y[...] = x @ W  # a sparse matrix multiplies in its own way
    if b is not None:
        y += b


def linear_dx(dy, W, *, dx):
    np.matmul(dy, W.T, out=dx)  # (N, D)


def linear_dW(x, dy, *, dW):
    if isinstance(x, np.ndarray):
        np.matmul(x.T, dy, out=dW)  # (D, H)
    else:
        dW[...] = x.T @ dy


def sum_rows(x, *, out):
    np.sum(x, axis=0, out=out)  # (H,)


def affine(x, scale, shift, *, y):
    np.multiply(x, scale, out=y)
    y += shift


def multiply(x, m, *, y):
    np.multiply(x, m, out=y)


def add(x, a, *, y):
    np.add(x, a, out=y)
