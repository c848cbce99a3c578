"""Commands for the worst day: backup, restore, and the sheet that works without the hub."""

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from hub.errors import ConfigurationError, InvalidError
from hub.settings import load_settings

commands: Final = typer.Typer()

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_KeyFile = Annotated[
    Path,
    typer.Option("--key", envvar="LINLI_BACKUP_KEY", help="File of the key; linli-hub backup-key makes one."),
]
_PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", envvar="LINLI_BACKUP_PASSPHRASE_FILE", help="Its first line opens a key sealed by age -p."
    ),
]


@commands.command("backup-key")
def backup_key(
    file: Annotated[Path, typer.Argument(help="New file for the secret half; keep it away from the hub.")],
    *,
    as_json: _AsJson = False,
) -> None:
    """Make a key for backups and print its public half, which is all that a hub needs to seal them."""
    from hub.upkeep.backup.sealing import make_key

    public = make_key(file)
    _say({"file": str(file), "public_key": public}, text=public, as_json=as_json)


@commands.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A folder, or the name of the file.")],
    *,
    key: _KeyFile,
    passphrase_file: _PassphraseFile = None,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="Keep so many in the folder, the newest.")] = None,
    also: Annotated[
        list[Path] | None, typer.Option("--also", help="A further file, the broker's identities for instance.")
    ] = None,
    scratch: Annotated[
        Path | None, typer.Option("--scratch", help="Where copies lie before they are sealed; default the data.")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Take a sealed backup of state, telemetry and broker files, whether the hub runs or not, and read it back."""
    settings = load_settings()
    from hub.clock import WallClock
    from hub.upkeep.backup.sealing import read_key
    from hub.upkeep.backup.taking import Wanted, take_backup

    wanted = Wanted(
        target=target,
        key=read_key(key, passphrase=_passphrase(passphrase_file)),
        keep=keep,
        also=tuple(also or ()),
        scratch=scratch,
    )
    _end_in_order()
    taken = take_backup(settings, wanted, now_ms=WallClock().now_ms)
    row = {
        "file": str(taken.file),
        "bytes": taken.size,
        "sha256": taken.sha256,
        "contents_bytes": taken.manifest.size,
        "taken_at": taken.manifest.taken_at,
        "version": taken.manifest.version,
        "revision": taken.manifest.revision,
        "verified": "contents" if taken.opened else "bytes",
        "removed": list(taken.removed),
        "took_ms": taken.took_ms,
    }
    proof = "opened again and compared" if taken.opened else "sealed for a key that is not here"
    text = f"{taken.file}: {_size(taken.size)} in {taken.took_ms / 1000:.1f} s, {proof}"
    _say(row, text="\n".join([text, *(f"removed {name}" for name in taken.removed)]), as_json=as_json)


@commands.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    key: _KeyFile,
    passphrase_file: _PassphraseFile = None,
    *,
    check: Annotated[bool, typer.Option("--check", help="Only read it through and compare every hash.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Move aside what is in the data directory.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Restore a backup into an empty data directory while the hub is stopped; edges then send what it does not know."""
    settings = load_settings()
    from hub.clock import WallClock
    from hub.upkeep.backup.restoring import check_backup, restore_backup
    from hub.upkeep.backup.sealing import read_key

    opener = read_key(key, passphrase=_passphrase(passphrase_file))
    if not opener.opens:
        message = f"{key} holds a public key: a backup is opened by the secret half"
        raise ConfigurationError(message)
    if check:
        manifest = check_backup(file, opener)
        row = {"file": str(file), "sound": True, "taken_at": manifest.taken_at, "version": manifest.version}
        text = f"{file}: sound; {_size(manifest.size)} of hub {manifest.hub_id}, taken at {manifest.taken_at}"
        _say({**row, "revision": manifest.revision, "contents_bytes": manifest.size}, text=text, as_json=as_json)
        return
    _end_in_order()
    done = restore_backup(settings, file, opener, force=force, now_ms=WallClock().now_ms)
    row = {
        "file": str(file),
        "data_dir": str(settings.data_dir),
        "taken_at": done.manifest.taken_at,
        "revision_before": done.manifest.revision,
        "revision": done.revision,
        "hub_gen": done.hub_gen,
        "moved_aside": done.aside,
        "took_ms": done.took_ms,
    }
    lines = [f"restored to {settings.data_dir} as of {done.manifest.taken_at}, in {done.took_ms / 1000:.1f} s"]
    if done.aside is not None:
        lines.append(f"what was there lies in {done.aside}")
    lines.append("start the hub: nodes send again what it does not know; what people did since is not in it")
    _say(row, text="\n".join(lines), as_json=as_json)


@commands.command("emergency-sheet")
def emergency_sheet(
    output: Annotated[Path, typer.Option("-o", "--output", help="The file: .html for print, .txt for plain text.")],
    site: Annotated[str | None, typer.Option("--site", help="Only this site.")] = None,
    contacts: Annotated[
        Path | None, typer.Option("--contacts", help="CSV with telephone numbers: site,name,role,phone.")
    ] = None,
) -> None:
    """Write contacts, open calls for help, open orders and silent nodes to paper, whether the hub runs or not."""
    settings = load_settings()
    from hub.upkeep.emergency.printing import print_sheet

    if output.suffix.lower() not in (".html", ".htm", ".txt"):
        raise InvalidError(("--output", "must end in .html or .txt"))
    print_sheet(settings, output, site=site, contacts=contacts)
    typer.echo(str(output))


def _end_in_order() -> None:
    """Have SIGTERM end this process by an exception, so that no copy in clear is left."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))


def _passphrase(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the passphrase {file} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise ConfigurationError(message) from None


def _say(row: Mapping[str, Any], *, text: str, as_json: bool) -> None:
    typer.echo(json.dumps(row, ensure_ascii=False) if as_json else text)


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{count / 1000:.1f} kB"
