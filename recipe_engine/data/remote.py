"""Copies of what an ``s3://`` address holds, and copies to it, through fsspec."""

from __future__ import annotations

import hashlib
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from recipe_engine.data.errors import DataError


def filesystem(url: str, region: str | None, endpoint_url: str | None) -> Any:
    """The file system that serves an address.

    Raises:
        DataError: the package for it is not installed.
    """
    import fsspec

    protocol = url.split("://", 1)[0]
    options: dict[str, Any] = {}
    if protocol == "s3":
        client = {name: value for name, value in (("region_name", region), ("endpoint_url", endpoint_url)) if value}
        options = {"client_kwargs": client} if client else {}
    try:
        return fsspec.filesystem(protocol, **options)
    except ImportError as error:
        raise DataError(
            "D401",
            f"{protocol}:// needs a package that is not installed: {error}",
            hint="install the package's `s3` extra",
        ) from error


def fetched_path(url: str, cache: Path) -> Path:
    """Where ``fetch`` puts its copy."""
    return cache / hashlib.sha256(url.encode()).hexdigest()[:16] / url.rstrip("/").rsplit("/", 1)[-1]


def fetch(url: str, cache: Path, *, region: str | None = None, endpoint_url: str | None = None) -> Path:
    """A local copy of a remote file or folder, under ``cache``; fetched again each time, for it may have changed.

    Raises:
        DataError: it does not exist or cannot be read.
    """
    target = fetched_path(url, cache)
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir(parents=True)
    try:
        remote = filesystem(url, region, endpoint_url)
        if remote.isdir(url):
            remote.get(url.rstrip("/") + "/", str(target) + "/", recursive=True)
        else:
            remote.get(url, str(target))
    except FileNotFoundError as error:
        raise DataError("D401", f"there is no {url}") from error
    except failures() as error:
        raise DataError("D401", f"{url} cannot be read: {error}") from error
    return target


def upload(source: Path, url: str, *, region: str | None = None, endpoint_url: str | None = None) -> None:
    """Copy a file, or a folder file by file, to a folder at an address.

    Raises:
        DataError: the service refuses or cannot be reached.
    """
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    root = source.parent if source.is_file() else source
    try:
        remote = filesystem(url, region, endpoint_url)
        for file in files:
            remote.put(str(file), f"{url.rstrip('/')}/{file.relative_to(root).as_posix()}")
    except failures() as error:
        raise DataError("D401", f"{url} cannot be written: {error}") from error


def failures() -> tuple[type[Exception], ...]:
    """What a file system raises when it cannot read or write. Of S3's own errors s3fs translates only some."""
    try:
        s3 = import_module("botocore.exceptions")
    except ImportError:
        return (OSError, ValueError)
    return (OSError, ValueError, s3.BotoCoreError, s3.ClientError)
