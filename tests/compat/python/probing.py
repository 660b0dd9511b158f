"""What the Python clients have in common: the talk with the tests.

`probe BOOTSTRAP` takes a capability a line and answers each with a line: `yes`,
`no WHY` when the client doesn't offer it, `fail WHY`. `member BOOTSTRAP TOPIC
CLIENT_ID PROPERTY=VALUE…` joins the group that is named like the topic and prints a line a
record until SIGTERM. `write BOOTSTRAP TOPIC` writes until SIGTERM and prints a line a record:
`acked PARTITION OFFSET` or `failed WHY`. Owns no client.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator

COUNT = int(os.environ["COUNT"])
SOUGHT_MS = int(os.environ["SOUGHT_MS"])
SOUGHT_OFFSET = int(os.environ["SOUGHT_OFFSET"])
COMMITTED_OFFSET = int(os.environ["COMMITTED_OFFSET"])
TOO_LARGE = int(os.environ["TOO_LARGE"])
BEYOND_OFFSET = int(os.environ["BEYOND_OFFSET"])

# Key, value and headers of each record.
RECORDS = [
    (f"k{i}".encode(), f"value {i}".encode(), [("h", b"v")])
    for i in range(COUNT)
]

# Polls of a tenth of a second, until a read has failed.
POLLS = 200


# Between two records of a writer.
PAUSE_S = 0.01


class NotOffered(Exception):
    """The client has no such thing."""


def expect(actual, wanted) -> None:
    if actual != wanted:
        raise AssertionError(f"{actual!r} instead of {wanted!r}")


def _answer(probes: dict[str, Callable], capability: str, bootstrap: str) -> str:
    verb, _, rest = capability.partition(" ")
    try:
        if capability in probes:
            probes[capability](bootstrap)
        else:
            probes[verb](bootstrap, rest)
        return "yes"
    except NotOffered as error:
        return f"no {error}"
    except Exception as error:
        return f"fail {type(error).__name__} {error}".replace("\n", " ")


def taken(told: list[str]) -> Iterator[str]:
    """What another thread may be adding to, from the first on."""
    while told:
        yield told.pop(0)


def main(
    probes: dict[str, Callable],
    member: Callable[..., Iterable[tuple[int, int]]],
    write: Callable[..., Iterable[str]],
) -> None:
    """Does what the command line says; others end once `is_asked` is true."""
    mode, bootstrap, *rest = sys.argv[1:]
    if mode == "probe":
        for line in sys.stdin:
            print(_answer(probes, line.strip(), bootstrap), flush=True)
        return
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    if mode == "write":
        for line in write(lambda: bool(asked), bootstrap, *rest):
            print(line, flush=True)
        return
    topic, client_id, *pairs = rest
    properties = dict(pair.split("=") for pair in pairs)
    for partition, offset in member(
        lambda: bool(asked), bootstrap, topic, client_id, properties
    ):
        print(partition, offset, flush=True)
