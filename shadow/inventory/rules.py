"""What a fact means for the move, in plain words. Pure."""

from typing import Final

# What only OpenRouter does for a request, by the feature that asks for it: what has to take its place.
OPENROUTER_ONLY: Final = {
    "fallbacks": "a list of models to try: the gateway needs a fallback rule, or the application retries",
    "router": "the model is chosen at run time: decide on a model before the move",
    "variants": "`:free`, `:nitro`, `:online` and the like: name a plain model and its price",
    "provider_routing": "which provider serves is asked for: the gateway needs the same rule, or none",
    "plugins": "work of OpenRouter's own on the request: build it, buy it or do without",
    "presets": "part of the prompt is kept at OpenRouter: bring it into the application first",
    "transforms": "long prompts are shortened on the way: do it in the application",
    "server_tools": "tools that run at the provider: find a candidate that has them",
    "zdr": "zero retention is asked for request by request: agree on it by contract",
    "no_data_collection": "no use for training is asked for request by request: agree on it by contract",
    "no_distillation": "only models whose answers may train others: check the candidate's terms",
    "provider_keys": "the caller's own provider keys travel along: the gateway has to hold them",
}
CHAT_ENDS: Final = "/chat/completions"
PATIENT_S: Final = 600.0  # what OpenAI's libraries wait unless they are told otherwise
STREAMING: Final = 0.5  # from this share on, somebody watches the answer come


def of_model(requested: str, others: int, streamed: float, most_tokens: int, least_timeout_s: float | None) -> str:
    """What the use of one model means. `others`: how many answered where one of them is not what was asked for."""
    said = []
    if not requested:
        said.append("no model is named: the default of the account decides")
    elif others:
        said.append(f"answered by {'another model' if others == 1 else f'{others} models'}: routing is at work")
    said.append(f"needs room for {most_tokens:,} tokens" if most_tokens else "sizes unknown")
    said.append("watch the first token" if streamed >= STREAMING else "watch the whole answer")
    if least_timeout_s is not None and least_timeout_s < PATIENT_S:
        said.append(f"clients give up after {least_timeout_s:g} s of silence")
    return "; ".join(said)


def of_tenant(name: str, depends: frozenset[str], unknown_cost: int) -> str:
    """What is to be done before a tenant moves."""
    said = [] if name else ["find out who this is before anything moves"]
    if depends:
        said.append(f"needs a replacement for {', '.join(sorted(depends))}")
    if unknown_cost:
        said.append("its spend is not wholly known")
    return "; ".join(said) or "base URL and key"


def of_feature(name: str, paths: frozenset[str], depends: frozenset[str]) -> str:
    """What is to be done before a feature of the product moves."""
    said = [] if name else ["name the feature: nothing can be moved by it"]
    others = sorted(path for path in paths if not path.endswith(CHAT_ENDS))
    if others:
        said.append(f"not compared: {', '.join(others)}")
    if depends:
        said.append(f"needs a replacement for {', '.join(sorted(depends))}")
    return "; ".join(said) or "only what every gateway speaks"


def of_key(tenants: int, unattributed: bool, byok: bool) -> str:
    """What becomes of a key."""
    if byok:
        return "uses provider keys of its own: settle who holds them"
    if tenants > 1:
        return f"shared by {tenants} tenants: each gets a key of its own"
    if unattributed:
        return "nobody's: find its owner, or retire it"
    return "one owner: replace it at any time"
