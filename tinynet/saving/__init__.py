"""Models and weights on disk, in Keras's formats; the suffix of a file's name says which.

    .keras                  a whole model: architecture, weights, optimizer, loss, metrics
    .h5, .hdf5              the same as Keras 2 had it, or (save_weights) the weights alone
    .weights.h5             weights and optimizer state
    .npz, .safetensors      weights alone
    .onnx                   `export`: the forward pass, for other engines

A file is written whole or not at all. What is read is checked before anything changes: a file that
is damaged, hostile or of another architecture is refused with its name and the reason. Nothing is
ever unpickled, and no code in a file is run. An open binary file in the place of a name is a
`.keras`, or for weights alone a `.weights.h5`.
"""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import zipfile
from typing import TYPE_CHECKING

from ..configs.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from ..core.locks import exclusive
from ..core.parameters import allow
from . import config, keras_zip, npz, safetensors
from .atomic import atomic_path, atomic_write, check_overwrite, refusing
from .hdf5 import legacy as legacy_h5, weights as weights_h5

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Path
    from ..models import Model

WHOLE = (".keras", ".h5", ".hdf5")
WEIGHTS = (".weights.h5", ".h5", ".hdf5", ".npz", ".safetensors")

__all__ = [
    "CustomObjectScope", "custom_object_scope", "deserialize_keras_object", "export",
    "get_custom_objects", "get_registered_name", "get_registered_object", "load_model",
    "load_weights", "model_from_json", "model_to_json", "register_keras_serializable",
    "save_model", "save_weights", "serialize_keras_object",
]  # fmt: skip


def format_of(path, formats, doing):
    """Return the suffix among `formats` that a path ends in.

    Raises:
        ValueError: none of them; lists them.
    """
    name = pathlib.Path(path).name.lower()
    for suffix in formats:
        if name.endswith(suffix):
            return suffix
    raise ValueError(f"{path}: {doing} takes a file name that ends in {', '.join(formats)}; "
                     f"received the suffix {pathlib.Path(path).suffix or '(none)'!r}")  # fmt: skip


def _is_open(file):
    return hasattr(file, "read") or hasattr(file, "write")


@contextlib.contextmanager
def _reading(path):
    """Yield a file, opened unless it is already, and what to call it in messages."""
    if _is_open(path):
        yield path, f"<{getattr(path, 'name', type(path).__name__)}>"
        return
    with open(path, "rb") as file:
        yield file, path


# ---------------------------------------------------------------------------------- whole models


@exclusive
def save_model(model: Model, filepath: Path, overwrite: bool = True, zipped: bool | None = None,
               include_optimizer: bool = True) -> None:  # fmt: skip
    """Write a whole model to a `.keras` or `.h5` file.

    Args:
        model: a model; not built, it is stored without weights.
        filepath: where; or an open binary file, for a `.keras`.
        overwrite: False: an existing file is an error.
        zipped: accepted as in Keras; a `.keras` always is.
        include_optimizer: (`.h5`) False leaves out how the model was compiled.

    Raises:
        ValueError: another suffix; or weights that a model which is not built has from another.
        TypeError: a part that no file can hold.
        FileExistsError, OSError: it can't be written; a file of that name stays as it was.
    """
    if zipped is False:
        raise ValueError(f"{filepath}: zipped=False, a folder, is not written here")
    _check_built(model)
    if _is_open(filepath):
        content = io.BytesIO()
        keras_zip.write(model, content)
        filepath.write(content.getbuffer())
        return
    suffix = _whole_format(filepath, "save")
    check_overwrite(filepath, overwrite)
    if suffix == ".keras":
        with atomic_path(filepath) as temporary:
            keras_zip.write(model, temporary)
    else:
        _write_hdf5(filepath, legacy_h5.write_model, model, include_optimizer)


def _check_built(model):
    """Raise if a model that is not built has layers with weights: they would be lost."""
    for part in (model, *model.parts()):
        shared = [leaf for leaf in part.leaves() if leaf.own_parameters]
        if shared and not part.built:
            raise ValueError(f"{part.name} is not built, so its file would hold no weights, but "
                             f"its layer {shared[0].name!r} has some, from its use elsewhere: call "
                             f"build(input_shape) first")  # fmt: skip


def _write_hdf5(path, write, model, *options):
    """Write through memory: on a full disk the HDF5 library would end the process."""
    content = io.BytesIO()
    write(model, content, *options)
    with contextlib.nullcontext(path) if _is_open(path) else atomic_write(path) as file:
        file.write(content.getbuffer())


def load_model(filepath: Path, custom_objects: dict[str, Any] | None = None, compile: bool = True,
               safe_mode: bool = True) -> Any:  # fmt: skip
    """Return the model in a `.keras` or `.h5` file of Keras's or tinynet's, ready to train.

    Args:
        filepath: the file, by name or open.
        custom_objects: name -> class or function, for those that are the user's own.
        compile: whether to compile it as it was, with the optimizer's state.
        safe_mode: accepted as in Keras; code in a file is never run.

    Raises:
        ValueError: not such a file, damaged, or it names something unknown; says which class to
            pass in `custom_objects`.
        OSError: it can't be read.
    """
    suffix = None if _is_open(filepath) else _whole_format(filepath, "load_model")
    with _reading(filepath) as (file, name), refusing(name, "this model can't be loaded"):
        if suffix is None:
            suffix = ".keras" if zipfile.is_zipfile(file) else ".h5"
        load = _load_keras if suffix == ".keras" else _load_legacy
        with custom_object_scope(custom_objects):
            return load(file, custom_objects, compile, name)


