import msgspec
import pytest
from recado_core.contract import decode_setting
from recado_twilio_stub.settings import Settings

TABLE = {"account_sid": "AC1", "auth_token": "a-token-of-nobody", "from": "+15005550006"}


def read(**changes):
    table = {name: value for name, value in {**TABLE, **changes}.items() if value is not None}
    return msgspec.convert(table, Settings, strict=False, dec_hook=decode_setting)


def test_sender_is_the_key_from():
    assert read().sender == "+15005550006"


def test_twilio_itself_is_the_default():
    assert read().base_url == "https://api.twilio.com"


def test_token_does_not_show():
    assert TABLE["auth_token"] not in repr(read())


def test_messaging_service_may_stand_instead_of_a_sender():
    assert read(**{"from": None, "messaging_service_sid": "MG1"}).sender is None


def test_account_without_anybody_to_send_from_is_refused():
    with pytest.raises(msgspec.ValidationError, match="messaging_service_sid"):
        read(**{"from": None})


@pytest.mark.parametrize("sid", ["", "AC1/../AC2", "AC 1", "AC1\n"])
def test_sid_that_would_change_the_path_is_refused(sid):
    with pytest.raises(msgspec.ValidationError, match="account_sid"):
        read(account_sid=sid)
