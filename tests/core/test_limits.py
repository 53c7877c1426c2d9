import pytest
from recado_core import ConfigurationError
from recado_core.engine.accounts.limits import CallBudget, Purpose, Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "calls", "seconds"),
    [
        ("500/60s", 500, 60.0),
        ("10/s", 10, 1.0),
        ("3000/1h", 3000, 3600.0),
        ("1/0.5s", 1, 0.5),
        (" 20 / 2 m ", 20, 120.0),
    ],
)
def test_a_rate_is_calls_in_a_time(text, calls, seconds):
    assert parse_rate(text, "accounts.main.rate") == Rate(calls=calls, seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "500", "500/60", "0/s", "5/0s", "-1/s", "1.5/s", "5/d", "5/1s x"]
)
def test_another_text_is_refused_with_the_key(text):
    with pytest.raises(ConfigurationError, match=r"accounts\.main\.rate: .*500/60s"):
        parse_rate(text, "accounts.main.rate")


def call_times(rate, count, start=0.0):
    """Call as soon as it is allowed; return when the calls were made."""
    budget, now, made = CallBudget(rate), start, []
    for _ in range(count):
        while (pause := budget.wait(now)) > 0:
            now += pause
        budget.spend(now)
        made.append(now)
    return made


@pytest.mark.parametrize("calls", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("start", [0.0, 1.7e9])
def test_no_window_holds_more_calls_than_allowed(calls, start):
    made = call_times(Rate(calls=calls, seconds=60.0), 4 * calls, start)
    gaps = [later - earlier for earlier, later in zip(made, made[calls:], strict=False)]
    assert min(gaps) >= 59.999


def test_half_goes_at_once_and_the_rest_is_spread():
    made = call_times(Rate(calls=10, seconds=60.0), 10)
    assert made == pytest.approx([0.0] * 5 + [6.0, 12.0, 18.0, 24.0, 30.0])


def test_as_many_go_at_once_as_may_be_called_one_after_another_now():
    budget = CallBudget(Rate(calls=10, seconds=60.0))
    assert budget.at_once(0.0, 3) == 3
    assert budget.at_once(0.0, 100) == 5
    for _ in range(4):
        budget.spend(0.0)
    assert budget.at_once(0.0, 100) == 1
    budget.spend(0.0)
    assert budget.at_once(0.0, 100) == 0
    assert budget.wait(0.0) == pytest.approx(6.0)
    assert CallBudget(None).at_once(0.0, 7) == 7


def test_what_is_given_back_is_a_call_for_sending_though_others_were_made_since():
    budget, other = (CallBudget(Rate(calls=10, seconds=60.0)) for _ in range(2))
    budget.spend(0.0)
    budget.spend(0.5, Purpose.ASK)
    budget.refund()
    other.spend(0.5, Purpose.ASK)
    for now in (1.0, 60.1, 60.6):
        assert budget.at_once(now, 99) == other.at_once(now, 99)
    budget.refund()  # which is of a window that has passed, and changes nothing
    assert budget.at_once(61.0, 99) == other.at_once(61.0, 99)


def test_asking_how_many_go_at_once_changes_nothing():
    asked, other = (CallBudget(Rate(calls=4, seconds=60.0)) for _ in range(2))
    for now in (0.0, 0.0, 15.0, 31.0, 61.0, 61.0, 80.0):
        asked.at_once(now, 9)
        assert asked.wait(now) == other.wait(now)
        if asked.wait(now) == 0:
            asked.spend(now)
            other.spend(now)
    assert asked.refuses(80.0, Purpose.SEND) == other.refuses(80.0, Purpose.SEND)


def test_the_whole_rate_is_used():
    made = call_times(Rate(calls=10, seconds=60.0), 101)
    assert made[-1] <= 600.0


def test_a_budget_that_rested_is_whole_again():
    budget = CallBudget(Rate(calls=4, seconds=60.0))
    for now in (0.0, 0.0, 15.0, 30.0):
        assert budget.wait(now) == 0
        budget.spend(now)
    assert budget.wait(59.0) == pytest.approx(1.0)
    assert budget.wait(90.0) == 0


def test_without_a_rate_nothing_waits():
    budget = CallBudget(None)
    for _ in range(1000):
        budget.spend(0.0)
    assert budget.wait(0.0) == 0
