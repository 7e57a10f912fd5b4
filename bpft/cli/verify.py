"""bpft verify: is it all there, as it was written?  And a repaired copy where it is not."""

import json
import sys
from dataclasses import asdict

import click

from bpft.errors import BpftError, UsageError
from bpft.messages import count, one_line, valid
from bpft.repair import Repaired, repair
from bpft.report import units
from bpft.verify import Verified, verify


@click.command("verify", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--repair", "mend", is_flag=True, help="Write a repaired copy of each damaged FILE: FILE.repaired.")
@click.option("-o", "--output", metavar="OUT", default="", help="With --repair of one FILE: the name of the copy.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify_files(files: tuple[str, ...], mend: bool, output: str, as_json: bool) -> int:
    """Check every byte of logs and dumps: checksums, ids, chain, sequence, epochs.

    A line each says what is wrong and where; the exit status is 1 then.  Files that continue one another (rotated logs)
    are checked together.  Nothing is ever changed in place.
    """
    if output and (not mend or len(files) > 1):
        raise UsageError("bpft verify: -o names the copy of one FILE; give it with --repair and a single FILE")
    checked = verify(dict.fromkeys(files))
    troubles = [file.error for file in checked if file.error]
    copies: dict[str, Repaired] = {}
    for file in checked:
        if mend and file.damaged:
            try:
                copies[file.name] = repair(file.name, output or f"{file.name}.repaired")
            except BpftError as error:
                troubles.append(str(error))
    for trouble in troubles:
        sys.stderr.write(one_line(f"bpft: {trouble}") + "\n")
    checked = [file for file in checked if not file.error]
    if as_json:
        ok = not troubles and not any(file.findings for file in checked)
        print(json.dumps(valid({"ok": ok, "files": [_document(file, copies.get(file.name)) for file in checked]})))
    else:
        for file in checked:
            _print(file, copies.get(file.name))
    left = any(file.findings and file.name not in copies for file in checked)
    return 1 if troubles or left else 0


def _print(file: Verified, copy: Repaired | None) -> None:
    for kind, places in (("", file.findings), ("note: ", file.notes)):
        for place in places:
            print(one_line(f"{file.name}: {kind}byte {place.offset}, {place.length} bytes: {place.reason}"))
    told = f"{file.name}: {count(file.blocks, 'block')}, {count(file.records, 'record')}"
    if file.blocks:
        told += f", {units.interval(file.begin_ns, file.end_ns)}"
    print(f"{told}; {count(len(file.findings), 'finding') if file.findings else 'intact'}")
    if copy is not None:
        _print_copy(copy)


def _print_copy(copy: Repaired) -> None:
    print(f"{copy.copy}: {count(copy.blocks, 'intact block')} kept, with {count(copy.records, 'record')}")
    for place in copy.places:
        lost = "an unknown number of records" if place.lost_records is None else count(place.lost_records, "record")
        kept = f"{place.what} {count(place.records, 'record')}" if place.records else place.what
        if place.lost_bytes:
            kept += f"; lost {count(place.lost_bytes, 'byte')} and {lost}"
        print(one_line(f"{copy.copy}: byte {place.offset}, {place.length} bytes of the original: {kept}"))


def _document(file: Verified, copy: Repaired | None) -> dict[str, object]:
    return {
        "file": file.name,
        "size": file.size,
        "blocks": file.blocks,
        "records": file.records,
        "begin_ns": file.begin_ns if file.blocks else None,
        "end_ns": file.end_ns if file.blocks else None,
        "head": file.head.hex(),
        "findings": [asdict(finding) for finding in file.findings],
        "notes": [asdict(note) for note in file.notes],
        "repaired": asdict(copy) if copy else None,
    }
