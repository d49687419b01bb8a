"""`utils.get_file`: a file of one's own from the network, kept in the cache."""

from __future__ import annotations

import shutil
import tarfile
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

from ._files import cache_folder


def get_file(fname: str | None = None, origin: str | None = None, untar: bool = False,
             md5_hash: str | None = None, file_hash: str | None = None,
             cache_subdir: str = "datasets", hash_algorithm: str = "auto", extract: bool = False,
             archive_format: str = "auto", cache_dir: Path | None = None,
             force_download: bool = False) -> str:  # fmt: skip
    """Return the path of a file, downloaded unless it is in the cache.

    Args:
        fname: its name there; None: the address's last part.
        origin: its address, http, https, ftp or file.
        file_hash, md5_hash: of its content; a file that differs is refused.
        hash_algorithm: "sha256", "md5", or "auto": by the length of the hash.
        cache_dir, cache_subdir: where it is kept; None: tinynet's cache.
        extract, untar: whether to unpack a .tar or .zip, into a folder NAME_extracted, which is
            returned.
        archive_format: accepted as in Keras; it is found out.
        force_download: whether to download it anew.

    Raises:
        ValueError: no address, another hash, or nothing that can be unpacked; an archive with
            paths out of its folder.
        OSError: it can't be reached.
    """
    import pooch

    if not origin:
        raise ValueError("get_file needs origin, the address of the file")
    folder = Path(cache_dir or cache_folder()).expanduser() / cache_subdir
    name = fname or origin.rstrip("/").rpartition("/")[2]
    known = file_hash or md5_hash
    if known is not None and ":" not in known:
        short = len(known) == 32 or hash_algorithm == "md5"
        known = f"{'md5' if short else 'sha256'}:{known}"
    if force_download:
        (folder / name).unlink(missing_ok=True)
    way = _copied if origin.startswith("file:") else None
    path = Path(pooch.retrieve(origin, known, name, folder, downloader=way))
    return str(_extracted(path) if extract or untar else path)


def _copied(address, target, _):
    """Copy the file of a "file:" address to pooch's temporary one."""
    shutil.copyfile(urllib.request.url2pathname(urllib.parse.urlsplit(address).path), target)


def _extracted(path):
    target = path.with_name(f"{path.name.partition('.')[0]}_extracted")
    if target.exists():
        return target
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            archive.extractall(target, filter="data")
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target)
    else:
        raise ValueError(f"{path}: neither a tar nor a zip archive, so that it can't be unpacked")
    return target
