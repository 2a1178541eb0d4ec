// OpenRouter's own client for TypeScript through the sidecar: plain, streamed, with a tool. Only the base URL differs.
import { OpenRouter } from "@openrouter/sdk";

// The one line to change; it was https://openrouter.ai/api/v1, the client's default.
const serverURL = process.env.OPENROUTER_BASE_URL ?? "http://127.0.0.1:8080/api/v1";

// Optional: who asks, for what. Without these the sidecar knows tenants by the fingerprints of their API keys.
const headers = { "X-Tenant-Id": "acme", "X-Feature": "chat" };

const client = new OpenRouter({ serverURL, apiKey: process.env.OPENROUTER_API_KEY ?? "sk-demo" });
const model = "openai/gpt-4o-mini";
const ask = (content, more) =>
  client.chat.send({ chatRequest: { model, messages: [{ role: "user", content }], ...more } }, { headers });

const plain = await ask("Hello");
console.log("plain:   ", plain.choices[0].message.content);

process.stdout.write("streamed: ");
for await (const chunk of await ask("Hello again", { stream: true })) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}
console.log();

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", parameters } }];
const asked = await ask("How is the weather in Paris?", { tools });
for (const call of asked.choices[0].message.toolCalls) {
  console.log("tool:    ", call.function.name, JSON.parse(call.function.arguments));
}
