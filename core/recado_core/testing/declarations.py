"""What a plugin says of itself before anything happens."""

import re
from typing import get_args

import msgspec
import pytest

from recado_core.contract import Secret
from recado_core.errors import ContentError
from recado_core.testing.disclosure import find_secrets
from recado_core.testing.provider_stage import ProviderStage
from recado_core.testing.stage import P, Stage

SECRET_NAME = re.compile(r"(^|_)(token|secret|password|passphrase|(api|auth|private)_?key)$")


class SettingsTests(Stage[P]):
    """The settings Struct."""

    def test_settings_refuse_unknown_keys(self) -> None:
        """A misspelt key must stop the start, not be ignored."""
        with pytest.raises(msgspec.ValidationError):
            self.read_settings(kit_unknown_key="kit")

    def test_settings_leave_the_common_keys_alone(self) -> None:
        """A field of such a name would never get its value."""
        mine = {field.encode_name for field in msgspec.structs.fields(self.settings_type)}
        kept = sorted(mine & self.reserved_keys)
        assert not kept, "the gateway keeps these keys to itself"

    def test_settings_hold_secrets_as_secret(self) -> None:
        """A plain text shows itself in every ``repr``; the kit's settings give a secret to hide."""
        fields = msgspec.structs.fields(self.settings_type)
        secret = [f.encode_name for f in fields if Secret in (f.type, *get_args(f.type))]
        plain = [f.encode_name for f in fields if f.encode_name not in secret]
        assert not [name for name in plain if SECRET_NAME.search(name)], "not of type Secret"
        assert not secret or find_secrets(self.read_settings()), f"settings give none of {secret}"


class DeclarationTests(ProviderStage):
    """The provider's type."""

    def test_provider_type_is_well_formed(self) -> None:
        """The engine plans by these values."""
        declared = self.provider_type
        can = declared.capabilities
        assert re.fullmatch(r"[a-z][a-z0-9_]*", declared.id), f"id {declared.id!r}"
        assert declared.channels, "a provider carries at least one channel"
        assert can.max_batch >= 1, f"max_batch {can.max_batch}"
        assert can.concurrency >= 1, f"concurrency {can.concurrency}"
        assert all(most >= 1 for most in can.own_batches.values()), f"{can.own_batches}"
        assert can.max_suppress >= 1, f"max_suppress {can.max_suppress}"
        assert not can.rate or re.fullmatch(r"[1-9]\d*/[1-9]\d*s", can.rate), f"rate {can.rate!r}"

    def test_sample_messages_pass_the_local_check(self) -> None:
        """What ``check_message`` refuses never reaches ``send``."""
        check = self.provider_type.check_message
        if check is None:
            pytest.skip("the provider checks no message locally")
        for batch in self.batches():
            for message in batch.messages:
                check(message)

    def test_refused_text_is_refused_locally(self) -> None:
        """What the vendor is known to refuse costs no call, and the client learns of it at once."""
        if not self.refused_texts:
            pytest.skip("no refused_texts are given")
        check = self.provider_type.check_message
        assert check, "texts are refused and the type has no check_message"
        for category, texts in self.refused_texts.items():
            for text in texts:
                message = self.own_message(category, 1)
                with pytest.raises(ContentError):
                    check(msgspec.structs.replace(message, text=text))
