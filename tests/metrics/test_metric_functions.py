"""Every function of `metrics` against Keras; every name of Keras is here."""

import numpy as np
import pytest
from metric_cases import batches, o
from oracle import keras_case

from tinynet import metrics

FUNCTIONS = [  # name, options, kind of data
    *((name, (), kind)
      for name, kind in [
          ("mean_squared_error", "real"), ("mean_squared_error", "column"),
          ("mean_absolute_error", "real"), ("mean_absolute_percentage_error", "real"),
          ("mean_squared_logarithmic_error", "real"), ("log_cosh", "real"), ("huber", "real"),
          ("hinge", "signs"), ("squared_hinge", "zero_one"), ("categorical_hinge", "one_hot"),
          ("kl_divergence", "distribution"), ("poisson", "positive"),
          ("binary_crossentropy", "multi"), ("categorical_crossentropy", "one_hot"),
          ("sparse_categorical_crossentropy", "sparse"), ("binary_focal_crossentropy", "multi"),
          ("categorical_focal_crossentropy", "one_hot"), ("pearson_correlation", "real"),
          ("concordance_correlation", "real"), ("binary_accuracy", "tenths"),
          ("binary_accuracy", "binary"), ("categorical_accuracy", "one_hot"),
          ("categorical_accuracy", "sequence"), ("sparse_categorical_accuracy", "sparse"),
          ("top_k_categorical_accuracy", "sequence"),
          ("sparse_top_k_categorical_accuracy", "sparse"),
      ]),
    ("huber", o(delta=0.4), "real"),
    ("binary_crossentropy", o(from_logits=True, label_smoothing=0.2), "logits"),
    ("binary_crossentropy", o(axis=0), "multi"),
    ("binary_focal_crossentropy",
     o(apply_class_balancing=True, alpha=0.4, gamma=1.5, from_logits=True, label_smoothing=0.1),
     "logits"),
    ("categorical_crossentropy", o(from_logits=True, label_smoothing=0.2), "one_hot"),
    ("categorical_crossentropy", o(axis=1), "sequence"),
    ("categorical_focal_crossentropy",
     o(alpha=0.4, gamma=1.5, from_logits=True, label_smoothing=0.1), "one_hot"),
    ("sparse_categorical_crossentropy", o(from_logits=True, ignore_class=-1), "some_ignored"),
    ("pearson_correlation", o(axis=0), "real"),
    ("concordance_correlation", o(axis=0), "real"),
    ("binary_accuracy", o(threshold=0.3), "tenths"),
    ("top_k_categorical_accuracy", o(k=2), "one_hot"),
    ("sparse_top_k_categorical_accuracy", o(k=2), "sparse"),
    ("sparse_top_k_categorical_accuracy", o(k=2, from_sorted_ids=True), "sorted_ids"),
]  # fmt: skip


@keras_case
def keras_function(keras, name, options, kind):
    y, p, _ = list(batches(kind))[-1]
    return {"values": getattr(keras.metrics, name)(y, p, **dict(options))}


@pytest.mark.parametrize(("name", "options", "kind"), FUNCTIONS)
def test_functions_are_those_of_keras(name, options, kind):
    expected = keras_function(name, options, kind)["values"]
    y, p, _ = list(batches(kind))[-1]
    found = getattr(metrics, name)(y, p, **dict(options))
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)
    if "accuracy" not in name:
        wide = getattr(metrics, name)(y, p.astype("float64"), **dict(options))
        assert wide.dtype == np.float64
        np.testing.assert_allclose(wide, expected, rtol=2e-5, atol=1e-6)


@keras_case
def keras_metric_names(keras):
    from keras.src.metrics import ALL_OBJECTS_DICT

    exported = [n for n in dir(keras.metrics) if not n.startswith("_")]
    names = {name: cls.__name__ for name, cls in ALL_OBJECTS_DICT.items()}
    return {"exported": exported, "names": list(names), "classes": list(names.values())}


def test_every_name_of_keras_is_here():
    expected = keras_metric_names()
    assert not set(expected["exported"]) - set(metrics.__all__)
    for name, cls in zip(expected["names"], expected["classes"], strict=True):
        if cls == "Metric":  # the base class, which is of no use by its name
            continue
        assert metrics.base._registry.lookup(str(name)) is getattr(metrics, str(cls))
