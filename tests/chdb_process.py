"""`python -m tests.chdb_process DIRECTORY`: answers queries, one JSON string a line, on standard output."""

import sys

import orjson
from chdb import session


def main() -> None:
    database = session.Session(sys.argv[1])
    for line in sys.stdin.buffer:
        answer: dict[str, str | None] = {"answer": "", "error": None}
        try:
            answer["answer"] = str(database.query(orjson.loads(line), "JSONCompact"))
        except Exception as error:  # noqa: BLE001 (told to the test)
            answer["error"] = str(error)
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
