"""Two launches of a step as one, where the second reads what the first has just written."""

import dataclasses

from ..machine.call import Launch, same

FEW_ROWS = 1024  # up to here a sum over rows beside the gradient costs less than a second launch


def fused(launches):
    """The same step with bias and activation, and their gradients, as one launch each."""
    launches = list(launches)
    for make in (_bias_and_activation, _gradient_and_bias):
        i = 0
        while i < len(launches):
            make(launches, i)
            i += 1
    return launches


def _is(launch, name):
    return isinstance(launch, Launch) and launch.name == name


def _bias_and_activation(launches, i):
    """z += b; y = f(z)"""
    if i + 1 == len(launches) or not _is(launches[i], "add_bias"):
        return
    b, n, H, z = launches[i].args
    after = launches[i + 1]
    if _is(after, "elementwise") and same(after.args[1], z):
        kind, _, _, *options, y = after.args
        args = (kind, b, n, H, *options, z, y)
        launches[i : i + 2] = [dataclasses.replace(after, name="bias_elementwise", args=args)]


def _gradient_and_bias(launches, i):
    """dz = dy f'(z); (products that only read dz); db = sum of its rows"""
    if not _is(launches[i], "elementwise_grad"):
        return
    kind, x, y, dy, _, *options, dz = launches[i].args
    j = i + 1
    while j < len(launches) and launches[j].name == "gemm" and not same(launches[j].C, dz):
        j += 1
    if j == len(launches) or not _is(launches[j], "sum_rows"):
        return
    summed, N, H, db = launches[j].args
    if N > FEW_ROWS or not same(summed, dz):
        return
    args = (kind, x, y, dy, N, H, *options, dz, db)
    dtype = launches[i].dtype
    del launches[j]
    launches[i] = Launch("elementwise_grad_bias", "columns", H, args, dtype)
