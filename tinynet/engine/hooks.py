"""Methods that a subclass of a model has from Keras, and that `fit` would not call, or not so."""

import inspect

UNCALLED = {  # -> what to do instead
    "compute_loss": "nothing here differentiates what it computes; give compile a losses.Loss with "
                    "call(y, p) and derivative(y, p)",
    "compute_metrics": "give compile a metrics.Metric",
    "make_train_function": "change train_step(self, x, y, w)",
    "make_test_function": "change test_step(self, x, y, w)",
    "make_predict_function": "change predict_step(self, x)",
}  # fmt: skip
STEPS = {"train_step": "x, y, w", "test_step": "x, y, w", "predict_step": "x"}


def check_hooks(model):
    """Raise unless what the class of a model changes is what training it runs.

    Raises:
        NotImplementedError: a method that is never called.
        TypeError: a step that takes other arguments.
    """
    cls = type(model)
    for name, instead in UNCALLED.items():
        if _is_users(getattr(cls, name, None)):
            raise NotImplementedError(f"{model.name}: {cls.__name__} has a {name}, which is not "
                                      f"called here: {instead}")  # fmt: skip
    for name, arguments in STEPS.items():
        step = getattr(cls, name)
        try:
            inspect.signature(step).bind(model, *arguments.split(", "))
        except TypeError:
            raise TypeError(f"{model.name}: {cls.__name__}.{name}{inspect.signature(step)} is "
                            f"called with ({arguments}), arrays of the device: write {name}(self, "
                            f"{arguments}); w is each row's share of the loss, see "
                            "tinynet/engine/step.py") from None  # fmt: skip


def _is_users(method):
    return method is not None and not str(method.__module__).startswith("tinynet.")
