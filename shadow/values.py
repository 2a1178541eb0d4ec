"""The values of a configuration: how each kind is written, what it becomes, its bounds.

Plain annotations: `shadow.configfile` has pydantic enforce them, and the recorder, which is handed records that were
validated, loads no pydantic for them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_address
from typing import Annotated, Any, Final, TypeVar, dataclass_transform

from annotated_types import Ge, Gt, Le

T = TypeVar("T")

HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
URL: Final = re.compile(r"https?://[^/?#\s@]+(/[^?#\s]*)?")
DATABASE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")  # an identifier that needs no quotes in SQL
FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}")
BYTE_SIZE: Final = re.compile(r"(\d+) ?(|B|[KMG]i?B)", re.IGNORECASE)
BYTE_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def section(cls: type[T]) -> type[T]:
    """A frozen part of the configuration in which an unknown key is a mistake."""
    cls.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]  # read by pydantic's TypeAdapter
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


@dataclass(frozen=True, slots=True)
class Parsed:
    """An annotation: how the value in the file becomes the field's. The function raises ValueError with the mistake.

    Speaks pydantic's protocol without importing it: the recorder has the records and needs no validation.
    """

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema  # noqa: PLC0415 (see above)

        return core_schema.no_info_before_validator_function(self.function, handler(source))


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine, or this pod, can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without brackets, means this machine, whoever asks."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _address(value: object) -> Address:
    host, colon, port = str(value).rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be an address such as 127.0.0.1:8080")
    return Address(host.strip("[]"), int(port))


def _base_url(value: object) -> str:
    url = str(value).rstrip("/")
    if not URL.fullmatch(url):
        raise ValueError("must be an http:// or https:// URL without user, query or fragment")
    return url


def _matching(pattern: re.Pattern[str], mistake: str) -> Parsed:
    """Text of this form. The mistake does not repeat it: it may be a key."""

    def checked(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(mistake)
        return value

    return Parsed(checked)


def _byte_size(value: object) -> int:
    found = BYTE_SIZE.fullmatch(str(value))
    if not found:
        raise ValueError("must be a number of bytes such as 65536, 64KiB or 8MiB")
    return int(found[1]) * BYTE_UNITS[found[2].lower()]


def _pattern(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    import re2  # noqa: PLC0415 (few configurations have patterns)

    options = re2.Options()
    options.log_errors = False
    try:
        empty = re2.compile(value, options).search("")
    except re2.error as error:
        told = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"is not a pattern of RE2: {told}") from None
    if empty:
        raise ValueError("must not match where there is nothing")
    return value


ListenAddress = Annotated[Address, Parsed(_address)]
BaseUrl = Annotated[str, Parsed(_base_url)]
HeaderName = Annotated[str, _matching(HEADER_NAME, "must be the name of a header")]
ByteSize = Annotated[int, Parsed(_byte_size)]
Fingerprint = Annotated[
    str, _matching(FINGERPRINT, "must be a fingerprint of 32 hexadecimal digits, as `shadow fingerprint` prints it")
]
Pattern = Annotated[str, Parsed(_pattern)]
Seconds = Annotated[float, Gt(0)]
Rate = Annotated[float, Ge(0), Le(1)]
Dollars = Annotated[Decimal, Ge(Decimal(0))]
Database = Annotated[str, _matching(DATABASE, "must be a name of letters, digits and underscores, of up to 64")]
