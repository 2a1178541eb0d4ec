"""The way out of the pod: the proxy that the environment names for a candidate, as the request path uses one too."""

import urllib.request
from urllib.parse import urlsplit


def proxy_for(url: str) -> str | None:
    """The proxy for a URL by HTTPS_PROXY, HTTP_PROXY and NO_PROXY; None where there is none.

    Asked once for each candidate. aiohttp's `trust_env` would also read ~/.netrc, whose keys are not the candidate's.
    """
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
