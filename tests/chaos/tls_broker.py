"""A mosquitto with a second listener that takes only clients with a certificate; the authority is the test's own."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from simulators.servers.process import LOOPBACK, free_port
from simulators.servers.server import Launch


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of PEM: the authority, and certificate and key of the broker and of a client."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Have openssl make them, P-256, good for two days."""
        folder.mkdir(parents=True)
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=storm authority", "-days", "2"]
        _openssl(folder, "req", "-x509", *curve, *authority, "-addext", "keyUsage=critical,keyCertSign")
        for name, names in (("broker", f"subjectAltName=IP:{LOOPBACK}"), ("client", "subjectAltName=DNS:client")):
            _openssl(folder, "req", *curve, "-keyout", f"{name}.key", "-out", "csr", "-subj", f"/CN={name}")
            (folder / "names").write_text(f"{names}\nauthorityKeyIdentifier=keyid\n")
            signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
            _openssl(folder, "x509", "-req", "-in", "csr", "-out", f"{name}.pem", *signed)
        return cls(folder)

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def client(self) -> tuple[Path, Path]:
        """Certificate and key."""
        return self.folder / "client.pem", self.folder / "client.key"


class TlsBroker(MosquittoServer):
    """Anonymous on `port`; on `tls_port` too, for whoever shows a certificate."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, auth=BrokerAuth.ANONYMOUS)
        self.certificates = Certificates.make(self.directory / "certificates")
        self.tls_port = free_port()

    def configure(self, port: int) -> Launch:
        launch = super().configure(port)
        folder = self.certificates.folder
        with (self.directory / "mosquitto.conf").open("a") as configuration:
            configuration.write(
                f"\nlistener {self.tls_port} {LOOPBACK}\ncafile {folder}/ca.pem\ncertfile {folder}/broker.pem\n"
                f"keyfile {folder}/broker.key\nrequire_certificate true\n"
            )
        return launch


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
