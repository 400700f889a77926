"""Whether Weights & Biases may be used and can be reached: credentials, wishes, and a call that waits for nobody."""

from __future__ import annotations

import configparser
import http.client
import netrc
import os
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
#: Where keys of W&B's own server are kept since before it moved; the client still looks there.
_FIRST_HOST = "api.wandb.ai"


def logged_in() -> bool:
    """Whether this user has credentials for the W&B server (environment or netrc); asks nobody."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(server()).netloc
    hosts = {host, _FIRST_HOST} if server() == _default_server() else {host}
    named = os.environ.get("NETRC")
    for path in [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]:
        try:
            if path.is_file() and any(netrc.netrc(str(path)).authenticators(name) for name in hosts):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def server() -> str:
    """The address of the W&B server, from the environment, the client's settings, or its own default."""
    return os.environ.get("WANDB_BASE_URL") or _setting("base_url") or _default_server()


def automatic() -> str:
    """``online``, ``offline`` or ``disabled``: what the user has told the client, else online where logged in."""
    wish = (os.environ.get("WANDB_MODE") or _setting("mode")).lower()
    if wish in ("disabled", "dryrun", "offline", "online"):
        return "offline" if wish == "dryrun" else wish
    return "online" if logged_in() else "offline"


def unreachable(timeout: float = 5.0) -> str:
    """Why the server cannot be used, or "" where nothing speaks against trying; takes ``timeout`` seconds at most.

    W&B itself would try for as long as its own time limit, and again. Where the way leads through a proxy or a
    certificate is in doubt, only the client's own attempt can tell, and the answer is "".
    """
    if any(os.environ.get(name) for name in PROXIES):
        return ""
    found: list[str] = []
    # In a thread, because looking up a name knows no time limit.
    thread = threading.Thread(target=lambda: found.append(_ask(timeout)), daemon=True)
    thread.start()
    thread.join(timeout)
    return found[0] if found else f"the server does not answer (within {timeout:g} s)"


def _ask(timeout: float) -> str:
    address = urlsplit(server())
    kind = http.client.HTTPConnection if address.scheme == "http" else http.client.HTTPSConnection
    connection = kind(address.hostname or "", address.port, timeout=timeout)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except ssl.SSLError:
        return ""
    except TimeoutError:
        return f"the server does not answer (within {timeout:g} s)"
    except (OSError, http.client.HTTPException) as error:
        return f"the server cannot be reached ({getattr(error, 'strerror', None) or error})"
    finally:
        connection.close()
    return f"the server answers with error {status}" if status >= 500 else ""


def _default_server() -> str:
    """The server of W&B's own, by what the installed client says: it has moved once."""
    try:
        import wandb

        return str(wandb.Settings.model_fields["base_url"].default)
    except (ImportError, AttributeError, KeyError):
        return f"https://{_FIRST_HOST}"


def _setting(name: str) -> str:
    """What ``wandb login``, ``wandb offline`` and the like have put into the client's settings files, or ""."""
    folder = Path(os.environ.get("WANDB_CONFIG_DIR") or Path.home() / ".config" / "wandb")
    parser = configparser.ConfigParser(default_section="", interpolation=None)
    try:
        parser.read([folder / "settings", Path("wandb") / "settings"])
    except (configparser.Error, OSError, UnicodeDecodeError):
        return ""
    return parser.get("default", name, fallback="")
