"""A real mosquitto as `docker/` ships it: its start script, its configuration, certificates of its own authority."""

from pathlib import Path

from simulators.servers.mosquitto import find_mosquitto
from simulators.servers.process import LOOPBACK
from simulators.servers.server import Launch, Server
from tests.integration.docker.shipped import DOCKER


class ShippedBroker(Server):
    """The broker of compose.yaml with the paths and the port of a test; `secrets` is what `init.sh` made."""

    scheme = "mqtts"

    def __init__(self, directory: Path, secrets: Path) -> None:
        super().__init__(directory)
        self.secrets = secrets
        self.identities = self.directory / "dynamic-security.json"

    @property
    def authority(self) -> Path:
        """What clients trust."""
        return self.secrets / "ca.crt"

    @property
    def admin_url(self) -> str:
        """The address with the administrator of identities."""
        return f"mqtts://admin:{(self.secrets / 'broker_admin_password').read_text().strip()}@{LOOPBACK}:{self.port}"

    def configure(self, port: int) -> Launch:
        program = find_mosquitto()
        text = (DOCKER / "mosquitto" / "tls.conf").read_text(encoding="utf-8")
        for shipped, here in (
            ("listener 8883\n", f"listener {port} {LOOPBACK}\n"),
            ("/run/secrets/broker_certificate", str(self.secrets / "broker.crt")),
            ("/run/secrets/broker_key", str(self.secrets / "broker.key")),
            ("/usr/lib/mosquitto_dynamic_security.so", str(program.plugin)),
            ("/mosquitto/data/", f"{self.directory}/"),
        ):
            assert text.count(shipped) == 1, f"tls.conf has no {shipped!r}"
            text = text.replace(shipped, here)
        # Started as root (CI) it stays root, for its files are ours; started by anybody else this is ignored.
        configuration = self.directory / "mosquitto.conf"
        configuration.write_text(f"{text}user root\n", encoding="utf-8")
        environment = {
            **program.environment,
            "PATH": f"{program.executable.parent}:{program.executable.parents[1] / 'bin'}:/usr/bin:/bin",
            "BROKER_DATA": str(self.directory),
            "BROKER_ADMIN_PASSWORD_FILE": str(self.secrets / "broker_admin_password"),
            "BROKER_CONFIGURATION": str(configuration),
            "BROKER_IDENTITIES": str(DOCKER / "mosquitto" / "dynamic-security.json"),
        }
        return Launch(["/bin/sh", str(DOCKER / "mosquitto" / "start.sh")], environment)
