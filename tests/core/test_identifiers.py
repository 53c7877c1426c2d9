import uuid

import pytest
from recado_core.engine.store.identifiers import new_id, new_ids


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_many_identifiers_come_between_those_made_before_and_after(count):
    for _ in range(50):
        made = [new_id(), *new_ids(count), *new_ids(count), new_id()]
        assert made == sorted(set(made))
        assert len(made) == 2 + 2 * count


def test_each_of_many_identifiers_is_a_uuid_of_version_7():
    for text in new_ids(100):
        read = uuid.UUID(text)
        assert (read.version, read.variant, str(read)) == (7, uuid.RFC_4122, text)


def test_many_identifiers_fit_where_the_random_bits_are_all_set(monkeypatch):
    first = "01a20147-b08c-716e-8f69-f7beffffffff"
    monkeypatch.setattr("uuid_utils.uuid7", lambda: uuid.UUID(first))
    assert new_ids(2) == ["01a20147-b08c-716e-8f69-f7befffffffe", first]
