"""`tinynet`, or `python -m tinynet`.

`python -m tinynet warmup`: compile the CPU kernels ahead of the first fit.

`python -m tinynet doctor`: what this machine has for each device, and what is missing.

`python -m tinynet bench --layers 784 300 200 100 10`: how fast a model trains on the devices here.

`python -m tinynet microscope [script.py]`: write a page about one training step: of the model that
the script leaves behind under the names `model`, `x` and `y`, or of a new one on a data set.

`python -m tinynet film [script.py]`: train it, and write a page of the whole training, which plays.

`python -m tinynet playground`: write and open a page on which small networks train, step by step.

`python -m tinynet lesson 6`: write the exercise of a lesson into this folder; `lesson` lists all.

`python -m tinynet check 6`: say what is right and what is wrong in it; `--hint` helps, by degrees.
"""

import argparse
import os
import pathlib
import sys
import time
import traceback

from . import __version__
from .commands import Mistake, integer, output_file


def warmup():
    """Compile every kernel for float32 and float64 that is not in the cache on disk yet."""
    import numpy as np

    from .core.devices import load_ops

    start = time.perf_counter()
    count = load_ops("cpu").warmup(np.float32) + load_ops("cpu").warmup(np.float64)
    print(f"{count} kernels ready after {time.perf_counter() - start:.1f} s")


def doctor(args):
    """Print what this machine has for each device."""
    from .commands.doctor import report

    print(*report(), sep="\n")


def bench(args):
    """Measure how fast a model trains on the devices of this machine."""
    from .commands.bench import main

    main(args)


def microscope(args):
    """Write the page about a step of a script's model, or of one that the options describe."""
    import tinynet

    tinynet.utils.set_random_seed(args.seed)
    model, x, y = _from_script(args.script) if args.script else _new_model(args)
    if args.epochs and not args.script:
        model.fit(x, y, batch_size=args.batch, epochs=args.epochs, verbose=2)
    rows = slice(args.batch)
    try:
        path = tinynet.microscope(model, x[rows], y[rows], args.out, seed=args.seed,
                                  keras=False if args.no_keras else "auto")  # fmt: skip
    except (ValueError, TypeError) as error:
        raise Mistake(f"{args.script or args.data}: {error}") from error
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB; open it in a browser")


def film(args):
    """Train a script's model, or one that the options describe, and write its film."""
    import tinynet

    tinynet.utils.set_random_seed(args.seed)
    model, x, y = _from_script(args.script) if args.script else _new_model(args)
    try:
        path = tinynet.microscope.film(model, x, y, args.out, epochs=args.epochs,
                                       batch_size=args.batch, verbose=2)  # fmt: skip
    except (ValueError, TypeError) as error:
        raise Mistake(f"{args.script or args.data}: {error}") from error
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB; open it in a browser")


def playground(args):
    """Write the page on which networks train, and open it."""
    import webbrowser

    from .playground import playground

    path = playground(args.out)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB; open it in a browser")
    if not args.no_open:
        webbrowser.open(path.resolve().as_uri())


def lesson(args):
    """Write the exercise of a lesson, or list the lessons."""
    from .commands.course import write_exercise

    write_exercise(args.number)


def check(args):
    """Judge a student's exercise."""
    from .commands.course import check

    check(args.number, args.file, args.hint)


def _from_script(path):
    import runpy

    from .models import Model

    if not pathlib.Path(path).is_file():
        raise Mistake(f"{path}: there is no such file; expected a script that defines model, x, y")
    try:
        names = runpy.run_path(path)
    except Exception as error:
        raise Mistake(f"{path}{_line_of(error, path)}: {type(error).__name__}: "
                      f"{getattr(error, 'msg', error)}") from error  # fmt: skip
    missing = [name for name in ("model", "x", "y") if name not in names]
    if missing:
        raise Mistake(f"{path}: expected it to define model, x and y; there is no "
                      f"{', '.join(missing)}")  # fmt: skip
    model = names["model"]
    if not isinstance(model, Model) or model.optimizer is None or model.loss is None:
        raise Mistake(f"{path}: expected model to be a compiled model of tinynet's, received "
                      f"{model!r}")  # fmt: skip
    return model, names["x"], names["y"]


def _line_of(error, path):
    """Return where in a script an error came up."""
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == path]
    if isinstance(error, SyntaxError):
        lines.append(error.lineno)
    return f", line {lines[-1]}" if lines else ""


