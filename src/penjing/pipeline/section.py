"""What every section of a recipe is: a frozen pydantic model that knows its keys. Left out: the sections themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Length = Annotated[int, Field(ge=2, description="in tokens; the first and the last token are the model's own")]


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
