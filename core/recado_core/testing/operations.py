"""What a provider's operations must be and do."""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest

from recado_core.contract import Operation
from recado_core.errors import SendError
from recado_core.testing.failures import BODIES, answer_with, find_wrong, question_failures
from recado_core.testing.provider_stage import ProviderStage
from recado_core.testing.stage import Answers

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

UNREADABLE = sorted(BODIES.keys() - {"html", "message"})
"""Successes that say nothing, which an operation without much to read may take for one."""


class OperationTests(ProviderStage):
    """Reports, catalogues and switches beside the messages."""

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, or skip the test of a provider that has none."""
        if not self.provider_type.operations:
            pytest.skip("the provider registers no operations")
        return self.provider_type.operations

    def told(self) -> Iterator[tuple[Operation, msgspec.Struct, Answers, msgspec.Struct]]:
        """Yield every operation with the request, the answers and the reply that are given."""
        for operation in self.operations():
            if operation.name in self.operations_told:
                yield operation, *self.operations_told[operation.name]

    def test_operations_are_named_and_summed_up(self) -> None:
        """A name stands in addresses and on command lines, the summary beside it in a list."""
        names = [operation.name for operation in self.operations()]
        odd = [name for name in names if not NAME.fullmatch(name)]
        assert not odd, "names in another form than kebab-case"
        assert len(set(names)) == len(names), f"a name stands twice in {names}"
        for operation in self.operations():
            lines = operation.summary.strip().splitlines()
            assert len(lines) == 1, f"{operation.name}: the summary is one line"

    def test_operations_are_documented_by_their_structs(self) -> None:
        """The API's documentation is made of them."""
        for operation in self.operations():
            for kind in (operation.request, operation.reply):
                assert isinstance(kind, type), f"{operation.name}: {kind!r} is no Struct"
                assert issubclass(kind, msgspec.Struct), f"{operation.name}: {kind!r} is no Struct"
                assert json.dumps(msgspec.json.schema(kind)), operation.name

    def test_request_of_an_operation_refuses_unknown_fields(self) -> None:
        """A misspelt filter would give the whole report."""
        for operation in self.operations():
            _, parts = msgspec.json.schema_components([operation.request])
            lax = [n for n, part in parts.items() if "properties" in part and _open(part)]
            assert not lax, f"{operation.name}: without forbid_unknown_fields=True"

    def test_every_operation_is_told(self) -> None:
        """What no answer proves is tried on the day it is needed."""
        names = {operation.name for operation in self.operations()}
        missing = sorted(names - self.operations_told.keys())
        assert not missing, f"operations_told has nothing for {', '.join(missing)}"
        unknown = sorted(self.operations_told.keys() - names)
        assert not unknown, f"operations_told names no operations: {', '.join(unknown)}"

    async def test_operation_returns_what_the_vendor_tells(self) -> None:
        """From a request as the API reads it to a reply that it can write."""
        for operation, request, answers, reply in self.told():
            asked = msgspec.json.decode(msgspec.json.encode(request), type=operation.request)
            assert asked == request, f"{operation.name}: the request is read as another one"
            async with self.facing(answers) as trial:
                returned = await operation.call(trial.plugin, asked, _ignore)
            assert isinstance(returned, operation.reply), operation.name
            assert returned == reply, operation.name
            assert msgspec.json.encode(returned), operation.name
            naive = [at for at in _times(_plain(returned)) if at.tzinfo is None]
            assert not naive, f"{operation.name}: times without a zone"

    async def test_failed_operation_raises_what_happened(self) -> None:
        """The caller learns whether to wait, to ask otherwise, or to see to the account."""
        wrong = []
        for operation, request, _, _ in self.told():
            for name, (answer, expected) in question_failures().items():
                call = self.called(operation, request, answer)
                if came := await find_wrong(call, expected):
                    wrong.append(f"{operation.name}, {name}: {came}")
        assert not wrong, "\n".join(wrong)

    async def test_unreadable_answer_to_an_operation_is_no_fault_of_the_plugin(self) -> None:
        """It is a ``SendError``, or a reply where there was nothing to be read."""
        for operation, request, _, _ in self.told():
            for body in UNREADABLE:
                with contextlib.suppress(SendError):
                    returned = await self.called(operation, request, answer_with(200, body))
                    assert isinstance(returned, operation.reply), f"{operation.name}, {body}"

    async def test_progress_of_an_operation_never_goes_back(self) -> None:
        """A person watches it: it ends when all is done, if it was told at all."""
        for operation, request, answers, _ in self.told():
            steps = await self.steps(operation, request, answers)
            done = [step for step, _ in steps]
            assert done == sorted(done), f"{operation.name}: {steps}"
            assert all(0 <= step <= total for step, total in steps), f"{operation.name}: {steps}"
            assert not steps or done[-1] == steps[-1][1], f"{operation.name}: {steps}"

    async def steps(
        self, operation: Operation, request: msgspec.Struct, answers: Answers
    ) -> list[tuple[int, int]]:
        """Return what an operation tells of its progress."""
        steps: list[tuple[int, int]] = []
        async with self.facing(answers) as trial:
            await operation.call(
                trial.plugin, request, lambda done, total: steps.append((done, total))
            )
        return steps

    async def called(
        self, operation: Operation, request: msgspec.Struct, answers: Answers
    ) -> object:
        """Return what an operation returns when the vendor answers this."""
        async with self.facing(answers) as trial:
            return await operation.call(trial.plugin, request, _ignore)


def _ignore(_done: int, _total: int) -> None:
    """Take progress that nobody watches."""


def _open(part: dict[str, Any]) -> bool:
    return part.get("additionalProperties") is not False


def _plain(reply: msgspec.Struct) -> object:
    return msgspec.to_builtins(reply, builtin_types=(datetime,))


def _times(value: object) -> list[datetime]:
    """Return every time in a value of Python's own types."""
    if isinstance(value, datetime):
        return [value]
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(inner, Iterable) or isinstance(inner, str):
        return []
    return [time for item in inner for time in _times(item)]
