"""The one way to install, run and check a checkout of Recado, with Python alone."""

# Annotations stay unread, so that an older Python gets as far as being told it is too old.
from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "recado.json"
RUN = ROOT / "constraints.txt"
DEV = ROOT / "constraints-dev.txt"
OLDEST = (3, 11)

# pytest comes after these, so that its summary stands at the end of the output.
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports", "--no-logo"),
)
AT_ONCE = max((os.cpu_count() or 1) + 1, 3)
"""Tests at a time, one more than there are processors: many wait for a database or a process."""
TESTS = ("pytest", "--whole", f"--numprocesses={AT_ONCE}", "--dist=worksteal")
CACHES = (".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache")


def members() -> list[Path]:
    """List the folders of the workspace that are distributions with code."""
    plugins = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
    return [ROOT / "core", ROOT / "gateway", *plugins]


def tell(line: str) -> None:
    """Print one line at once, so that it stands before what the next program prints."""
    print(line, flush=True)


def run(program: Path, *arguments: str) -> int:
    """Run a program to its end, and on Ctrl-C leave it the time to end by itself."""
    with subprocess.Popen([program, *arguments]) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.wait()
            sys.exit(130)


def become(program: Path, *arguments: str) -> None:
    """Run a program in place of this process, so that it gets every signal itself."""
    if os.name == "posix":
        os.execv(program, [str(program), *arguments])
    sys.exit(run(program, *arguments))


def digest(constraints: Path) -> str:
    """Name what installing these constraints puts into the environment."""
    told = hashlib.sha256()
    for path in (constraints, *(member / "pyproject.toml" for member in members())):
        told.update(f"{path.relative_to(ROOT).as_posix()}\n".encode())
        told.update(path.read_bytes())
    return told.hexdigest()


def stamp(*digests: str) -> dict[str, str | list[str]]:
    """Return what is noted of an environment of this Python, here, that holds these."""
    return {"python": sys.version, "root": str(ROOT), "installed": sorted(digests)}


def read_stamp() -> dict[str, str | list[str]]:
    """Return what is noted of the environment that stands there, if it is one of ours."""
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def make_venv() -> None:
    """Make the environment anew."""
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"Python cannot make {VENV}: {error}\nOn Debian: apt install python3-venv")


def pip(*arguments: str) -> None:
    """Run the environment's own pip, and stop where it fails."""
    if run(PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments):
        sys.exit(f"pip {arguments[0]} failed")


def install(constraints: Path) -> None:
    """Bring the environment up to the constraints and to the packages of this checkout."""
    digests = {digest(RUN), digest(constraints)}  # the development ones include the others
    found = read_stamp()
    usable = PYTHON.exists() and found == stamp(*found.get("installed", ()))
    if usable and digests <= set(found["installed"]):
        return
    os.umask(0o022)  # PostgreSQL, which runs as another user when we are root, must read it
    tell(f"Installing {constraints.name} into {VENV.name} (a minute or two the first time)")
    STAMP.unlink(missing_ok=True)  # an installation cut short is begun anew
    if not usable:
        make_venv()
    pip("install", "-qq", "--no-deps", "--require-hashes", "-r", str(constraints))
    editable = [word for member in members() for word in ("-e", str(member))]
    pip("install", "-qq", "--no-deps", "--no-build-isolation", *editable)
    pip("check")
    STAMP.write_text(json.dumps(stamp(*digests)))


def demo(arguments: list[str]) -> None:
    """Run the gateway against the simulator."""
    install(RUN)
    become(BIN / "recado", "demo", *arguments)


def test(arguments: list[str]) -> None:
    """Run every check; the arguments go to pytest."""
    install(DEV)
    # Hundreds of our processes start: without it, each would compile all our code for itself.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    failed = []
    for name, *words in (*CHECKS, (*TESTS, *arguments)):
        command = " ".join((name, *words))
        tell(f"\n$ {command}")
        if run(BIN / name, *words):
            failed.append(command)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}")


def format_code(arguments: list[str]) -> None:
    """Format the code, and mend what ruff can mend."""
    install(DEV)
    run(BIN / "ruff", "format", *arguments)
    sys.exit(run(BIN / "ruff", "check", "--fix", *arguments))


def compile_constraints(arguments: list[str]) -> None:
    """Pin what the pyproject files ask for; ``--upgrade`` takes newer releases."""
    install(DEV)
    options = ["--universal", "--python-version=3.11", "--generate-hashes", "--quiet"]
    options += ["--no-header", "--no-annotate", "--no-emit-index-url", *arguments]
    options += [f"--no-emit-package=recado-{m.name.replace('_', '-')}" for m in members()]
    for output, *group in ((RUN, "--group=editable"), (DEV, "--group=dev", f"-c={RUN.name}")):
        words = [*options, *group, "pyproject.toml", f"--output-file={output.name}"]
        if run(BIN / "uv", "pip", "compile", *words):
            sys.exit(f"{output.name} is not compiled")


def clean(_: list[str]) -> None:
    """Remove the environment and the tools' caches; a gateway's data stay."""
    for path in (VENV, *(ROOT / name for name in CACHES)):
        shutil.rmtree(path, ignore_errors=True)


COMMANDS = {
    "install": lambda _: install(RUN),
    "demo": demo,
    "test": test,
    "format": format_code,
    "constraints": compile_constraints,
    "clean": clean,
}


def main() -> None:
    """Run one command."""
    if sys.version_info < OLDEST:
        sys.exit(f"Recado needs Python 3.11 or newer; {sys.executable} is {sys.version}")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="handed on to what it runs")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    COMMANDS[chosen.command](chosen.arguments)


if __name__ == "__main__":
    main()
