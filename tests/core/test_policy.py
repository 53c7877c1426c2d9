import pytest
from recado_core import Outcome, Status
from recado_core.engine import policy
from recado_core.engine.policy import Retry, after_transient, may_follow
from recado_core.engine.store import schema

DELAYS = (60.0, 180.0)


def test_every_status_has_its_row_in_the_table():
    assert policy.TRANSITIONS.keys() == set(Status)


def test_a_final_status_never_goes_back():
    ways_on = {
        (status, following)
        for status in policy.FINAL
        for following in Status
        if may_follow(status, following)
    }
    assert ways_on == {(Status.DELIVERED, Status.READ)}


def test_every_status_that_is_not_final_has_a_way_to_one_that_is():
    for status in set(Status) - policy.FINAL:
        reached, new = set(), {status}
        while new:
            reached |= new
            new = {n for s in new for n in policy.TRANSITIONS[s]} - reached
        assert reached & policy.FINAL


def test_nothing_becomes_what_only_a_beginning_is():
    followed = frozenset().union(*policy.TRANSITIONS.values())
    assert set(Status) - followed == {Status.RECEIVED}


def test_no_status_follows_itself():
    assert not [status for status in Status if may_follow(status, status)]


def test_only_what_was_not_handed_over_can_be_cancelled():
    assert {s for s in Status if may_follow(s, Status.CANCELED)} == {
        Status.SCHEDULED,
        Status.QUEUED,
    }


def test_only_what_is_queued_is_sent():
    assert {s for s in Status if may_follow(s, Status.SENDING)} == {Status.QUEUED}


def test_a_dlr_may_change_exactly_what_is_in_flight():
    changeable = {s for s in Status if may_follow(s, Status.UNDELIVERED)}
    assert changeable == policy.IN_FLIGHT


def test_the_indexes_of_the_store_hold_the_same_statuses_in_flight():
    assert set(schema.IN_FLIGHT.replace("'", " ").split()) & set(Status) == policy.IN_FLIGHT


def test_every_outcome_has_its_status():
    assert policy.OUTCOME_STATUS.keys() == set(Outcome) - {Outcome.TRANSIENT}
    for status in policy.OUTCOME_STATUS.values():
        assert may_follow(Status.SENDING, status)


def test_what_can_be_resent_did_not_arrive():
    assert not policy.RESENDABLE & {Status.DELIVERED, Status.READ, Status.SENT, Status.QUEUED}


@pytest.mark.parametrize(("attempts", "delay"), [(1, 60.0), (2, 180.0)])
def test_each_retry_has_its_delay(attempts, delay):
    retry = after_transient("main", attempts, ["backup"], DELAYS, 0.5)
    assert retry == Retry(account="main", delay=delay, fallbacks=("backup",), attempts=attempts)


def test_jitter_spreads_a_delay_by_a_tenth_each_way():
    spread = [after_transient("main", 1, [], DELAYS, jitter).delay for jitter in (0.0, 1.0)]
    assert spread == pytest.approx([54.0, 66.0])


def test_after_the_last_retry_the_next_account_begins_anew():
    assert after_transient("main", 3, ["second", "third"], DELAYS, 0.5) == Retry(
        account="second", delay=0.0, fallbacks=("third",), attempts=0
    )


def test_without_retries_or_accounts_left_it_is_given_up():
    assert after_transient("main", 3, [], DELAYS, 0.5) is None
    assert after_transient("main", 1, [], (), 0.5) is None
