#!/bin/sh
# curl through the sidecar: plain, streamed, with a tool. Only the base URL differs.
set -eu

# The one line to change; it was https://openrouter.ai/api/v1.
BASE_URL=${OPENROUTER_BASE_URL:-http://127.0.0.1:8080/api/v1}

# The last two headers are optional: who asks, for what. Without them the sidecar knows tenants by the fingerprints of
# their API keys.
ask() {
    curl --silent --show-error --fail-with-body --no-buffer "$BASE_URL/chat/completions" \
        -H "Authorization: Bearer ${OPENROUTER_API_KEY:-sk-demo}" -H 'Content-Type: application/json' \
        -H 'X-Tenant-Id: acme' -H 'X-Feature: chat' -d "$1"
    echo
}

ask '{"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'
ask '{"model": "openai/gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "Hello again"}]}'
ask '{"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "How is the weather in Paris?"}],
      "tools": [{"type": "function", "function": {"name": "weather",
                 "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]}'
