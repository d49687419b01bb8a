"""What a case is drawn from. A row is (class, {option: values}); every option is left out half of
the time, so that defaults are compared as well.

Values are plain (JSON): an object is written `new("regularizers.L2", l2=0.01)`, which either
library makes from its own module of that name, and a function `code("lambda epoch: 0.1")`.
"""


def new(path, **options):
    """An object of the library: {"new": "layers.Dense", "units": 4}."""
    return {"new": path, **options}


def code(text):
    """A Python expression, e.g. a function or a dict with integer keys."""
    return {"code": text}


# ------------------------------------------------------------------------------------ layers

REGULARIZERS = [
    "l2",
    new("regularizers.L1", l1=0.003),
    new("regularizers.L2", l2=0.02),
    new("regularizers.L1L2", l1=0.002, l2=0.01),
]

ACTIVATIONS = ["relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "softplus", "softsign",
               "silu", "swish", "gelu", "hard_sigmoid", "mish", "softmax", "log_softmax", "linear",
               None]  # fmt: skip

# Drawn for the inside of a model; weight: how often.
HIDDEN = [
    (8, "layers.Dense", {
        "units": ["a size of the case"], "activation": ACTIVATIONS, "use_bias": [False],
        "kernel_regularizer": REGULARIZERS, "bias_regularizer": REGULARIZERS,
    }),
    (3, "layers.BatchNormalization", {
        "axis": [1, -1], "momentum": [0.5, 0.9], "epsilon": [1e-2, 1e-5],
        "center": [False], "scale": [False], "gamma_regularizer": REGULARIZERS,
        "beta_regularizer": REGULARIZERS,
    }),
    (2, "layers.Activation", {"activation": ACTIVATIONS[:-1]}),
    (1, "layers.ReLU", {
        "max_value": [1.5], "negative_slope": [0.2], "threshold": [0.3],
    }),
    (1, "layers.LeakyReLU", {"negative_slope": [0.15]}),
    (1, "layers.ELU", {"alpha": [0.6]}),
    (1, "layers.Softmax", {"axis": [1]}),
    (1, "layers.PReLU", {"alpha_regularizer": REGULARIZERS, "shared_axes": [[1]]}),
    (1, "layers.Dropout", {"rate": [0.0]}),
]  # fmt: skip
NEEDED = {"units", "activation of layers.Activation", "rate"}  # options that are never left out

# ------------------------------------------------------- what a model learns: targets and losses

# task -> losses that read the last activation's probabilities, or its logits
LOSSES = {
    "ids": [
        "sparse_categorical_crossentropy",
        new("losses.SparseCategoricalCrossentropy"),
    ],
    "one-hot": [
        "categorical_crossentropy",
        new("losses.CategoricalCrossentropy", label_smoothing=0.1),
        "mse",
    ],
    "binary": [
        "binary_crossentropy",
        "bce",
        new("losses.BinaryCrossentropy", label_smoothing=0.2),
        "mean_squared_error",
    ],
    "real": [
        "mse",
        "mae",
        "mean_squared_error",
        "huber",
        new("losses.Huber", delta=0.4),
        new("losses.MeanSquaredError"),
        new("losses.MeanAbsoluteError"),
    ],
}
REDUCTIONS = ["sum", "mean", "mean_with_sample_weight", "sum_over_batch_size"]
LAST_ACTIVATION = {"ids": "softmax", "one-hot": "softmax", "binary": "sigmoid", "real": None}

THRESHOLDED = [
    "Precision", "Recall", "AUC",
    new("metrics.Precision", thresholds=0.3, name="p3"),
    new("metrics.Recall", thresholds=0.7, name="r7"),
    new("metrics.AUC", num_thresholds=21, name="auc21"),
    new("metrics.AUC", curve="PR", name="pr"),
    new("metrics.AUC", summation_method="minoring", curve="PR", name="minor"),
    new("metrics.AUC", summation_method="majoring", name="major"),
    "mse", "mae",
    new("metrics.RootMeanSquaredError"),
]  # fmt: skip

