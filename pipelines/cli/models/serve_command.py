"""The command that serves a model on this machine."""

import asyncio
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from graft.components.common.artifacts.servable import open_servable
from graft.components.common.artifacts.signing.keys import verifying
from graft.pipelines.local.named_model import find_model

_SHORT = 12  # digits of a version


def serve(
    model: str,
    /,
    *,
    store: str = "",
    verify_key: str = "",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8501,
) -> None:
    """Serves a model over HTTP to this machine, with a page to drop photographs on, until Ctrl-C.

    Args:
        model: Path or URI of an Export; with a store a name in its registry, as pets (the latest version) or pets@3f9a.
        store: Path or URI of the store whose registry has the model.
        verify_key: File of the public keys, one of which must have signed the version; if not given: what GRAFT_VERIFY_KEY names.
        port: The port to listen at; 0 for any that is free.
    """
    from graft.components.common.serving.listening import HOST
    from graft.components.common.serving.server import serve as run_server

    with verifying(verify_key), open_servable(find_model(model, store)) as servable:
        name = model.partition("@")[0] if store else servable.name

        def tell(address: str) -> None:
            print(f"Serving {name}, version {servable.version[:_SHORT]}, at {address} (Ctrl-C ends it)", flush=True)

        asyncio.run(run_server(servable.folder, name, HOST, port, tell, servable.classes))
