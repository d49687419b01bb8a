"""PyTorch: eager with fused Adam, and the same through torch.compile."""

import math
import time

import numpy as np
import torch

from .base import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Engine, threads


class Torch(Engine):
    settings = "eager, Adam(fused=True), index_select from a resident tensor"
    place = "cpu"  # PyTorch's name of where everything lies

    def __init__(self, x, y):
        super().__init__(x, y)
        torch.set_num_threads(threads())
        self.device_x, self.device_y = (torch.from_numpy(a).to(self.place) for a in (x, y))
        self.model = None

    def load(self, weights):
        if self.model is None:
            self.model = self.build(weights).to(self.place)
            self.parameters = list(self.model.parameters())
            self.optimizer = self.make_optimizer(LEARNING_RATE)
            self.loss_of = self.compiled(self.eager_loss)
        with torch.no_grad():
            for parameter, w in zip(self.parameters, weights, strict=True):
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(w.T)))
            for state in self.optimizer.state.values():
                state["exp_avg"].zero_()
                state["exp_avg_sq"].zero_()
        self.steps_taken = 0

    def build(self, weights):
        layers = []
        for W in weights[::2]:
            layers += [torch.nn.Linear(*W.shape), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])

    def make_optimizer(self, rate, **options):
        """Adam by Keras's rule.

        PyTorch adds epsilon to the corrected root of v, Keras to the uncorrected one. After
        infinitely many steps there is nothing to correct: so it believes, and the correction of the
        step is made to the rate (`rate_at`). The two are the same rule then, results comparable.
        """
        adam = torch.optim.Adam(
            self.parameters, rate, (BETA_1, BETA_2), EPSILON, fused=True, **options
        )
        for parameter in self.parameters:
            zeros = [torch.zeros_like(parameter) for _ in range(2)]
            step = torch.tensor(math.inf, device=self.place)
            adam.state[parameter] = dict(
                zip(("step", "exp_avg", "exp_avg_sq"), (step, *zeros), strict=True)
            )
        return adam

    def eager_loss(self, rows):
        x, y = self.device_x.index_select(0, rows), self.device_y.index_select(0, rows)
        return torch.nn.functional.cross_entropy(self.model(x), y)

    def compiled(self, function):
        return function

    def weights(self):
        return [p.detach().cpu().numpy().T.copy() for p in self.parameters]

    def train(self, batch, steps, order=None):
        start = time.perf_counter()
        order = torch.from_numpy(self.permutation(batch, steps, order))
        total = torch.zeros(())
        for rows in order:
            self.steps_taken += 1
            self.optimizer.param_groups[0]["lr"] = rate_at(self.steps_taken)
            loss = self.loss_of(rows)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        loss = total.item() / steps
        return time.perf_counter() - start, loss


def rate_at(t):
    """The learning rate of step t with Adam's corrections; a number, or a tensor."""
    return LEARNING_RATE * (1 - BETA_2**t) ** 0.5 / (1 - BETA_1**t)


class TorchCompiled(Torch):
    """Needs a C++ compiler at run time."""

    settings = "torch.compile of forward and backward, Adam(fused=True)"

    def compiled(self, function):
        torch._dynamo.config.cache_size_limit = 64  # one compilation per batch size
        return torch.compile(function, dynamic=False)
