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


def every_layer(layers):
    """All layers of a description, also those inside of others."""
    for layer in layers:
        yield layer
        yield from every_layer(layer.get("layers", ()))
        for branch in layer.get("branches", ()):
            yield from every_layer(branch)
        if "shared" in layer:
            yield layer["shared"]


# ------------------------------------------------------------------------------------ layers

REGULARIZERS = [
    "l2",
    new("regularizers.L1", l1=0.003),
    new("regularizers.L2", l2=0.02),
    new("regularizers.L1L2", l1=0.002, l2=0.01),
]

# All but glu, which halves the width, sparsemax (see purpose.py), and exponential, after which
# softmax saturates (see there, too); it is among the last ones.
ACTIVATIONS = ["relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "softplus", "softsign",
               "silu", "swish", "gelu", "hard_sigmoid", "mish", "softmax", "log_softmax", "linear",
               "relu6", "celu", "hard_shrink", "hard_silu", "hard_swish",
               "hard_tanh", "log_sigmoid", "soft_shrink", "sparse_plus", "sparse_sigmoid",
               "squareplus", "tanh_shrink", None]  # fmt: skip

CONSTRAINTS = [
    "non_neg",
    new("constraints.MaxNorm", max_value=0.8),
    new("constraints.MaxNorm", max_value=0.3, axis=0),
    new("constraints.NonNeg"),
    new("constraints.MinMaxNorm", min_value=0.5, max_value=0.9, rate=0.7),
]
UNIT_NORM = [new("constraints.UnitNorm"), "unit_norm", *CONSTRAINTS]

# Drawn for the inside of a model; weight: how often.
HIDDEN = [
    (16, "layers.Dense", {
        "units": ["a size of the case"], "activation": ACTIVATIONS, "use_bias": [False],
        "kernel_regularizer": REGULARIZERS, "bias_regularizer": REGULARIZERS,
    }),
    (3, "layers.Dense", {
        "units": ["a size of the case"], "activation": ACTIVATIONS,
        "activity_regularizer": REGULARIZERS, "kernel_constraint": UNIT_NORM,
        "bias_constraint": CONSTRAINTS,
    }),
    (4, "layers.BatchNormalization", {
        "axis": [1, -1], "momentum": [0.5, 0.9], "epsilon": [1e-2, 1e-5],
        "center": [False], "scale": [False], "gamma_regularizer": REGULARIZERS,
        "beta_regularizer": REGULARIZERS, "gamma_constraint": CONSTRAINTS,
    }),
    (2, "layers.LayerNormalization", {
        "axis": [1, -1], "epsilon": [1e-2, 1e-5], "center": [False], "scale": [False],
        "gamma_regularizer": REGULARIZERS, "beta_regularizer": REGULARIZERS,
    }),
    (1, "layers.RMSNormalization", {"axis": [1], "epsilon": [1e-3]}),
    (1, "layers.UnitNormalization", {"axis": [1]}),
    (1, "layers.Rescaling", {"scale": [0.5, -2.0], "offset": [0.3]}),
    (1, "layers.Normalization", {
        "mean": [0.4], "variance": [2.5], "axis": [None], "invert": [True],
    }),
    (1, "layers.ActivityRegularization", {"l1": [0.01], "l2": [0.03]}),
    (4, "layers.Activation", {"activation": ACTIVATIONS[:-1]}),
    (2, "layers.ReLU", {
        "max_value": [1.5], "negative_slope": [0.2], "threshold": [0.3],
    }),
    (1, "layers.LeakyReLU", {"negative_slope": [0.15]}),
    (1, "layers.ELU", {"alpha": [0.6]}),
    (1, "layers.Softmax", {"axis": [1]}),
    (2, "layers.PReLU", {
        "alpha_regularizer": REGULARIZERS, "alpha_constraint": ["non_neg"], "shared_axes": [[1]],
    }),
    (1, "layers.Dropout", {"rate": [0.0]}),
    (1, "layers.AlphaDropout", {"rate": [0.0]}),
    (1, "layers.GaussianDropout", {"rate": [0.0]}),
    (1, "layers.GaussianNoise", {"stddev": [0.0]}),
    (1, "layers.Identity", {}),
]  # fmt: skip
# options that are never left out
NEEDED = {"units", "activation of layers.Activation", "rate", "stddev", "scale of layers.Rescaling",
          "mean", "variance", "axis of layers.Normalization"}  # fmt: skip

