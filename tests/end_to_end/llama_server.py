"""`python -m tests.end_to_end.llama_server DIRECTORY KEY`: llama.cpp's own server with a model made on the spot.

The model is a llama of one layer and 258 tokens, one for each byte and two marks, in 100 kB. Its layer adds nothing, so
that what follows a token depends on that token alone; letters and spaces are likely, and so is the end of the answer.
What it says is noise, which is all that a test of the wire needs. It listens on a free port and says where.
"""

import signal
import sys
from pathlib import Path

import gguf
import numpy
import xllamacpp

WIDTH, HEADS, CONTEXT = 32, 2, 4096
LIKELY = b"abcdefghijklmnopqrstuvwxyz "
TEMPLATE = """{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def tokens() -> list[str]:
    """Every byte by the letter that stands for it in GPT-2's vocabulary, then the marks of a turn."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in plain else next(spare)) for byte in range(256)] + ["<|im_start|>", "<|im_end|>"]


def write_model(path: Path) -> None:
    vocabulary = tokens()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * 2)
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(257)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in weights(len(vocabulary)).items():
        writer.add_tensor(f"{name}.weight", tensor.astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def weights(count: int) -> dict[str, numpy.ndarray]:
    """Random but for the first number of each token's vector: the same for all, so that it weighs what comes out."""
    random = numpy.random.default_rng(1)
    embedding, output = random.standard_normal((2, count, WIDTH))
    embedding[:, 0] = 8
    output[:, 0] = -20
    output[list(LIKELY), 0] = 2
    output[257, 0] = 1.5
    square = numpy.zeros((WIDTH, WIDTH))
    layer = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    norms = ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")
    return {
        "token_embd": embedding,
        "output": output,
        **dict.fromkeys((f"blk.0.{name}" for name in layer), square),
        **dict.fromkeys(norms, numpy.ones(WIDTH)),
    }


def main(directory: Path, key: str) -> None:
    model = directory / "tiny.gguf"
    write_model(model)
    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    settings.model_alias = {"tiny"}
    settings.api_keys = [key]
    settings.port = 0
    settings.n_ctx = CONTEXT
    settings.n_parallel = 2
    settings.n_threads_http = 2
    settings.cpuparams.n_threads = 1
    settings.warmup = False
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)  # noqa: T201 (it is how a child says where it is)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before the server's threads begin
    main(Path(sys.argv[1]), sys.argv[2])
