"""Pure: a comparison → one self-contained page that a migration lead forwards. Needs the extra `report`.

The modules in the order in which figures flow:

    ranking      segments in the order in which they may move, with what holds the others back
    headline     the first screen: can we move, what first, what would it save, how sure are we
    waterfall    what became of the exchanges before they were pairs
    examples     pairs that disagree, as their tenants let them be kept
    charts       intervals, distributions and the waterfall as SVG that follows the page's colours
    page         all of it in a template; the inventory, too
"""

from importlib.util import find_spec
from typing import Final

INSTALLED: Final = all(map(find_spec, ("altair", "jinja2", "vl_convert")))
MISSING: Final = "a page needs more packages: pip install 'shadow-sidecar[report]'"
