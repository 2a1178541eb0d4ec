"""What went wrong, as one word from a closed set, whatever shape it was said in.

OpenRouter says errors as `{"error": {code, message, metadata}}` with the HTTP status as code, or inside an answer of
status 200, or in the middle of a stream (its page on errors and debugging). Others use words for codes, arrays of
errors, FastAPI's `detail`, or a proxy's HTML page. Specific words win over parameters, parameters over numbers.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from shadow.wire.documents import JSONError, mapping, parse, sequence, text


class ErrorKind(StrEnum):
    """Every error there is, by who would have to do something about it."""

    # the request
    INVALID_REQUEST = "invalid_request"
    PARAM_REJECTED = "param_rejected"  # this endpoint takes the request in another form: no judgement of its model
    CONTEXT_LENGTH = "context_length"  # more tokens than the model's context, or the request's own limit, has room for
    TOO_LARGE = "too_large"
    CONTENT_POLICY = "content_policy"  # moderation, guardrails, refusals: such a request is not for other eyes
    TOOL_CALL_INVALID = "tool_call_invalid"  # the model's own tool call did not fit its schema
    # the account
    AUTHENTICATION = "authentication"
    PAYMENT_REQUIRED = "payment_required"
    PERMISSION = "permission"
    RATE_LIMITED = "rate_limited"
    # the provider
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    SERVER_ERROR = "server_error"
    # the answer
    NO_ANSWER = "no_answer"
    TRUNCATED = "truncated"  # it broke off, or ended without an end
    MALFORMED = "malformed"  # not what the endpoint is documented to send
    EMPTY = "empty"  # an answer in form that says nothing, not even why it ended
    UNKNOWN = "unknown"


ERROR_KINDS: Final = frozenset(kind.value for kind in ErrorKind)

_STATUSES: Final = {
    400: ErrorKind.INVALID_REQUEST,
    401: ErrorKind.AUTHENTICATION,
    402: ErrorKind.PAYMENT_REQUIRED,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.TIMEOUT,
    410: ErrorKind.NOT_FOUND,
    413: ErrorKind.TOO_LARGE,
    422: ErrorKind.INVALID_REQUEST,
    424: ErrorKind.UNAVAILABLE,
    429: ErrorKind.RATE_LIMITED,
    498: ErrorKind.OVERLOADED,  # Groq: flex capacity exceeded
    499: ErrorKind.TIMEOUT,
    500: ErrorKind.SERVER_ERROR,
    502: ErrorKind.UNAVAILABLE,
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT,
    520: ErrorKind.UNAVAILABLE,
    522: ErrorKind.TIMEOUT,
    524: ErrorKind.TIMEOUT,
    529: ErrorKind.OVERLOADED,
}

# OpenRouter's error types and availability codes, and the codes and types of OpenAI, Anthropic, Groq, vLLM, FastAPI.
# Words that say no more than the status, such as OpenAI's `invalid_request_error`, are left out on purpose.
_WORDS: Final = {
    "context_length_exceeded": ErrorKind.CONTEXT_LENGTH,
    "max_tokens_exceeded": ErrorKind.CONTEXT_LENGTH,
    "token_limit_exceeded": ErrorKind.CONTEXT_LENGTH,
    "string_too_long": ErrorKind.CONTEXT_LENGTH,
    "string_above_max_length": ErrorKind.CONTEXT_LENGTH,
    "payload_too_large": ErrorKind.TOO_LARGE,
    "request_too_large": ErrorKind.TOO_LARGE,
    "image_too_large": ErrorKind.TOO_LARGE,
    "content_policy_violation": ErrorKind.CONTENT_POLICY,
    "content_filter": ErrorKind.CONTENT_POLICY,
    "refusal": ErrorKind.CONTENT_POLICY,
    "tool_use_failed": ErrorKind.TOOL_CALL_INVALID,
    "unsupported_parameter": ErrorKind.PARAM_REJECTED,
    "unsupported_value": ErrorKind.PARAM_REJECTED,
    "unknown_parameter": ErrorKind.PARAM_REJECTED,
    "extra_forbidden": ErrorKind.PARAM_REJECTED,
    "authentication": ErrorKind.AUTHENTICATION,
    "authentication_error": ErrorKind.AUTHENTICATION,
    "invalid_api_key": ErrorKind.AUTHENTICATION,
    "no_db_connection": ErrorKind.AUTHENTICATION,  # LiteLLM without a database, of every key but its own
    "payment_required": ErrorKind.PAYMENT_REQUIRED,
    "billing_error": ErrorKind.PAYMENT_REQUIRED,
    "insufficient_quota": ErrorKind.PAYMENT_REQUIRED,
    "permission_denied": ErrorKind.PERMISSION,
    "permission_error": ErrorKind.PERMISSION,
    "region_restricted": ErrorKind.PERMISSION,
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "rate_limit_error": ErrorKind.RATE_LIMITED,
    "capacity_exhausted": ErrorKind.RATE_LIMITED,
    "not_found": ErrorKind.NOT_FOUND,
    "not_found_error": ErrorKind.NOT_FOUND,
    "model_not_found": ErrorKind.NOT_FOUND,
    "model_deprecated": ErrorKind.NOT_FOUND,
    "model_unavailable_upstream": ErrorKind.NOT_FOUND,
    "no_endpoints": ErrorKind.NOT_FOUND,
    "privacy_restricted": ErrorKind.NOT_FOUND,
    "constraint_filtered": ErrorKind.NOT_FOUND,
    "free_variant_ended": ErrorKind.NOT_FOUND,
    "wrong_endpoint": ErrorKind.NOT_FOUND,
    "timeout": ErrorKind.TIMEOUT,
    "timeout_error": ErrorKind.TIMEOUT,
    "overloaded_error": ErrorKind.OVERLOADED,
    "provider_overloaded": ErrorKind.OVERLOADED,
    "temporarily_unavailable": ErrorKind.OVERLOADED,
    "provider_unavailable": ErrorKind.UNAVAILABLE,
    "server": ErrorKind.SERVER_ERROR,
    "server_error": ErrorKind.SERVER_ERROR,
    "api_error": ErrorKind.SERVER_ERROR,
    "internal_server_error": ErrorKind.SERVER_ERROR,
}

# Errors of these statuses may be about how the request was put. What they are said to be about must be a parameter:
# these are what a request is, not parameters of it.
_ABOUT_THE_REQUEST: Final = (400, 404, 422)
_NOT_PARAMETERS: Final = frozenset({"messages", "model", "input", "prompt"})
_TOKENS: Final = re.compile(
    r"context (length|window|size)|maximum context|token limit|too many tokens|(prompt|input) is too long",
    re.IGNORECASE,
)
_NO_SUCH_MODEL: Final = re.compile(r"invalid model name|not a valid model id", re.IGNORECASE)  # LiteLLM; OpenRouter
_NO_SUCH_PARAMETER: Final = re.compile(
    r"(unsupported|unknown|unrecognized|unexpected|extra|invalid) "
    r"(request )?(argument|parameter|param|field|input|property|keyword|name)"
    r"|not support parameters"  # LiteLLM, which names them after it
    r"|^field '(?!messages|model')\w+'",  # llama.cpp: of a type that it cannot take
    re.IGNORECASE,
)
_NOT_TAKEN: Final = re.compile(
    r"support|unrecognized|unknown|unexpected|not (permitted|allowed|available)", re.IGNORECASE
)
_PARAMETER: Final = re.compile(  # names that are no words of ordinary sentences
    r"\b(temperature|top_[pkna]|min_p|\w+_penalty|logprobs|top_logprobs|logit_bias|max_(completion_|output_)?tokens|seed"
    r"|stream_options|include_usage|tool_choice|parallel_tool_calls|response_format|json_schema|json_object"
    r"|reasoning_effort|service_tier|prompt_cache_key|verbosity|strict)\b"
)
PARAMETER_CHARACTERS: Final = 64  # a name of an API's; a longer one is somebody's prose
_MESSAGE_CHARACTERS: Final = 4096  # of a message, what is searched: the reason comes first


def error_kind(status: int | None, document: Any) -> ErrorKind | None:
    """What the answer's own words and its HTTP status say went wrong; None where neither speaks of an error."""
    fault = _fault(document)
    failed = status is not None and not 200 <= status < 300
    if fault is None:
        return by_status(status) if failed else None
    for said in _words(fault):
        if said in _WORDS:
            return _WORDS[said]
    number = _number(fault) or (status if failed else None)
    if number in _ABOUT_THE_REQUEST:
        return _about_the_request(fault, number)
    return by_status(number) if number else ErrorKind.UNKNOWN


