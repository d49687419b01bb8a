"""`.keras`: a zip archive of metadata.json, config.json and model.weights.h5."""

import datetime
import io
import json
import zipfile

from . import config as configs
from .hdf5 import weights as weights_h5

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
FREE = 64 << 20  # bytes that a member may unpack to, however small it is packed
MOST_EXPANSION = 20  # times its packed size, beyond that; Keras does not pack at all
MOST_MEMBERS = 10_000


def write(model, path):
    """Write a whole model to the file `path`."""
    config = json.dumps(configs.check_size(configs.model_config(model)), default=configs.plain)
    saved = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = {"keras_version": configs.KERAS_VERSION, "date_saved": saved}
    weights = io.BytesIO()
    weights_h5.write(model, weights)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, config)
        archive.writestr(WEIGHTS, weights.getbuffer())


def read(file, members=(CONFIG, WEIGHTS)) -> list:
    """Return the contents of these members of an open archive, as bytes.

    Raises:
        ValueError: no such archive, a member that is missing, there twice, encrypted, or that
            unpacks to far more than it is; names that lead out of the archive.
    """
    if not zipfile.is_zipfile(file):
        raise ValueError("this is no .keras archive, or not all of it")
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if len(infos) > MOST_MEMBERS:
            raise ValueError(f"it has {len(infos)} members")
        names = [info.filename for info in infos]
        for name in names:
            parts = name.replace("\\", "/").split("/")
            if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0] or "\0" in name:
                raise ValueError(f"the member {name!r} leads out of the archive")
        return [_member(archive, infos, name) for name in members]


def _member(archive, infos, name):
    found = [info for info in infos if info.filename == name]
    if len(found) != 1:
        names = ", ".join(info.filename for info in infos[:8])
        raise ValueError(f"it has {len(found)} members {name}, expected one (there is: {names})")
    (info,) = found
    if info.flag_bits & 1:
        raise ValueError(f"the member {name} is encrypted")
    if info.file_size > max(FREE, MOST_EXPANSION * info.compress_size):
        raise ValueError(f"the member {name} unpacks from {info.compress_size} to {info.file_size} "
                         "bytes")  # fmt: skip
    with archive.open(info) as member:
        data = member.read(info.file_size + 1)  # and no more, whatever the packed data say
    if len(data) != info.file_size:
        raise ValueError(f"the member {name} has {len(data)} bytes, expected {info.file_size}")
    return data
