"""The losses with their options, for the tests of them."""

SPARSE, CATEGORICAL, BINARY = (
    "SparseCategoricalCrossentropy",
    "CategoricalCrossentropy",
    "BinaryCrossentropy",
)
BINARY_FOCAL, CATEGORICAL_FOCAL = "BinaryFocalCrossentropy", "CategoricalFocalCrossentropy"
COSINE, KL = "CosineSimilarity", "KLDivergence"

# (class, options): options are pairs, because their repr is the key of a recording
LOSSES = [
    *((SPARSE, (("from_logits", z),)) for z in (False, True)),
    *(
        (name, (("from_logits", z), ("label_smoothing", s)))
        for name in (CATEGORICAL, BINARY)
        for z in (False, True)
        for s in (0.0, 0.2)
    ),
    ("MeanSquaredError", ()),
    ("MeanAbsoluteError", ()),
    ("Huber", ()),
    ("Huber", (("delta", 0.4),)),
    ("MeanAbsolutePercentageError", ()),
    ("MeanSquaredLogarithmicError", ()),
    ("LogCosh", ()),
    (COSINE, ()),
    ("Hinge", ()),
    ("SquaredHinge", ()),
    ("CategoricalHinge", ()),
    (KL, ()),
    ("Poisson", ()),
    (BINARY_FOCAL, ()),
    (BINARY_FOCAL, (("apply_class_balancing", True), ("gamma", 0.5), ("alpha", 0.7))),
    (BINARY_FOCAL, (("from_logits", True), ("gamma", 1.0), ("label_smoothing", 0.2))),
    (CATEGORICAL_FOCAL, ()),
    (CATEGORICAL_FOCAL, (("gamma", 0.5), ("alpha", 0.7), ("label_smoothing", 0.2))),
    (CATEGORICAL_FOCAL, (("from_logits", True), ("gamma", 3.0))),
]
