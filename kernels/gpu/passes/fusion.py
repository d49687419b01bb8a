"""Two launches of a step as one, where the second reads what the first has just written."""

from ..card.formulas import framed
from ..machine.call import same
from ..machine.launches import launch
from ..machine.order import accesses, conflict


def fused(launches):
    """The same step with bias and activation, and their gradients, as one launch each."""
    launches = list(launches)
    for make in (_bias_and_activation, _gradient_and_bias):
        i = 0
        while i < len(launches):
            make(launches, i)
            i += 1
    return launches


def counted(launches, dtype):
    """The same step with the launch that counts it at the end; it takes the sum of the losses along
    if no launch in between has to do with that."""
    for i, one in enumerate(launches):
        if one.name == "add_loss" and one.when is None:
            mine, after = accesses(one), launches[i + 1 :]
            if not any(conflict(mine, accesses(other)) for other in after):
                losses = one.given["losses"]
                return [*launches[:i], *after, launch("next_step", size=1, losses=losses)]
    return [*launches, launch("next_step", size=1, dtype=dtype, losses=None, n=0)]


def _bias_and_activation(launches, i):
    """z += b; y = f(z)"""
    if i + 1 == len(launches) or launches[i].name != "add_bias":
        return
    bias, after = launches[i].given, launches[i + 1]
    if after.name == "elementwise" and same(after.given["x"], bias["y"]):
        kernel = framed("bias_elementwise", *after.kernel.made_from)
        given = {"b": bias["b"], "H": bias["H"], "z": bias["y"], **without(after, "x")}
        launches[i : i + 2] = [launch(kernel, **given)]


def _gradient_and_bias(launches, i):
    """dz = dy f'(z); (products that only read dz); db = sum of its rows"""
    if launches[i].name != "elementwise_grad":
        return
    dz, j = launches[i].given["dx"], i + 1
    while j < len(launches) and launches[j].name == "gemm" and not same(launches[j].C, dz):
        j += 1
    if j == len(launches) or launches[j].name != "sum_rows":
        return
    summed = launches[j].given
    if not same(summed["x"], dz):
        return
    kernel = framed("elementwise_grad_bias", *launches[i].kernel.made_from)
    given = {**without(launches[i], "n"), "R": summed["R"], "D": summed["D"], "db": summed["out"]}
    del launches[j]
    launches[i] = launch(kernel, **given)


def without(one, *names):
    """The arguments of a launch by name, without these."""
    return {name: value for name, value in one.given.items() if name not in names}
