"""Guards over the checkout itself: what is in it, and that every plugin is held to the same."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
MEMBERS = [ROOT / "core", ROOT / "gateway", *PLUGINS]
CONSTRAINTS = [ROOT / "constraints.txt", ROOT / "constraints-dev.txt"]

# In parts, because this file is searched for them too.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("deb", "debian", "org"),
    )
]
LOCK_FILES = re.compile(
    r"(uv|poetry|pdm|yarn|Pipfile|Cargo)\.lock|pylock.*\.toml|(package|pnpm)-lock\.(json|yaml)"
)

RULES = {
    "bronze": {"kit", "rooms", "typing", "client", "secrets", "webhook", "readme"},
    "silver": {"payloads", "retries", "limits", "outage", "verify", "owner"},
    "gold": {"smoke", "diagnostics", "limitations", "matrix"},
}


def package_of(member):
    """Return the package's folder in a member of the workspace."""
    (package,) = member.glob("recado_*")
    return package


def read_toml(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


def project_files():
    """List what is or would be committed; without git, whatever no hidden folder holds."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = ""
    if shutil.which("git"):
        told = subprocess.run(git, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout
    listed = [ROOT / name for name in told.split("\0") if name]
    found = listed or [path for path in ROOT.rglob("*") if "/." not in f"/{named(path.parent)}"]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def named(path):
    return path.relative_to(ROOT).as_posix()


# What may not be in the checkout


def test_no_file_names_a_package_index():
    naming = {
        (named(path), host)
        for path in project_files()
        for host in INDEX_HOSTS
        if host in path.read_bytes().decode("utf-8", "replace").lower()
    }
    assert not naming


def test_no_lock_file_is_kept():
    assert not [named(path) for path in project_files() if LOCK_FILES.fullmatch(path.name)]


# Pinned dependencies


def pins(path):
    """Return the pinned version of every distribution, by canonical name."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;]+)", path.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("path", CONSTRAINTS, ids=named)
def test_constraints_pin_by_hash_and_name_no_place(path):
    for line in path.read_text().splitlines():
        assert re.fullmatch(
            r"[a-z0-9.-]+==[0-9a-z.+!-]+( ; [^/@]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line
        ), line


def test_development_constraints_include_those_for_running():
    run, dev = (pins(path) for path in CONSTRAINTS)
    assert run.items() <= dev.items()


def requirements_for_running():
    for member in MEMBERS:
        project = read_toml(member / "pyproject.toml")["project"]
        yield from project["dependencies"]
        yield from project.get("optional-dependencies", {}).get("engine", ())


def requirements_for_development():
    for pyproject in [ROOT / "pyproject.toml", *(plugin / "pyproject.toml" for plugin in PLUGINS)]:
        for group in read_toml(pyproject).get("dependency-groups", {}).values():
            yield from (line for line in group if isinstance(line, str))
    yield from read_toml(ROOT / "core/pyproject.toml")["project"]["optional-dependencies"][
        "testing"
    ]


@pytest.mark.parametrize(
    ("asked", "path"),
    [(requirements_for_running, CONSTRAINTS[0]), (requirements_for_development, CONSTRAINTS[1])],
    ids=["run", "dev"],
)
def test_constraints_hold_what_the_projects_ask_for(asked, path):
    pinned = pins(path)
    ours = {f"recado-{member.name.replace('_', '-')}" for member in MEMBERS}
    for requirement in map(Requirement, asked()):
        name = canonicalize_name(requirement.name)
        assert name in ours or requirement.specifier.contains(pinned[name]), requirement


# What is installed


@pytest.mark.parametrize("member", MEMBERS, ids=named)
def test_wheel_ships_the_whole_package(member, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=member,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    package = package_of(member)
    files = {p.relative_to(member).as_posix() for p in project_files() if package in p.parents}
    assert f"{package.name}/py.typed" in files
    assert files <= shipped


def test_every_plugin_is_in_the_bundle_and_under_every_check():
    root = read_toml(ROOT / "pyproject.toml")
    packages = {package_of(member).name for member in MEMBERS}
    bundled = {f"recado-{path.name.replace('_', '-')}" for path in PLUGINS} | {"recado-gateway"}
    assert set(root["project"]["dependencies"]) == bundled
    assert set(root["tool"]["mypy"]["packages"]) == packages
    linter = root["tool"]["importlinter"]
    assert set(linter["root_packages"]) == packages
    by_name = {contract["name"]: contract for contract in linter["contracts"]}
    houses = by_name["The gateway and the plugins know the core, never one another"]["layers"][0]
    assert set(houses.split(" | ")) == packages - {"recado_core"}
    for contract in linter["contracts"]:
        spoken_of = {module.split(".")[0] for module in contract.get("source_modules", ())}
        if len(spoken_of) > 1:
            assert len(packages - spoken_of) <= 1, f"{contract['name']}: {packages - spoken_of}"


# What every plugin has

WITH_CODE = [
    path
    for path in PLUGINS
    if any((package_of(path) / room).exists() for room in ("provider.py", "sink.py"))
]


@pytest.mark.parametrize("plugin", PLUGINS, ids=named)
def test_plugin_is_named_after_its_folder(plugin):
    project = read_toml(plugin / "pyproject.toml")["project"]
    assert project["name"] == f"recado-{plugin.name.replace('_', '-')}"
    assert project["entry-points"]["recado"] == {plugin.name: f"recado_{plugin.name}"}


@pytest.mark.parametrize("plugin", WITH_CODE, ids=named)
def test_plugin_has_every_room(plugin):
    package = package_of(plugin)
    names = ["__init__", "settings", "wire"]
    if (package / "provider.py").exists():  # a sink that is called by nobody has no such room
        names.append("webhooks")
    rooms = [package / f"{name}.py" for name in names]
    beside = [plugin / name for name in ("README.md", "quality.toml", "tests/test_conformance.py")]
    assert not [named(path) for path in (*rooms, *beside) if not path.is_file()]


@pytest.mark.parametrize("plugin", WITH_CODE, ids=named)
def test_plugin_reaches_bronze_by_a_well_formed_quality_file(plugin):
    quality = read_toml(plugin / "quality.toml")
    assert set(quality) - {"owner"} == set(RULES)
    for level, rules in RULES.items():
        assert set(quality[level]) == rules, level
        for rule, entry in quality[level].items():
            assert set(entry) <= {"state", "reason"}, rule
            assert entry["state"] in {"done", "todo", "exempt"}, rule
            assert entry["state"] != "exempt" or entry.get("reason", "").strip(), rule
    not_done = {rule for rule, entry in quality["bronze"].items() if entry["state"] != "done"}
    exempt = {rule for rule, entry in quality["bronze"].items() if entry["state"] == "exempt"}
    assert not_done <= {"webhook"} & exempt
    assert not (exempt and (package_of(plugin) / "webhooks.py").exists()), "it receives"
    assert quality["silver"]["owner"]["state"] != "done" or quality["owner"].strip()
