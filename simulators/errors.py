"""Error tree of the simulators: one root, leaves that say in one line what is wrong."""


class SimulatorError(Exception):
    """The simulation cannot go on."""


class BadInput(SimulatorError, ValueError):
    """What the caller gave cannot be used: exit code 2."""


class HubRefused(SimulatorError):
    """The hub answered a request with an error; `status` and `code` are the problem's."""

    def __init__(self, request: str, *, status: int, code: str, detail: str) -> None:
        self.status = status
        self.code = code
        super().__init__(f"{request}: {status} {code}: {detail}".rstrip(": "))


class HubUnreachable(SimulatorError):
    """No answer came from the hub."""


class NotOurs(SimulatorError):
    """A slug this simulation needs belongs to something else."""


class NotAcknowledged(SimulatorError):
    """The hub did not acknowledge everything in time."""


class StoryStuck(SimulatorError):
    """A step of the demo's story did not come within its time."""
