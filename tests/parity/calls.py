"""What is done with the model of a case: compile, fit, and what users do around it."""

from . import tables
from .tables import code, new

FROM_LOGITS = {
    "ids": ["losses.SparseCategoricalCrossentropy"],
    "one-hot": ["losses.CategoricalCrossentropy", "losses.CategoricalFocalCrossentropy"],
    "binary": ["losses.BinaryCrossentropy", "losses.BinaryFocalCrossentropy"],
}


class Calls:
    """Draws the calls of one case.

    Args:
        d: the Draw.
        case: its "data" and "seed" are there, "calls" is filled.
        logits: whether the last layer gives logits.
        batch: rows of a batch.
    """

    def __init__(self, d, case, logits, batch):
        self.d, self.case, self.logits, self.batch = d, case, logits, batch
        self.data, self.task = case["data"], case["data"]["task"]

    def draw(self):
        d = self.d
        self.compile()
        if d.chance(0.2):
            self.evaluate()
        if d.chance(0.2):
            for i in range(d.choice([1, 2])):
                self.on_batch(i)
        self.fit()
        kept = d.choice(["weights", "model", None, None, None, None, None])
        if kept:
            self.keep(kept)
        elif d.chance(0.25):
            kind = d.choice(["on", "again", "anew"])
            if kind == "again":  # the same call with the same callback objects
                self.case["calls"].append({**self.case["calls"][-1]})
            else:  # the optimizer goes on, or starts anew
                if kind == "anew":
                    self.compile()
                self.fit()
        if d.chance(0.15):
            self.on_batch(0)
        self.evaluate()
        self.add("predict", x=self.x("vx"), **self.steps(), **self.watched())

    def add(self, call, **options):
        self.case["calls"].append({"call": call, **options})

    def keep(self, what):
        """Save, go on, and go back to what was saved; or go on from a file of the whole model."""
        if what == "model":
            kind = self.d.choice(["keras", "keras", "h5"])
            if any(layer["new"] == "Sequential" for layer in self.case["layers"]):
                kind = "keras"  # in .h5 two weights of a nested model may have one name
            path = f"$folder/whole.{kind}"
            self.add("save", filepath=path)
            # Keras can't train what it compiled from an .h5, see purpose.py
            self.add("reload", filepath=path, **({"compile": False} if kind == "h5" else {}))
            if kind == "h5":
                self.compile()
            self.fit()
        else:
            self.add("save_weights", filepath="$folder/middle.weights.h5")
            self.fit()
            self.add("load_weights", filepath="$folder/middle.weights.h5")

    def x(self, name="x", **rows):
        """The description of x or vx: as the model wants it, now and then in another guise."""
        form = self.case.get("inputs")
        if form is None and self.d.chance(0.15):
            form = self.d.choice(tables.FORMS)
            if len(self.data["shape"]) > 1 and form in ("pandas", "csr"):
                form = "fortran"
            if form == "csr" and self.data["x"] in ("ids", "float16"):  # SciPy has no such halves
                form = "strided"
        return {"array": name, **rows, **({"as": form} if form else {})}

    def parts(self):
        inputs = self.case.get("inputs")
        return {"as": inputs} if inputs else {}

    def steps(self):
        """batch_size and steps of evaluate and predict."""
        d, options = self.d, {}
        if d.chance(0.4):
            options["batch_size"] = self.batch
            if d.chance(0.3):
                options["steps"] = 1
        return options

    def watched(self):
        """Somebody who looks on, sometimes."""
        if not self.d.chance(0.1):
            return {}
        hooks = [
            h for h in tables.EPOCH_HOOKS + tables.BATCH_HOOKS if "test" in h or "predict" in h
        ]
        return {"callbacks": [new("callbacks.Recorder", hooks=hooks)]}

    # ------------------------------------------------------------------------------- compile

    def compile(self):
        d = self.d
        offered = [
            {**m, "num_classes": self.data["outputs"]} if "num_classes" in m else m
            for m in tables.METRICS[self.task]
            if not self.unfit(m)
        ]
        options = {
            "metrics": unique(d.some(offered, 3)),
            "weighted_metrics": unique(d.some(offered, 2)) if d.chance(0.3) else [],
        }
        self.compiled = {
            "optimizer": self.optimizer(),
            "loss": self.loss(),
            **{name: given for name, given in options.items() if given},
        }
        if self.case["calls"]:  # Keras keeps the metrics of the last compile unless told otherwise
            self.compiled.setdefault("metrics", [])
        # Keras's lists have a metric twice whose name is taken; its dicts are right
        names = [shown(m) for given in options.values() for m in given]
        self.clash = len(set(names)) < len(names)
        self.add("compile", **self.compiled)

    def unfit(self, metric):
        """Whether a metric says nothing about this model's outputs or targets."""
        name = metric if isinstance(metric, str) else metric["new"]
        probabilities = any(part in name for part in tables.NEED_PROBABILITIES)
        if self.task == "binary":  # of logits "accuracy" has another threshold than Keras's
            probabilities |= isinstance(metric, str) and "acc" in name
        classes = any(part in name for part in tables.NEED_CLASSES)
        flat = self.task == "binary" and not self.data["column"]
        flat = flat and any(part in name for part in tables.NEED_SHAPE)
        column = any(part in name for part in tables.NEED_COLUMN) and self.task != "ids"
        rows = any(part in name for part in tables.NEED_ROWS) and self.data["positions"] > 1
        bare = column and self.task != "one-hot" and not (self.data["column"] or
                                                          self.data["outputs"] > 1)  # fmt: skip
        return (
            (self.logits and probabilities) or (self.data["soft"] and classes) or flat
            or rows or bare
        )  # fmt: skip

    def loss(self):
        d = self.d
        offered = tables.LOSSES[self.task]
        if self.data["soft"]:  # hinges want classes
            offered = [known for known in offered if "inge" not in str(known)]
        loss = d.choice(offered)
        if self.logits:
            loss = new(d.choice(FROM_LOGITS[self.task]), from_logits=True)
            if self.task != "ids" and d.chance(0.3):
                loss["label_smoothing"] = 0.15
        if isinstance(loss, dict) and d.chance(0.3):
            loss = {**loss, "reduction": d.choice(tables.REDUCTIONS)}
        return loss

    def optimizer(self):
        d = self.d
        if d.chance(0.2):
            return d.choice(tables.OPTIMIZER_NAMES)
        path, rates, table = d.choice(tables.OPTIMIZERS)
        options = {"learning_rate": d.choice(rates), **d.options(path, table)}
        if d.chance(0.2):
            schedule = d.choice(tables.SCHEDULES)
            options["learning_rate"] = {**schedule, "initial_learning_rate": d.choice(rates)}
        if d.chance(0.3):
            options |= d.choice(tables.CLIPPING)
        if d.chance(0.25):
            options["weight_decay"] = d.choice(tables.WEIGHT_DECAYS)
        if d.chance(0.12):
            options |= d.choice(tables.AVERAGES)
        if d.chance(0.08):
            options["gradient_accumulation_steps"] = d.choice([2, 3])
        if d.chance(0.08):
            options["loss_scale_factor"] = d.choice([8.0, 0.5])
        return new(path, **options)

    # --------------------------------------------------------------------- evaluate, one batch

    def evaluate(self):
        d, options = self.d, self.steps()
        if d.chance(0.3):
            options["sample_weight"] = {"array": "vw"}
        if self.clash or d.chance(0.4):
            options["return_dict"] = True
        if "batch_size" not in options and d.chance(0.1):
            options["source"] = {"kind": "pydataset", "batch": self.batch}
        x = {"array": "vx", **self.parts()} if "source" in options else self.x("vx")
        self.add("evaluate", x=x, y={"array": "vy"}, **options, **self.watched())

    def on_batch(self, i):
        d, rows = self.d, [i * self.batch, (i + 1) * self.batch]
        options = {"x": {"array": "x", "rows": rows, **self.parts()},
                   "y": {"array": "y", "rows": rows}}  # fmt: skip
        if d.chance(0.3):
            options["sample_weight"] = {"array": "w", "rows": rows}
        if self.clash or d.chance(0.3):
            options["return_dict"] = True
        self.add(d.choice(["train_on_batch", "train_on_batch", "test_on_batch"]), **options)

    # ------------------------------------------------------------------------------------ fit

    def fit(self):
        d = self.d
        options = {"x": self.x(), "y": {"array": "y"}, "shuffle": False,
                   "epochs": d.choice([1, 2, 3, 4, 5])}  # fmt: skip
        if d.chance(0.75):
            options["batch_size"] = self.batch
            if d.chance(0.08):
                options["shuffle"] = "batch"  # within a batch the order of rows does not matter
        elif d.chance(0.5):
            options["shuffle"] = True  # nor if there is only one
        if d.chance(0.12):
            options["initial_epoch"] = d.choice([1, 2])
        if d.chance(0.12) and not options["shuffle"]:
            options["steps_per_epoch"] = d.choice([1, 2, 3, 4])
        if d.chance(0.3):
            options["sample_weight"] = {"array": "w"}
        elif d.chance(0.25) and self.has_classes():
            options["class_weight"] = code("{0: 0.4, 1: 2.5}")
        self.source(options)
        options |= (validation := self.validation("source" in options))
        callbacks = self.callbacks(self.measured(validation))
        if callbacks:
            options["callbacks"] = callbacks
        if any("save_best_only" in c for c in callbacks):  # see purpose.best_only_means_best
            options.pop("validation_freq", None)
        self.add("fit", **options)

    def source(self, options):
        """Sometimes the batches come from a PyDataset or a generator."""
        d = self.d
        if options["shuffle"] or not d.chance(0.12):
            return
        kind = d.choice(["pydataset", "generator"])
        options.pop("batch_size", None)
        options["x"] = {"array": "x", **self.parts()}
        options["source"] = {"kind": kind, "batch": self.batch}
        if kind == "generator":
            options["steps_per_epoch"] = d.choice([1, 2, 3, 4])
            if "sample_weight" not in options:
                options.pop("class_weight", None)

    def has_classes(self):
        """Whether every row has one class."""
        single = self.task in ("ids", "one-hot") or self.task == "binary" == self.data["outputs"]
        return single and self.data["positions"] == 1 and not self.data["soft"]

    def validation(self, streamed):
        """Validation: none, the last rows, or data of its own."""
        d, options = self.d, {}
        kind = d.choice(["none", "data" if streamed else "split", "data", "data"])
        if kind == "none":
            return options
        if kind == "split":
            options["validation_split"] = d.choice([0.2, 0.6])
        else:
            given = [self.x("vx"), {"array": "vy"}]
            weights = [{"array": "vw"}] if d.chance(0.3) else []
            options["validation_data"] = {"tuple": given + weights}
        if d.chance(0.2):
            options["validation_batch_size"] = self.batch
        if d.chance(0.15):
            options["validation_steps"] = d.choice([1, 2])
        if d.chance(0.2):
            options["validation_freq"] = d.choice([2, [1, 3]])
        return options

    def measured(self, validation):
        """Names that callbacks may watch: the loss, and metrics shown as they were given."""
        given = self.compiled.get("metrics", ())
        names = ["loss", *(m for m in given if isinstance(m, str) and m.islower())]
        return names + [f"val_{name}" for name in names if validation]

    # ------------------------------------------------------------------------------ callbacks

    def callbacks(self, measured):
        """Callbacks: some that decide, some that write, some that only look."""
        d, chosen = self.d, []
        optimizer = self.compiled["optimizer"]
        settable = not (
            isinstance(optimizer, dict) and isinstance(optimizer["learning_rate"], dict)
        )
        if d.chance(0.5):
            chosen.append(self.monitor(measured))
        if d.chance(0.15):
            chosen.append(new("callbacks.LearningRateScheduler", schedule=d.choice(tables.RATES)))
        if d.chance(0.1):
            chosen.append(
                new("callbacks.CSVLogger", filename="$folder/log.csv", append=d.chance(0.3))
            )
        if d.chance(0.1):
            chosen.append(new("callbacks.TerminateOnNaN"))
        if d.chance(0.08):
            chosen.append(
                new("callbacks.Stopper", epoch=d.choice([0, 1, 2]), batch=d.choice([0, 1]))
            )
        if d.chance(0.1):
            hooks = d.sample(tables.EPOCH_HOOKS[:4] + tables.BATCH_HOOKS[:2], 2)
            chosen.append(new("callbacks.LambdaCallback", hooks=hooks))
        if d.chance(0.4):
            hooks = tables.EPOCH_HOOKS + (tables.BATCH_HOOKS if d.chance(0.5) else [])
            hooks = d.sample(hooks, d.randrange(1, len(hooks)))
            chosen.append(new("callbacks.Recorder", hooks=hooks))
        d.shuffle(chosen)
        return [c for c in chosen if settable or c["new"] not in tables.SET_THE_RATE]

    def monitor(self, measured):
        d = self.d
        path, table = d.choice(tables.MONITORS)
        options = d.options(path, table)
        options["monitor"] = d.choice(measured)
        if d.chance(0.4):
            options["mode"] = d.choice(["min", "max"])
        if path == "callbacks.ModelCheckpoint":
            name = d.choice(["best", "at-{epoch:02d}"])
            options |= {"filepath": f"$folder/{name}.weights.h5", "save_weights_only": True}
            if not options.get("save_best_only"):
                options.pop("initial_value_threshold", None)
        return new(path, **options)


def unique(metrics):
    """Without those that would be shown under a name that is taken."""
    return list({shown(m): m for m in reversed(metrics)}.values())[::-1]


def shown(metric):
    """The name that Keras shows a metric under."""
    if isinstance(metric, str):
        return metric
    kind = metric["new"].rpartition(".")[2]
    return metric.get("name") or tables.SHOWN.get(kind, kind)
