"""What is sent to a cluster to be audited there: the configuration, the code and the pinned packages, in one folder."""

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from filterscope.jobs.config.audit import AuditConfig
from filterscope.pipeline.engine.errors import InputError

#: The configuration inside the folder that is sent; a folder without it is not ours to replace.
_AUDIT = "audit.toml"
_PACKAGE = "filterscope"

#: Ray has a virtual environment of its own made from this file, on every node, before the job starts.
_REQUIREMENTS = "requirements.txt"
_IN_WORKING_DIR = "${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}"

_STOPPED_AS_BY_CTRL_C = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "30"}


@dataclass(frozen=True)
class Submission:
    """A folder to send, the command to run in it, and the environment that the command needs.

    Attributes
    ----------
    folder : Path
        The working directory of the job.
    entrypoint : str
        A shell command.
    runtime_env : dict
        Ray's runtime environment.
    """

    folder: Path
    entrypoint: str
    runtime_env: dict[str, Any]

    def command(self, address: str) -> str:
        """Return the `ray job submit` line that does the same."""
        rest = {key: value for key, value in self.runtime_env.items() if key != "working_dir"}
        words = ["ray", "job", "submit", "--address", address, "--working-dir", str(self.folder)]
        words += ["--runtime-env-json", json.dumps(rest)]
        return f"{shlex.join(words)} -- {self.entrypoint}"


def prepare(
    config: AuditConfig,
    folder: Path,
    *,
    code: Path | None = None,
    constraints: Path | None = None,
    install: bool = True,
    redo: str | None = None,
) -> Submission:
    """Put together what is sent.

    Parameters
    ----------
    config : AuditConfig
        What is audited. Its paths are absolute: they must lead to the same files on every node of the cluster.
    folder : Path
        What is sent is written here; what an earlier submission left there is replaced.
    code : Path, optional
        A folder of the user's own modules, which ``factory:`` sources name.
    constraints : Path, optional
        Exact versions; by default the ``constraints.txt`` of the source tree.
    install : bool
        Have the packages installed on the cluster; False where its image holds them.
    redo : str, optional
        Stages to recompute, as for `jobs.runs.audit.audit`.

    Raises
    ------
    InputError
        If the folder holds something else, the code would hide a package of filterscope, or there are no constraints.
    """
    import tomli_w

    if folder.exists() and not (folder / _AUDIT).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and holds no earlier submission; choose another --staging")
    found = _constraints(constraints) if install else None
    hidden = [
        name for name in (_PACKAGE, _AUDIT) if code and ((code / name).exists() or (code / f"{name}.py").exists())
    ]
    if hidden:
        raise InputError(f"--code {code} holds {hidden[0]!r}, which would hide filterscope's own; rename it")
    if code and not code.is_dir():
        raise InputError(f"--code {code}: no such folder")
    shutil.rmtree(folder, ignore_errors=True)
    # links to the folders of the source tree become folders
    _copy(_source(_PACKAGE), folder / _PACKAGE)
    if code:
        _copy(code, folder)
    (folder / _AUDIT).write_text(tomli_w.dumps(config.resolved()), encoding="utf-8")
    environment: dict[str, Any] = {"working_dir": str(folder), "env_vars": dict(_STOPPED_AS_BY_CTRL_C)}
    if found:
        (folder / "constraints.txt").write_text(found.read_text(encoding="utf-8"), encoding="utf-8")
        (folder / _REQUIREMENTS).write_text(
            "\n".join(["-c constraints.txt", *_requirements()]) + "\n", encoding="utf-8"
        )
        environment["pip"] = {"packages": [f"-r {_IN_WORKING_DIR}/{_REQUIREMENTS}"]}
    words = ["python", "-m", "filterscope", "audit", _AUDIT, *(["--redo", redo] if redo else [])]
    return Submission(folder, shlex.join(words), environment)


def _source(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"), dirs_exist_ok=True)


def _constraints(given: Path | None) -> Path:
    path = given or _source(_PACKAGE).parent / "constraints.txt"
    if not path.is_file():
        raise InputError(
            f"no constraints at {path}; name the file of exact versions with --constraints, or say --no-install where "
            "the image of the cluster holds every package"
        )
    return path


def _requirements() -> list[str]:
    """Return what filterscope requires, but Ray, which the cluster has: another version of it could not join."""
    try:
        stated = requires("filterscope") or []
    except PackageNotFoundError:
        raise InputError(
            "filterscope is not installed here, so what it requires is unknown; say --no-install"
        ) from None
    return [line for line in stated if "extra ==" not in line and not re.match(r"ray\b", line)]
