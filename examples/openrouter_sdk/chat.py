"""OpenRouter's own client through the sidecar: plain, streamed, asynchronous. Only the base URL differs."""

import asyncio
import os

from openrouter import OpenRouter

# The one line to change; it was https://openrouter.ai/api/v1, the client's default.
BASE_URL = os.environ.get("OPENROUTER_BASE_URL", "http://127.0.0.1:8080/api/v1")

# Optional: who asks, for what. Without these the sidecar knows tenants by the fingerprints of their API keys.
TAGS = {"X-Tenant-Id": "acme", "X-Feature": "chat"}

KEY = os.environ.get("OPENROUTER_API_KEY", "sk-demo")
MODEL = "openai/gpt-4o-mini"


def plain(client: OpenRouter) -> None:
    answer = client.chat.send(model=MODEL, messages=[{"role": "user", "content": "Hello"}], http_headers=TAGS)
    print("plain:       ", answer.choices[0].message.content)


def streamed(client: OpenRouter) -> None:
    print("streamed:     ", end="")
    messages = [{"role": "user", "content": "Hello again"}]
    with client.chat.send(model=MODEL, messages=messages, stream=True, http_headers=TAGS) as events:
        for event in events:
            if event.choices:
                print(event.choices[0].delta.content or "", end="", flush=True)
    print()


async def asynchronous(client: OpenRouter) -> None:
    messages = [{"role": "user", "content": "What is new?"}]
    answer = await client.chat.send_async(model=MODEL, messages=messages, http_headers=TAGS)
    print("asynchronous:", answer.choices[0].message.content)


async def main() -> None:
    async with OpenRouter(server_url=BASE_URL, api_key=KEY) as client:
        await asynchronous(client)


if __name__ == "__main__":
    with OpenRouter(server_url=BASE_URL, api_key=KEY) as client:
        plain(client)
        streamed(client)
    asyncio.run(main())
