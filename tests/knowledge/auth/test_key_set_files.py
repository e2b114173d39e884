"""Key sets that a policy holds itself are read; others are left to whoever asks."""

import json

from sidecar.knowledge.auth.key_set_files import key_sets_of
from sidecar.policy.load import load
from sidecar.policy.schema.files import NamedFile
from tests.knowledge.auth.minting import SECRET, public_jwk

POLICY = """
version: 1
upstream: http://127.0.0.1:3000
state: memory
authentication:
  jwt:
    - {issuer: "https://file.example", audiences: [a], jwks: "file:keys.json", algorithms: [RS256]}
    - {issuer: "https://shared.example", audiences: [a], secret: "file:shared", algorithms: [HS256]}
    - issuer: https://web.example
      audiences: [a]
      jwks: https://web.example/keys
      algorithms: [RS256]
tenants: {acme: {}}
routes: [{path: /**, public: true}]
"""


def test_files_and_secrets_are_read_and_nobody_is_asked() -> None:
    files = {
        "policy.yaml": POLICY.encode(),
        "keys.json": json.dumps({"keys": [public_jwk("RSA", kid="r1")]}).encode(),
        "shared": SECRET,
    }
    issuers = load("policy.yaml", files.__getitem__, {}).policy.authentication.jwt
    # A file may have been replaced by another since the policy was checked.
    bad = issuers[0].model_copy(
        update={"issuer": "https://bad.example", "jwks": NamedFile("keys.json", b"{}")}
    )
    found = key_sets_of([*issuers, bad], 5.0)
    assert sorted(found) == ["https://file.example", "https://shared.example"]
    assert found["https://file.example"].keys[0].key_id == "r1"
    assert found["https://shared.example"].fetched_at == 5.0
