"""A layer applied to symbolic tensors: how functional models are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.graph import KerasTensor, Node, flat

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike


class Symbolic:
    """Base of Layer: application to symbolic tensors, each of which adds a Node to `nodes`."""

    def connect(self, x: ArrayLike, training: bool | None = None) -> Any:
        """The symbolic output for symbolic inputs: one KerasTensor, or a list where it takes one.

        A model with several outputs gives a list or dict of them.

        Raises:
            TypeError: arrays among the symbolic tensors, or another dtype.
            ValueError: a shape that does not fit.
        """
        if isinstance(x, dict):
            raise TypeError(f"layer {self.name!r} ({type(self).__name__}): expected a symbolic "
                            "tensor or a list of them, "
                            f"received a dict with {sorted(x)}")  # fmt: skip
        many = isinstance(x, (list, tuple))
        for tensor in flat(x):
            if not isinstance(tensor, KerasTensor):
                raise TypeError(f"layer {self.name!r}: expected symbolic tensors, received "
                                f"{type(tensor).__name__} among them")  # fmt: skip
            if tensor.node.inputs and tensor.dtype != self.dtype:  # an Input takes any
                raise TypeError(f"layer {self.name!r} is {self.dtype}, its input {tensor.name!r} "
                                f"{tensor.dtype}")  # fmt: skip
        shape = [tensor.shape for tensor in x] if many else x.shape
        self.check_number_of_inputs(shape)
        self.build_once(shape)
        self.check_input_shape(shape)
        node = Node(self, flat(x), many, self.compute_output_shape(shape))
        node.training = training
        return node.output

    def packed(self, outputs: Any) -> Any:
        """What a call returns, of the list of outputs: the only one; see `Functional.packed`."""
        return outputs[0]

    @property
    def output(self) -> Any:
        """The symbolic output of the layer's first application."""
        return self._first_node().output

    @property
    def input(self) -> Any:
        """The symbolic input, or list of inputs, of the layer's first application."""
        node = self._first_node()
        return list(node.inputs) if node.many else (node.inputs or node.outputs)[0]

    def _first_node(self):
        if not self.nodes:
            raise AttributeError(f"layer {self.name!r} was applied to symbolic tensors 0 times; "
                                 "begin with Input(shape)")  # fmt: skip
        return self.nodes[0]
