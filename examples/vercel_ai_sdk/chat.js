// The Vercel AI SDK with OpenRouter's provider through the sidecar: plain, streamed, with a tool. Only the base URL differs.
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

// The one line to change; it was https://openrouter.ai/api/v1, the provider's default.
const baseURL = process.env.OPENROUTER_BASE_URL ?? "http://127.0.0.1:8080/api/v1";

// Optional: who asks, for what. Without these the sidecar knows tenants by the fingerprints of their API keys.
const headers = { "X-Tenant-Id": "acme", "X-Feature": "chat" };

const openrouter = createOpenRouter({ baseURL, headers, apiKey: process.env.OPENROUTER_API_KEY ?? "sk-demo" });
const model = openrouter("openai/gpt-4o-mini");

const plain = await generateText({ model, prompt: "Hello" });
console.log("plain:   ", plain.text);

process.stdout.write("streamed: ");
for await (const text of streamText({ model, prompt: "Hello again" }).textStream) process.stdout.write(text);
console.log();

const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    console.log("tool:     weather", city);
    return "21 degrees and dry";
  },
});
const prompt = "How is the weather in Paris?";
const answer = await generateText({ model, prompt, tools: { weather }, stopWhen: stepCountIs(3) });
console.log("then:    ", answer.text);