def _new_model(args):
    import tinynet
    from tinynet.layers import Dense, Flatten, Input

    hidden = []
    for units in filter(None, args.layers.split(",")):
        if not units.strip().isdecimal() or int(units) < 1:
            raise Mistake(f"--layers: expected numbers of units such as 32,16, received {units!r}")
        hidden.append(int(units))
    try:
        activation = tinynet.activations.get(args.activation)
        optimizer = tinynet.optimizers.get(args.optimizer)
    except (ValueError, TypeError) as error:
        raise Mistake(str(error)) from error
    (x, y), _ = getattr(tinynet.datasets, args.data).load_data()
    x = (x / x.max()).astype("float32")
    layers = [Input(x.shape[1:]), Flatten(), *(Dense(units, activation) for units in hidden)]
    layers.append(Dense(int(y.max()) + 1, activation="softmax"))
    model = tinynet.Sequential(layers, name=args.data)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, x, y


def _add_model(command, out, batch):
    """Give a command the options that name or describe a model, and the file to write."""
    command.add_argument("script", nargs="?", help="Python file that defines model, x and y")
    command.add_argument("--out", default=out, type=output_file, help=f"where to write ({out})")
    command.add_argument("--batch", type=integer(1), default=32, help=batch)
    command.add_argument("--seed", type=integer(0), default=1, help="of weights, masks, order (1)")
    new = command.add_argument_group("without a script")
    new.add_argument(
        "--data", default="digits", choices=["digits", "mnist_small", "mnist", "fashion_mnist"]
    )
    new.add_argument("--layers", default="32,16", help="units of the hidden layers (32,16)")
    new.add_argument("--activation", default="relu")
    new.add_argument("--optimizer", default="adam")


def program():
    """Return what was typed to start it."""
    return "tinynet" if pathlib.Path(sys.argv[0]).stem == "tinynet" else "python -m tinynet"


def main(arguments=None):
    """Run a command; what goes wrong is a sentence on the error output and exit status 2."""
    from .commands import bench as bench_options

    parser = argparse.ArgumentParser(
        prog=program(), description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"tinynet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("warmup", help="compile the CPU kernels")
    commands.add_parser("doctor", help="what this machine has for each device")
    speed = commands.add_parser("bench", help="how fast a model trains on the devices here",
                                description=bench_options.__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    bench_options.add_arguments(speed)
    look = commands.add_parser("microscope", help="a page about one training step")
    _add_model(look, "step.html", "rows of the step (32)")
    look.add_argument("--no-keras", action="store_true", help="no comparison with Keras")
    look.add_argument("--epochs", type=integer(0), default=0,
                      help="without a script: train so long before the look (0)")  # fmt: skip
    movie = commands.add_parser("film", help="train, and write a page of it that plays")
    _add_model(movie, "film.html", "rows of a step (32)")
    movie.add_argument("--epochs", type=integer(1), default=10, help="how long to train (10)")
    play = commands.add_parser("playground", help="a page on which small networks train")
    play.add_argument("--out", default="playground.html", type=output_file,
                      help="where to write (playground.html)")  # fmt: skip
    play.add_argument("--no-open", action="store_true", help="write it, and open no browser")
    exercise = commands.add_parser("lesson", help="write a lesson's exercise; alone: list them")
    exercise.add_argument("number", nargs="?", type=integer(1), help="of the lesson")
    judge = commands.add_parser("check", help="what is wrong in an exercise, and where")
    judge.add_argument("number", type=integer(1), help="of the lesson")
    judge.add_argument("file", nargs="?", help="the exercise (the one that `lesson` wrote here)")
    judge.add_argument("--hint", nargs="?", type=integer(1), const=1, metavar="DEGREE",
                       help="a hint; 2, 3, ... say more, the last one all")  # fmt: skip
    args = parser.parse_args(arguments)
    run = {"warmup": lambda _: warmup(), "doctor": doctor, "bench": bench,
           "microscope": microscope, "film": film, "playground": playground, "lesson": lesson,
           "check": check}  # fmt: skip
    try:
        run[args.command](args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # as shells have it
    except BrokenPipeError:  # `| head` has seen enough; at its end Python would flush once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except (Mistake, ImportError, MemoryError, OSError, TypeError, ValueError) as error:
        mistake = error if isinstance(error, Mistake) else Mistake(error or type(error).__name__)
        print(f"{parser.prog} {args.command}: {mistake}", file=sys.stderr)
        raise mistake from error


if __name__ == "__main__":
    main()
