"""What every provider must do."""

from recado_core.contract import Provider
from recado_core.testing.capabilities import CapabilityTests
from recado_core.testing.conduct import ConductTests
from recado_core.testing.declarations import DeclarationTests, SettingsTests
from recado_core.testing.jobs import JobTests
from recado_core.testing.operations import OperationTests
from recado_core.testing.provider_scenes import ProviderScenes
from recado_core.testing.replies import ReplyTests
from recado_core.testing.sending import SendingTests
from recado_core.testing.suppression import SuppressionTests
from recado_core.testing.webhooks import WebhookTests


class ProviderConformance(
    DeclarationTests,
    SendingTests,
    CapabilityTests,
    ReplyTests,
    SuppressionTests,
    JobTests,
    OperationTests,
    WebhookTests,
    ProviderScenes,
    SettingsTests[Provider],
    ConductTests[Provider],
):
    """Subclass it as ``TestConformance`` and give what ``ProviderStage`` asks for."""
