"""The README's table of all operations names each, an example that is taken, and tests that are."""

import ast
import json
import re
import shlex
from pathlib import Path

import msgspec
import pytest
from recado_kolmeya.operations import OPERATIONS
from recado_kolmeya.simulator.routes import OPERATIONS as ROUTES
from recado_kolmeya.simulator.routes import TRY_WEBHOOK

HERE = Path(__file__).parent
DESCRIPTION = HERE.parents[3] / "shared" / "reference" / "kolmeya-openapi.json"
SECTION = "## All of Kolmeya's operations\n"
CALL = "recado accounts run kolmeya_main "


def table():
    """Return how each operation is reached, and the names of its tests, by its path."""
    section = (HERE.parent / "README.md").read_text().partition(SECTION)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(/v1/[^`]+)` \| (.*) \| (.*) \|$", section, re.MULTILINE)
    assert len({path for path, _, _ in rows}) == len(rows)
    return {path: (reached, re.findall("`([^`]+)`", tests)) for path, reached, tests in rows}


def examples():
    """Return the examples of ``recado accounts run``: the operation, and its fields."""
    for reached, _ in table().values():
        for code in re.findall(f"`{CALL}([^`]+)`", reached):
            name, *items = shlex.split(code)
            yield name, dict(map(read_item, items))


def read_item(item):
    key, _, value = item.partition("=")
    return (key[:-1], json.loads(value)) if key.endswith(":") else (key, value)


def functions_in(path):
    tree = ast.parse(path.read_text())
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {function.name for function in functions}


def test_all_22_operations_are_there():
    assert len(table()) == 22
    assert table().keys() == {*ROUTES, TRY_WEBHOOK}


@pytest.mark.skipif(
    not DESCRIPTION.exists(), reason="the vendor's description is not beside the repository"
)
def test_they_are_those_of_the_vendors_description():
    assert table().keys() == json.loads(DESCRIPTION.read_text())["paths"].keys()


def test_every_test_that_is_named_exists():
    for path, (_, tests) in table().items():
        assert tests, path
        for name in tests:
            file, _, function = name.partition("::")
            assert function.startswith("test_"), name
            assert function in functions_in(HERE / file), name


def test_every_operation_has_an_example_that_is_taken():
    by_name = {operation.name: operation for operation in OPERATIONS}
    shown = dict(examples())
    assert shown.keys() == by_name.keys()
    for name, fields in shown.items():
        msgspec.convert(fields, by_name[name].request, strict=False)


def test_operation_is_named_after_its_path():
    for path, (reached, _) in table().items():
        for code in re.findall(f"`{CALL}([^` ]+)", reached):
            bare = re.sub(r"\{smsJob\}/", "", path.removeprefix("/v1/").removeprefix("sms/"))
            assert code == bare.replace("{jobId}", "job").replace("/", "-")
