"""A board that is reached over SSH as a target: `ssh://[user@]host[:port]`.

Logs in as the user's own `ssh` does, looks at what is there, copies what is missing (the bundles' files, our code, and
into an environment of ours the packages), and lets the board take the steps of the plan (`far_side.py`). Each finding
is kept here as it comes: when the connection is lost, what there is makes a partial run, and the next run continues.
Left out: boards without Python, and typing passwords.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from tqdm import tqdm

from ...runtime.errors import TargetError
from ..far_side import job_json
from ..machine import MachineDescription
from ..partial import Partial, partial_of
from ..plain import from_plain
from ..plan import Plan, Subject
from ..remote.address import parse_address
from ..remote.board_python import ensure_python, packages_for
from ..remote.connection import Connection, connect
from ..remote.far_job import far_messages
from ..remote.look import Board, look
from ..remote.parcel import send_bundles, send_code
from ..remote.ssh_errors import ConnectionLostError
from ..results import Run
from ..steps import Finding, assemble, check_subjects, steps


def measure(address: str, subjects: Sequence[Subject], plan: Plan) -> Run:
    """Measures on the board of this address; a lost connection gives a partial Run if anything was measured.

    Raises BundleError for subjects that cannot be opened, TargetError when the board cannot be reached, lacks something
    or answers what nobody can read, and what the board raises itself.
    """
    place, facts = parse_address(address), check_subjects(subjects)
    started, kept = datetime.now(timezone.utc).isoformat(timespec="seconds"), partial_of(address, facts, plan)
    machines: list[MachineDescription] = []
    partial = None
    with connect(place) as connection:
        board = look(connection)
        python = ensure_python(connection, board, packages_for(facts))
        try:
            _take_there(connection, board, python, subjects, plan, kept, machines)
        except ConnectionLostError as lost:
            if not machines or not kept.findings():
                raise
            partial = f"{lost} to continue"
    findings = kept.findings()
    if not machines:
        raise TargetError(f"{place.host} did not say which machine it is: run again, or update Python there")
    if partial is None:
        kept.remove()
    return assemble(address, started, machines[0], facts, plan, findings, partial)


def _take_there(
    connection: Connection, board: Board, python: str, subjects: Sequence[Subject], plan: Plan, kept: Partial,
    machines: list[MachineDescription],
) -> None:  # fmt: skip
    """Lets the board take the steps that are not kept yet, keeps their findings, and appends its description."""
    code = send_code(connection, board, python)
    folders = send_bundles(connection, board, python, subjects)
    done = [finding.step for finding in kept.findings()]
    host = connection.address.host
    with tqdm(total=len(steps(plan)), initial=len(done), desc=host, unit="step", disable=None, leave=False) as bar:
        for kind, value in far_messages(connection, board, python, code, job_json(folders, plan, done)):
            if kind == "machine":
                machines.append(_described(host, value, board))
            else:
                kept.add(Finding.from_json(value))
                bar.update()


def _described(host: str, raw: Any, board: Board) -> MachineDescription:
    """The machine as it says it is; an emulated one is named so, because its times are no device's."""
    try:
        machine = from_plain(MachineDescription, raw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(f"{host} described no machine ({type(error).__name__}: {error}): run again") from None
    return machine if board.emulated is None else replace(machine, cpu=f"emulated {machine.cpu}", virtual=True)
