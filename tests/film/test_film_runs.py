"""Filming leaves training as it is; films go on, end early, and are the same every time."""

import sys

import numpy as np
import pytest
import threads_as_ranks
from film_pages import IDS, PLANE, classifier, data_of, filmed

import tinynet as keras
from tinynet import layers
from tinynet.__main__ import main
from tinynet.callbacks import BackupAndRestore, Callback, EarlyStopping, Film

BYTES = 8_000_000


def noisy(device="reference"):
    keras.utils.set_random_seed(1)
    return classifier((2,), 4, layers.BatchNormalization(name="norm"),
                      layers.Dropout(0.3, name="drop"), layers.GaussianNoise(0.1, name="noise"),
                      device=device)  # fmt: skip


def weights(model):
    return [w.tobytes() for w in model.get_weights()]


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_training_is_bit_equal_with_and_without(device, steps_per_execution, tmp_path):
    found = []
    for film in (None, Film(PLANE, IDS, tmp_path / "film.html", frames=12)):
        model = noisy(device)
        model.compile(keras.optimizers.Nadam(0.02, use_ema=True), "sparse_categorical_crossentropy",
                      metrics=["accuracy"], device=device,
                      steps_per_execution=steps_per_execution)  # fmt: skip
        callbacks = [] if film is None else [film]
        history = model.fit(PLANE, IDS, epochs=4, batch_size=7, verbose=0, callbacks=callbacks,
                            validation_split=0.2)  # fmt: skip
        found.append((weights(model), history.history))
    assert found[0] == found[1]
    assert len(film.frames) > 4


def test_the_same_training_gives_the_same_bytes(tmp_path):
    pages = []
    for _ in range(2):
        filmed(noisy(), PLANE, IDS, tmp_path)
        pages.append((tmp_path / "film.html").read_bytes())
    assert pages[0] == pages[1]


class Stop(Callback):
    """Ends training after so many batches, by an error or by asking."""

    def __init__(self, batches, error=None):
        super().__init__()
        self.left, self.error = batches, error

    def get_state(self):
        return None

    def set_state(self, state):
        """A resumed run is not ended again."""

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left and self.error:
            raise self.error
        if not self.left:
            self.model.stop_training = True


@pytest.mark.parametrize("after", [3, 5, 8])
def test_a_fit_that_goes_on_goes_on_with_its_film(after, tmp_path):
    options = {"epochs": 4, "batch_size": 8, "verbose": 0}
    whole = noisy()
    whole.fit(PLANE, IDS, callbacks=[Stop(99), Film(PLANE, IDS, tmp_path / "whole.html")],
              resume=tmp_path / "a", **options)  # fmt: skip
    for batches in (after, 99):
        model = noisy()
        film = Film(PLANE, IDS, tmp_path / "film.html")
        stop = Stop(batches, RuntimeError("the end"))
        try:
            model.fit(PLANE, IDS, callbacks=[stop, film], resume=tmp_path / "b", **options)
        except RuntimeError:
            assert batches == after
            assert film.frames[-1]["at"] < 20
    assert weights(model) == weights(whole)
    assert (tmp_path / "film.html").read_bytes() == (tmp_path / "whole.html").read_bytes()


def test_an_interrupted_fit_leaves_the_film_that_there_was(tmp_path):
    film = Film(PLANE, IDS, tmp_path / "film.html")
    with pytest.raises(KeyboardInterrupt):
        noisy().fit(PLANE, IDS, epochs=4, batch_size=8, verbose=0,
                    callbacks=[film, Stop(7, KeyboardInterrupt())])  # fmt: skip
    data = data_of(tmp_path / "film.html")
    assert [f["at"] for f in data["frames"]] == list(range(8))
    assert len(data["epochs"]) == 1


@pytest.mark.parametrize("first", [True, False])
def test_a_fit_that_stops_early_ends_with_its_last_frame(first, tmp_path):
    film = Film(PLANE, IDS, tmp_path / "film.html", frames=8)
    early = EarlyStopping("loss", patience=1, min_delta=10, restore_best_weights=True)
    model = noisy()
    history = model.fit(PLANE, IDS, epochs=200, batch_size=8, verbose=0,
                        callbacks=[film, early] if first else [early, film])  # fmt: skip
    last = film.frames[-1]
    assert last["epoch"] == len(history.history["loss"]) < 200
    assert last["moment"]


def test_a_fit_that_stops_within_an_epoch_ends_there(tmp_path):
    film = Film(PLANE, IDS, tmp_path / "film.html", frames=8)
    noisy().fit(PLANE, IDS, epochs=9, batch_size=8, verbose=0, callbacks=[film, Stop(13)])
    assert (film.frames[-1]["at"], film.frames[-1]["epoch"]) == (13, 2.6)
    assert film.frames[-1]["moment"]


def test_a_generator_without_an_end_and_later_epochs(tmp_path):
    def batches():
        for k in range(9):
            yield PLANE[4 * k : 4 * k + 4], IDS[4 * k : 4 * k + 4]

    film = Film(PLANE, IDS, tmp_path / "film.html")
    noisy().fit(batches(), epochs=1, verbose=0, callbacks=[film])
    assert [f["epoch"] for f in film.frames] == [0, 1]
    noisy().fit(PLANE, IDS, batch_size=20, initial_epoch=5, epochs=7, verbose=0, callbacks=[film])
    assert [f["epoch"] for f in film.frames] == [5, 5.5, 6, 6.5, 7]


