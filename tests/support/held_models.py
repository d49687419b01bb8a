"""Layers that hold layers and models with a `call`, written once for Keras and for tinynet."""

import numpy as np

D, H, C = 5, 4, 3
X = np.random.default_rng(0).random((24, D)).astype("float32")
Y = np.random.default_rng(1).random((24, C)).astype("float32")
FIT = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}


def classes(lib):
    """name -> function that makes a model of `lib`, without an Input."""
    L = lib.layers

    class Attributes(L.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.second, self.first = L.Dense(C), L.Dense(H, "tanh", kernel_regularizer="l2")

        def call(self, x):
            return self.second(self.first(x))

    class Lists(L.Layer):
        """In lists, tuples and dicts, one within the other, and made in `build`."""

        def __init__(self, depth=2, **options):
            super().__init__(**options)
            self.depth = depth
            self.hidden = [L.Dense(H, "tanh") for _ in range(depth)]
            self.rest = {"a": (L.Dense(H), [L.BatchNormalization()]), "b": [L.Dropout(0.0)]}

        def build(self, input_shape):
            self.last = L.Dense(C)
            super().build(input_shape)

        def call(self, x, training=False):
            for layer in self.hidden:
                x = layer(x)
            dense, (norm,) = self.rest["a"]
            x = norm(dense(x), training=training)
            return self.last(self.rest["b"][0](x, training=training))

        def get_config(self):
            return {**super().get_config(), "depth": self.depth}

    class Residual(L.Layer):
        """One layer applied twice, another held layer that holds layers, and a model."""

        def __init__(self, **options):
            super().__init__(**options)
            self.inner, self.again = Attributes(), L.Dense(H, "sigmoid")
            self.model = lib.Sequential([L.Dense(H, "relu"), L.Dense(H)])

        def call(self, x):
            x = self.model(x)
            x = L.Add()([x, self.again(self.again(x))])
            return self.inner(x)

    class Net(lib.Model):
        def __init__(self, width=H, **options):
            super().__init__(**options)
            self.width = width
            self.out, self.hidden = L.Dense(C), [L.Dense(width, "tanh"), L.Dense(width)]
            self.norm = L.BatchNormalization()

        def call(self, inputs, training=False):
            x = self.hidden[0](inputs)
            x = L.Add()([x, self.hidden[1](x)])
            x = self.norm(x, training=True) if training else self.norm(x)
            return self.out(x)

        def get_config(self):
            return {"width": self.width}

    class OfTensors(lib.Model):
        def __init__(self, width=H, **options):
            inputs = lib.Input((D,))
            outputs = L.Dense(C)(L.Dense(width, "tanh")(inputs))
            super().__init__(inputs=inputs, outputs=outputs, **options)
            self.width = width

        def get_config(self):
            return {"width": self.width}

    kinds = {cls.__name__: cls for cls in (Attributes, Lists, Residual, Net, OfTensors)}

    def in_a_stack(cls):
        return lambda: lib.Sequential([L.Dense(D), cls(name="held"), L.Dense(C)])

    makers = {name: cls if issubclass(cls, lib.Model) else in_a_stack(cls)
              for name, cls in kinds.items()}  # fmt: skip
    return kinds, makers


def values(weights):
    """Weights to begin with: another small number everywhere, positive where it is a variance."""
    return [np.abs(np.sin(np.arange(w.size) + i).reshape(w.shape)).astype("float32") * 0.5 + 0.1
            for i, w in enumerate(weights)]  # fmt: skip
