"""What may not be read by everyone, taken out of what Odoo says."""

from recado_acrux_chatroom.redaction import redact
from recado_acrux_chatroom.settings import Settings


def redact_all(text: str, settings: Settings) -> str:
    """Return a text without the sink's secrets and without any whole number."""
    for secret in (settings.connector_uuid, settings.connector_token):
        text = redact(text, secret.reveal())
    return redact(text, settings.rpc.password.reveal()) if settings.rpc else text
