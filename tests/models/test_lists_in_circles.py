"""Lists and dicts of layers that hold each other, or themselves."""

import numpy as np
import pytest
from held_models import C, X
from oracle import live_keras

import tinynet


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own
def test_a_list_that_holds_itself_as_in_keras(tmp_path):
    for library in (live_keras(), tinynet):

        class Net(library.Model):
            def __init__(self, library=library, **options):
                super().__init__(**options)
                self.blocks = [library.layers.Dense(C)]
                self.blocks.append({"all": self.blocks})

            def call(self, x):
                return self.blocks[0](x)

            def get_config(self):
                return {}

        library.saving.register_keras_serializable("holds_itself")(Net)
        model = Net()
        model.compile("sgd", "mse")
        model.fit(X, np.ones((24, C)), verbose=0)
        assert len(model.weights) == 2
        model.save(tmp_path / "m.keras")
        loaded = library.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_array_equal(loaded(X), model(X))