def rejected_parameter(body: bytes) -> str | None:
    """The parameter that an error's answer names as the reason; None where it names none."""
    try:
        fault = _fault(parse(body)) or {}
    except JSONError:
        return None
    for detail in _details(fault):
        place = [part for part in sequence(detail.get("loc")) if isinstance(part, str) and part != "body"]
        if place:
            return place[0][:PARAMETER_CHARACTERS]
    if named := _parameter(fault):
        return named[:PARAMETER_CHARACTERS]
    found = _PARAMETER.search(_message(fault))
    return found[0] if found else None


def by_status(status: int | None) -> ErrorKind:
    """What an HTTP status alone says."""
    if status is None:
        return ErrorKind.NO_ANSWER
    return _STATUSES.get(status) or (ErrorKind.SERVER_ERROR if status >= 500 else ErrorKind.UNKNOWN)


_SIGNS: Final = frozenset({"error", "x_groq", "detail"})  # no answer without one of them speaks of an error


def _fault(document: Any) -> Mapping[str, Any] | None:
    """The error object of an answer, in whichever of its shapes; None for an answer that holds none."""
    if isinstance(document, list):  # Google's OpenAI layer
        return next((fault for fault in map(_fault, document[:1]) if fault), None)
    body = mapping(document)
    if _SIGNS.isdisjoint(body) and body.get("object") != "error" and body.get("type") != "error":
        return None
    error = body.get("error")
    if not error and "x_groq" in body:
        error = mapping(body["x_groq"]).get("error")
    if isinstance(error, dict):
        return error if "error_type" not in body else {"error_type": body["error_type"], **error}
    if isinstance(error, str) and error:
        return {**body, "message": error}
    if body.get("object") == "error" or body.get("type") == "error" or "detail" in body:
        return body
    return None


