"""The heartbeat of a lane: how often it is to say hello, so that its silence is noticed in time; pure."""

from hub.rules.node import hello_interval_s
from hub.rules.parameters import NodeOfflineParameters
from protocols.hello import SHORTEST_INTERVAL_S, Hello


def wanted_interval_s(parameters: NodeOfflineParameters, hello: Hello) -> float | None:
    """Return the interval that the answer to a hello asks for; None where the node has it already.

    A node that says hello more often than a hub may ask for has its own reasons and is left alone.
    """
    wanted_s = hello_interval_s(parameters, hello.lane)
    said_s = hello.interval_s
    if said_s is not None and (said_s == wanted_s or said_s < SHORTEST_INTERVAL_S):
        return None
    return wanted_s