def test_a_film_within_a_backup(tmp_path):
    film = Film(PLANE, IDS, tmp_path / "film.html")
    with pytest.raises(RuntimeError):
        noisy().fit(PLANE, IDS, epochs=4, batch_size=8, verbose=0, callbacks=[
            BackupAndRestore(tmp_path / "backup"), film, Stop(12, RuntimeError())])  # fmt: skip
    noisy().fit(PLANE, IDS, epochs=4, batch_size=8, verbose=0,
                callbacks=[BackupAndRestore(tmp_path / "backup"), film])  # fmt: skip
    assert [film.frames[0]["epoch"], film.frames[-1]["epoch"]] == [2, 4]


def test_of_several_ranks_the_first_records(tmp_path):
    def of_rank(models, films):
        def run(ranks):
            model, film = models[ranks.rank], films[ranks.rank]
            model.ranks = ranks
            with keras.random.own_stream(2):
                model.fit(PLANE, IDS, epochs=3, batch_size=8, verbose=0, callbacks=film)
            return weights(model)

        return run

    def of_ranks(films):
        return threads_as_ranks.together(2, of_rank([classifier(), classifier()], films))

    plain, _ = of_ranks([[], []])
    films = [Film(PLANE, IDS, tmp_path / f"film-{rank}.html", frames=8) for rank in range(2)]
    first, second = of_ranks(films)
    assert first == second == plain
    assert len(films[0].frames) == 8
    assert films[1].frames == []
    assert (tmp_path / "film-0.html").exists()
    assert not (tmp_path / "film-1.html").exists()


def test_the_command_films_a_new_model_or_that_of_a_script(tmp_path, capsys):
    script, out = tmp_path / "own.py", tmp_path / "own.html"
    script.write_text(
        "import numpy as np\nimport tinynet as keras\nfrom tinynet.layers import Dense\n"
        "x = np.linspace(-1, 1, 20)[:, None]\ny = x**2\n"
        "model = keras.Sequential([Dense(4, 'tanh'), Dense(1)], name='own')\n"
        "model.compile('adam', 'mse', device='reference')\n"
    )
    main(["film", str(script), "--out", str(out), "--epochs", "2", "--batch", "10"])
    data = data_of(out)
    assert (data["name"], data["picture"]["kind"]) == ("own", "curve")
    assert [f["at"] for f in data["frames"]] == [0, 1, 2, 3, 4]
    assert "open it in a browser" in capsys.readouterr().out
    script.write_text("model = x = y = 3")
    with pytest.raises(SystemExit):
        main(["film", str(script)])
    main(["film", "--data", "mnist_small", "--layers", "8", "--epochs", "1", "--batch", "500",
          "--out", str(out)])  # fmt: skip
    assert data_of(out)["units"]["count"] == 8


def sized(sizes, frames, folder):
    rng = np.random.default_rng(1)
    x, y = rng.random((64, sizes[0])).astype("float32"), rng.integers(0, sizes[-1], 64)
    keras.utils.set_random_seed(1)
    hidden = [layers.Dense(n, "relu") for n in sizes[1:-1]]
    model = keras.Sequential([layers.Input((sizes[0],)), *hidden,
                              layers.Dense(sizes[-1], "softmax")])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = filmed(model, x, y, folder, frames=frames, epochs=1, batch_size=64 // frames)
    assert sum(f["moment"] is not None for f in data["frames"]) >= 8
    return (folder / "film.html").stat().st_size


def test_a_page_stays_small_for_mnists_net(tmp_path):
    assert sized((784, 300, 200, 100, 10), 16, tmp_path) < BYTES


@pytest.mark.slow
def test_a_page_stays_small_for_wide_nets(tmp_path):
    assert sized((784, 2048, 2048, 10), 8, tmp_path) < BYTES


def test_a_page_of_the_most_frames_stays_small(tmp_path):
    """A frame of the widest pictures, as often as there may be frames."""
    from tinynet.film.page import page
    from tinynet.film.watch import Watch

    rng = np.random.default_rng(1)
    x, y = rng.random((256, 1600)).astype("float32"), rng.integers(0, 10, 256)
    stack = [layers.Dense(4, "relu") for _ in range(20)]
    model = keras.Sequential([layers.Input((1600,)), *stack, layers.Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"],
                  device="reference")  # fmt: skip
    model.fit(x, y, epochs=1, verbose=0)
    for frames in (80, 400):
        watch = Watch(model, x, y, None, 256, 0, frames)
        first = watch.frame()
        each = watch.frame(first)
        shared, own = watch.moment(12)
        moment = "A" * (4 * len(own) // 3)
        every = [{**(each if k else first), "at": k, "epoch": float(k),
                  "moment": moment if k % 20 == 0 else None} for k in range(frames)]  # fmt: skip
        epochs = [{"epoch": k, "loss": 1 / 3, "accuracy": 1 / 3} for k in range(frames)]
        text = page(watch.header(), every, epochs, shared)
        assert sys.getsizeof(text.encode()) < BYTES
        assert text.count('"moment":"A') >= 2
