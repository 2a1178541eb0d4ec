"""The official OpenAI client through the sidecar: plain, streamed, asynchronous. Only the base URL differs."""

import asyncio
import os

from openai import AsyncOpenAI, OpenAI

# The one line to change; it was https://openrouter.ai/api/v1.
BASE_URL = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/api/v1")

# Optional: who asks, for what. Without these the sidecar knows tenants by the fingerprints of their API keys.
TAGS = {"X-Tenant-Id": "acme", "X-Feature": "chat"}

KEY = os.environ.get("OPENROUTER_API_KEY", "sk-demo")
MODEL = "openai/gpt-4o-mini"


def plain() -> None:
    with OpenAI(base_url=BASE_URL, api_key=KEY, default_headers=TAGS) as client:
        answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
        print("plain:   ", answer.choices[0].message.content)


def streamed() -> None:
    with OpenAI(base_url=BASE_URL, api_key=KEY, default_headers=TAGS) as client:
        print("streamed: ", end="")
        chunks = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hello again"}], stream=True
        )
        for chunk in chunks:
            if chunk.choices:
                print(chunk.choices[0].delta.content or "", end="", flush=True)
        print()


async def asynchronous() -> None:
    async with AsyncOpenAI(base_url=BASE_URL, api_key=KEY, default_headers=TAGS) as client:
        questions = ("What is new?", "What is due?", "What is late?")
        answers = await asyncio.gather(
            *(
                client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": question}])
                for question in questions
            )
        )
        for question, answer in zip(questions, answers, strict=True):
            print(f"{question:10}", answer.choices[0].message.content)


if __name__ == "__main__":
    plain()
    streamed()
    asyncio.run(asynchronous())
