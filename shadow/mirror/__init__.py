"""Who is replayed, to whom and how: decided purely, then performed."""

from shadow.mirror.mirror import Mirror
from shadow.mirror.performer import Ledger
from shadow.mirror.planned import Planned

__all__ = ["Ledger", "Mirror", "Planned"]
