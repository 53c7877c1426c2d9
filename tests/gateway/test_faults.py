"""What is said of a value that does not fit, in words that a person can follow."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
import pytest
from recado_gateway.faults import fault_in

Month = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-[0-9]{2}$", description="YYYY-MM")]


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(msgspec.Struct):
    month: Month | None = None


class Request(msgspec.Struct):
    month: Month | None = None
    parts: list[Part] = []
    named: dict[str, Month] = {}
    color: Color | None = None
    origins: list[Literal["api", "web"]] = []
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    day: date | None = None
    told_nowhere: Annotated[str, msgspec.Meta(pattern="^x$")] = "x"


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"month": "soon"}, "/month", "must be YYYY-MM"),
        ({"parts": [{}, {"month": "soon"}]}, "/parts/1/month", "must be YYYY-MM"),
        ({"color": "green"}, "/color", "Invalid enum value 'green' (one of red, blue)"),
        ({"origins": ["x"]}, "/origins/0", "Invalid enum value 'x' (one of api, web)"),
        (
            {"at": "soon"},
            "/at",
            "Invalid RFC3339 encoded datetime, such as 2030-01-31T09:00:00-03:00",
        ),
        (
            {"at": "2030-01-31T09:00:00"},
            "/at",
            "Expected datetime with a timezone component, such as 2030-01-31T09:00:00-03:00",
        ),
        ({"day": "soon"}, "/day", "Invalid RFC3339 encoded date, such as 2030-01-31"),
        # What nobody described, or what msgspec does not point at, stays as msgspec says it.
        ({"told_nowhere": "y"}, "/told_nowhere", "Expected str matching regex '^x$'"),
        ({"named": {"a": "soon"}}, "/named", "Expected str matching regex '^[0-9]{4}-[0-9]{2}$'"),
        ({"month": 7}, "/month", "Expected str | null, got int"),
    ],
)
def test_fault_is_told_by_what_the_field_says_of_itself(body, pointer, detail):
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(body, Request)
    fault = fault_in(caught.value, Request)
    assert (fault.pointer, fault.detail.replace(r"(?!\n)", "")) == (pointer, detail)
