"""LangChain through the sidecar: plain, streamed, with a tool. Only the base URL differs."""

import os

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

# The one line to change; it was https://openrouter.ai/api/v1.
BASE_URL = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/api/v1")

# Optional: who asks, for what. Without these the sidecar knows tenants by the fingerprints of their API keys.
TAGS = {"X-Tenant-Id": "acme", "X-Feature": "chat"}

KEY = os.environ.get("OPENROUTER_API_KEY", "sk-demo")


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees and dry in {city}"


if __name__ == "__main__":
    model = ChatOpenAI(model="openai/gpt-4o-mini", base_url=BASE_URL, api_key=KEY, default_headers=TAGS)
    print("plain:   ", model.invoke("Hello").content)
    print("streamed: ", end="")
    for chunk in model.stream("Hello again"):
        print(chunk.content, end="", flush=True)
    print()
    for call in model.bind_tools([weather]).invoke("How is the weather in Paris?").tool_calls:
        print("tool:    ", weather.invoke(call["args"]))
