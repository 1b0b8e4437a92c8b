"""An S3 server on loopback, by moto."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BUCKET = "adapters"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def s3_server() -> Iterator[str]:
    """Yield the URL of a server with an empty bucket; clients find it by the environment."""
    from moto.server import ThreadedMotoServer

    server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def environment(url: str) -> dict[str, str]:
    """Return the variables by which clients find the server."""
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": url}