# From rows of numbers to positions, and back; the sizes are filled in.
UNFOLD = [new("layers.Reshape", target_shape=[2, -1]), new("layers.Reshape", target_shape=[-1, 2]),
          new("layers.RepeatVector", n=3)]  # fmt: skip
TURN = new("layers.Permute", dims=[2, 1])
FOLD = [new("layers.Flatten"), new("layers.GlobalAveragePooling1D"),
        new("layers.GlobalMaxPooling1D"), new("layers.Reshape", target_shape=[-1])]  # fmt: skip
VOCABULARY = 6  # ids of an Embedding
MERGES = ["layers.Add", "layers.Average", "layers.Multiply", "layers.Maximum", "layers.Minimum",
          "layers.Subtract", "layers.Concatenate"]  # fmt: skip

# ------------------------------------------------------- what a model learns: targets and losses

# task -> losses that read the last activation's probabilities, or its logits
LOSSES = {
    "ids": [
        "sparse_categorical_crossentropy",
        "crossentropy",
        new("losses.SparseCategoricalCrossentropy"),
        new("losses.SparseCategoricalCrossentropy", ignore_class=1),
    ],
    "one-hot": [
        "categorical_crossentropy",
        "ce",
        new("losses.CategoricalCrossentropy", label_smoothing=0.1),
        "mse",
        "categorical_focal_crossentropy",
        new("losses.CategoricalFocalCrossentropy", alpha=0.4, gamma=1.5),
        "kl_divergence",
        new("losses.KLDivergence"),
        "categorical_hinge",
        "poisson",
        new("losses.CosineSimilarity"),
    ],
    "binary": [
        "binary_crossentropy",
        "bce",
        new("losses.BinaryCrossentropy", label_smoothing=0.2),
        "mean_squared_error",
        "binary_focal_crossentropy",
        new("losses.BinaryFocalCrossentropy", apply_class_balancing=True, alpha=0.3),
        new("losses.BinaryFocalCrossentropy", gamma=3.0, label_smoothing=0.1),
        "hinge",
        new("losses.SquaredHinge"),
        "poisson",
    ],
    "real": [
        "mse",
        "mae",
        "mean_squared_error",
        "huber",
        new("losses.Huber", delta=0.4),
        new("losses.MeanSquaredError"),
        new("losses.MeanAbsoluteError"),
        "mape",
        "msle",
        "log_cosh",
        new("losses.LogCosh"),
        "cosine_similarity",
        new("losses.MeanSquaredLogarithmicError"),
        new("losses.MeanAbsolutePercentageError"),
    ],
}
REDUCTIONS = ["sum", "mean", "mean_with_sample_weight", "sum_over_batch_size"]
LAST_ACTIVATION = {
    "ids": ["softmax"],
    "one-hot": ["softmax"],
    "binary": ["sigmoid"],
    "real": [None, None, None, "tanh", "softplus", "exponential"],
}

