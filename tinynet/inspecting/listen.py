"""`Listener`: keeps what a model's parts take and return during one step.

Each layer's `forward` and `backward`, the loss's `forward` and the optimizer's `step` are replaced
(on the object alone) by functions that call them and copy their arguments and results.
"""

import contextlib

import numpy as np

from .records import LayerTrace, LossTrace, ParameterTrace


@contextlib.contextmanager
def replaced(obj, **methods):
    """Replace an object's methods within the block, without setattr, which marks it as changed."""
    own = {name: obj.__dict__[name] for name in methods if name in obj.__dict__}
    obj.__dict__.update(methods)
    try:
        yield
    finally:
        for name in methods:
            del obj.__dict__[name]
        obj.__dict__.update(own)


def copied(value, to_host):
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [copied(v, to_host) for v in value]
    if isinstance(value, dict):
        return {k: copied(v, to_host) for k, v in value.items()}
    return np.array(to_host(value))


class Listener:
    """Records the calls of layers, loss and optimizer within its `with` block."""

    def __init__(self, model, update):
        self.model, self.to_host, self.update = model, model.context.ops.to_host, update
        self.calls, self.open, self.loss = [], [], None
        self.grads = self.state_before = self.state_after = self.clipped = None

    def copy(self, value):
        return copied(value, self.to_host)

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        for layer in self.model.layers:
            self.stack.enter_context(replaced(layer, **self._watched(layer), needs_dx=True))
        self.stack.enter_context(replaced(self.model.loss, forward=self._loss))
        self.stack.enter_context(replaced(self.model.optimizer, step=self._step))

    def __exit__(self, *error):
        self.stack.close()

    # ---------------------------------------------------------------------------------- layers

    def _watched(self, layer):
        methods = {
            "forward": self._up(layer, layer.forward, fused=False),
            "backward": self._down(layer, layer.backward, "dy"),
        }
        if hasattr(layer, "logits") and hasattr(layer, "backward_from_logits"):
            methods["logits"] = self._up(layer, layer.logits, fused=True)
            methods["backward_from_logits"] = self._down(layer, layer.backward_from_logits, "dz")
        return methods

    def _up(self, layer, method, fused):
        """Return `forward`, or `logits`, recorded; a fused loss calls `logits` by itself."""

        def run(x, *args, **options):
            if self.open:  # logits within forward
                z = method(x, *args, **options)
                self.open[-1].z = self.copy(z)
                return z
            call = LayerTrace(layer, x=self.copy(x), fused=fused)
            self.open.append(call)
            try:
                result = method(x, *args, **options)
            finally:
                self.open.pop()
            setattr(call, "z" if fused else "y", self.copy(result))
            if not fused:
                call.parts = self._parts(layer, call)
            self.calls.append(call)
            return result

        return run

    def _down(self, layer, method, which):
        def run(dy, *args, **options):
            call = next(c for c in reversed(self.calls) if c.layer is layer and
                        (not c.visited or c in self.open))  # fmt: skip
            setattr(call, which, self.copy(dy))
            if call in self.open:  # backward_from_logits within backward
                return method(dy, *args, **options)
            call.visited = True
            self.open.append(call)
            try:
                dx = method(dy, *args, **options)
            finally:
                self.open.pop()
            call.dx = self.copy(dx)
            return dx

        return run

    def _parts(self, layer, call):
        """Return what forward saved for backward, by the names in the layer's formulas."""
        from ..layers import BatchNormalization, Dropout

        if isinstance(layer, Dropout) and layer.saved[0] is not None:
            return {"mask": self.copy(layer.saved[0])}
        if isinstance(layer, BatchNormalization):
            xhat, var, of_batch = layer.saved
            rows = np.moveaxis(call.x, layer.axis, -1).reshape(-1, xhat.shape[-1])  # (N, D)
            mean = rows.mean(axis=0) if of_batch else layer.moving_mean.numpy()
            return {"xhat": self.copy(xhat), "mean": mean, "var": self.copy(var),
                    "of_batch": bool(of_batch)}  # fmt: skip
        return {}

    # ------------------------------------------------------------------------- loss and update

    def _loss(self, y, p, w, logits=False):
        loss = self.model.loss
        values = type(loss).forward(loss, y, p, w, logits=logits)
        fused = logits or loss.from_logits
        probabilities = self.copy(loss.probabilities) if fused else None
        self.loss = LossTrace(loss, fused, self.copy(y), self.copy(w), self.copy(p),
                              probabilities, self.copy(values), self.copy(loss.dp),
                              before=0.0, penalty=0.0)  # fmt: skip
        return values

    def _step(self, w, g, context):
        optimizer = self.model.optimizer
        self.grads = self.copy(g)
        self.state_before = self._state()
        if self.update:
            type(optimizer).step(optimizer, w, g, context)
        self.clipped, self.state_after = self.copy(g), self._state()

    def _state(self):
        state, size = self.model.optimizer.state, self.grads.shape
        return {name: self.copy(vector) for name, vector in state.items()
                if vector is not None and vector.shape == size}  # fmt: skip

    # -------------------------------------------------------------------------- what was watched

    def outputs(self):
        """Return the predictions; a fused loss has computed them from the last layer's z."""
        last = self.calls[-1]
        if last.fused:
            last.y = self.loss.probabilities.reshape(last.z.shape)
        return last.y

    def input_gradient(self):
        """Return dL / dx, where the backward pass reached the input, or Flatten above it."""
        from ..layers import Flatten

        first = next((k for k, call in enumerate(self.calls) if call.visited), None)
        below = self.calls[:first]
        if first is None or not all(isinstance(call.layer, Flatten) for call in below):
            return None
        dx, x = self.calls[first].dx, self.calls[0].x
        return None if dx is None or isinstance(x, list) else dx.reshape(x.shape)

    def parameters(self, before):
        model, found = self.model, {}
        places = dict(zip((p.path for p in model.optimizer.parameters), model.optimizer.slices,
                          strict=True))  # fmt: skip
        for p in model.parameters:
            found[p.path] = traced = ParameterTrace(p.path, before[p.path], p.numpy())
            if self.grads is None or p.path not in places:
                continue
            place = places[p.path]
            traced.gradient = self.grads[place].reshape(p.shape)
            traced.clipped = self.clipped[place].reshape(p.shape)
            for name, vector in self.state_before.items():
                traced.state_before[name] = vector[place].reshape(p.shape)
                traced.state_after[name] = self.state_after[name][place].reshape(p.shape)
            if p.regularizer is not None:
                traced.penalty_gradient = np.asarray(p.regularizer.gradient(before[p.path]))
        return found
