"""Local servers that behave as vector services do on the wire, by the name of the service."""

from tests.servers.loopback import Loopback

VectorService = Loopback

SERVICES: dict[str, type[VectorService]] = {}
