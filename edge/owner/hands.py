"""What the owner's commands share: whether the agent holds the devices, which groups they need, a careful reading."""

from edge.app import Configured
from edge.drivers.driver import Fault, FaultReason, Sample, Sensor, load_driver
from edge.errors import DriverError, EdgeError
from edge.outbox import holder_of


class AgentRuns(EdgeError):
    """The agent works with the pins that a command would take."""

    def __init__(self, pid: str, command: str) -> None:
        super().__init__(
            f"the agent runs (pid {pid}) and holds the devices; stop it first: sudo systemctl stop linli-edge"
            f" (then {command}, then start it again)"
        )


def take_devices(configured: Configured, command: str) -> None:
    """Raise AgentRuns where the agent works with the devices."""
    if (pid := holder_of(configured.settings.data_dir)) is not None:
        raise AgentRuns(pid, command)


def wanted_groups(configured: Configured) -> set[str]:
    """The groups of the system that the configured drivers need, and the modem of the second path."""
    groups = {group for device in configured.settings.devices for group in load_driver(device.driver).groups}
    return groups if configured.settings.second_path.sms is None else {*groups, "dialout"}


def read(sensor: Sensor, at_s: float) -> Sample:
    """Read a sensor; a driver that fails is a fault."""
    try:
        return sensor.read(at_s)
    except DriverError as error:
        return Fault(reason=FaultReason.SENSOR_FAULT, detail=str(error))
