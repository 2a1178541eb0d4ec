"""Coverage-guided fuzzing of the relay's core against h11: `python tests/fuzz/fuzz_core.py -max_total_time=60`.

Needs `pip install atheris h11`. What it checks is what `tests/forward/test_reading_alike.py` checks of generated
messages: whatever the core accepts, whole or byte by byte, h11 reads the same way. Arguments are libFuzzer's.
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["shadow.forward"]):
    import shadow.forward.framing
    import shadow.forward.heads  # noqa: F401

from tests.forward.alike import BODIES, LINES, STARTS, STATUSES, check_answer, check_request

METHODS = (b"GET", b"HEAD", b"POST")


def fuzz(data: bytes) -> None:
    """The first byte says what the rest is taken for."""
    if not data:
        return
    if data[0] % 2:
        check_request(data[1:])
    else:
        check_answer(data[1:], METHODS[data[0] // 2 % len(METHODS)])


def dictionary(path: Path) -> None:
    """Words that the fuzzer strings together, in libFuzzer's format."""
    words = {*STARTS, *STATUSES, *LINES, *BODIES, b"\r\n", b"\r\n\r\n"} - {b""}
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in sorted(words))
    path.write_text("".join(f'"{word}"\n' for word in escaped))


def main() -> None:
    with tempfile.NamedTemporaryFile(suffix=".dict") as words:
        dictionary(Path(words.name))
        atheris.Setup([*sys.argv, f"-dict={words.name}"], fuzz)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
