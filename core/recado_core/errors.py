"""The exceptions that cross a boundary of Recado.

* RecadoError
  + AddressError: an address or sender ID that the channel can't use
  + ContentError: a text or medium that the channel or provider can't carry
  + ConfigurationError: a key of the configuration that is missing, unknown or wrong
  + SendError: the provider did not confirm a batch
    x TransientSendError: the same batch may be taken later
      - UnreachableError: nobody is there to take anything now
      - NotYetError: it can't be done yet, and nothing was tried
    x PermanentSendError: the same batch will never be taken
    x AccountError: nothing of this account will be taken until a person acts
    x InDoubtError: the batch went out and no usable answer came back
  + WebhookError: a webhook that was not taken
    x WebhookRefusedError: its token or signature is wrong
    x MalformedWebhookError: its body can't be read

A provider raises and never retries; the class alone tells the engine what to do.
"""


class RecadoError(Exception):
    """Anything that Recado reports on purpose; its text is meant for a person."""


class AddressError(RecadoError, ValueError):
    """An address or sender ID that the channel can't use."""


class ContentError(RecadoError, ValueError):
    """A text or medium that the channel or provider can't carry.

    Args:
        text: What is wrong, for a person.
        code: The same as a word for a program, as in ``SinkAnswer.code``.
    """

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        self.code = code


class ConfigurationError(RecadoError):
    """A key of the configuration that is missing, unknown or wrong; the text names it."""


class SendError(RecadoError):
    """The provider did not confirm a batch.

    Args:
        text: What happened, in the vendor's words where it has any; no secret, no full number.
        code: The vendor's own code, or the HTTP status.
        raw: The start of the vendor's answer, kept for the operator.
    """

    def __init__(self, text: str, *, code: str | None = None, raw: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.raw = raw


class TransientSendError(SendError):
    """The same batch may be taken later.

    Args:
        text: As in ``SendError``.
        code: As in ``SendError``.
        raw: As in ``SendError``.
        retry_after: Seconds that the provider asks to be left alone, if it said so.
        throttled: The provider works and asks for fewer calls; this counts as no attempt.
        possibly_taken: The request had been sent in full and the answer was a server's failure, so
            that the engine asks ``lookup`` before it sends again, where the provider has it.
    """

    def __init__(  # noqa: PLR0913  # all that a vendor may say of a failure
        self,
        text: str,
        *,
        code: str | None = None,
        raw: str | None = None,
        retry_after: float | None = None,
        throttled: bool = False,
        possibly_taken: bool = False,
    ) -> None:
        super().__init__(text, code=code, raw=raw)
        self.retry_after = retry_after
        self.throttled = throttled
        self.possibly_taken = possibly_taken


class UnreachableError(TransientSendError):
    """Nobody is there to take anything now: no connection, or a proxy that says so."""


class NotYetError(TransientSendError):
    """It can't be done yet, and nothing was tried: a sink's event waits, and no attempt is counted.

    It says nothing of the business system, which was not asked for this, or only whether it can be
    done by now.

    Args:
        text: For what it waits.
        retry_after: Seconds until it may be done.
    """

    def __init__(self, text: str, *, retry_after: float) -> None:
        super().__init__(text, retry_after=retry_after)


class PermanentSendError(SendError):
    """The same batch will never be taken."""


class AccountError(SendError):
    """Nothing of this account will be taken until a person acts: credentials, balance, blocking."""


class InDoubtError(SendError):
    """The batch went out and no usable answer came back: it may have been taken, or not."""


class WebhookError(RecadoError):
    """A webhook that was not taken."""


class WebhookRefusedError(WebhookError):
    """The token or signature of a webhook is wrong."""


class MalformedWebhookError(WebhookError):
    """The body of a webhook can't be read."""
