// The official OpenAI client through the sidecar: plain, streamed, with a tool. Only the base URL differs.
import OpenAI from "openai";

// The one line to change; it was https://openrouter.ai/api/v1.
const baseURL = process.env.OPENAI_BASE_URL ?? "http://127.0.0.1:8080/api/v1";

// Optional: who asks, for what. Without these the sidecar knows tenants by the fingerprints of their API keys.
const defaultHeaders = { "X-Tenant-Id": "acme", "X-Feature": "chat" };

const client = new OpenAI({ baseURL, defaultHeaders, apiKey: process.env.OPENROUTER_API_KEY ?? "sk-demo" });
const model = "openai/gpt-4o-mini";

const plain = await client.chat.completions.create({ model, messages: [{ role: "user", content: "Hello" }] });
console.log("plain:   ", plain.choices[0].message.content);

const stream = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: "Hello again" }],
  stream: true,
});
process.stdout.write("streamed: ");
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
console.log();

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const asked = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: "How is the weather in Paris?" }],
  tools: [{ type: "function", function: { name: "weather", parameters } }],
});
for (const call of asked.choices[0].message.tool_calls) {
  console.log("tool:    ", call.function.name, JSON.parse(call.function.arguments));
}