THRESHOLDED = [
    "Precision", "Recall", "AUC",
    new("metrics.Precision", thresholds=0.3, name="p3"),
    new("metrics.Recall", thresholds=0.7, name="r7"),
    new("metrics.AUC", num_thresholds=21, name="auc21"),
    new("metrics.AUC", curve="PR", name="pr"),
    new("metrics.AUC", summation_method="minoring", curve="PR", name="minor"),
    new("metrics.AUC", summation_method="majoring", name="major"),
    new("metrics.TruePositives", name="tp"),
    new("metrics.TrueNegatives", thresholds=0.4, name="tn"),
    new("metrics.FalsePositives", thresholds=0.2, name="fp"),
    new("metrics.FalseNegatives", name="fn"),
    new("metrics.PrecisionAtRecall", recall=0.6, name="pr6"),
    new("metrics.RecallAtPrecision", precision=0.6, num_thresholds=30, name="rp6"),
    new("metrics.SensitivityAtSpecificity", specificity=0.5, name="ss5"),
    new("metrics.SpecificityAtSensitivity", sensitivity=0.7, num_thresholds=11, name="ss7"),
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
        new("metrics.MeanIoU", num_classes="classes", sparse_y_pred=False, name="miou"),
        new("metrics.IoU", num_classes="classes", target_class_ids=[0, 1], sparse_y_pred=False,
            name="iou01"),
    ],
    "one-hot": [
        "accuracy", "acc", "categorical_accuracy", "categorical_crossentropy",
        new("metrics.CategoricalAccuracy"),
        new("metrics.TopKCategoricalAccuracy", k=2),
        new("metrics.CategoricalCrossentropy", label_smoothing=0.1),
        new("metrics.Precision", top_k=2, name="p_top"),
        new("metrics.Recall", class_id=1, name="r_1"),
        new("metrics.F1Score", average="macro", name="f1_macro"),
        new("metrics.F1Score", average="weighted", threshold=0.4, name="f1_weighted"),
        new("metrics.FBetaScore", average="micro", beta=2.0, name="f2"),
        new("metrics.OneHotIoU", num_classes="classes", target_class_ids=[1], name="iou1"),
        new("metrics.OneHotMeanIoU", num_classes="classes", name="miou"),
        new("metrics.CategoricalHinge"),
        new("metrics.KLDivergence"),
        new("metrics.Poisson"),
        "kl_divergence", "categorical_hinge", "poisson", "cosine_similarity",
        *THRESHOLDED,
    ],
    "binary": [
        "accuracy", "acc", "binary_accuracy", "binary_crossentropy",
        new("metrics.BinaryAccuracy", threshold=0.6),
        new("metrics.BinaryCrossentropy", label_smoothing=0.1),
        new("metrics.F1Score", average="micro", threshold=0.5, name="f1"),
        new("metrics.FBetaScore", average="macro", beta=0.5, threshold=0.4, name="f05"),
        new("metrics.BinaryIoU", target_class_ids=[0, 1], threshold=0.4, name="biou"),
        new("metrics.Hinge"),
        new("metrics.SquaredHinge"),
        "hinge", "squared_hinge", "poisson",
        *THRESHOLDED,
    ],
    "real": [
        "mse", "mae", "mean_squared_error", "mean_absolute_error", "mape", "msle",
        "cosine_similarity",
        new("metrics.MeanSquaredError"),
        new("metrics.RootMeanSquaredError", name="root"),
        new("metrics.R2Score"),
        new("metrics.R2Score", class_aggregation="variance_weighted_average", name="r2_weighted"),
        new("metrics.CosineSimilarity", name="cosine"),
        new("metrics.LogCoshError"),
        new("metrics.MeanAbsolutePercentageError"),
        new("metrics.MeanSquaredLogarithmicError"),
        new("metrics.PearsonCorrelation", axis=0, name="pearson"),
        new("metrics.ConcordanceCorrelation", axis=0, name="concordance"),
    ],
}  # fmt: skip
NEED_PROBABILITIES = ("AUC", "crossentropy", "Crossentropy", "Precision", "Recall", "Positives",
                      "Negatives", "Sensitivity", "F1", "FBeta", "IoU", "kl_", "KLD",
                      "oisson")  # fmt: skip
NEED_CLASSES = ("AUC", "Precision", "Recall", "Positives", "Negatives", "Sensitivity", "F1",
                "FBeta", "IoU", "inge")  # fmt: skip
