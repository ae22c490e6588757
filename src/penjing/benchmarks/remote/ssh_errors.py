"""What `ssh` says when it fails, as one line with the next step.

Left out: what fails on the far side once the login is there. Host checking is never offered to be turned off.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ...runtime.errors import TargetError
from ..last_line import last_line
from .address import SshAddress

INSTALL = "install OpenSSH's client: `sudo apt install openssh-client` on Debian; macOS has it"


class ConnectionLostError(TargetError):
    """The connection was there and is gone."""


_REASONS = (
    ("host identification has changed", "changed"),
    ("host key verification failed|no .* host key is known", "unknown"),
    ("could not resolve hostname", "name"),
    ("connection refused", "refused"),
    ("timed out|no route to host|network is unreachable|host is down", "unreachable"),
    ("permission denied|too many authentication failures", "denied"),
    ("unable to negotiate|bad configuration option|bad owner or permissions|not a valid", "words"),
    ("closed by|reset by|broken pipe|not responding|banner|identification", "closed"),
)
"""Patterns in ssh's own words, the first that is found decides."""


def explain(words: str, address: SshAddress) -> TargetError:
    """The error for what ssh printed on stderr when no login came about."""
    low = words.lower()
    kind = next((kind for pattern, kind in _REASONS if re.search(pattern, low)), "words")
    return TargetError(_MESSAGES[kind](words, address))


def lost(words: str, address: SshAddress) -> ConnectionLostError:
    """The error for a login that ended by itself."""
    said = f" ({last_line(words)})" if words.strip() else ""
    return ConnectionLostError(f"the connection to {address.host} was lost{said}: see that it is on and run again")


def _changed(words: str, address: SshAddress) -> str:
    fingerprint = re.search(r"\bSHA256:[\w+/=]+", words)
    shown = f" ({fingerprint[0]})" if fingerprint else ""
    return (
        f"{address.host} has another host key than your known_hosts says{shown}, so it may be another machine: compare"
        " with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the board's own screen; only if it was set up anew"
        f" and they agree, `ssh-keygen -R '{address.known_as}'` and log in once with `{address.by_hand}`"
    )


def _unknown(words: str, address: SshAddress) -> str:
    return (
        f"the host key of {address.host} is not in your known_hosts: log in once with `{address.by_hand}`, and compare"
        " the fingerprint it shows with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the board's own screen"
    )


def _denied(words: str, address: SshAddress) -> str:
    copy = address.by_hand.replace("ssh", "ssh-copy-id", 1)
    reason = last_line(words).removesuffix(".").rpartition(": ")[2]
    return (
        f"{address.host} refused the login ({reason}): Penjing cannot type a password; give it a key with `{copy}`, and"
        f" load one that has a passphrase with `ssh-add`, until `{address.by_hand}` asks nothing"
    )


def _refused(words: str, address: SshAddress) -> str:
    port = f"port {address.port}" if address.port else "its SSH port"
    return f"nothing answers at {port} of {address.host}: start its SSH server, or give the port as ssh://host:port"


_MESSAGES: dict[str, Callable[[str, SshAddress], str]] = {
    "changed": _changed,
    "unknown": _unknown,
    "denied": _denied,
    "refused": _refused,
    "name": lambda words, address: (
        f"no machine is known as {address.host!r}: check the name, or give its address or an entry in ~/.ssh/config"
    ),
    "unreachable": lambda words, address: (
        f"{address.host} cannot be reached ({last_line(words)}): see that it is on, awake and in this network"
    ),
    "closed": lambda words, address: (
        f"{address.host} closed the connection before a login ({last_line(words)}): see that an SSH server is at that"
        f" port, and what `{address.by_hand}` says"
    ),
    "words": lambda words, address: (
        f"ssh cannot log in to {address.host} ({last_line(words)}): make `{address.by_hand}` work first"
    ),
}
