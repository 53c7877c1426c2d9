from recado_core.engine.receive.readings import Readings


def test_what_is_kept_is_given_once():
    readings = Readings()
    readings.keep("a", ["x", "y"])
    assert readings.take("a") == ["x", "y"]
    assert readings.take("a") is None


def test_the_oldest_give_way_to_what_comes():
    readings = Readings(most=4)
    for webhook_id in ("a", "b", "c"):
        readings.keep(webhook_id, ["x", "y"])
    assert [readings.take(each) for each in ("a", "b", "c")] == [None, ["x", "y"], ["x", "y"]]


def test_what_was_taken_makes_room():
    readings = Readings(most=3)
    for webhook_id in ("a", "b"):
        readings.keep(webhook_id, ["x", "y"])
        assert readings.take(webhook_id) == ["x", "y"]
    readings.keep("c", ["x", "y", "z"])
    assert readings.take("c") == ["x", "y", "z"]


def test_a_webhook_that_says_too_much_is_not_kept():
    readings = Readings(most=1)
    readings.keep("a", ["x", "y"])
    assert readings.take("a") is None
