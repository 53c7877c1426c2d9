"""One call to the vendor, and the reading of its fields with the framework's rules."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct

from recado_kolmeya.simulator.answers import invalid
from recado_kolmeya.simulator.clock import BRASILIA

decode = msgspec.json.Decoder().decode
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]+)?")

DATE = "%Y-%m-%d"
MINUTE = "%Y-%m-%d %H:%M"
MONTH = "%Y-%m"
LENGTHS = {DATE: 10, MINUTE: 16, MONTH: 7}  # strptime would take 2025-1-1 as well
FRAMEWORK_FORMATS = {DATE: "Y-m-d", MINUTE: "Y-m-d H:i", MONTH: "Y-m"}


class Call(Struct, frozen=True, kw_only=True):
    """What the caller sent."""

    method: str
    path: str  # from /v1 on
    url: str  # in full, without the query, as the paginator shows it
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    caller: str = ""
    argument: str = ""  # the part of the path that names a job

    def fields(self) -> "Fields":
        """Read the fields of the body, JSON or form, with those of the query."""
        fields: dict[str, object] = dict(parse_qsl(self.query.decode("latin-1")))
        fields.update(self._body_fields())
        return Fields(fields)

    def _body_fields(self) -> dict[str, object]:
        if self.body[:1] in b"{[ \n\r\t":
            try:
                value = decode(self.body) if self.body else {}
            except msgspec.DecodeError:
                return {}  # the framework takes broken JSON for no fields at all
            return value if isinstance(value, dict) else {}
        return dict(parse_qsl(self.body.decode("utf-8", "replace")))


class Fields:
    """Reads fields one by one and gathers what is wrong with them."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values
        self.errors: dict[str, list[str]] = {}

    def get(self, name: str) -> object:
        """Give a field as it came; an empty text counts as absent, as in the framework."""
        value = self._values.get(name)
        return None if value == "" else value

    def fail(self, name: str, text: str) -> None:
        """Note one thing that is wrong with a field."""
        self.errors.setdefault(name, []).append(text.format(name=name.replace("_", " ")))

    def check(self) -> None:
        """Refuse the call if anything was wrong."""
        if self.errors:
            raise invalid(self.errors)

    def required(self, name: str) -> bool:
        """Say whether a field is there, and note it if not."""
        if self.get(name) is None:
            self.fail(name, "The {name} field is required.")
            return False
        return True

    def text(self, name: str) -> str | None:
        """Read a text."""
        value = self.get(name)
        if value is None or isinstance(value, str):
            return value
        self.fail(name, "The {name} field must be a string.")
        return None

    def integer(
        self, name: str, *, least: int | None = None, most: int | None = None
    ) -> int | None:
        """Read a whole number, also one written as text."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not WHOLE_NUMBER.fullmatch(str(value)):
            self.fail(name, "The {name} field must be an integer.")
            return None
        return int(self._bounded(name, int(str(value)), least, most))

    def number(
        self, name: str, *, least: float | None = None, most: float | None = None
    ) -> float | None:
        """Read a number, also one written as text."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not NUMBER.fullmatch(str(value)):
            self.fail(name, "The {name} field must be a number.")
            return None
        return self._bounded(name, float(str(value)), least, most)

    def _bounded(self, name: str, value: float, least: float | None, most: float | None) -> float:
        if least is not None and value < least:
            self.fail(name, f"The {{name}} field must be at least {least}.")
        if most is not None and value > most:
            self.fail(name, f"The {{name}} field must not be greater than {most}.")
        return value

    def url(self, name: str) -> str | None:
        """Read a web address."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not is_url(value):
            self.fail(name, "The {name} field must be a valid URL.")
            return None
        return value

    def moment(self, name: str, form: str) -> datetime | None:
        """Read a date or time of Brasília in exactly one form."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, str) and len(value) == LENGTHS[form]:
            try:
                return datetime.strptime(value, form).replace(tzinfo=BRASILIA)
            except ValueError:
                pass  # told below, with the same words as a wrong length
        self.fail(name, f"The {{name}} field must match the format {FRAMEWORK_FORMATS[form]}.")
        return None

    def day(self, name: str) -> date | None:
        """Read a date."""
        moment = self.moment(name, DATE)
        return None if moment is None else moment.date()

    def rows(self, name: str, most: int) -> list[object]:
        """Read a list of 1 to so many."""
        value = self.get(name)
        if value is None or value == []:
            self.fail(name, "The {name} field is required.")
        elif not isinstance(value, list):
            self.fail(name, "The {name} field must be an array.")
        elif len(value) > most:
            self.fail(name, f"The {{name}} field must not have more than {most} items.")
        else:
            return value
        return []


@lru_cache(maxsize=1024)
def is_url(text: str) -> bool:
    """Say whether a text is an absolute web address."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and " " not in text