def _words(fault: Mapping[str, Any]) -> Iterator[str]:
    """The machine-readable words of an error, the most telling first; the upstream's own last."""
    metadata = mapping(fault.get("metadata"))
    availability = mapping(fault.get("availability"))
    named = (metadata.get("error_type"), fault.get("error_type"), availability.get("code"), fault.get("code"))
    yield from (said for said in (*named, fault.get("type")) if isinstance(said, str))
    if metadata.get("reasons") or metadata.get("patterns") or metadata.get("flagged_input"):
        yield "content_policy_violation"
    for detail in _details(fault):
        yield text(detail.get("type"))
    upstream = _upstream(metadata.get("raw"))
    if upstream is not None:
        yield from _words(upstream)
    message = _message(fault)
    if _TOKENS.search(message):
        yield "context_length_exceeded"
    if _NO_SUCH_MODEL.search(message):
        yield "model_not_found"


def _upstream(raw: object) -> Mapping[str, Any] | None:
    """The provider's error that OpenRouter hands on as a string, where that string is JSON. It holds no other."""
    try:
        fault = _fault(parse(text(raw).encode("utf-8", "replace")))
    except JSONError:
        return None
    return None if fault is None else {key: value for key, value in fault.items() if key != "metadata"}


def _details(fault: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """FastAPI's list of what is wrong with a body, where Mistral and vLLM put it."""
    for holder in (fault, mapping(fault.get("message"))):
        yield from map(mapping, sequence(holder.get("detail")))


def _number(fault: Mapping[str, Any]) -> int | None:
    """The status that the error itself names, as a number or as digits."""
    for key in ("code", "status_code", "http_status", "status"):
        said = fault.get(key)
        if isinstance(said, str) and said.isdecimal() and len(said) == 3:
            said = int(said)
        if isinstance(said, int) and 400 <= said < 600:
            return said
    return None


def _about_the_request(fault: Mapping[str, Any], number: int) -> ErrorKind:
    if _parameter(fault):
        return ErrorKind.PARAM_REJECTED
    message = _message(fault)
    if _NO_SUCH_PARAMETER.search(message) or (_PARAMETER.search(message) and _NOT_TAKEN.search(message)):
        return ErrorKind.PARAM_REJECTED
    return by_status(number)


def _parameter(fault: Mapping[str, Any]) -> str | None:
    """The request's own field that the error names; None where it names what every request has."""
    named = re.split(r"[.\[]", text(fault.get("param")))[0]
    return named if named and named not in _NOT_PARAMETERS else None


def _message(fault: Mapping[str, Any]) -> str:
    """What the error says to people, and what OpenRouter's upstream said to it."""
    raw = text(mapping(fault.get("metadata")).get("raw"))
    return f"{text(fault.get('message'))[:_MESSAGE_CHARACTERS]} {raw[:_MESSAGE_CHARACTERS]}"
