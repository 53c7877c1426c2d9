import json

import msgspec
import pytest
from msgspec import Raw
from recado_kolmeya.parts import entries_of, read_id, read_section, values_of
from recado_kolmeya.wire import Valid

ONE, TWO = {"id": "v-1"}, {"id": "v-2"}
_valids = msgspec.json.Decoder(list[Valid])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (123, "123"),
        (123.0, "123"),
        ("123", "123"),
        ("v-1", "v-1"),
        (1e20, "100000000000000000000"),
        (1.5, "1.5"),
        (0, None),
        (0.0, None),
        ("", None),
        (None, None),
        (True, None),
    ],
)
def test_id_is_the_same_of_whatever_type_it_comes(value, text):
    assert read_id(value) == text


@pytest.mark.parametrize(
    ("section", "entries"),
    [
        ([ONE, TWO], [ONE, TWO]),
        ({"0": ONE, "3": TWO}, [ONE, TWO]),
        (ONE, [ONE]),
        ([], []),
        ({}, []),
    ],
)
def test_list_is_read_alike_in_json_and_decoded(section, entries):
    assert entries_of(section) == entries
    read = read_section(Raw(json.dumps(section).encode()), _valids, Valid)
    assert [each.id for each in read] == [each["id"] for each in entries]


@pytest.mark.parametrize("section", [3, "v-1", True])
def test_what_is_no_list_has_no_entries(section):
    assert entries_of(section) is None
    with pytest.raises(msgspec.ValidationError):
        read_section(Raw(json.dumps(section).encode()), _valids, Valid)


@pytest.mark.parametrize(
    ("section", "values"), [([1, 2], [1, 2]), ({"0": 1, "2": 2}, [1, 2]), (None, []), ([], [])]
)
def test_list_with_gaps_is_one(section, values):
    assert values_of(section) == values


def test_list_that_is_missing_is_empty():
    assert entries_of(None) == []
