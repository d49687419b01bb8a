"""PyTorch on a card: a compiled step with fused Adam, captured into CUDA graphs.

Data and order lie on the card, and so does all that changes from step to step: where in the order
we are, the number of the step, the rate, the sum of the losses. A step is then the same launches
every time; Python starts graphs of many of them and waits once, for the sum.
"""

import time

import torch

from tinynet.kernels.gpu.machine.options import tf32

from .pytorch import TorchCompiled, rate_at

TOGETHER = 16  # steps in one graph, as many as in tinynet's
WARM_UP = 3  # steps before a capture, in which PyTorch compiles and opens its libraries


class TorchGpu(TorchCompiled):
    settings = "torch.compile, Adam(fused=True, capturable=True), CUDA graphs of 16 steps and of 1"
    place = "cuda"

    def __init__(self, x, y):
        torch.set_float32_matmul_precision("high" if tf32() else "highest")
        super().__init__(x, y)
        self.order = torch.zeros(len(x), dtype=torch.int64, device=self.place)
        # Of one entry each: a tensor without axes in float64 is a number to torch.compile, and what
        # is added to it is lost where it lies on the CPU.
        self.at = torch.zeros(1, dtype=torch.int64, device=self.place)  # of the step's first row
        self.t = torch.zeros(1, dtype=torch.float64, device=self.place)  # steps taken
        self.total = torch.zeros(1, dtype=torch.float64, device=self.place)  # of the losses
        self.graphs = {}  # batch -> (graph of many steps, graph of one, what both read)

    def load(self, weights):
        super().load(weights)
        self.t.zero_()

    def make_optimizer(self, rate, **options):
        rate = torch.tensor([rate], device=self.place)
        optimizer = super().make_optimizer(rate, capturable=True, **options)
        self.rate = optimizer.param_groups[0]["lr"]
        self.count = self.compiled(self.eager_count)
        return optimizer

    def eager_loss(self, offsets):
        return super().eager_loss(self.order.index_select(0, self.at + offsets))

    def eager_count(self, loss, batch):
        """The step goes into the sums; Adam finds its rate."""
        self.total.add_(loss)
        self.at.add_(batch)
        self.t.add_(1)
        self.rate.copy_(rate_at(self.t))

    def step(self, offsets):
        loss = self.loss_of(offsets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.count(loss.detach(), len(offsets))  # not earlier: backward may read `at` again
        self.optimizer.step()

    def train(self, batch, steps, order=None):
        if batch not in self.graphs:
            self.graphs[batch] = self.prepare(batch)
        many, one, _ = self.graphs[batch]
        start = time.perf_counter()
        order = torch.from_numpy(self.permutation(batch, steps, order).ravel())
        self.order[: len(order)].copy_(order)
        self.at.zero_()
        self.total.zero_()
        for _ in range(steps // TOGETHER):
            many.replay()
        for _ in range(steps % TOGETHER):
            one.replay()
        loss = self.total.item() / steps
        return time.perf_counter() - start, loss

    def prepare(self, batch):
        """(graph of TOGETHER steps, of one step, what both read); no step remains made."""
        offsets = torch.arange(batch, device=self.place)
        changing = [*self.parameters, self.at, self.t]
        for state in self.optimizer.state.values():
            changing += [state["exp_avg"], state["exp_avg_sq"]]
        with torch.no_grad():
            kept = [tensor.clone() for tensor in changing]
        self.at.zero_()
        graphs = self.captured(offsets, TOGETHER), self.captured(offsets, 1), offsets
        with torch.no_grad():
            for tensor, value in zip(changing, kept, strict=True):
                tensor.copy_(value)
        return graphs

    def captured(self, offsets, steps):
        """So many steps as a CUDA graph, made as PyTorch's notes on CUDA graphs say."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self.at.zero_()  # the order may end after one batch
                self.step(offsets)
        torch.cuda.current_stream().wait_stream(aside)
        self.optimizer.zero_grad(set_to_none=True)  # gradients get their memory inside the graph
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=aside):
            for _ in range(steps):
                self.step(offsets)
        return graph