def _whole_format(path, doing):
    suffix = format_of(path, WHOLE, doing)
    if str(path).lower().endswith(".weights.h5"):
        raise ValueError(f"{path}: .weights.h5 is for weights alone: use {doing}_weights, or "
                         "load_weights on a model")  # fmt: skip
    return suffix


def _load_keras(file, custom_objects, compile, path):
    text, weights = keras_zip.read(file)
    found = config.parse(text.decode("utf8"))
    model = _build(found, custom_objects, len(weights))
    if compile and found.get("compile_config"):
        model.compile_from_config(found["compile_config"])
    if model.built:
        _apply(weights_h5.read(model, io.BytesIO(weights)), path)
    return model


def _load_legacy(file, custom_objects, compile, path):
    found, training = legacy_h5.texts(file)
    model = _build(found, custom_objects, file.seek(0, 2))
    if model.built:
        plan = legacy_h5.read_weights(model, file)
        if compile and training is not None:
            config.compile_legacy(model, training, custom_objects)
            give = legacy_h5.read_optimizer(model, file)
            plan.after.extend([] if give is None else [give])
        _apply(plan, path)
    elif compile and training is not None:
        config.compile_legacy(model, training, custom_objects)
    return model


def _build(found, custom_objects, size):
    # float32 takes two bytes or more: a config can't ask for more weights than its file holds
    with allow(2 * size, f"so many numbers are not in its {size} bytes"):
        return config.build_model(found, custom_objects)


def _apply(plan, path):
    if plan.skipped:  # only for the optimizer: the model is new, so it must be right
        raise ValueError(f"{'; '.join(plan.skipped)} (compile=False leaves the optimizer out)")
    plan.apply(path)


# ---------------------------------------------------------------------------------- weights alone


@exclusive
def save_weights(model: Model, filepath: Path, overwrite: bool = True) -> None:
    """Write a built model's weights; to `.weights.h5` with the optimizer's state.

    Raises:
        ValueError: another suffix, or two parameters of one path.
        FileExistsError, OSError: it can't be written; a file of that name stays as it was.
    """
    suffix = ".weights.h5"
    if not _is_open(filepath):
        suffix = format_of(filepath, WEIGHTS, "save_weights")
        check_overwrite(filepath, overwrite)
    if suffix in (".npz", ".safetensors"):
        writer = npz if suffix == ".npz" else safetensors
        with atomic_write(filepath) as file:
            writer.write(model.weights, file)
        return
    write = weights_h5.write if suffix == ".weights.h5" else legacy_h5.write_weights
    _write_hdf5(filepath, write, model)


@exclusive
def load_weights(model: Model, filepath: Path, skip_mismatch: bool = False,
                 by_name: bool = False) -> None:  # fmt: skip
    """Read weights into a built model from a file of weights or of a whole model.

    The optimizer's state comes along from `.weights.h5` and `.keras`, if the model is compiled.

    Args:
        skip_mismatch: leave out, with a warning, what has another shape.
        by_name: match by the layers' names instead of by their places; other layers keep theirs.

    Raises:
        ValueError: not such a file, damaged, or of another architecture; nothing was changed.
        OSError: it can't be read.
        ImportError: it is a `.safetensors` file, and that package is missing.
    """
    suffix = None
    if not _is_open(filepath):
        suffix = format_of(filepath, (".keras", *WEIGHTS), "load_weights")
    with _reading(filepath) as (file, name), refusing(name, "these weights can't be loaded"):
        source = model
        if suffix is None:
            suffix = ".keras" if zipfile.is_zipfile(file) else ".weights.h5"
        if suffix == ".keras":
            read, file = weights_h5.read, io.BytesIO(keras_zip.read(file, (keras_zip.WEIGHTS,))[0])
        elif suffix == ".weights.h5":
            read = weights_h5.read
        elif suffix in (".h5", ".hdf5"):
            read = legacy_h5.read_weights
        else:
            read, source = (npz if suffix == ".npz" else safetensors).read, model.weights
        plan = read(source, file, skip_mismatch, by_name)
    plan.apply(name)


# --------------------------------------------------------------------------------- configs, ONNX


def model_to_json(model: Model, **options: Any) -> str:
    """Return architecture and compile options as JSON; `options` are json.dumps's."""
    found = config.check_size(config.model_config(model))
    return json.dumps(found, default=config.plain, **options)


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return a model with new weights from what Keras's or tinynet's `to_json` returned.

    Raises:
        ValueError: no such JSON, or it names something unknown.
    """
    with refusing("JSON", "no model can be made of it"):
        found = config.parse(json_string)
        with custom_object_scope(custom_objects):
            model = config.build_model(found, custom_objects)
            if found.get("compile_config"):
                model.compile_from_config(found["compile_config"])
    return model


@exclusive
def export(model: Model, filepath: Path, format: str | None = None, **options: Any) -> None:
    """Write what predicts as an ONNX graph; see `saving.onnx`."""
    from .onnx import export as onnx, layers

    format_of(filepath, (".onnx",), "export")
    if format not in (None, "onnx"):
        raise ValueError(f"{filepath}: export writes ONNX, received format={format!r}")
    with atomic_write(filepath) as file:
        file.write(onnx.graph(model, **options).SerializeToString())


def __getattr__(name: str) -> Any:
    # these need all kinds of objects, some of which import this module
    if name in ("serialize_keras_object", "deserialize_keras_object"):
        from . import objects

        return getattr(objects, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
