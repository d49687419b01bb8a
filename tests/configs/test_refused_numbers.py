"""Numbers that can't be meant are refused when the object is made, by name."""

import numpy as np
import pytest

from tinynet import callbacks, layers, metrics

NAN, INF = float("nan"), float("inf")
REFUSED = {
    "Precision(top_k=0)": (lambda: metrics.Precision(top_k=0), "top_k must be .*, received 0"),
    "Recall(top_k=1.5)": (lambda: metrics.Recall(top_k=1.5), "top_k must be .*, received 1.5"),
    "TopK(k=nan)": (lambda: metrics.TopKCategoricalAccuracy(NAN), "k must be .*, received nan"),
    "TopK(k=1.5)": (lambda: metrics.SparseTopKCategoricalAccuracy(1.5), "k must be .*1.5"),
    "AUC(2.5)": (lambda: metrics.AUC(num_thresholds=2.5), "num_thresholds must be .*2.5"),
    "AUC(nan)": (lambda: metrics.AUC(num_thresholds=NAN), "num_thresholds must be .*nan"),
    "AUC(complex)": (lambda: metrics.AUC(thresholds=[0.5, 1j]), "thresholds must be .*1j"),
    "Precision(complex)": (lambda: metrics.Precision(thresholds=1j), "thresholds must be .*1j"),
    "Recall(nan)": (lambda: metrics.Recall(thresholds=[NAN]), "thresholds must be .*nan"),
    "checkpoint": (
        lambda: callbacks.ModelCheckpoint("a.keras", initial_value_threshold=NAN),
        "initial_value_threshold must be .*nan",
    ),
    "min_delta": (lambda: callbacks.EarlyStopping(min_delta=NAN), "min_delta must be .*nan"),
    "min_delta'": (lambda: callbacks.ReduceLROnPlateau(min_delta="x"), "min_delta must be .*'x'"),
    "baseline": (lambda: callbacks.EarlyStopping(baseline="x"), "baseline must be .*'x'"),
    "min_lr": (lambda: callbacks.ReduceLROnPlateau(min_lr=NAN), "min_lr must be .*nan"),
    "min_lr'": (lambda: callbacks.ReduceLROnPlateau(min_lr="x"), "min_lr must be .*'x'"),
    "cooldown": (lambda: callbacks.ReduceLROnPlateau(cooldown=NAN), "cooldown must be .*nan"),
    "epsilon": (lambda: layers.BatchNormalization(epsilon=NAN), "epsilon must be .*nan"),
    "epsilon'": (lambda: layers.LayerNormalization(epsilon=-1), "epsilon must be .*-1"),
    "noise_shape": (lambda: layers.Dropout(0.5, noise_shape="a"), "noise_shape must .*'a'"),
    "noise_shape'": (lambda: layers.Dropout(0.5, noise_shape=(-1, 2)), r"noise_shape must .*-1"),
    "separator": (lambda: callbacks.CSVLogger("a.csv", separator=-1), "separator must be .*-1"),
    "separator'": (lambda: callbacks.CSVLogger("a.csv", separator="ab"), "separator must be"),
    "activation": (lambda: layers.Dense(1, activation={"a": 1}), "received {'a': 1}"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_meant_passes():
    """NumPy's numbers, and None where a number may be left out."""
    assert metrics.Precision(top_k=np.int64(2), class_id=np.int32(0)).top_k == 2
    assert len(metrics.AUC(thresholds=np.float32([0.25, 0.5])).thresholds) == 4
    assert metrics.Recall(thresholds=np.array([0.25, 1])).thresholds == [0.25, 1]
    assert callbacks.EarlyStopping(min_delta=-0.1, baseline=np.float32(0.5)).min_delta == 0.1
    assert callbacks.ReduceLROnPlateau(min_lr=np.float64(0.01)).min_lr == 0.01
    assert layers.Dropout(0.5, noise_shape=[None, np.int64(1)]).noise_shape == (None, 1)
