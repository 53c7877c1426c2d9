from importlib.metadata import entry_points

import pluggy
import recado_twilio_stub
from recado_core import hookspecs


def test_plugin_is_found_by_its_entry_point():
    (entry,) = entry_points(group="recado", name="twilio_stub")
    assert entry.load() is recado_twilio_stub


def test_plugin_implements_only_hooks_that_exist():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(recado_twilio_stub)
    manager.check_pending()
    ((provider_type,),) = manager.hook.register_providers()
    assert provider_type.id == "twilio_stub"
