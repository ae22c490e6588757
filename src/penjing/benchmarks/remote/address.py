"""The address of a board: `ssh://[user@]host[:port]`.

`host` may be a name of the user's ~/.ssh/config, which then says the rest. Left out: paths, passwords, options.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...runtime.errors import TargetError

SCHEME = "ssh://"
_ADDRESS = re.compile(r"(?:(?P<user>[\w.][\w.$-]*)@)?(?P<host>\w[\w.-]*|\[[0-9A-Fa-f:.%\w]+\])(?::(?P<port>\d+))?/?")
"""Neither a user nor a host may begin with `-`: ssh would take it for an option."""


@dataclass(frozen=True)
class SshAddress:
    """`user` and `port` are None where ssh's configuration decides."""

    host: str
    user: str | None = None
    port: int | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The arguments of `ssh` that lead there, the host last."""
        login = () if self.user is None else ("-l", self.user)
        return (*login, *(() if self.port is None else ("-p", str(self.port))), "--", self.host)

    @property
    def by_hand(self) -> str:
        """The command that a person types to get there."""
        login = f"{self.user}@{self.host}" if self.user else self.host
        return f"ssh {login}" if self.port is None else f"ssh -p {self.port} {login}"

    @property
    def known_as(self) -> str:
        """The host as known_hosts names it."""
        return self.host if self.port in (None, 22) else f"[{self.host}]:{self.port}"


def parse_address(address: str) -> SshAddress:
    """Reads an address. Raises TargetError that shows the form."""
    match = _ADDRESS.fullmatch(address.removeprefix(SCHEME))
    port = int(match["port"]) if match and match["port"] else None
    if match is None or not address.startswith(SCHEME) or (port is not None and not 0 < port < 65536):
        raise TargetError(f"no SSH address {address!r}: write ssh://[user@]host[:port], such as ssh://pi@board.local")
    return SshAddress(match["host"].strip("[]"), match["user"], port)
