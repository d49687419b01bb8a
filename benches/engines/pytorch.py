"""PyTorch: eager with fused Adam, and the same through torch.compile."""

import time

import numpy as np
import torch

from .base import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Engine, threads


class Torch(Engine):
    settings = "eager, Adam(fused=True), index_select from a resident tensor"

    def __init__(self, x, y):
        super().__init__(x, y)
        torch.set_num_threads(threads())
        self.device_x, self.device_y = torch.from_numpy(x), torch.from_numpy(y)
        self.model = None

    def load(self, weights):
        if self.model is None:
            self.model = self.build(weights)
            self.parameters = list(self.model.parameters())
            self.loss_of = self.compiled(self.eager_loss)
        with torch.no_grad():
            for parameter, w in zip(self.parameters, weights, strict=True):
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(w.T)))
        self.optimizer = torch.optim.Adam(
            self.parameters, LEARNING_RATE, (BETA_1, BETA_2), EPSILON, fused=True
        )
        self.steps_taken = 0

    def build(self, weights):
        layers = []
        for W in weights[::2]:
            layers += [torch.nn.Linear(*W.shape), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])

    def eager_loss(self, x, y):
        return torch.nn.functional.cross_entropy(self.model(x), y)

    def compiled(self, function):
        return function

    def weights(self):
        return [p.detach().numpy().T.copy() for p in self.parameters]

    def train(self, batch, steps, order=None):
        start = time.perf_counter()
        order = torch.from_numpy(self.permutation(batch, steps, order))
        total = torch.zeros(())
        for rows in order:
            self.keras_epsilon()
            loss = self.loss_of(
                self.device_x.index_select(0, rows), self.device_y.index_select(0, rows)
            )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        loss = total.item() / steps
        return time.perf_counter() - start, loss

    def keras_epsilon(self):
        """PyTorch adds epsilon to the corrected root of v, Keras to the uncorrected one.

        A dict entry per step makes the two the same rule, so that results can be compared.
        """
        self.steps_taken += 1
        correction = (1 - BETA_2**self.steps_taken) ** 0.5
        self.optimizer.param_groups[0]["eps"] = EPSILON / correction


class TorchCompiled(Torch):
    """Needs a C++ compiler at run time."""

    settings = "torch.compile of forward and backward, Adam(fused=True)"

    def compiled(self, function):
        torch._dynamo.config.cache_size_limit = 64  # one compilation per batch size
        return torch.compile(function, dynamic=False)
