"""Where a data file comes from: the user's folder, Keras's cache, tinynet's, or a mirror."""

import dataclasses
import hashlib
import logging
import os
import textwrap
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class DataFile:
    """One published file.

    Attributes:
        name: file name; an absolute path means that very file.
        hash: "sha256:<hex>", or "md5:<hex>" where nothing better was ever published.
        urls: mirrors in the order in which they are tried.
        folder: folder below the data folders, as Keras names it.
        keras_name: its name in Keras's cache, where that is another.
    """

    name: str
    hash: str
    urls: tuple
    folder: str = ""
    keras_name: str = ""

    def below(self, folder) -> Path:
        """Return where this file lies in `folder`."""
        return Path(folder).expanduser() / self.folder / self.name


def of_keras(name: str, known_hash: str, bucket: str | None = None) -> DataFile:
    """Return a file that Keras publishes: on its own server, maybe in a bucket of Amazon's, too."""
    urls = ["https://storage.googleapis.com/tensorflow/tf-keras-datasets/"]
    if bucket is not None:
        urls.append(f"https://s3.amazonaws.com/{bucket}/")
    return DataFile(name, known_hash, tuple(url + name for url in urls))


def find(file: DataFile) -> Path:
    """Return the path of `file`, downloaded first if it is nowhere on this machine.

    A file in `TINYNET_DATA_DIR`, or one named by an absolute path, is the user's own and is taken
    as it is: the reader checks its structure. Anywhere else the published hash has to match.

    Raises:
        OSError: no mirror delivered it; says what was tried and where to put the file by hand.
    """
    data_dir = os.environ.get("TINYNET_DATA_DIR")
    own = [file.below(data_dir or "")] if data_dir or Path(file.name).is_absolute() else []
    if own and own[0].is_file():
        return own[0]
    keras_home = os.environ.get("KERAS_HOME") or "~/.keras"
    in_keras = dataclasses.replace(file, name=file.keras_name or file.name)
    places = [in_keras.below(Path(keras_home) / "datasets"), file.below(cache_folder())]
    for path in places:
        if matches(path, file.hash):
            return path
    failures = []
    for url in file.urls:
        try:
            return _download(url, file.hash, places[-1])
        # pooch: OSError when a mirror can't be reached, ValueError when the hash is wrong.
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {_reason(error)}")
    raise OSError(_advice(file, own + places, failures))


def cache_folder() -> Path:
    """Return where downloads are kept: `TINYNET_CACHE_DIR`, else the system's cache folder."""
    if os.environ.get("TINYNET_CACHE_DIR"):
        return Path(os.environ["TINYNET_CACHE_DIR"])
    import pooch

    return Path(pooch.os_cache("tinynet"))


def matches(path: Path, known_hash: str) -> bool:
    """Return whether `path` is a file whose content has this hash ("algorithm:hex")."""
    algorithm, _, digest = known_hash.partition(":")
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest() == digest
    except OSError:  # absent, or not readable: the next folder is tried
        return False


def _reason(error) -> str:
    """Return in a few words why a mirror did not deliver."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"{answer.status_code} {answer.reason}"
    if type(error).__module__.startswith("requests"):
        return f"can't be reached ({type(error).__name__})"
    return textwrap.shorten(str(error), 160)


def _download(url: str, known_hash: str, path: Path) -> Path:
    """Download to `path` and return it; pooch renames its temporary file once verified."""
    import pooch
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    log = pooch.get_logger()
    level = log.level
    columns = (TextColumn(path.name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = _Bar(Progress(*columns, console=Console(stderr=True), transient=True))
    try:
        log.setLevel(logging.ERROR)  # what it has to say the bar and the error say
        downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16)
        pooch.retrieve(url, known_hash, path.name, path.parent, downloader=downloader)
    finally:
        bar.close()
        log.setLevel(level)
    return path


class _Bar:
    """pooch's progress-bar protocol (total, update, reset, close) on a rich Progress."""

    def __init__(self, progress):
        self.progress, self.task = progress, progress.add_task("", total=None)

    @property
    def total(self):
        return self.progress.tasks[0].total

    @total.setter
    def total(self, size):  # 0 where the server did not say: rich then shows a pulse
        self.progress.update(self.task, total=size or None)
        self.progress.start()  # not before: a mirror that can't be reached leaves no bar

    def update(self, size):
        self.progress.advance(self.task, size)

    def reset(self):
        self.progress.reset(self.task)

    def close(self):
        if self.progress.live.is_started:  # else it would print an empty line
            self.progress.stop()


def _advice(file: DataFile, places: list, failures: list) -> str:
    """Return what was tried, and what the user can do about it."""
    return "\n".join(
        [
            f"{file.name} is not on this machine and could not be downloaded. Tried:",
            *(f"  {failure}" for failure in failures),
            f"Fetch it elsewhere ({file.hash}) and put it at one of",
            *(f"  {path}" for path in dict.fromkeys(places)),
            "or set TINYNET_DATA_DIR to a folder and put it there"
            + (f", in its subfolder {file.folder}." if file.folder else "."),
            "tinynet.datasets.mnist_small and digits need no network.",
        ]
    )
