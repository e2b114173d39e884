from sidecar.policy.schema.files import NamedFile
from sidecar.policy.schema.jwt import Issuer
from sidecar.policy.written import Sources


def test_a_key_set_may_be_given_as_text_without_a_file() -> None:
    document = {"issuer": "a", "audiences": ["x"], "algorithms": ["RS256"], "jwks": "file:k.json"}
    sources = Sources(lambda name: name.encode(), {})
    issuer = Issuer.model_validate(document, context=sources)
    assert issuer.jwks == NamedFile("k.json", b"k.json")
