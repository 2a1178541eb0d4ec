"""Why a replay ended as it did: for every `ReplayOutcome` a closed set of words, one line each.

The words are stored, counted and reported, so renaming one breaks a dashboard. Every `Replay.reason` is one of them;
only `completed` has none. `shadow.store` writes two on its own after a restart: `recorder_restarted`, `interrupted`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from shadow.exchange import ReplayOutcome


class Ineligible(StrEnum):
    """The request itself rules a replay out, whatever the operator wishes."""

    IS_REPLAY = "is_replay"  # it is a sidecar's own replay: a shadow is never shadowed
    NOT_INFERENCE = "not_inference"  # not a model call
    ENDPOINT = "endpoint"  # a model call, but not chat completions
    UNREADABLE = "unreadable"  # the request is not a JSON object that can be sent again
    NOT_WHOLE = "not_whole"  # request or answer outgrew the capture
    PRIMARY_UNFINISHED = "primary_unfinished"  # cancelled, failed or broken off
    PRIMARY_ERROR = "primary_error"  # answered with an error, in the status or inside a 200
    CACHE_HIT = "cache_hit"  # the router's response cache answered, no model did
    CLIENT_RETRY = "client_retry"  # the client's own retry of a request that was already considered
    FREE_VARIANT = "free_variant"  # costs nothing at the primary, so a difference in cost means nothing
    ONLINE_VARIANT = "online_variant"  # `:online`: the answer includes a web search
    PRESET = "preset"  # prompt and parameters are kept at the router: the body is not the request
    STATEFUL = "stateful"  # `store`, a background job, a conversation that is kept at the provider
    SERVER_TOOLS = "server_tools"  # tools that run at the router
    WEB_SEARCH = "web_search"  # native web search was asked for
    PLUGIN = "plugin"  # a router's plugin that a candidate lacks and that changes the answer
    MULTI_MODEL = "multi_model"  # several models make one answer
    LEGACY_PROMPT = "legacy_prompt"  # `prompt` in the place of messages
    LEGACY_FUNCTIONS = "legacy_functions"  # `functions` and `function_call`, forerunners of tools
    SEVERAL_CHOICES = "several_choices"  # n > 1
    OUTPUT_MODALITY = "output_modality"  # the answer is an image or audio
    FILE_INPUT = "file_input"  # PDFs and other files: parsed by the router
    VIDEO_INPUT = "video_input"
    AUDIO_INPUT = "audio_input"
    IMAGE_INPUT = "image_input"  # images that the candidate's dialect cannot take
    MESSAGE_SHAPE = "message_shape"  # roles or content parts that no dialect documents
    ENCRYPTED_REASONING = "encrypted_reasoning"  # history that only the model that wrote it can read
    REASONING = "reasoning"  # reasoning controls that the dialect cannot express: they dominate the cost
    RESPONSE_FORMAT = "response_format"  # a constraint on the answer that the dialect cannot express
    PRIVACY = "privacy"  # zero retention, no collection or no distillation was asked for, and was not promised
    REGION = "region"  # the request names a region-bound provider
    CONTEXT = "context"  # the prompt is longer than the candidate's context
    MODEL_UNMAPPED = "model_unmapped"  # no row of the model map is about it
    MODEL_EXCLUDED = "model_excluded"  # the model map says null


class SampledOut(StrEnum):
    """The draw left it out."""

    NOT_DRAWN = "not_drawn"
    ASKED_NEVER = "asked_never"  # the application said `X-Shadow-Sample: never`


class Withheld(StrEnum):
    """Drawn, but policy said no."""

    CONSENT = "consent"  # the tenant's prompts may not reach this candidate
    PAUSED = "paused"  # an operator paused replays
    CIRCUIT_OPEN = "circuit_open"  # the candidate failed again and again
    RETRY_AFTER = "retry_after"  # the candidate asked to be left alone
    KEY_UNAVAILABLE = "key_unavailable"  # the candidate's key cannot be read
    BUDGET_SPENT = "budget_spent"  # what is left of the day's budget, and not reserved, is less than it may cost
    PRICE_UNKNOWN = "price_unknown"  # there is a budget and no price to hold against it
    CONTROL_KEY = "control_key"  # the control's key is one that clients use, or whether it is could not be found out
    PROXY_UNUSABLE = "proxy_unusable"  # the environment names a proxy for it that is not spoken to


class Dropped(StrEnum):
    """Drawn and allowed, but never sent."""

    QUEUE_COUNT = "queue_count"  # the queue holds as many replays as it may
    QUEUE_BYTES = "queue_bytes"  # the queue holds as many bytes as it may
    EXPIRED = "expired"  # the deadline passed while it waited
    STOPPING = "stopping"  # the recorder stopped first
    LEDGER = "ledger"  # it could not be marked as sent, and what is not marked is not sent
    RECORDER_RESTARTED = "recorder_restarted"  # written at the next start: the recorder died before it was sent


class Failed(StrEnum):
    """Tried and errored. `shadow.faults` says whose fault each is."""

    PARAM_REJECTED = "param_rejected"  # 400 or 422 that names a parameter: a fact about compatibility
    KEY_REJECTED = "key_rejected"  # 401, 403
    PAYMENT_REQUIRED = "payment_required"  # 402
    NOT_FOUND = "not_found"  # 404, 405, 410: wrong URL or model name
    CONTEXT_LENGTH = "context_length"  # the prompt is longer than the candidate's model takes
    CONTENT_POLICY = "content_policy"  # the candidate's moderation said no
    REJECTED = "rejected"  # any other 4xx
    REDIRECTED = "redirected"  # 3xx: not followed
    RATE_LIMITED = "rate_limited"  # 429
    SERVER_ERROR = "server_error"  # 5xx, and the candidate's own timeouts
    DEADLINE = "deadline"  # no complete answer in time
    ANSWER_ERROR = "answer_error"  # an error inside a 200 that says no more, or a tool call that fits no schema
    ANSWER_EMPTY = "answer_empty"  # a 200 that says nothing
    ANSWER_TRUNCATED = "answer_truncated"  # the answer broke off
    ANSWER_UNREADABLE = "answer_unreadable"  # a 200 that is not an answer
    ANSWER_TOO_LARGE = "answer_too_large"  # cut at the bound
    CONNECT = "connect"  # no connection: name, route, refusal, proxy
    TLS = "tls"  # no trusted connection
    CONNECTION_LOST = "connection_lost"  # closed or reset before an answer began
    PROTOCOL = "protocol"  # what came back is not HTTP
    MEMORY = "memory"  # the sidecar's own bound on answers in flight
    INTERRUPTED = "interrupted"  # the recorder stopped while it ran
    INTERNAL = "internal"  # a mistake in the sidecar


REASONS: Final[Mapping[ReplayOutcome, frozenset[str]]] = {
    ReplayOutcome.INELIGIBLE: frozenset(Ineligible),
    ReplayOutcome.SAMPLED_OUT: frozenset(SampledOut),
    ReplayOutcome.WITHHELD: frozenset(Withheld),
    ReplayOutcome.DROPPED: frozenset(Dropped),
    ReplayOutcome.FAILED: frozenset(Failed),
    ReplayOutcome.COMPLETED: frozenset(),
}