# Without a name Keras counts AUC, Precision and Recall through the process (auc_1, auc_2, ...),
# which we don't, so they have one.
METRICS = {
    "ids": [
        "accuracy", "acc", "sparse_categorical_accuracy", "sparse_categorical_crossentropy",
        new("metrics.SparseCategoricalAccuracy", name="right"),
        new("metrics.SparseTopKCategoricalAccuracy", k=2),
        new("metrics.SparseCategoricalCrossentropy"),
    ],
    "one-hot": [
        "accuracy", "acc", "categorical_accuracy", "categorical_crossentropy",
        new("metrics.CategoricalAccuracy"),
        new("metrics.TopKCategoricalAccuracy", k=2),
        new("metrics.CategoricalCrossentropy", label_smoothing=0.1),
        new("metrics.Precision", top_k=2, name="p_top"),
        new("metrics.Recall", class_id=1, name="r_1"),
        *THRESHOLDED,
    ],
    "binary": [
        "accuracy", "acc", "binary_accuracy", "binary_crossentropy",
        new("metrics.BinaryAccuracy", threshold=0.6),
        new("metrics.BinaryCrossentropy", label_smoothing=0.1),
        *THRESHOLDED,
    ],
    "real": [
        "mse", "mae", "mean_squared_error", "mean_absolute_error",
        new("metrics.MeanSquaredError"),
        new("metrics.RootMeanSquaredError", name="root"),
    ],
}  # fmt: skip
NEED_PROBABILITIES = ("AUC", "crossentropy", "Crossentropy", "Precision", "Recall")
NEED_CLASSES = ("AUC", "Precision", "Recall")
SHOWN = {  # names that a metric gives itself; those that are not here don't collide with a string
    "SparseTopKCategoricalAccuracy": "sparse_top_k_categorical_accuracy",
    "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
    "CategoricalAccuracy": "categorical_accuracy",
    "CategoricalCrossentropy": "categorical_crossentropy",
    "BinaryAccuracy": "binary_accuracy",
    "BinaryCrossentropy": "binary_crossentropy",
    "MeanSquaredError": "mean_squared_error",
    "Precision": "precision",
    "Recall": "recall",
    "AUC": "auc",
}

# ---------------------------------------------------------------------------------- optimizers

SCHEDULES = [
    new("optimizers.schedules.ExponentialDecay", decay_steps=4, decay_rate=0.8),
    new("optimizers.schedules.ExponentialDecay", decay_steps=3, decay_rate=0.7, staircase=True),
    new("optimizers.schedules.InverseTimeDecay", decay_steps=3, decay_rate=0.4),
    new("optimizers.schedules.PolynomialDecay", decay_steps=7, power=2.0),
    new("optimizers.schedules.PolynomialDecay", decay_steps=5, cycle=True),
    new("optimizers.schedules.CosineDecay", decay_steps=9, alpha=0.1),
    new("optimizers.schedules.CosineDecayRestarts", first_decay_steps=4),
]

# (class, learning rates, options); names with defaults are drawn too
OPTIMIZERS = [
    ("optimizers.SGD", [0.02, 0.1], {"momentum": [0.5, 0.9], "nesterov": [True]}),
    ("optimizers.RMSprop", [0.002, 0.01], {
        "rho": [0.7], "momentum": [0.5], "centered": [True], "epsilon": [1e-3],
    }),
    ("optimizers.Adam", [0.003, 0.02], {
        "beta_1": [0.8], "beta_2": [0.9], "epsilon": [1e-4], "amsgrad": [True],
    }),
    ("optimizers.AdamW", [0.003, 0.02], {"beta_1": [0.7], "amsgrad": [True]}),
]  # fmt: skip
OPTIMIZER_NAMES = ["sgd", "rmsprop", "adam", "adamw", "Adam", "SGD"]
CLIPPING = [{"clipnorm": 0.1}, {"clipvalue": 0.02}, {"global_clipnorm": 0.2}]
WEIGHT_DECAYS = [0.01, 0.1]

# ----------------------------------------------------------------------------------- callbacks

# "monitor" and "mode" are drawn among what the case measures.
MONITORS = [
    ("callbacks.EarlyStopping", {
        "patience": [1, 2], "min_delta": [0.0137, 0.0031], "baseline": [0.53, 1.07],
        "restore_best_weights": [True], "start_from_epoch": [1, 2],
    }),
    ("callbacks.ReduceLROnPlateau", {
        "patience": [0, 1], "factor": [0.3, 0.6], "min_delta": [0.0137], "cooldown": [1, 2],
        "min_lr": [0.004],
    }),
    ("callbacks.ModelCheckpoint", {"save_best_only": [True], "initial_value_threshold": [0.81]}),
]  # fmt: skip
RATES = [
    code("lambda epoch, rate: rate * 0.7"),
    code("lambda epoch: 0.02 / (epoch + 1)"),
    code("lambda epoch, rate: rate * 3.0 if epoch == 1 else rate"),
]
SET_THE_RATE = ("callbacks.LearningRateScheduler", "callbacks.ReduceLROnPlateau")
EPOCH_HOOKS = ["on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_test_begin",
               "on_test_end", "on_predict_begin", "on_predict_end"]  # fmt: skip
BATCH_HOOKS = ["on_train_batch_begin", "on_train_batch_end", "on_test_batch_begin",
               "on_test_batch_end", "on_predict_batch_begin", "on_predict_batch_end"]  # fmt: skip

# ---------------------------------------------------------------------------------------- data

X_DTYPES = ["float32", "float32", "float64", "uint8", "int64"]
Y_DTYPES = {
    "ids": ["int64", "int32", "uint8", "float32"],
    "one-hot": ["float32", "int64", "uint8", "float64"],
    "binary": ["float32", "int64", "bool", "uint8", "float64"],
    "real": ["float32", "float64"],
}
