"""What every section of a recipe is: a frozen pydantic model that knows its keys. Left out: the sections themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Length = Annotated[int, Field(ge=2, description="in tokens; the first and the last token are the model's own")]


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    def without_unset(self, *later: str, exclude: Iterable[str] = ()) -> dict[str, Any]:
        """Plain values for the name of a stage: without `exclude`, and without those of the `later` keys that are not
        set, so that what was kept before there were these keys stays found."""
        unset = {name for name in later if getattr(self, name) is None}
        return self.model_dump(exclude={*unset, *exclude})
