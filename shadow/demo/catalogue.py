"""The models that the stand-ins serve: what OpenRouter lists, and what the demo's two candidates offer instead."""

from decimal import Decimal
from typing import Final

from shadow.demo.model import Model

OPENROUTER: Final = tuple(
    Model(name, permaslug, provider, Decimal(prompt), Decimal(output), first, speed, stop, reasons)
    for name, permaslug, provider, prompt, output, first, speed, stop, reasons in (
        ("openai/gpt-4o-mini", "openai/gpt-4o-mini-2024-07-18", "OpenAI", "0.15", "0.60", 0.11, 320, "stop", False),
        ("openai/gpt-5-mini", "openai/gpt-5-mini-2025-08-07", "OpenAI", "0.25", "2.00", 0.20, 400, "completed", True),
        ("anthropic/claude-sonnet-4.5", "anthropic/claude-4.5-sonnet-20250929", "Amazon Bedrock", "3.00", "15.00",
         0.18, 240, "end_turn", False),
        ("google/gemini-2.5-flash", "google/gemini-2.5-flash", "Google", "0.30", "2.50", 0.09, 420, "STOP", False),
        ("meta-llama/llama-3.3-70b-instruct", "meta-llama/llama-3.3-70b-instruct", "DeepInfra", "0.23", "0.40",
         0.13, 260, "stop", False),
    )
)  # fmt: skip

# Cheaper and slower.
THRIFTY: Final = tuple(
    Model(name, name, "thrifty", Decimal(prompt), Decimal(output), first, speed)
    for name, prompt, output, first, speed in (
        ("small", "0.08", "0.30", 0.21, 200),
        ("large", "0.90", "4.50", 0.30, 150),
    )
)

# As fast as the primary, and failing now and then.
FLAKY: Final = (Model("swift-1", "swift-1", "flaky", Decimal("0.20"), Decimal("0.80"), 0.08, 450),)
