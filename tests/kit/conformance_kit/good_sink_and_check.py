"""The kits of a sink and a check without a fault, which pytest shall collect."""

from toy_check import Good as GoodCheck
from toy_sink import Good as GoodSink


class TestSink(GoodSink):
    pass


class TestCheck(GoodCheck):
    pass
