"""The uplink against a hub on a bad network: nothing lost, nothing doubled, order kept."""

from hypothesis import settings

from tests.property.edge.node_model import NodeAndHub

TestNodeAndHub = NodeAndHub.TestCase
TestNodeAndHub.settings = settings(stateful_step_count=30, deadline=None)