NEED_COLUMN = ("F1", "FBeta", "R2", "cosine", "Cosine", "ation", "IoU")  # targets of a last axis
NEED_SHAPE = ("rossentropy", "oisson", "inge")  # Keras's loss takes targets (N,) beside outputs
# (N, 1), its metric of the same name doesn't
NEED_ROWS = ("F1", "FBeta", "R2")  # arrays of two axes
SHOWN = {  # names that a metric gives itself; those that are not here don't collide with a string
    "SparseTopKCategoricalAccuracy": "sparse_top_k_categorical_accuracy",
    "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
    "CategoricalAccuracy": "categorical_accuracy",
    "CategoricalCrossentropy": "categorical_crossentropy",
    "BinaryAccuracy": "binary_accuracy",
    "BinaryCrossentropy": "binary_crossentropy",
    "MeanSquaredError": "mean_squared_error",
    "MeanAbsolutePercentageError": "mean_absolute_percentage_error",
    "MeanSquaredLogarithmicError": "mean_squared_logarithmic_error",
    "CategoricalHinge": "categorical_hinge",
    "Hinge": "hinge",
    "SquaredHinge": "squared_hinge",
    "KLDivergence": "kl_divergence",
    "Poisson": "poisson",
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
    ("optimizers.Nadam", [0.003, 0.02], {"beta_1": [0.8], "beta_2": [0.9], "epsilon": [1e-4]}),
    ("optimizers.Adamax", [0.003, 0.02], {"beta_1": [0.8], "beta_2": [0.9], "epsilon": [1e-4]}),
    ("optimizers.Adagrad", [0.01, 0.1], {
        "initial_accumulator_value": [0.01, 0.5], "epsilon": [1e-4],
    }),
    ("optimizers.Adadelta", [0.1, 1.0], {"rho": [0.8], "epsilon": [1e-4]}),
    ("optimizers.Lion", [0.001, 0.01], {"beta_1": [0.7], "beta_2": [0.9]}),
    ("optimizers.Ftrl", [0.02, 0.1], {
        "learning_rate_power": [-0.7], "initial_accumulator_value": [0.5],
        "l1_regularization_strength": [0.01], "l2_regularization_strength": [0.02],
        "l2_shrinkage_regularization_strength": [0.03], "beta": [0.1],
    }),
    ("optimizers.Lamb", [0.003, 0.02], {"beta_1": [0.8], "beta_2": [0.9], "epsilon": [1e-4]}),
    ("optimizers.Adafactor", [0.003, 0.02], {
        "beta_2_decay": [-0.6], "epsilon_2": [0.02], "clip_threshold": [0.5],
        "relative_step": [False],
    }),
]  # fmt: skip
OPTIMIZER_NAMES = ["sgd", "rmsprop", "adam", "adamw", "Adam", "SGD", "nadam", "adamax", "adagrad",
                   "adadelta", "ftrl", "adafactor", "lion"]  # fmt: skip
# where Keras computes in float32 though the model has float64
NORMALIZING = ("layers.BatchNormalization", "layers.LayerNormalization",
               "layers.RMSNormalization")  # fmt: skip
CORRELATIONS = ("metrics.PearsonCorrelation", "metrics.ConcordanceCorrelation")
IN_FLOAT32 = ("SGD", "RMSprop", "Adam", "AdamW")  # whose steps rounding does not decide
AVERAGES = [
    {"use_ema": True},
    {"use_ema": True, "ema_momentum": 0.7},
    {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2},
]
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

X_DTYPES = ["float32", "float32", "float64", "uint8", "int64", "int32", "float16"]
FORMS = ["list", "pandas", "fortran", "strided", "csr"]  # x in another guise
Y_DTYPES = {
    "ids": ["int64", "int32", "uint8", "float32"],
    "one-hot": ["float32", "int64", "uint8", "float64"],
    "binary": ["float32", "int64", "bool", "uint8", "float64"],
    "real": ["float32", "float64"],
}
