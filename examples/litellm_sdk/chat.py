"""LiteLLM's SDK through the sidecar: plain, streamed, asynchronous. Only the base URL differs."""

import asyncio
import os

import litellm

# The one line to change; it was https://openrouter.ai/api/v1, what LiteLLM has for `openrouter/` models.
BASE_URL = os.environ.get("OPENROUTER_API_BASE", "http://127.0.0.1:8080/api/v1")

# Optional: who asks, for what. Without these the sidecar knows tenants by the fingerprints of their API keys.
TAGS = {"X-Tenant-Id": "acme", "X-Feature": "chat"}

KEY = os.environ.get("OPENROUTER_API_KEY", "sk-demo")
CALL = {"model": "openrouter/openai/gpt-4o-mini", "api_base": BASE_URL, "api_key": KEY, "extra_headers": TAGS}


async def asynchronous() -> None:
    answer = await litellm.acompletion(messages=[{"role": "user", "content": "What is new?"}], **CALL)
    print("asynchronous:", answer.choices[0].message.content)


if __name__ == "__main__":
    answer = litellm.completion(messages=[{"role": "user", "content": "Hello"}], **CALL)
    print("plain:       ", answer.choices[0].message.content)
    print("streamed:     ", end="")
    for chunk in litellm.completion(messages=[{"role": "user", "content": "Hello again"}], stream=True, **CALL):
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()
    asyncio.run(asynchronous())
