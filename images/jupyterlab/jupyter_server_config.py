"""JupyterLab's settings in the demonstration image."""

import os
from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - given by Jupyter's loader

c.ServerApp.ip = "0.0.0.0"  # noqa: S104 - inside a container, whose network the platform guards
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.root_dir = os.environ["HOME"]
c.LabApp.extension_manager = "readonly"

# Without a credential file Jupyter makes a token of its own and writes it into the log.
if credential := os.environ.get("SPECOLA_CREDENTIAL_FILE"):
    c.IdentityProvider.token = Path(credential).read_text(encoding="utf-8").strip()
