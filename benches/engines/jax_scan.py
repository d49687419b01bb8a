"""JAX, written by hand: the whole stretch is one compiled `lax.scan`, the data stay resident."""

import functools
import os
import time

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # engines share the card's memory

import jax
import jax.numpy as jnp
import numpy as np

from tinynet.kernels.gpu.machine.options import tf32

from .base import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Engine


def loss_of(weights, x, y):
    """Mean cross-entropy of a batch, from the logits."""
    *hidden, (W, b) = weights
    h = x
    for V, c in hidden:
        h = jax.nn.relu(h @ V + c)
    log_p = jax.nn.log_softmax(h @ W + b)
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))


def adam(w, g, m, v, t):
    alpha = LEARNING_RATE * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    m = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), m, g)
    v = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g * g - v), v, g)
    w = jax.tree.map(lambda w, m, v: w - alpha * m / (jnp.sqrt(v) + EPSILON), w, m, v)
    return w, m, v


@functools.partial(jax.jit, donate_argnums=0)
def train_stretch(state, order, x, y):
    """All steps of `order` (steps, batch); returns the new state and the mean loss."""

    def step(state, rows):
        w, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(w, x[rows], y[rows])
        return (*adam(w, g, m, v, t + 1), t + 1), loss

    state, losses = jax.lax.scan(step, state, order)
    return state, losses.mean()


class JaxScan(Engine):
    settings = "one jitted lax.scan per stretch, data resident, state donated"
    place, precision = "cpu", None  # JAX's names of the platform, and of how it multiplies

    def __init__(self, x, y):
        super().__init__(x, y)
        jax.config.update("jax_platforms", self.place)
        jax.config.update("jax_default_matmul_precision", self.precision)
        self.device_x, self.device_y = jnp.asarray(x), jnp.asarray(y.astype(np.int32))

    def load(self, weights):
        # Copies: donation would otherwise hand our NumPy arrays' memory to XLA.
        pairs = zip(weights[::2], weights[1::2], strict=True)
        w = [(jnp.array(W, copy=True), jnp.array(b, copy=True)) for W, b in pairs]
        m, v = jax.tree.map(jnp.zeros_like, w), jax.tree.map(jnp.zeros_like, w)
        self.state = (w, m, v, jnp.float32(0))
        jax.block_until_ready(self.state)

    def weights(self):
        return [np.array(a) for pair in self.state[0] for a in pair]

    def train(self, batch, steps, order=None):
        start = time.perf_counter()
        order = self.permutation(batch, steps, order).astype(np.int32)
        self.state, loss = train_stretch(self.state, order, self.device_x, self.device_y)
        jax.block_until_ready(self.state)
        return time.perf_counter() - start, float(loss)


class JaxScanGpu(JaxScan):
    """float32 means float32 here; of itself JAX multiplies in TF32 on a card."""

    place = "cuda"

    def __init__(self, x, y):
        self.precision = "tensorfloat32" if tf32() else "highest"
        super().__init__(x, y)
