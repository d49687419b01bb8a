"""PyTorch: eager with fused optimizers, and the same through torch.compile."""

import numpy as np
import torch
from engines.base import threads

from . import PREDICTED_AT_ONCE


class Torch:
    def __init__(self, case, x, y):
        torch.set_num_threads(threads())
        self.case, dtype = case, getattr(torch, case.dtype)
        x = np.concatenate(x, axis=1) if case.data == "several" else x
        x = x.toarray() if case.data == "csr" else x
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        (D, *hidden, C), parts = case.widths, []
        for a, b in zip((D, *hidden), hidden, strict=False):
            parts += [torch.nn.Linear(a, b, dtype=dtype), torch.nn.ReLU()]
            if case.norm:
                parts.append(torch.nn.BatchNorm1d(b, eps=1e-3, momentum=0.01, dtype=dtype))
            if case.dropout:
                parts.append(torch.nn.Dropout(case.dropout))
        self.model = torch.nn.Sequential(*parts, torch.nn.Linear(hidden[-1], C, dtype=dtype))
        functional = torch.nn.functional
        loss = {"classes": functional.cross_entropy, "mse": functional.mse_loss,
                "binary": functional.binary_cross_entropy_with_logits}[case.loss]  # fmt: skip
        self.loss_of = self.compiled(lambda x, y: loss(self.model(x), y))
        optim, given = torch.optim, self.model.parameters()
        self.optimizer = {
            "adam": lambda: optim.Adam(given, 0.001, eps=1e-7, fused=True),
            "sgd": lambda: optim.SGD(given, 0.01, momentum=0.9, fused=True),
            "rmsprop": lambda: optim.RMSprop(given, 0.001, alpha=0.9, eps=1e-7),
        }[case.optimizer]()

    def compiled(self, function):
        return function

    @torch.no_grad()
    def load(self, weights):
        given = iter(weights)
        for part in self.model:
            if isinstance(part, torch.nn.Linear):
                part.weight.copy_(torch.from_numpy(next(given).T.copy()))
                part.bias.copy_(torch.from_numpy(next(given)))
            elif isinstance(part, torch.nn.BatchNorm1d):
                for own in (part.weight, part.bias, part.running_mean, part.running_var):
                    own.copy_(torch.from_numpy(next(given)))

    def fit(self, epochs, shuffle=True):
        self.model.train()
        N, losses = len(self.x), []
        for _ in range(epochs):
            order, total = torch.randperm(N) if shuffle else torch.arange(N), 0.0
            for rows in order.split(self.case.batch):
                loss = self.loss_of(self.x[rows], self.y[rows])
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                self.optimizer.step()
                total += loss.detach() * len(rows)
            losses.append(float(total) / N)
        return losses

    @torch.inference_mode()
    def predict(self):
        self.model.eval()
        return torch.cat([self.out(x) for x in self.x.split(PREDICTED_AT_ONCE)]).numpy()

    @torch.inference_mode()
    def one(self, row):
        self.model.eval()
        row = np.concatenate(row, axis=1) if self.case.data == "several" else row
        row = row.toarray() if self.case.data == "csr" else row
        return self.out(torch.from_numpy(row)).numpy()

    def out(self, x):
        z = self.model(x)
        if self.case.loss == "mse":
            return z
        return torch.softmax(z, 1) if self.case.loss == "classes" else torch.sigmoid(z)

    @staticmethod
    def unable(case):
        return None


class TorchCompiled(Torch):
    """Needs a C++ compiler at run time."""

    def compiled(self, function):
        torch._dynamo.config.cache_size_limit = 64
        return torch.compile(function, dynamic=False)
