"""What the demo writes into its directory: a configuration, a tenant registry and the candidates' keys."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from shadow.demo.catalogue import FLAKY, THRIFTY
from shadow.demo.model import Model
from shadow.demo.workload import TENANTS
from shadow.fingerprint import fingerprint, read_or_create_secret

THRIFTY_KEY: Final = "sk-demo-thrifty"
FLAKY_KEY: Final = "sk-demo-flaky"
CONSENTS: Final = {"acme": ["thrifty", "flaky"], "globex": ["thrifty", "flaky"], "initech": ["thrifty"]}


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything listens; the last three are base URLs without a path."""

    listen: str
    admin: str
    openrouter: str
    thrifty: str
    flaky: str


def write(directory: Path, places: Places) -> Path:
    """Write all files; the configuration's path. Raises OSError."""
    for name, key in (("thrifty", THRIFTY_KEY), ("flaky", FLAKY_KEY)):
        (directory / f"{name}.key").write_text(key)
    (directory / "tenants.yaml").write_text(_dumped(_registry(read_or_create_secret(directory / "fingerprint.key"))))
    path = directory / "shadow.yaml"
    path.write_text(_dumped(_configuration(places)))
    return path


def _configuration(places: Places) -> dict[str, Any]:
    return {
        "listen": places.listen,
        "admin": {"listen": places.admin},
        "upstream": {"url": places.openrouter},
        "registry": "tenants.yaml",
        "consent_default": "deny",
        "store": {"path": "shadow.db"},
        "drain_s": 5,
        "candidates": [
            {
                "name": "thrifty",
                "url": f"{places.thrifty}/v1",
                "api_key_file": "thrifty.key",
                "dialect": "vllm",
                "models": {
                    "anthropic/*": "large",
                    "openai/gpt-5*": "large",
                    "*": "small",
                },
                "prices": _prices(THRIFTY),
                "sample": {"rate": 1.0},
                "max_concurrency": 64,
                "deadline_s": 20,
            },
            {
                "name": "flaky",
                "url": f"{places.flaky}/v1",
                "api_key_file": "flaky.key",
                "dialect": "openai",
                "models": {"anthropic/*": None, "*": FLAKY[0].name},
                "prices": _prices(FLAKY),
                "sample": {"rate": 0.5, "rules": [{"where": {"feature": "summaries"}, "rate": 1.0}]},
                "max_concurrency": 64,
                "deadline_s": 20,
                "compliant": ["zdr"],
            },
        ],
    }


def _registry(secret: bytes) -> dict[str, Any]:
    return {
        "tenants": {
            tenant.name: {
                "plan": tenant.plan,
                "billing_owner": f"billing@{tenant.name}.example",
                "keys": [fingerprint(tenant.key, secret)],
                "consent": CONSENTS[tenant.name],
            }
            for tenant in TENANTS
        }
    }


def _prices(models: tuple[Model, ...]) -> dict[str, Any]:
    return {model.name: {"input": str(model.input_usd), "output": str(model.output_usd)} for model in models}


def _dumped(tree: dict[str, Any]) -> str:
    return yaml.safe_dump(tree, sort_keys=False)
