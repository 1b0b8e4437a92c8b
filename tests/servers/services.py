"""The local servers of vector services, by the name of the service."""

from tests.servers.azure_search import AzureSearchServer
from tests.servers.elastic import ElasticServer, OpenSearchServer
from tests.servers.pinecone import PineconeServer
from tests.servers.vector_services import VectorService

SERVICES: dict[str, type[VectorService]] = {
    "azure": AzureSearchServer,
    "elasticsearch": ElasticServer,
    "opensearch": OpenSearchServer,
    "pinecone": PineconeServer,
}
