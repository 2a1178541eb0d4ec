"""OpenAI's client through the sidecar: plain, streamed, with tools, asynchronous. Only the base URL differs."""

import asyncio
import json
import os

from openai import AsyncOpenAI, OpenAI

# The one line to change; it was https://openrouter.ai/api/v1.
BASE_URL = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/api/v1")

# Optional: who asks, for what. Without these the sidecar knows tenants by the fingerprints of their API keys.
TAGS = {"X-Tenant-Id": "acme", "X-Feature": "chat"}

KEY = os.environ.get("OPENROUTER_API_KEY", "sk-demo")
MODEL = "openai/gpt-4o-mini"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def plain(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    print("plain:   ", answer.choices[0].message.content)


def streamed(client: OpenAI) -> None:
    print("streamed: ", end="")
    chunks = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hello again"}], stream=True
    )
    for chunk in chunks:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


def with_tools(client: OpenAI) -> None:
    messages = [{"role": "user", "content": "How is the weather in Paris?"}]
    asked = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]).choices[0].message
    messages.append(asked.model_dump(exclude_none=True))
    for call in asked.tool_calls or ():
        print("tool:    ", call.function.name, json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees and dry"})
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    print("then:    ", answer.choices[0].message.content)


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
            print(f"{question:14}", answer.choices[0].message.content)


if __name__ == "__main__":
    with OpenAI(base_url=BASE_URL, api_key=KEY, default_headers=TAGS) as client:
        plain(client)
        streamed(client)
        with_tools(client)
    asyncio.run(asynchronous())
