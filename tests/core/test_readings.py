from recado_core.engine.receive.readings import Readings


def test_what_is_kept_is_there_until_it_is_dropped():
    readings = Readings()
    readings.keep("a", ["x", "y"])
    assert readings.get("a") == readings.get("a") == ["x", "y"]
    readings.drop("a")
    readings.drop("a")
    assert readings.get("a") is None


def test_the_oldest_give_way_to_what_comes():
    readings = Readings(most=6)
    for webhook_id in ("a", "b", "c"):
        readings.keep(webhook_id, ["x", "y"])
    assert [readings.get(each) for each in ("a", "b", "c")] == [None, ["x", "y"], ["x", "y"]]


def test_what_was_dropped_makes_room():
    readings = Readings(most=4)
    for webhook_id in ("a", "b"):
        readings.keep(webhook_id, ["x", "y"])
        readings.drop(webhook_id)
    readings.keep("c", ["x", "y", "z"])
    assert readings.get("c") == ["x", "y", "z"]


def test_a_webhook_that_says_too_much_is_not_kept():
    readings = Readings(most=1)
    readings.keep("a", ["x", "y"])
    assert readings.get("a") is None


def test_webhooks_that_say_nothing_give_way_too():
    readings = Readings(most=2)
    for webhook_id in ("a", "b", "c"):
        readings.keep(webhook_id, [])
    assert [readings.get(each) for each in ("a", "b", "c")] == [None, [], []]
