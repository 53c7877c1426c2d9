"""What a plugin says of its provider before any message goes out."""

import re
from typing import get_args

import msgspec
import pytest

from recado_core.contract import Secret
from recado_core.testing.stage import ProviderStage

COMMON_KEYS = frozenset(
    (
        "provider",
        "rate",
        "concurrency",
        "price",
        "daily_limit",
        "on_doubt",
        "batch_size",
        "timeout",
        "webhook_token",
    )
)
"""Keys of an account's table that the gateway takes before the provider sees it."""

SECRET_NAME = re.compile(r"(^|_)(token|secret|password|passphrase|(api|auth|private)_?key)$")


class DeclarationTests(ProviderStage):
    """The provider's type and settings."""

    def test_provider_type_is_well_formed(self) -> None:
        """The engine plans by these values."""
        declared = self.provider_type
        can = declared.capabilities
        assert re.fullmatch(r"[a-z][a-z0-9_]*", declared.id), f"id {declared.id!r}"
        assert declared.channels, "a provider carries at least one channel"
        assert can.max_batch >= 1, f"max_batch {can.max_batch}"
        assert can.concurrency >= 1, f"concurrency {can.concurrency}"
        assert not can.rate or re.fullmatch(r"[1-9]\d*/[1-9]\d*s", can.rate), f"rate {can.rate!r}"

    def test_sample_messages_pass_the_local_check(self) -> None:
        """What ``check_message`` refuses never reaches ``send``."""
        check = self.provider_type.check_message
        if check is None:
            pytest.skip("the provider checks no message locally")
        for message in self.batch().messages:
            check(message)

    def test_settings_refuse_unknown_keys(self) -> None:
        """A misspelt key must stop the start, not be ignored."""
        with pytest.raises(msgspec.ValidationError):
            self.read_settings(kit_unknown_key="kit")

    def test_settings_leave_the_common_keys_alone(self) -> None:
        """A field of such a name would never get its value."""
        mine = {field.encode_name for field in msgspec.structs.fields(self.provider_type.settings)}
        assert not mine & COMMON_KEYS, f"the gateway keeps {sorted(mine & COMMON_KEYS)} to itself"

    def test_settings_hold_secrets_as_secret(self) -> None:
        """A plain text shows itself in every ``repr``."""
        for field in msgspec.structs.fields(self.provider_type.settings):
            if SECRET_NAME.search(field.encode_name):
                kinds = (field.type, *get_args(field.type))
                assert Secret in kinds, f"{field.encode_name} is {field.type}, not Secret"
