"""`beurs liabilities`: makes, shows and checks proofs of what the venue owes."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from beurs.cli import output
from beurs.cli.local import DIFFERS, account_codes, fail, last_sequence, load_settings
from beurs.cli.options import HELP, Config, DataDirectory, Json

__all__ = ["app"]

app = typer.Typer(help="Prove what the venue owes its customers.", no_args_is_help=True, context_settings=HELP)

Sequence = Annotated[int | None, typer.Option(min=1, help="After which command; without it the last one.")]


@app.command("make")
def make(
    sequence: Sequence = None,
    opentimestamps: Annotated[
        bool | None, typer.Option("--opentimestamps/--no-opentimestamps", help="Have the ots program stamp it too.")
    ] = None,
    data_directory: DataDirectory = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make the trees and the root document of a sequence, on the server's machine. A server may run meanwhile.

    They go to liabilities/DATE-SEQUENCE in the data directory, the root to liabilities/anchors.log. Made again they are
    the same.
    """
    from beurs.liabilities.anchors import OpenTimestampsAnchor
    from beurs.liabilities.archive import ROOT_FILE, Archive
    from beurs.liabilities.documents import read_root

    settings = load_settings(config, data_directory=data_directory, liabilities_opentimestamps=opentimestamps)
    last = _last(settings)
    if sequence is not None and sequence > last:
        fail(f"sequence: the last one is {last:,}")
    anchors = [OpenTimestampsAnchor()] if settings.liabilities_opentimestamps else []
    folder = Archive(settings.data_directory, anchors).make(last if sequence is None else sequence)
    data = (folder / ROOT_FILE).read_bytes()
    if json:
        print(data.decode("ascii"), end="")  # as it is: a line end is not of its canonical form
        return
    root = read_root(data)
    output.fields({"folder": str(folder), "sequence": root.sequence, "time": root.time, "state": root.state_digest})
    columns = ("asset", "total", "venue", "leaves", "root")
    rows: list[dict[str, Any]] = [{name: getattr(asset, name) for name in columns} for asset in root.assets]
    output.rows("liabilities in smallest units", rows, columns)


@app.command("proof")
def proof(
    account: Annotated[str | None, typer.Argument(help="The code of the account.")] = None,
    all_to: Annotated[
        Path | None, typer.Option(metavar="DIRECTORY", help="Write the proofs of all accounts there instead.")
    ] = None,
    sequence: Annotated[int | None, typer.Option(min=1, help="Of which root; without it the newest one.")] = None,
    data_directory: DataDirectory = None,
    config: Config = None,
) -> None:
    """Print the proof of an account as JSON, on the server's machine. It is for its owner and for auditors."""
    from beurs.liabilities.archive import ROOT_FILE, Archive

    if (account is None) == (all_to is None):
        raise typer.BadParameter("name an account, or a directory with --all-to")
    settings = load_settings(config, data_directory=data_directory)
    archive = Archive(settings.data_directory)
    folder = archive.folder(sequence)
    _last(settings)
    codes = account_codes(settings)
    if account is not None:
        if account not in codes:
            fail(f"{account}: there is no such account")
        print(archive.proof(folder, account).decode("ascii"), end="")
        return
    assert all_to is not None
    all_to.mkdir(mode=0o700, parents=True, exist_ok=True)
    (all_to / ROOT_FILE).write_bytes((folder / ROOT_FILE).read_bytes())
    for code in sorted(codes):
        (all_to / f"proof-{quote(code)}.json").write_bytes(archive.proof(folder, code))
    print(f"{len(codes):,} proofs")


@app.command("verify")
def verify(
    root: Annotated[Path, typer.Argument(help="The root document.", exists=True, dir_okay=False)],
    proofs: Annotated[list[Path] | None, typer.Argument(help="Proofs.", exists=True, dir_okay=False)] = None,
    complete: Annotated[
        bool, typer.Option("--all", help="These are all proofs: nobody may be missing, and their sums are the totals.")
    ] = False,
    anchors: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A log of roots that must have this one.")
    ] = None,
) -> None:
    """Check proofs against a root document. Exits with 3 if something does not hold.

    It is the venue's own program: scripts/verify_liabilities.py does the same in one file that can be read.
    """
    from beurs.liabilities.anchors import FileAnchor
    from beurs.liabilities.documents import check, check_all, read_root
    from beurs.liabilities.tree import LiabilitiesInvalid, digest_of

    data = root.read_bytes()
    checking = root
    try:
        document = read_root(data)
        if anchors is not None:
            checking = anchors
            noted = {(entry.sequence, entry.root_document) for entry in FileAnchor(anchors).entries()}
            if (document.sequence, digest_of(data)) not in noted:
                raise LiabilitiesInvalid("the root document is not in the log")
        for path in proofs or []:
            checking = path
            proof = check(data, path.read_bytes())
            scales = {asset.asset: asset.scale for asset in document.assets}
            owed = [f"{_decimal(entry.total, scales[entry.asset])} {entry.asset}" for entry in proof.entries]
            print(f"{path}: {proof.account} {', '.join(owed) or 'nothing'}")
        if complete:
            checking = root
            check_all(data, (path.read_bytes() for path in proofs or []))
    except LiabilitiesInvalid as error:
        print(f"beurs: {checking}: {error}", file=output.err.file)
        raise typer.Exit(DIFFERS) from None
    print(f"{root}: sequence {document.sequence:,}, {len(proofs or [])} proofs hold{', none is missing' * complete}")


def _decimal(units: str, scale: int) -> str:
    from beurs.engine import format_amount

    return format_amount(int(units), scale)


def _last(settings: Any) -> int:
    """The last sequence. There must be a journal, or a look would make one."""
    if not settings.has_journal:
        fail(f"{settings.data_directory}: there is no journal")
    last = last_sequence(settings)
    if last == 0:
        fail(f"{settings.data_directory}: nothing has happened yet")
    return last
