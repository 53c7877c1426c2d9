"""What every provider must do."""

from recado_core.testing.capabilities import CapabilityTests
from recado_core.testing.conduct import ConductTests
from recado_core.testing.declarations import DeclarationTests
from recado_core.testing.sending import SendingTests
from recado_core.testing.webhooks import WebhookTests


class ProviderConformance(
    DeclarationTests, SendingTests, ConductTests, CapabilityTests, WebhookTests
):
    """Subclass it as ``TestConformance`` and give what ``ProviderStage`` asks for."""
