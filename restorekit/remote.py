"""Files at an address: for weights that are larger than a package may be.

An address is that of a zip file, with its sha256, which is mandatory: `https://host/haze.zip#sha256=...`. It is
fetched when it is needed for the first time, compared, unpacked into the cache folder, and found there from then
on. A file of a hub has such an address too.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from restorekit.cache import CACHE, cache_folder, kept
from restorekit.errors import WeightsError

__all__ = ["OFFLINE", "Progress", "Remote", "fetch", "is_address"]

OFFLINE = "RESTOREKIT_OFFLINE"
Progress = Callable[[int, int], None]  # bytes that have come, and how many there are; 0 where that is not known
PIECE = 2**20  # bytes that are read at once
PATIENCE = 30.0  # seconds in which the other side has to say something
LARGEST = 2**34  # bytes of a file at an address, packed or unpacked
MANY = 1000  # files in a zip
HERE = ("localhost", "127.0.0.1", "::1")  # hosts that need no encryption


@dataclass(frozen=True)
class Remote:
    """A zip file at an address, whose files are taken for a folder of weights.

    url: its address, https.
    sha256: its digest, in hex.
    """

    url: str
    sha256: str

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            fit = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
        except ValueError:  # brackets that do not close
            fit = False
        if not fit:
            raise WeightsError(
                f"{self.url} is no address that is fetched from; give one that begins with https://"
            )
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise WeightsError(
                f"{self.url} has the sha256 {self.sha256!r}, not 64 hexadecimal digits; "
                "give it as ...zip#sha256=DIGEST, as sha256sum prints it"
            )

    @classmethod
    def parse(cls, text: str) -> Remote:
        """Read URL#sha256=DIGEST."""
        url, _, fragment = text.partition("#")
        return cls(url, fragment.removeprefix("sha256=").lower())

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).stem

    @property
    def folder(self) -> Path:
        """The place of its files in the cache, whether they are there or not."""
        return cache_folder() / "fetched" / self.sha256

    @property
    def there(self) -> bool:
        """True if its files are in the cache."""
        return self.folder.is_dir()


def is_address(text: str) -> bool:
    """Tell whether a text is an address rather than a folder."""
    return "://" in text


def fetch(remote: Remote, *, offline: bool = False, progress: Progress = lambda done, total: None) -> Path:
    """The folder with the files of an address, fetched if they are not in the cache.

    offline: never touch the network; the environment variable RESTOREKIT_OFFLINE=1 says the same.
    progress: told how many bytes have come, and of how many.
    Raises WeightsError, with the way to get the files.
    """
    if not remote.there and (offline or os.environ.get(OFFLINE, "") not in ("", "0")):
        raise WeightsError(
            f"{remote.url} is not in the cache and nothing is fetched offline; run once without --offline and "
            f"{OFFLINE}, or unzip it (sha256 {remote.sha256[:12]}) into {remote.folder}"
        )

    def fill(folder: Path) -> None:
        packed = folder / ".zip"
        download(remote, packed, progress)
        unpack(remote, packed, folder)
        packed.unlink()

    try:
        return kept(remote.folder, fill)
    except OSError as error:
        raise WeightsError(
            f"{remote.url} cannot be kept in {cache_folder()} ({error.strerror or error}); "
            f"set {CACHE} to a folder with room"
        ) from error


def download(remote: Remote, target: Path, progress: Progress) -> None:
    """Write what lies at the address, if it is what the digest says."""
    digest, done = hashlib.sha256(), 0
    with target.open("wb") as file:
        for piece, total in pieces(remote.url):
            done += len(piece)
            if done > LARGEST:
                raise WeightsError(f"{remote.url} is larger than {LARGEST >> 30} GiB; check the address")
            digest.update(piece)
            file.write(piece)
            progress(done, total)
    if digest.hexdigest() != remote.sha256:
        raise WeightsError(
            f"{remote.url} has sha256 {digest.hexdigest()[:12]}, not {remote.sha256[:12]}: it was damaged "
            "on the way, or is another file by now; try again, or ask its author for the new sha256"
        )


def pieces(url: str) -> Iterator[tuple[bytes, int]]:
    """Yield what lies at an address piece by piece, each with the number of all bytes, 0 if unknown."""
    with reached(url):
        answer = urlopen(url, timeout=PATIENCE)
    with answer:
        length = answer.headers.get("Content-Length") or ""
        total = int(length) if length.isdecimal() else 0
        while True:
            with reached(url):
                piece = answer.read(PIECE)
            if not piece:
                return
            yield piece, total


@contextmanager
def reached(url: str) -> Iterator[None]:
    """Turn the many errors of a network into one of ours."""
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(
            f"{url} cannot be fetched ({error}); check the address and the network, and try again"
        ) from error


def unpack(remote: Remote, packed: Path, folder: Path) -> None:
    """Unpack a zip into a folder, without the one folder that may be around everything."""
    try:
        with zipfile.ZipFile(packed) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            paths = [checked_path(remote, member) for member in members]
            if len(members) > MANY or sum(member.file_size for member in members) > LARGEST:
                raise WeightsError(f"{remote.url} unpacks to more than weights ever take; check the address")
            around = {path.parts[0] for path in paths} if all(len(path.parts) > 1 for path in paths) else set()
            for member, path in zip(members, paths, strict=True):
                target = folder.joinpath(*path.parts[len(around) == 1 :])
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("xb") as file:
                    while piece := source.read(PIECE):
                        file.write(piece)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, FileExistsError) as error:
        raise WeightsError(f"{remote.url} is no zip file that can be unpacked ({error}); pack it again") from error


def checked_path(remote: Remote, member: zipfile.ZipInfo) -> PurePosixPath:
    """The path of a zip's member; WeightsError for a link, or for what would lie outside its folder."""
    path = PurePosixPath(member.filename)
    odd = (
        path.is_absolute()
        or not path.parts
        or any(part == ".." or part.startswith(".") or set(part) & set('\\:*?"<>|') for part in path.parts)
    )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if odd or kind not in (0, stat.S_IFREG):
        raise WeightsError(
            f"{remote.url} holds {member.filename!r}, which is no plain file inside its folder; "
            "pack it again without it"
        )
    return path
