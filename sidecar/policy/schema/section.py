"""What all sections of the policy have in common."""

from typing import Self

from sidecar.policy.schema.words import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the policy: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    def over(self, general: Self) -> Self:
        """Lay the keys that were written here over those of a more general section."""
        written = {name: getattr(self, name) for name in self.model_fields_set}
        return general.model_copy(update=written)
