"""What an installed Linli is: four packages, and on a Pi nothing that only the hub needs."""

import subprocess
import sys
import zipfile
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.checkout import PACKAGES, ROOT

HUB_ONLY = {
    "alembic",
    "apprise",
    "fastapi",
    "influxdb-client",
    "jinja2",
    "pydantic",
    "pydantic-core",
    "pydantic-settings",
    "sqlalchemy",
    "starlette",
    "typer",
    "uvicorn",
}

# Run in a fresh interpreter: forbids every import beyond the standard library, our two packages and what is allowed.
IMPORT_ALL = """
import importlib, pkgutil, sys

allowed = sys.stdlib_module_names | set(sys.argv[2:])

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"{name} is not part of this installation", name=name)
        return None

sys.meta_path.insert(0, Guard())
package = importlib.import_module(sys.argv[1])
imported = [importlib.import_module(found.name) for found in pkgutil.walk_packages(package.__path__, sys.argv[1] + ".")
            if not found.name.endswith("__main__")]
print(len(imported))
"""


def closure(*extras: str) -> set[str]:
    """The canonical names of every distribution that `linli[extras]` installs on this machine, linli left out."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [("linli", frozenset(extras))]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *wanted}):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return {name for name, _ in seen} - {"linli"}


def import_all(package: str, *, allowed: set[str]) -> int:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, package, *sorted(allowed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_the_wheel_holds_the_four_packages_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_no_dependency_owns_the_names_of_our_packages() -> None:
    owners = packages_distributions()
    assert {name: set(owners.get(name, [])) - {"linli"} for name in (*PACKAGES, "tests", "docker")} == {
        name: set() for name in (*PACKAGES, "tests", "docker")
    }


def test_the_edge_extra_installs_nothing_that_only_the_hub_needs() -> None:
    installed = closure("edge")
    assert {"paho-mqtt", "gpiozero", "msgspec"} <= installed
    assert installed & HUB_ONLY == set()
    assert installed & {"lgpio", "pyserial", "spidev"} == set()
    assert closure("serial") - installed == {"pyserial"}
    assert closure("hub") >= {"fastapi", "sqlalchemy", "influxdb-client"}


def test_the_base_installs_msgspec_alone() -> None:
    assert closure() == {"msgspec"}


def test_every_module_of_the_edge_imports_with_msgspec_and_paho_alone() -> None:
    """Gpiozero is imported by the drivers that need it, when they open."""
    assert import_all("edge", allowed={"edge", "protocols", "paho", "msgspec"}) > 1


def test_the_wire_contract_imports_with_msgspec_alone() -> None:
    assert import_all("protocols", allowed={"protocols", "msgspec"}) > 1


def test_paho_is_not_silently_downgraded() -> None:
    """Sparkplug wrappers pin paho below 2."""
    assert Version(version("paho-mqtt")) >= Version("2.1")
