"""The local servers of vector services, by the name of the service."""

from tests.servers.azure_search import AzureSearchServer
from tests.servers.elastic import ElasticServer, OpenSearchServer
from tests.servers.mongodb import MongoDBServer
from tests.servers.pinecone import PineconeServer
from tests.servers.redis import RedisServer
from tests.servers.sockets import Service
from tests.servers.weaviate import WeaviateServer

SERVICES: dict[str, type[Service]] = {
    "azure": AzureSearchServer,
    "elasticsearch": ElasticServer,
    "mongodb": MongoDBServer,
    "opensearch": OpenSearchServer,
    "pinecone": PineconeServer,
    "redis": RedisServer,
    "weaviate": WeaviateServer,
}
