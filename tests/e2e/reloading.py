"""A sidecar whose policy is changed while it serves, in the test's own process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.audit import FileSink
from tests.e2e.callers import a_record, sections
from tests.e2e.conftest import Running, load_policy, running
from tests.e2e.guarded import KEY, MEMORY, merged
from tests.e2e.wire import Serve, a_policy, a_service

Sections = Mapping[str, object]


def loaded_again(text: str, folder: Path) -> Loaded:
    """Load a policy whose audit goes where `running` has it go."""
    loaded = load_policy(text, folder)
    audit = loaded.policy.audit
    if all(not isinstance(sink, FileSink) for sink in audit.sinks):
        sinks = (FileSink(file=str(folder / "audit.jsonl")),)
        audit = audit.model_copy(update={"sinks": sinks})
    return replace(loaded, policy=loaded.policy.model_copy(update={"audit": audit}))


@dataclass(slots=True)
class Changing:
    """A sidecar that knows its callers, and gets other policies.

    Attributes:
        proxy: the sidecar.
        url: URL of the service behind it.
        folder: where the files of its policy are.
    """

    proxy: Running
    url: str
    folder: Path

    @property
    def port(self) -> int:
        """Port of the proxy listener."""
        return self.proxy.port

    async def becomes(self, *above: Sections) -> None:
        """Bring the policy of `callers` with sections laid over it into force."""
        text = policy_of(self.url, self.folder, *above)
        ready = await self.proxy.sidecar.stage_loaded(loaded_again(text, self.folder))
        await ready.commit(-1)


def policy_of(url: str, folder: Path, *above: Sections) -> str:
    """Write the policy of `callers`, sections laid over it."""
    found = sections(folder, MEMORY)
    for one in above:
        found = merged(found, one)
    return a_policy(found.pop("upstream", url), **found)


@asynccontextmanager
async def changing(serve: Serve, folder: Path, *above: Sections) -> AsyncIterator[Changing]:
    """Run a sidecar whose store has one good key, of an owner."""
    async with (
        a_service(serve) as service,
        running(policy_of(service.url, folder, *above), folder) as proxy,
    ):
        assert await proxy.store.add_key(a_record("good", KEY, "owner"))
        yield Changing(proxy, service.url, folder)
