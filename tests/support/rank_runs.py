"""Programs that run on several ranks, and what starts them.

    mpiexec -n 2 python tests/support/rank_runs.py NAME [ARGUMENT ...]

A program is a function of this file; what it returns on the first rank is printed as one line of
JSON, after the others have been found to have the same.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
MPIEXEC = pathlib.Path(sys.prefix, "bin", "mpiexec")


def why_not():
    """Why ranks can't be started here, or None."""
    if importlib.util.find_spec("mpi4py") is None:
        return 'mpi4py is not installed: pip install -e ".[mpi]"'
    return None if MPIEXEC.exists() else f"there is no {MPIEXEC}"


def command(ranks, program, *arguments):
    launcher = [] if ranks is None else [MPIEXEC, "-n", str(ranks)]
    return [*launcher, sys.executable, *map(str, (program, *arguments))]


def start(ranks, name, *arguments, timeout=240, **environment):
    """Run one of the programs, or a script; without mpiexec if `ranks` is None.

    Returns:
        The finished process.
    """
    program = name
    if isinstance(name, str):
        program, arguments = __file__, (name, *arguments)
    return subprocess.run(
        command(ranks, program, *arguments), capture_output=True, text=True, timeout=timeout,
        env={**os.environ, **environment, "TINYNET_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip


def result(ranks, name, *arguments, **options):
    """What a program returned on the first rank."""
    done = start(ranks, name, *arguments, **options)
    assert done.returncode == 0, done.stderr[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


# --------------------------------------------------------------------------------- the programs


def cases(seed, first, last):
    """Cases of the differential generator, on one process and on all ranks: what differs."""
    sys.path.insert(0, str(HERE.parents[1]))
    import tinynet
    from tests.parity import cases, compare

    found = {}
    for number in range(int(first), int(last)):
        case = cases.draw(int(seed), number, later=True)
        if "source" in json.dumps(case["calls"]):  # a step is of several batches then
            continue
        answers = []
        for distribute in ("", "mpi"):
            os.environ["TINYNET_DISTRIBUTE"] = distribute
            answers.append(compare.answers(tinynet, case) if not distribute else shared(case))
        found[number] = compare.differences(*answers, compare.tolerance(case))
    return found


def shared(case):
    """The answers of all ranks, which use one folder."""
    import tempfile
    from unittest import mock

    import tinynet
    from tests.parity import build

    comm = world()

    class Run(build.Run):
        def note_callbacks(self, *args):
            super().note_callbacks(*args)
            comm.Barrier()  # none goes on to write files while another one looks at them

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(build, "Run", Run):
        return build.run(tinynet, case, comm.bcast(folder))


def matrix(kind, fewest):
    import rank_matrix

    from tinynet.distribution import DataParallel, shared

    shared.FEWEST_BYTES = int(fewest)

    return getattr(rank_matrix, kind)(DataParallel(), world())


def sums():
    """Sums in shared memory, of many lengths one after another: those that are wrong."""
    from mpi4py import MPI

    from tinynet.distribution import DataParallel, shared

    ranks, wrong = DataParallel().ranks(), []
    shared.CHUNK_BYTES = 4096
    add = shared.SharedSum(MPI, world(), ranks._arrive)
    for dtype in ("float32", "float64"):
        for count in [0, 1, 2, 511, 512, 513, 1024, 1025, 9000, 3, 2048, *range(1000, 1100)]:
            every = [np.random.default_rng([count, rank]).integers(-99, 99, count).astype(dtype)
                     for rank in range(ranks.size)]  # fmt: skip
            array = every[ranks.rank]
            expected = sum(every)  # of integers, so in any order
            add(array.reshape(-1, 1) if count % 2 else array)
            wrong += [] if np.array_equal(array, expected) else [[dtype, count]]
    return wrong


def cards():
    """A fit on the stand-in for a card, one for each rank: its error, and how it was run."""
    import fake_cupy
    import fake_nccl
    from mpi4py import MPI

    import tinynet
    from tinynet import layers

    comm = world().Dup()
    tinynet.config.set_floatx("float64")
    x = np.random.default_rng(4).normal(size=(53, 4))
    found = []
    with fake_cupy.in_place_of_a_card(), fake_nccl.sums(lambda a: comm.Allreduce(MPI.IN_PLACE, a)):
        for distribute in (None, tinynet.distribution.DataParallel()):
            tinynet.utils.set_random_seed(3)
            model = tinynet.Sequential([
                layers.Input((4,)), layers.Dense(6, "relu", kernel_regularizer="l2"),
                layers.Dropout(0.2), layers.Dense(2),
            ])  # fmt: skip
            model.compile("adam", "mse", device="gpu", distribute=distribute)
            model.fit(x, x[:, :2] ** 2, batch_size=10, epochs=3, verbose=0)
            found.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    return float(np.abs(found[0] - found[1]).max()), model.explain_execution().replace(
        f"rank {comm.rank} of", "rank 0 of"
    )


def train(folder, trouble="", when=0):
    """A fit with snapshots that comes to its end, or into trouble on the last rank.

    Each rank leaves its process number in the folder.
    """
    import time

    import tinynet
    from tinynet import callbacks, layers

    comm = world()
    last = comm.rank == comm.size - 1
    pathlib.Path(folder, f"pid-{comm.rank}").write_text(str(os.getpid()))
    tinynet.utils.set_random_seed(5 if trouble == "weights" and last else 3)
    rows = np.random.default_rng(1).normal(size=(60 - (trouble == "rows" and last), 4))
    if trouble == "version" and last:
        tinynet.__version__ = "0.0.9"
    model = tinynet.Sequential([
        layers.Input((4,)), layers.Dense(6, "relu"), layers.BatchNormalization(),
        layers.Dropout(0.3), layers.Dense(2),
    ])  # fmt: skip
    model.compile("adam", "mse", metrics=["mae"], distribute=tinynet.distribution.DataParallel())
    print("said by rank", comm.rank)

    def after_a_batch(batch, logs):
        time.sleep(0.002)
        if last and model.steps_taken == int(when):
            if trouble == "error":
                raise RuntimeError("in trouble")
            if trouble == "leave":
                sys.exit(3)
            if trouble == "stop":
                model.stop_training = True

    if trouble == "leave at once" and last:
        sys.exit()
    if trouble == "bad rows" and last:
        rows[7] = np.nan
    history = model.fit(
        rows, rows[:, :2] ** 2, batch_size=7, epochs=8, verbose=2, validation_split=0.2,
        callbacks=[callbacks.Snapshot(pathlib.Path(folder, "run"), seconds=None, batches=3),
                   callbacks.LambdaCallback(on_train_batch_end=after_a_batch),
                   callbacks.CSVLogger(pathlib.Path(folder, "log.csv")),
                   callbacks.ModelCheckpoint(pathlib.Path(folder, "best.keras"))],
    )  # fmt: skip
    return [[w.ravel().tolist() for w in model.get_weights()], history.history, history.epoch]


def world():
    from mpi4py import MPI

    return MPI.COMM_WORLD


if __name__ == "__main__":
    np.seterr(all="ignore")
    answer = json.dumps(globals()[sys.argv[1]](*sys.argv[2:]))
    answers = world().allgather(answer)
    if world().rank == 0:
        wrong = [rank for rank, other in enumerate(answers) if other != answer]
        print(answer if not wrong else f"rank {wrong[0]} has {answers[wrong[0]]}, not {answer}")
